"""What is due is claimed in batches, leased to one process, and put back if that one dies.

A person's reply goes before a notice, a notice before a reminder; what is left of a batch goes to
the broadcasts under way: to the urgent ones first, then an equal share to each.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    Table,
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    null,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from storage.base import execute
from storage.broadcasts import URGENT_FIRST, Broadcast, BroadcastState
from storage.deliveries.model import (
    LEASED,
    WAITING,
    WAITING_BROADCAST,
    Claimed,
    Delivery,
    DeliveryState,
    Failure,
    Kind,
    Notice,
)
from storage.types import Instant, Named

LEASE = timedelta(minutes=2)
AT_ONCE = 500  # ids in one statement
IN_ORDER = (Kind.reply, Kind.notice, Kind.reminder)

_rows = cast(Table, Delivery.__table__)
_moment = bindparam("moment", type_=Instant())
_due = (
    select(Delivery.id)
    .where(text(WAITING), Delivery.kind == bindparam("kind"), Delivery.due_at <= _moment)
    .order_by(Delivery.due_at, Delivery.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_due_of_broadcast = (
    select(Delivery.id)
    .where(
        text(WAITING_BROADCAST),
        Delivery.notice_id == bindparam("notice"),
        Delivery.due_at <= _moment,
    )
    .order_by(Delivery.due_at, Delivery.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
# The notices of the broadcasts that are leaving.
LEAVING = select(Broadcast.notice_id).where(
    text("state IN ('confirmed', 'leaving', 'paused')"),
    Broadcast.state == BroadcastState.leaving,
    Broadcast.notice_id.is_not(None),
)
_leaving = LEAVING.add_columns(Broadcast.urgency.is_not(None)).order_by(*URGENT_FIRST)
_lease = (
    update(_rows)
    .where(_rows.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        state=DeliveryState.sending,
        leased_until=bindparam("until", type_=Instant()),
        attempts=_rows.c.attempts + 1,
    )
    .returning(
        _rows.c.id,
        _rows.c.notice_id,
        _rows.c.person_id,
        _rows.c.chat_id,
        _rows.c.thread,
        _rows.c.kind,
        _rows.c.operation,
        _rows.c.body,
        _rows.c.message,
        _rows.c.expires_at,
        _rows.c.attempts,
    )
)
_notices = select(Notice.id, Notice.name, Notice.arguments).where(
    Notice.id.in_(bindparam("ids", expanding=True))
)
_lapsed = (text(LEASED), _rows.c.leased_until <= _moment)
# Of a broadcast, what was being called for is in doubt, and not sent again: it says so.
_in_doubt = and_(_rows.c.kind == Kind.broadcast, _rows.c.calling)
_released = {
    "state": case(
        (_in_doubt, literal(DeliveryState.failed, Named(DeliveryState))),
        else_=literal(DeliveryState.waiting, Named(DeliveryState)),
    ),
    "failure": case((_in_doubt, literal(Failure.in_doubt, Named(Failure))), else_=null()),
    "done_at": case((_in_doubt, _moment), else_=null()),
    "calling": false(),
    # Whoever died was not stopped by this one: a try that nobody saw the end of is none.
    "attempts": case((_rows.c.attempts > 0, _rows.c.attempts - 1), else_=0),
}
_release = update(_rows).where(*_lapsed).values(**_released)
_release_all = update(_rows).where(text(LEASED)).values(**_released)
_due_now = update(_rows).where(text(WAITING), _rows.c.kind == Kind.reply).values(due_at=_moment)
_keep = (
    update(_rows)
    .where(_rows.c.id.in_(bindparam("ids", expanding=True)), text(LEASED))
    .values(leased_until=bindparam("until", type_=Instant()))
)
_any_due = select(
    or_(
        *(
            select(Delivery.id)
            .where(text(WAITING), Delivery.kind == kind, Delivery.due_at <= _moment)
            .exists()
            for kind in IN_ORDER
        ),
        select(Delivery.id)
        .where(text(WAITING_BROADCAST), Delivery.notice_id.in_(LEAVING), Delivery.due_at <= _moment)
        .exists(),
        select(_rows.c.id).where(*_lapsed).exists(),
    )
)
_firsts = union_all(
    *(
        select(func.min(Delivery.due_at).label("due")).where(text(WAITING), Delivery.kind == kind)
        for kind in IN_ORDER
    ),
    select(func.min(Delivery.due_at)).where(
        text(WAITING_BROADCAST), Delivery.notice_id.in_(LEAVING)
    ),
).subquery()
_first = select(func.min(_firsts.c.due))


class Claiming:
    """The part of `Deliveries` that takes what is due. Its statements are built once."""

    session: Session

    def claim(self, now: datetime, at_most: int = 100) -> list[Claimed]:
        """Take due deliveries and lease them to this process."""
        ids = self._due_ids(now, at_most)
        if not ids:
            return []
        rows = {
            row.id: row for row in execute(self.session, _lease, {"ids": ids, "until": now + LEASE})
        }
        wanted = {row.notice_id for row in rows.values() if row.notice_id is not None}
        notices = {
            number: (name, arguments)
            for number, name, arguments in execute(self.session, _notices, {"ids": sorted(wanted)})
        }
        return [_claimed(rows[one], notices) for one in ids]

    def _due_ids(self, now: datetime, at_most: int) -> list[int]:
        ids: list[int] = []
        for kind in IN_ORDER:
            if room := at_most - len(ids):
                given = {"kind": kind, "moment": now, "most": room}
                ids += execute(self.session, _due, given).scalars()
        leaving = execute(self.session, _leaving).all()
        for left, (notice, is_urgent) in zip(range(len(leaving), 0, -1), leaving, strict=True):
            if share := -(-(at_most - len(ids)) // (1 if is_urgent else left)):
                given = {"notice": notice, "moment": now, "most": share}
                ids += execute(self.session, _due_of_broadcast, given).scalars()
        return ids

    def release_lapsed(self, now: datetime) -> None:
        """Put back what a dead process had claimed; what is in doubt of a broadcast has failed."""
        execute(self.session, _release, {"moment": now})

    def release_all(self, now: datetime) -> None:
        """As `release_lapsed`, of all that is leased: for the only process, when it starts.

        All replies are due at once, so that they are claimed in the order in which they were given,
        also those that were to be tried again later: nobody holds up their chats any more.
        """
        execute(self.session, _release_all, {"moment": now})
        execute(self.session, _due_now, {"moment": now})

    def keep(self, delivery_ids: Sequence[int], now: datetime) -> None:
        """Lease again what this process still holds."""
        for start in range(0, len(delivery_ids), AT_ONCE):
            some = list(delivery_ids[start : start + AT_ONCE])
            execute(self.session, _keep, {"ids": some, "until": now + LEASE})

    def is_due(self, now: datetime) -> bool:
        """Whether anything waits to be sent, or was left half sent."""
        return bool(execute(self.session, _any_due, {"moment": now}).scalar())

    def next_due(self) -> datetime | None:
        return cast("datetime | None", execute(self.session, _first).scalar())


def _claimed(row: Any, notices: dict[int, tuple[str, dict[str, Any]]]) -> Claimed:
    name, arguments = notices.get(row.notice_id, (None, {}))
    return Claimed(
        id=row.id,
        notice_id=row.notice_id,
        notice=name,
        arguments=arguments,
        person_id=row.person_id,
        chat_id=row.chat_id,
        thread=row.thread,
        kind=row.kind,
        operation=row.operation,
        body=row.body,
        message=row.message,
        expires_at=row.expires_at,
        attempts=row.attempts,
    )
