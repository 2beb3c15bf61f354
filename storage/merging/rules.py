"""Two people who are one: what referred to either refers to the older one.

Every column that refers to a person has a rule here; a test compares them with the tables. Where
both may have only one of something, one of the two stays.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, RowMapping, delete, select, update
from sqlalchemy.orm import Session

from storage.approvals import Approvals
from storage.base import Base, execute
from storage.counted import CountedMessage
from storage.deliveries import Delivery, DeliveryState, subject
from storage.deliveries.notifying import ON_THEIR_WAY
from storage.groups import Belonging
from storage.handovers import hand_once
from storage.merging.ballots import seats
from storage.merging.model import Merge, moves
from storage.threads import Thread, ThreadMessage

QUIETLY = {"synchronize_session": False}

Rule = Callable[[Merge, "Column[Any]"], None]
Rank = Callable[[RowMapping], Any]


def one_each(other: str, rank: Rank) -> Rule:
    """One row a person and `other`: of two the higher stays, or the kept person's."""

    def rule(merge: Merge, column: "Column[Any]") -> None:
        found: dict[Any, list[RowMapping]] = {}
        wanted = select(column.table).where(column.in_(merge.both)).with_for_update()
        for row in execute(merge.session, wanted).mappings():
            found.setdefault(row[other], []).append(row)
        keys = list(column.table.primary_key.columns)
        for rows in found.values():
            rows.sort(key=lambda row: (rank(row), row[column.name] == merge.kept))
            for row in rows[:-1]:
                its = [key == row[key.name] for key in keys]
                execute(merge.session, delete(column.table).where(*its))
        moves(merge, column)

    return rule


def kept_once(merge: Merge, column: "Column[Any]") -> None:
    """A message that counts for both counts for who stays."""
    its = CountedMessage.message_index
    known = select(its).where(CountedMessage.person_id == merge.kept)
    twice = delete(CountedMessage).where(CountedMessage.person_id == merge.gone, its.in_(known))
    merge.session.execute(twice, execution_options=QUIETLY)
    moves(merge, column)


def holds_once(*same: str) -> Rule:
    """A role or mandate that is held twice is held once, since the first time."""

    def rule(merge: Merge, column: "Column[Any]") -> None:
        table = column.table
        wanted = select(table).where(column.in_(merge.both)).order_by(table.c.starts_at, table.c.id)
        known = set()
        for row in execute(merge.session, wanted).mappings():
            ends = row["ends_at"]
            if ends is not None and ends <= merge.now:
                continue
            what = tuple(row[name] for name in same)
            if what in known:
                ending = update(table).where(table.c.id == row["id"])
                execute(merge.session, ending.values(ends_at=merge.now))
            else:
                known.add(what)
        moves(merge, column)

    return rule


def said_once(merge: Merge, column: "Column[Any]") -> None:
    """What both were to be told is told once; what both were told stays in both chats."""
    done = (DeliveryState.sent, DeliveryState.on_page)
    told: dict[int | None, list[tuple[bool, bool, bool, int]]] = {}
    wanted = select(Delivery.notice_id, Delivery.state, Delivery.person_id, Delivery.id)
    mine = Delivery.person_id.in_(merge.both) & Delivery.notice_id.is_not(None)
    for notice, state, person, number in merge.session.execute(wanted.where(mine)):
        row = (state in done, state is DeliveryState.sending, person == merge.kept, number)
        told.setdefault(notice, []).append(row)
    spare = [min(rows)[3] for rows in told.values() if len(rows) > 1]
    for start in range(0, len(spare), 500):
        those = Delivery.id.in_(spare[start : start + 500])
        waits = update(Delivery).where(those, Delivery.state.in_(ON_THEIR_WAY))
        late = {"state": DeliveryState.expired, "done_at": merge.now}
        merge.session.execute(waits.values(late), execution_options=QUIETLY)
        nobody = update(Delivery).where(those).values(person_id=None)
        merge.session.execute(nobody, execution_options=QUIETLY)
    moves(merge, column)


def one_thread(merge: Merge, column: "Column[Any]") -> None:
    """One open thread: the messages of the newer go into the older, to be read once more."""
    wanted = (
        select(Thread)
        .where(Thread.person_id.in_(merge.both), Thread.closed_at.is_(None))
        .order_by(Thread.id)
        .with_for_update()
    )
    found = list(merge.session.scalars(wanted.execution_options(populate_existing=True)))
    if len(found) > 1:
        first, other = found
        waits = [one.waits_since for one in (first, other) if one.waits_since is not None]
        first.waits_since, first.read_to = min(waits, default=None), None
        other.waits_since, other.closed_at = None, merge.now
        other.claimed_by = other.claimed_at = other.read_to = None
        theirs = update(ThreadMessage).where(ThreadMessage.thread_id == other.id)
        merge.session.flush()
        merge.session.execute(theirs.values(thread_id=first.id), execution_options=QUIETLY)
    moves(merge, column)


def handed_once(merge: Merge, column: "Column[Any]") -> None:
    """A delegate hands each ballot to one person at a time, and none to themselves."""
    moves(merge, column)
    merge.session.expire_all()
    hand_once(merge.session, merge.kept, merge.now)


def asked_anew(merge: Merge, column: "Column[Any]") -> None:
    """What waits for a second person waits no more: the one who asked may be that person now."""
    approvals = Approvals(merge.session)
    for one in merge.both:
        approvals.void_of(one)
    moves(merge, column)


def named(merge: Merge, column: "Column[Any]") -> None:
    """What names who goes is known to name who stays."""
    before, after = (subject("person", one) for one in (merge.gone, merge.kept))
    renaming = update(column.table).where(column == before).values({column.name: after})
    execute(merge.session, renaming)


def keeps(merge: Merge, column: "Column[Any]") -> None:
    """It says what was so at the time, by an id that stays known."""


# What becomes of each column, in this order.
RULES: dict[str, Rule] = {
    "approvals.asked_by": asked_anew,
    "accounts.person_id": moves,
    "ballots.cast_by": moves,
    "broadcasts.composed_by": moves,
    "broadcasts.confirmed_by": moves,
    "counted_messages.person_id": kept_once,
    "data_exports.person_id": moves,
    "data_requests.closed_by": moves,
    "data_requests.person_id": moves,
    "deliveries.person_id": said_once,
    "drafts.person_id": one_each("form", lambda row: row["updated_at"]),
    "electors.person_id": seats,
    "files.person_id": moves,
    "grants.granted_by": moves,
    "grants.person_id": holds_once("role", "scope"),
    "handovers.delegate_id": handed_once,
    "handovers.substitute_id": handed_once,
    "invitations.agreed_by": moves,
    "invitations.created_by": moves,
    "mandates.person_id": holds_once("organisation_id", "kind"),
    "meeting_answers.person_id": one_each(
        "meeting_id", lambda row: (row["said_at"] is not None, row["said_at"])
    ),
    "meetings.called_by": moves,
    "memberships.person_id": one_each("group_id", lambda row: row["state"] is Belonging.member),
    "mutes.person_id": one_each("kind", lambda row: row["since"]),
    "people.merged_into": moves,
    "polls.created_by": moves,
    "reports.author_id": moves,
    "reports.claimed_by": moves,
    "text_versions.created_by": moves,
    "thread_messages.answered_by": moves,
    "threads.claimed_by": moves,
    "threads.person_id": one_thread,
    "working_groups.created_by": moves,
    # What names a person without referring to their row.
    "audit_entries.actor_id": keeps,
    "deliveries.subject": named,
}


def column_of(name: str) -> "Column[Any]":
    table, _, column = name.partition(".")
    return Base.metadata.tables[table].c[column]


def merge(one: Merge) -> None:
    """Have all that refers to who goes refer to who stays, whose row alone says anything."""
    one.session.flush()
    for name, rule in RULES.items():
        rule(one, column_of(name))
    one.session.flush()
    one.session.expire_all()


def strays(session: Session) -> list[tuple[int, int]]:
    """Who became another, and is still referred to: what others wrote at the same moment."""
    people, found = Base.metadata.tables["people"], set()
    for name, rule in RULES.items():
        column = column_of(name)
        if rule in (keeps, named) or column.table is people:
            continue
        wanted = (
            select(people.c.id, people.c.merged_into)
            .join(column.table, column == people.c.id)
            .where(people.c.merged_into.is_not(None))
            .distinct()
        )
        found |= {(gone, kept) for gone, kept in execute(session, wanted)}
    return sorted(found)
