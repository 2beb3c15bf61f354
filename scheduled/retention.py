"""What is no longer needed goes."""

from datetime import datetime, timedelta
from typing import Any

from bot.settings import Settings
from bot.ticker import Job
from storage.store import Store

REDELIVERED = timedelta(days=7)  # longer than any platform redelivers
ORPHANS = timedelta(days=1)
DRAFTS = timedelta(days=30)
THROTTLES = timedelta(days=1)


def jobs(settings: Settings) -> list[Job]:
    return [Job("sweep", sweep, every=3600)]


def sweep(store: Store, now: datetime) -> None:
    """Drop old update ids, throttles, sessions and drafts, and files that nothing holds."""
    store.conversations.forget_updates(now - REDELIVERED)
    store.conversations.forget_drafts(now - DRAFTS)
    store.sessions.forget_throttles(now - THROTTLES)
    store.sessions.end_idle(now)
    orphans = store.files.orphans(now - ORPHANS)
    held = {
        photo
        for person in {file.person_id for file in orphans}
        for draft in store.conversations.drafts_of(person or 0)
        for photo in _photos(draft.state)
    }
    store.files.drop([file.id for file in orphans if file.id not in held])


def _photos(state: dict[str, Any]) -> list[int]:
    """The photos that a draft holds, given whole or in part."""
    given = state["answers"].get("photos") or []
    partial = state["partial"] if state["step"] == "photos" else None
    return [*given, *(partial or [])]
