"""Deliveries to one chat, for a platform that has to be called."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.orm import Session

from storage.base import execute
from storage.deliveries.claiming import LEASE
from storage.deliveries.model import Claimed, Delivery, DeliveryState, Kind, Outgoing

_rows = cast(Table, Delivery.__table__)
_insert = insert(_rows).returning(_rows.c.id, sort_by_parameter_order=True)


class Queueing:
    """The part of `Deliveries` that is told what to say in one chat."""

    session: Session

    def queue(
        self, chat_id: int, thread: str, outgoing: Sequence[Outgoing], now: datetime
    ) -> list[int]:
        """As `queue_all`, in one chat."""
        return self.queue_all([(chat_id, thread, outgoing)], now)

    def queue_all(
        self, chats: Sequence[tuple[int, str, Sequence[Outgoing]]], now: datetime
    ) -> list[int]:
        """Keep replies for platforms that have to be called, leased to this process.

        Args:
            chats: the chat, the thread, and what is to be said there, of each.

        Returns:
            Their ids, in order: `Sender.hand` is to be given them after the commit. If this
            process dies before they are sent, they are claimed as others are.
        """
        leased = {"state": DeliveryState.sending, "leased_until": now + LEASE, "attempts": 1}
        return self._insert(
            [
                _row(chat_id, thread, one, now) | leased
                for chat_id, thread, outgoing in chats
                for one in outgoing
            ]
        )

    def follow(
        self,
        first: Claimed,
        chat_id: int,
        outgoing: Sequence[Outgoing],
        now: datetime,
    ) -> list[int]:
        """Keep the further parts of a claimed notice, leased as it is; return their ids."""
        return self.add(
            chat_id,
            first.thread,
            outgoing,
            now,
            kind=Kind.notice,
            state=DeliveryState.sending,
            leased_until=now + LEASE,
            expires_at=first.expires_at,
            attempts=1,
        )

    def add(
        self,
        chat_id: int,
        thread: str,
        outgoing: Sequence[Outgoing],
        now: datetime,
        **more: Any,
    ) -> list[int]:
        """Make deliveries to a chat: replies that wait, if no more is said of them."""
        return self._insert([_row(chat_id, thread, one, now) | more for one in outgoing])

    def _insert(self, rows: list[dict[str, Any]]) -> list[int]:
        return list(execute(self.session, _insert, rows).scalars()) if rows else []


def _row(chat_id: int, thread: str, one: Outgoing, now: datetime) -> dict[str, Any]:
    return {
        "chat_id": chat_id,
        "thread": thread,
        "kind": Kind.reply,
        "operation": one.operation,
        "state": DeliveryState.waiting,
        "due_at": now,
        "attempts": 0,
        "body": one.body,
        "message": one.message,
        "subject": one.subject,
    }
