"""How long each kind of data is kept: one list, which the sweep does and the documents announce.

The words of a rule stand in `locales/<language>/retention.jinja`: `<name>_what`, `<name>_since` and
`<name>_why`.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from storage.linking import SERVES
from storage.removed import counted
from storage.sessions import ANSWERED, IDLE
from storage.store import Store

DAY, MONTH, YEAR = timedelta(days=1), timedelta(days=30), timedelta(days=365)


@dataclass(frozen=True)
class Rule:
    """One kind of data, and its period.

    Attributes:
        name: in the log, in the audit log, and in the names of its words.
        after: how long it is kept, from the moment that its words say.
        forget: called with the store, the moment before which data is too old, and now.
        passing: it is the machine's own, or gone within days: no act worth noting.
    """

    name: str
    after: timedelta
    forget: Callable[[Store, datetime, datetime], object]
    passing: bool = False

    @property
    def told(self) -> bool:
        """Whether the notice announces it."""
        return not self.passing


def swept(store: Store, now: datetime) -> dict[str, Counter[str]]:
    """Drop all that has outlived its period; how many rows went or were emptied, by rule."""
    done: dict[str, Counter[str]] = {}
    for rule in RULES:
        with counted(store.session) as rows:
            rule.forget(store, now - rule.after, now)
        if rows:
            done[rule.name] = rows
    return done


class _Undone(Exception):
    """What was done is rolled back."""


def would_go(store: Store, now: datetime) -> dict[str, Counter[str]]:
    """What a sweep would drop by now, as `swept` says it; all stays."""
    found: dict[str, Counter[str]] = {}

    def sweep_and_undo() -> NoReturn:
        found.update(swept(store, now))
        raise _Undone

    with suppress(_Undone), store.savepoint():
        sweep_and_undo()
    store.erased = False
    return found


def _forget_orphans(store: Store, before: datetime, _now: datetime) -> None:
    """Drop the files that neither a report, nor a draft, nor a broadcast, nor a copy holds."""
    orphans = store.files.orphans(before)
    held = {
        photo
        for person in {file.person_id for file in orphans}
        for draft in store.conversations.drafts_of(person or 0)
        for photo in _photos(draft.state)
    }
    held |= store.broadcasts.files_among([file.id for file in orphans])
    held |= store.exports.files_among([file.id for file in orphans])
    store.files.drop([file.id for file in orphans if file.id not in held])


def _photos(state: dict[str, Any]) -> list[int]:
    """The photos that a draft holds, given whole or in part."""
    given = state["answers"].get("photos") or []
    partial = state["partial"] if state["step"] == "photos" else None
    return [*given, *(partial or [])]


def _forget_passers_by(store: Store, before: datetime, now: datetime) -> None:
    """Forget who only looked, and told nothing. Members stay."""
    told = [store.reports.authors(), store.polls.people(), store.groups.everybody()]
    asked = [store.threads.writers(), store.data_requests.askers()]
    members = [store.organisations.members(now), store.grants.members(now)]
    for person in store.people.silent(before, [*members, *told, *asked]):
        store.erase(person, now)


def _forget_contacts(store: Store, before: datetime, now: datetime) -> None:
    """Forget how to reach who told something, and came back no more. Members stay."""
    members = [store.organisations.members(now), store.grants.members(now)]
    for person in store.people.silent(before, members):
        store.forget_contact(person, now)


# A redelivered update that is forgotten would be taken twice: longer than any platform redelivers.
RULES: tuple[Rule, ...] = (
    Rule(
        "updates",
        7 * DAY,
        lambda store, before, _: store.conversations.forget_updates(before),
        True,
    ),
    Rule("inbox", 7 * DAY, lambda store, before, _: store.inbox.forget_old(before), True),
    Rule("drafts", MONTH, lambda store, before, _: store.conversations.forget_drafts(before)),
    Rule("kept", MONTH, lambda store, before, _: store.conversations.forget_said(before)),
    Rule("counted", MONTH, lambda store, before, _: store.counted.forget(before), True),
    Rule("composed", MONTH, lambda store, before, now: store.forget_composed(before, now)),
    Rule("conversations", IDLE, lambda store, before, _: store.deliveries.forget_old(before)),
    Rule("rooms", timedelta(0), lambda store, _before, _now: store.rooms.forget_lost(), True),
    Rule("withdrawn", MONTH, lambda store, before, _: store.reports.forget_withdrawn(before)),
    Rule("voters", 2 * MONTH, lambda store, before, _: store.polls.forget_voters(before)),
    Rule("meetings", YEAR, lambda store, before, _: store.meetings.forget_old(before)),
    Rule("threads", YEAR, lambda store, before, _: store.threads.forget_old(before)),
    Rule("groups", YEAR, lambda store, before, _: store.groups.forget_closed(before)),
    Rule("broadcasts", 3 * YEAR, lambda store, before, _: store.broadcasts.forget_old(before)),
    Rule("handovers", YEAR, lambda store, before, _: store.handovers.forget_old(before)),
    Rule("requests", YEAR, lambda store, before, _: store.data_requests.forget_closed(before)),
    Rule("exports", 7 * DAY, lambda store, before, _: store.exports.forget_old(before)),
    Rule("invitations", MONTH, lambda store, before, _: store.invitations.forget(before)),
    Rule("approvals", MONTH, lambda store, before, _: store.approvals.forget(before)),
    Rule("erasures", YEAR, lambda store, before, _: store.erasures.forget(before)),
    Rule("details", YEAR, lambda store, before, _: store.audit.forget_details(before)),
    Rule("throttles", DAY, lambda store, before, _: store.rates.forget(before), True),
    Rule("answered", ANSWERED, lambda store, _, now: store.sessions.forget_redemptions(now), True),
    Rule("linkings", SERVES, lambda store, _, now: store.linking.forget(now), True),
    Rule("sessions", IDLE, lambda store, _, now: store.sessions.end_idle(now), True),
    Rule("orphans", DAY, _forget_orphans),
    Rule("passers_by", MONTH, _forget_passers_by),
    Rule("contacts", YEAR, _forget_contacts),
)
