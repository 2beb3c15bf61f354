"""Those who read reports learn, quietly and once a day at most, that some wait."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.settings import Settings
from bot.ticker import Job
from storage.store import Store

OFFICE_HOURS = range(9, 17)
FRIDAY = 4
ONCE = timedelta(hours=20)


def jobs(settings: Settings) -> list[Job]:
    return [
        Job("reports wait", lambda store, now: tell_waiting(store, now, settings.zone), every=900)
    ]


def tell_waiting(store: Store, now: datetime, zone: ZoneInfo) -> None:
    """On a working day, in office hours, tell the readers how many reports wait, if any do."""
    local = now.astimezone(zone)
    if local.weekday() > FRIDAY or local.hour not in OFFICE_HOURS:
        return
    if not store.reports.count_waiting():
        return
    if store.rates.once("reviews.waiting", ONCE, now):  # one process tells
        evening = local.replace(hour=20, minute=0, second=0, microsecond=0)
        store.deliveries.notify(
            "reviews.waiting", {}, store.grants.readers(now), now, expires_at=evening
        )
