"""The secretariat learns, once a day at most, that somebody has waited long for an answer."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.settings import Settings
from bot.ticker import Job
from scheduled.reviews import FRIDAY, OFFICE_HOURS, ONCE
from storage.store import Store
from storage.threads import LAPSE


def jobs(settings: Settings) -> list[Job]:
    return [Job("threads wait", lambda store, now: tell_late(store, now, settings.zone), every=900)]


def tell_late(store: Store, now: datetime, zone: ZoneInfo) -> None:
    """On a working day, in office hours, tell the secretariat what has waited for a day."""
    local = now.astimezone(zone)
    if local.weekday() > FRIDAY or local.hour not in OFFICE_HOURS:
        return
    if not store.threads.count_waiting(now - LAPSE):
        return
    if store.rates.once("threads.late", ONCE, now):  # one process tells
        evening = local.replace(hour=20, minute=0, second=0, microsecond=0)
        secretaries = store.grants.secretaries(now)
        store.deliveries.notify("threads.late", {}, secretaries, now, expires_at=evening)
