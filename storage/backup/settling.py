"""What a restored database must not do again, and what must be done again in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Table, delete, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from storage.broadcasts import Broadcast, BroadcastState
from storage.deliveries.model import Delivery, DeliveryState, Failure, Kind, Operation
from storage.erasures import ErasureKind, Listed
from storage.invitations import Invitation
from storage.linking import Linking
from storage.people import Person
from storage.reports import Report, ReportState
from storage.sessions import Redemption, WebSession
from storage.store import Store

AT_ONCE = 1000  # people, or reports, in memory

_deliveries = cast(Table, Delivery.__table__)
_on_their_way = _deliveries.c.state.in_((DeliveryState.waiting, DeliveryState.sending))
_UNDER_WAY = (BroadcastState.leaving, BroadcastState.paused)


@dataclass(frozen=True)
class Replayed:
    """How much was erased again."""

    people: int
    reports: int


def settle(store: Store, made_at: datetime, now: datetime) -> None:
    """End what went on after a backup was made, as nobody knows how.

    A session may have been ended, a code used, a message sent.
    """
    for model in (Linking, WebSession, Redemption):
        store.session.execute(delete(model))
    granting = Invitation.role.is_not(None)
    store.session.execute(update(Invitation).where(granting).values(uses_left=0))
    store.approvals.void_all()
    _end_deliveries(store, made_at, now)
    _end_broadcasts(store, now)


def _end_deliveries(store: Store, made_at: datetime, now: datetime) -> None:
    """Say again nothing that was said; what is to be changed or deleted in chats still is."""
    says = _on_their_way & (_deliveries.c.operation == Operation.send)
    is_broadcast = _deliveries.c.kind == Kind.broadcast
    was_due = or_(
        _deliveries.c.kind == Kind.reply,
        _deliveries.c.due_at <= made_at,
        _deliveries.c.attempts > 0,
    )
    ended = {"done_at": now, "calling": False}
    doubtful = {"state": DeliveryState.failed, "failure": Failure.in_doubt}
    of_broadcasts = update(_deliveries).where(says, is_broadcast)
    store.session.execute(of_broadcasts.values(**doubtful, **ended))
    others = update(_deliveries).where(says, ~is_broadcast, was_due)
    store.session.execute(others.values(state=DeliveryState.expired, **ended))


def _end_broadcasts(store: Store, now: datetime) -> None:
    """None leaves, and to nobody more: those that were under way say how far they are known."""
    confirmed = update(Broadcast).where(Broadcast.state == BroadcastState.confirmed)
    store.session.execute(confirmed.values(state=BroadcastState.cancelled, ended_at=now))
    leaving = update(Broadcast).where(Broadcast.state.in_(_UNDER_WAY))
    store.session.execute(leaving.values(spread_to=None))


def replay(store: Store, listed: Listed, made_at: datetime, now: datetime) -> Replayed:
    """Erase and take back again what was after a backup was made; note what is listed of it."""
    people = reports = 0
    mark = store.erasures.mark
    for person_id, since in _each(store, Person.id, Person.created_at, Person.erased_at.is_(None)):
        writings = mark(ErasureKind.writings, person_id, since)
        if mark(ErasureKind.person, person_id, since) in listed:
            store.erase(person_id, now)
            people += 1
        elif writings in listed and listed[writings].at > made_at:
            reports += _standing(store, person_id)
            store.forget_writings(person_id, now)
    stands = Report.state != ReportState.withdrawn
    for report_id, since in _each(store, Report.id, Report.submitted_at, stands):
        publication = listed.get(mark(ErasureKind.publication, report_id, since))
        if mark(ErasureKind.report, report_id, since) in listed:
            store.withdraw_report(_report(store, report_id), now)
            reports += 1
        elif publication is not None and publication.at > made_at:
            store.unpublish_report(_report(store, report_id), now)
            reports += 1
    store.session.flush()
    store.erasures.compare(listed)
    return Replayed(people, reports)


def _report(store: Store, report_id: int) -> Report:
    report = store.reports.get(report_id)
    assert report is not None
    return report


def _standing(store: Store, person_id: int) -> int:
    """How many reports of a person were not taken back."""
    written = store.reports.written_by(person_id)
    return sum(report.state is not ReportState.withdrawn for report in written)


def _each(
    store: Store,
    number: InstrumentedAttribute[int],
    since: InstrumentedAttribute[datetime],
    which: ColumnElement[bool],
) -> Iterator[tuple[int, datetime]]:
    """The rows of a table by their ids, some of them in memory at a time."""
    last = 0
    while True:
        wanted = select(number, since).where(which, number > last).order_by(number).limit(AT_ONCE)
        rows = [(row[0], row[1]) for row in store.session.execute(wanted)]
        yield from rows
        store.session.flush()
        store.session.expunge_all()
        if len(rows) < AT_ONCE:
            return
        last = rows[-1][0]
