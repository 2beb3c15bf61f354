"""What becomes of a claimed delivery: worded, about to be called for, sent, or put back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    Boolean,
    Integer,
    String,
    Table,
    bindparam,
    case,
    false,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from storage.base import execute
from storage.deliveries.claiming import LEASE, LEAVING
from storage.deliveries.model import (
    Claimed,
    Delivery,
    DeliveryState,
    Failure,
    Kind,
    Operation,
    Sent,
)
from storage.types import EncryptedJSON, Instant, Named

_rows = cast(Table, Delivery.__table__)
_moment = bindparam("moment", type_=Instant())
_ids = _rows.c.id.in_(bindparam("ids", expanding=True))
_taken_back = (_rows.c.state == DeliveryState.cancelled) & (_rows.c.kind != Kind.broadcast)
_one = (_rows.c.id == bindparam("delivery")) & ~_taken_back
_held = _rows.c.state == DeliveryState.sending
_on_its_way = _rows.c.state.in_((DeliveryState.waiting, DeliveryState.sending))
_ended = {"done_at": _moment, "calling": false()}
_put_back = {"state": DeliveryState.waiting, "due_at": _moment, "calling": false()}
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
_begin = (
    update(_rows)
    .where(_ids, _held, _rows.c.notice_id.in_(LEAVING))
    .values(
        calling=bindparam("doubtful", type_=Boolean()),
        leased_until=bindparam("until", type_=Instant()),
    )
    .returning(_rows.c.id)
)
_still_held = select(_rows.c.id).where(_ids, _held)
_undo = update(_rows).where(_ids, _held).values(calling=false())
_sent = (
    update(_rows)
    .where(_one)
    .values(
        chat_id=bindparam("chat"),
        state=DeliveryState.sent,
        failure=None,
        message=bindparam("sent_as"),
        poll=func.coalesce(bindparam("asked_as", type_=String()), _rows.c.poll),
        **_ended,
    )
)
_came_late = select(_rows.c.id).where(_ids, _taken_back)
_delete_late = insert(_rows).from_select(
    ["chat_id", "thread", "kind", "operation", "state", "due_at", "attempts", "body", "message"],
    select(
        bindparam("chat", type_=Integer()),
        _rows.c.thread,
        _rows.c.kind,
        literal(Operation.delete, Named(Operation)),
        literal(DeliveryState.waiting, Named(DeliveryState)),
        _moment,
        literal(0),
        literal({}, EncryptedJSON("deliveries.body")),
        bindparam("sent_as", type_=String()),
    ).where(_rows.c.id == bindparam("delivery")),
)
_fail = (
    update(_rows)
    .where(_one)
    .values(state=DeliveryState.failed, failure=bindparam("reason"), **_ended)
)
_fail_chat = (
    update(_rows)
    .where(_rows.c.chat_id == bindparam("chat"), _on_its_way)
    .values(state=DeliveryState.failed, failure=bindparam("reason"), **_ended)
)
_hasten = (
    update(_rows)
    .where(
        _rows.c.chat_id.in_(bindparam("chats", expanding=True)),
        _rows.c.state == DeliveryState.waiting,
        _rows.c.body.is_not(None),  # else it was not tried yet, and has its time
        _rows.c.due_at > _moment,
    )
    .values(due_at=_moment)
)
_says = _rows.c.operation.in_((Operation.send, Operation.edit))
_fail_private = (
    update(_rows)
    .where(_rows.c.chat_id == bindparam("chat"), _on_its_way, _says)
    .values(state=DeliveryState.failed, failure=Failure.not_private, **_ended)
)
_blank_chat = (
    update(_rows).where(_rows.c.chat_id == bindparam("chat"), ~_on_its_way).values(body={})
)
_other = aliased(Delivery)
_move = (
    update(_rows)
    .where(
        _rows.c.chat_id == bindparam("chat"),
        _on_its_way,
        ~select(_other.id)
        .where(_other.chat_id == bindparam("to"), _other.notice_id == _rows.c.notice_id)
        .exists(),
    )
    .values(chat_id=bindparam("to"))
)
_expire = update(_rows).where(_one).values(state=DeliveryState.expired, **_ended)
_retry = update(_rows).where(_one, _held).values(**_put_back)
# A try that was none is taken off again.
_untried = case((_rows.c.attempts > 0, _rows.c.attempts - 1), else_=0)
_defer = (
    update(_rows)
    .where(_rows.c.id == bindparam("delivery"), _held)
    .values(attempts=_untried, **_put_back)
)
_postpone = update(_rows).where(_ids, _held).values(attempts=0, **_put_back)
_no_words = literal(None, EncryptedJSON("deliveries.body"))
_recall = (
    update(_rows)
    .where(
        _rows.c.person_id == bindparam("person"),
        _rows.c.chat_id.is_(None),
        _held,
        ~_rows.c.calling,
    )
    .values(attempts=_untried, body=_no_words, **_put_back)
)
_reword = (
    update(_rows)
    .where(_rows.c.id == bindparam("delivery"), _rows.c.notice_id.is_not(None))
    .values(body=_no_words)
)


class Marking:
    """The part of `Deliveries` that notes how it went. Its statements are built once."""

    session: Session
    taken_back: bool

    def freeze(self, delivery_id: int, body: dict[str, Any], subject: str | None) -> None:
        """Keep the words of a claimed notice, so that it says the same if it is sent again."""
        self._mark(_freeze, delivery_id, words=body, shown=subject)

    def reword(self, delivery_id: int) -> None:
        """Drop the words of a notice that nobody received: it goes elsewhere."""
        self._mark(_reword, delivery_id)

    def is_overwritten(self, edit: Claimed, chat_id: int) -> bool:
        """Whether the message that an edit is for was changed since the edit was made."""
        given = {"chat": chat_id, "edited": edit.message, "delivery": edit.id}
        return bool(execute(self.session, _later, given).scalar())

    def still_held(self, delivery_ids: Sequence[int]) -> set[int]:
        """Which of some leased deliveries are still there, and were not taken back."""
        return set(execute(self.session, _still_held, {"ids": delivery_ids}).scalars())

    def begin_calls(
        self, delivery_ids: Sequence[int], now: datetime, *, doubtful: bool = True
    ) -> set[int]:
        """Note that a platform is about to be called for parts of broadcasts.

        Args:
            doubtful: if the process dies in the call, nobody knows whether they were sent.

        Returns:
            Those that are still wanted: held, of a broadcast that is leaving.
        """
        given = {"ids": delivery_ids, "until": now + LEASE, "doubtful": doubtful}
        return set(execute(self.session, _begin, given).scalars())

    def undo_calls(self, delivery_ids: Sequence[int]) -> None:
        """Note that the platform was not called for some after all, or certainly took nothing."""
        execute(self.session, _undo, {"ids": delivery_ids})

    def sent(self, done: Sequence[Sent], now: datetime) -> None:
        """Note what was sent; if it was taken back on its way, have it deleted."""
        rows = {
            one.delivery_id: {
                "delivery": one.delivery_id,
                "chat": one.chat_id,
                "sent_as": one.message,
                "asked_as": one.poll,
                "moment": now,
            }
            for one in done
        }
        execute(self.session, _sent, list(rows.values()))
        late = execute(self.session, _came_late, {"ids": list(rows)}).scalars().all()
        for row in (rows[delivery] for delivery in late):
            for part in (row["sent_as"], row["asked_as"]):
                if part is not None:
                    execute(self.session, _delete_late, {**row, "sent_as": part})

    def failed(self, delivery_id: int, reason: Failure, now: datetime) -> None:
        self._mark(_fail, delivery_id, reason=reason, moment=now)

    def fail_chat(self, chat_id: int, reason: Failure, now: datetime) -> None:
        """End all that is on its way to a chat."""
        execute(self.session, _fail_chat, {"chat": chat_id, "reason": reason, "moment": now})

    def hasten(self, chat_ids: Sequence[int], now: datetime) -> None:
        """Have what was tried in some chats, and waits to be tried again, tried at once."""
        execute(self.session, _hasten, {"chats": chat_ids, "moment": now})

    def end_private(self, chat_id: int, now: datetime) -> None:
        """Say nothing more of what was to be said in a chat in private, and forget what was said.

        What is to be deleted there still is, and what is to end there ends.
        """
        execute(self.session, _fail_private, {"chat": chat_id, "moment": now})
        execute(self.session, _blank_chat, {"chat": chat_id})
        self.taken_back = True

    def recall(self, person_id: int, now: datetime) -> None:
        """Put back what is held for a person and no platform is called for: it goes elsewhere."""
        execute(self.session, _recall, {"person": person_id, "moment": now})
        self.taken_back = True

    def move(self, chat_id: int, to: int, now: datetime) -> None:
        """Have what is on its way to a chat go to another, unless it is told the same already."""
        execute(self.session, _move, {"chat": chat_id, "to": to})
        self.fail_chat(chat_id, Failure.removed, now)

    def expired(self, delivery_id: int, now: datetime) -> None:
        self._mark(_expire, delivery_id, moment=now)

    def retry(self, delivery_id: int, due_at: datetime) -> None:
        self._mark(_retry, delivery_id, moment=due_at)

    def defer(self, due: Sequence[tuple[int, datetime]]) -> None:
        """Put back deliveries for which no platform was called, each with when it is due."""
        if due:
            rows = [{"delivery": delivery, "moment": moment} for delivery, moment in due]
            execute(self.session, _defer, rows)

    def postpone(self, delivery_ids: Sequence[int], due_at: datetime) -> None:
        """Put back deliveries which nobody was there to receive: none of their tries counts."""
        execute(self.session, _postpone, {"ids": delivery_ids, "moment": due_at})

    def _mark(self, statement: Any, delivery_id: int, **given: Any) -> None:
        execute(self.session, statement, {"delivery": delivery_id, **given})
