"""What is no longer needed goes. The periods are those that the notice announces."""

from datetime import datetime, timedelta
from typing import Any

from bot.settings import Settings
from bot.ticker import Job
from storage.store import Store

REDELIVERED = timedelta(days=7)  # longer than any platform redelivers
ORPHANS = timedelta(days=1)
DRAFTS = timedelta(days=30)
SAID = timedelta(days=90)  # what stands on a page, as long as a session may sleep
PASSERS_BY = timedelta(days=30)  # who looked and told nothing
CONTACTS = timedelta(days=365)  # where somebody who told something is reached
MEETINGS = timedelta(days=365)  # after their end
THREADS = timedelta(days=365)  # after their end, or the last word
GROUPS = timedelta(days=365)  # who belonged to one, after it was closed
BROADCASTS = timedelta(days=3 * 365)  # the account of what was said, after its end
THROTTLES = timedelta(days=1)


def jobs(settings: Settings) -> list[Job]:
    return [Job("sweep", sweep, every=3600)]


def sweep(store: Store, now: datetime) -> None:
    """Drop all that has outlived its period."""
    store.conversations.forget_updates(now - REDELIVERED)
    # Applied later it might be applied twice: nothing tells any more that it was.
    store.inbox.forget_old(now - REDELIVERED)
    store.conversations.forget_drafts(now - DRAFTS)
    store.conversations.forget_said(now - DRAFTS)
    store.counted.forget(now - DRAFTS)
    store.broadcasts.forget_composed(now - DRAFTS)
    store.deliveries.forget_old(now - SAID)
    store.rooms.forget_lost()
    store.meetings.forget_old(now - MEETINGS)
    store.threads.forget_old(now - THREADS)
    store.groups.forget_closed(now - GROUPS)
    store.broadcasts.forget_old(now - BROADCASTS)
    store.sessions.forget_throttles(now - THROTTLES)
    store.sessions.forget_redemptions(now)
    store.sessions.end_idle(now)
    _forget_orphans(store, now)
    _forget_silent(store, now)


def _forget_orphans(store: Store, now: datetime) -> None:
    """Drop the photos that neither a report, nor a draft, nor a broadcast holds."""
    orphans = store.files.orphans(now - ORPHANS)
    held = {
        photo
        for person in {file.person_id for file in orphans}
        for draft in store.conversations.drafts_of(person or 0)
        for photo in _photos(draft.state)
    }
    held |= store.broadcasts.files_among([file.id for file in orphans])
    store.files.drop([file.id for file in orphans if file.id not in held])


def _photos(state: dict[str, Any]) -> list[int]:
    """The photos that a draft holds, given whole or in part."""
    given = state["answers"].get("photos") or []
    partial = state["partial"] if state["step"] == "photos" else None
    return [*given, *(partial or [])]


def _forget_silent(store: Store, now: datetime) -> None:
    """Forget who only looked, and later how to reach who told something. Members stay."""
    members = [store.organisations.members(now), store.grants.members(now)]
    told = [store.reports.authors(), store.polls.people(), store.groups.everybody()]
    involved = [*members, *told, store.threads.writers()]
    for person in store.people.silent(now - PASSERS_BY, involved):
        store.erase(person, now)
    for person in store.people.silent(now - CONTACTS, members):
        store.forget_contact(person, now)
