"""What is due is claimed in batches, leased to one process, and put back if that one dies.

A person's reply goes before a notice, a notice before a reminder; what is left of a batch goes to
the broadcasts under way, an equal share to each.
"""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    Integer,
    String,
    Table,
    bindparam,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from storage.base import execute
from storage.broadcasts import Broadcast, BroadcastState
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
    Operation,
)
from storage.types import Instant, Named

LEASE = timedelta(minutes=2)
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
_leaving = select(Broadcast.notice_id).where(
    text("state IN ('confirmed', 'leaving', 'paused')"),
    Broadcast.state == BroadcastState.leaving,
    Broadcast.notice_id.is_not(None),
)
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
_release = update(_rows).where(*_lapsed).values(state=DeliveryState.waiting)
_any_due = select(
    or_(
        *(
            select(Delivery.id)
            .where(text(WAITING), Delivery.kind == kind, Delivery.due_at <= _moment)
            .exists()
            for kind in IN_ORDER
        ),
        select(Delivery.id)
        .where(
            text(WAITING_BROADCAST), Delivery.notice_id.in_(_leaving), Delivery.due_at <= _moment
        )
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
        text(WAITING_BROADCAST), Delivery.notice_id.in_(_leaving)
    ),
).subquery()
_first = select(func.min(_firsts.c.due))
_taken_back = (_rows.c.state == DeliveryState.cancelled) & (_rows.c.kind != Kind.broadcast)
_one = (_rows.c.id == bindparam("delivery")) & ~_taken_back
_done = {"done_at": _moment}
_sent = (
    update(_rows)
    .where(_one)
    .values(
        chat_id=bindparam("chat"),
        body=bindparam("words"),
        state=DeliveryState.sent,
        message=bindparam("sent_as"),
        **_done,
    )
)
_delete_late = insert(_rows).from_select(
    ["chat_id", "thread", "kind", "operation", "state", "due_at", "attempts", "message"],
    select(
        bindparam("chat", type_=Integer()),
        _rows.c.thread,
        _rows.c.kind,
        literal(Operation.delete, Named(Operation)),
        literal(DeliveryState.waiting, Named(DeliveryState)),
        _moment,
        literal(0),
        bindparam("sent_as", type_=String()),
    ).where(_rows.c.id == bindparam("delivery"), _taken_back),
)
_freeze = (
    update(_rows)
    .where(_one)
    .values(body=bindparam("words"), subject=func.coalesce(bindparam("shown"), _rows.c.subject))
)
_later = select(
    select(_rows.c.id)
    .where(
        _rows.c.chat_id == bindparam("chat"),
        _rows.c.message == bindparam("edited"),
        _rows.c.id > bindparam("delivery"),
    )
    .exists()
)
_fail = (
    update(_rows)
    .where(_one)
    .values(state=DeliveryState.failed, failure=bindparam("reason"), **_done)
)
_expire = update(_rows).where(_one).values(state=DeliveryState.expired, **_done)
_retry = update(_rows).where(_one).values(state=DeliveryState.waiting, due_at=_moment)


class Claiming:
    """The part of `Deliveries` that the sender uses. Its statements are built once."""

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
        leaving = execute(self.session, _leaving).scalars().all()
        for left, notice in zip(range(len(leaving), 0, -1), leaving, strict=True):
            if share := -(-(at_most - len(ids)) // left):
                given = {"notice": notice, "moment": now, "most": share}
                ids += execute(self.session, _due_of_broadcast, given).scalars()
        return ids

    def release_lapsed(self, now: datetime) -> None:
        """Put back what a dead process had claimed."""
        execute(self.session, _release, {"moment": now})

    def sent(
        self, delivery_id: int, chat_id: int, body: dict[str, Any], message: str, now: datetime
    ) -> None:
        """Note that it was sent; if it was taken back on its way, have it deleted."""
        given = {"chat": chat_id, "words": body, "sent_as": message, "moment": now}
        self._mark(_sent, delivery_id, **given)
        self._mark(_delete_late, delivery_id, chat=chat_id, sent_as=message, moment=now)

    def freeze(self, delivery_id: int, body: dict[str, Any], subject: str | None) -> None:
        """Keep the words of a claimed notice, so that it says the same if it is sent again."""
        self._mark(_freeze, delivery_id, words=body, shown=subject)

    def is_overwritten(self, edit: Claimed, chat_id: int) -> bool:
        """Whether the message that an edit is for was changed since the edit was made."""
        given = {"chat": chat_id, "edited": edit.message, "delivery": edit.id}
        return bool(execute(self.session, _later, given).scalar())

    def failed(self, delivery_id: int, reason: Failure, now: datetime) -> None:
        self._mark(_fail, delivery_id, reason=reason, moment=now)

    def expired(self, delivery_id: int, now: datetime) -> None:
        self._mark(_expire, delivery_id, moment=now)

    def retry(self, delivery_id: int, due_at: datetime) -> None:
        self._mark(_retry, delivery_id, moment=due_at)

    def is_due(self, now: datetime) -> bool:
        """Whether anything waits to be sent, or was left half sent."""
        return bool(execute(self.session, _any_due, {"moment": now}).scalar())

    def next_due(self) -> datetime | None:
        return cast("datetime | None", execute(self.session, _first).scalar())

    def _mark(self, statement: Any, delivery_id: int, **given: Any) -> None:
        execute(self.session, statement, {"delivery": delivery_id, **given})


def _claimed(row: Any, notices: dict[int, tuple[str, dict[str, Any]]]) -> Claimed:
    name, arguments = notices.get(row.notice_id, (None, {}))
    return Claimed(
        id=row.id,
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
