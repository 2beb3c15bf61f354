"""What is no longer needed goes, by the rules of `bot.retention`."""

from datetime import datetime

import structlog

from bot.retention import RULES, swept
from bot.settings import Settings
from bot.ticker import Job
from storage.audit import BY_CLOCK
from storage.store import Store

log = structlog.get_logger()

_PASSING = {rule.name for rule in RULES if rule.passing}


def jobs(settings: Settings) -> list[Job]:
    return [Job("sweep", sweep, every=3600)]


def sweep(store: Store, now: datetime) -> None:
    """Drop all that has outlived its period; note it, unless that was the machine's own."""
    done = {name: dict(rows) for name, rows in swept(store, now).items() if name not in _PASSING}
    if done:
        log.info("swept", rules=done)
        store.audit.add("privacy.swept", now, via=BY_CLOCK, details=done)
