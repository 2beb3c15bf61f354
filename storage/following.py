"""How far broadcasts have come, counted from their deliveries, and how they end."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, case, func, or_, select, text, union_all, update
from sqlalchemy.orm import Session

from storage.base import execute
from storage.broadcasts import ENDING, UNDER_WAY, Broadcast, BroadcastState
from storage.deliveries import Delivery, DeliveryState
from storage.deliveries.model import LEASED, WAITING_BROADCAST
from storage.types import Instant

LATELY = timedelta(minutes=1)
BATCH = 5_000  # deliveries cancelled in one transaction


@dataclass(frozen=True)
class Progress:
    """How far a broadcast has come.

    Attributes:
        total: how many it was for when it left.
        sent: handed to a messaging service; `on_page`: put on a web page.
        left_out: those who asked not to be told, or were erased, since it left.
        failed: how many, by reason.
        rate: how many a minute were sent lately; 0 while that is not known.
    """

    total: int
    sent: int = 0
    on_page: int = 0
    remaining: int = 0
    cancelled: int = 0
    left_out: int = 0
    failed: tuple[tuple[str, int], ...] = ()
    rate: int = 0

    @property
    def minutes_left(self) -> int | None:
        return -(-self.remaining // self.rate) if self.rate else None

    def kept(self) -> dict[str, Any]:
        return {**asdict(self), "rate": 0}

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "Progress":
        return cls(**{**kept, "failed": tuple((reason, count) for reason, count in kept["failed"])})


_rows = cast(Table, Delivery.__table__)
_lately = case((Delivery.done_at > bindparam("since", type_=Instant()), 1))
_counts = (
    select(Delivery.state, Delivery.failure, func.count(), func.count(_lately))
    .where(Delivery.notice_id == bindparam("notice"))
    .group_by(Delivery.state, Delivery.failure)
)
_of_it = Delivery.notice_id == Broadcast.notice_id
_waits = select(Delivery.id).where(text(WAITING_BROADCAST), _of_it).exists()
_in_flight = select(Delivery.id).where(text(LEASED), _of_it).exists()
_unsettled = union_all(
    select(Broadcast.id, Broadcast.composed_at).where(
        text(UNDER_WAY), Broadcast.state != BroadcastState.confirmed, ~_waits, ~_in_flight
    ),
    select(Broadcast.id, Broadcast.composed_at).where(text(ENDING), or_(_waits, ~_in_flight)),
)
_left = (
    select(_rows.c.id)
    .where(text(WAITING_BROADCAST), _rows.c.notice_id == bindparam("notice"))
    .limit(bindparam("most"))
)
_cancel = (
    update(_rows)
    .where(_rows.c.id.in_(_left.scalar_subquery()), _rows.c.state == DeliveryState.waiting)
    .values(state=DeliveryState.cancelled, done_at=bindparam("moment", type_=Instant()))
)


class Following:
    def __init__(self, session: Session) -> None:
        self.session = session

    def progress(self, broadcast: Broadcast, now: datetime) -> Progress:
        """Counted now, in one statement; or, of one that has ended, as it was counted then."""
        if broadcast.counts is not None:
            return Progress.from_kept(broadcast.counts)
        if broadcast.notice_id is None:
            return Progress(broadcast.total or 0)
        since = max(now - LATELY, broadcast.started_at or now)
        counts, failed, lately = self._counted(broadcast.notice_id, since)
        elapsed = (now - since).total_seconds()
        total = broadcast.total or sum(counts.values())
        return Progress(
            total=total,
            sent=counts.get(DeliveryState.sent, 0),
            on_page=counts.get(DeliveryState.on_page, 0),
            remaining=counts.get(DeliveryState.waiting, 0) + counts.get(DeliveryState.sending, 0),
            cancelled=counts.get(DeliveryState.cancelled, 0),
            left_out=counts.get(DeliveryState.expired, 0) + total - sum(counts.values()),
            failed=failed,
            rate=round(lately * 60 / elapsed) if elapsed else 0,
        )

    def _counted(
        self, notice_id: int, since: datetime
    ) -> tuple[dict[DeliveryState, int], tuple[tuple[str, int], ...], int]:
        """How many deliveries are in each state, how many failed for what, and sent lately."""
        counts: dict[DeliveryState, int] = {}
        failed: dict[str, int] = {}
        sent_lately = 0
        for state, failure, count, lately in execute(
            self.session, _counts, {"notice": notice_id, "since": since}
        ):
            counts[state] = counts.get(state, 0) + count
            if state is DeliveryState.failed:
                failed[str(failure)] = count
            if state in (DeliveryState.sent, DeliveryState.on_page):
                sent_lately += lately
        return counts, tuple(sorted(failed.items())), sent_lately

    def begin(self, broadcast: Broadcast, notice_id: int, now: datetime) -> None:
        """Tie a broadcast to its notice, and keep how many it is for."""
        broadcast.notice_id = notice_id
        broadcast.total = None
        counts, _, _ = self._counted(notice_id, now)
        broadcast.total = sum(counts.values())
        self.session.flush()

    def unsettled(self) -> list[int]:
        """The broadcasts that can end, or of which something is to be cancelled."""
        return sorted(execute(self.session, _unsettled).scalars())

    def unsettled_since(self) -> datetime | None:
        """A moment in the past if any broadcast can end, or has something to be cancelled."""
        return min((at for _, at in execute(self.session, _unsettled)), default=None)

    def settle(self, broadcast: Broadcast, now: datetime, at_most: int = BATCH) -> None:
        """Cancel some of what a cancelled broadcast left waiting; end it when nothing is left."""
        if broadcast.state is BroadcastState.cancelled:
            given = {"notice": broadcast.notice_id, "most": at_most, "moment": now}
            execute(self.session, _cancel, given)
        if self.session.scalars(_open_of(broadcast.id)).first() is not None:
            return
        broadcast.counts = self.progress(broadcast, now).kept()
        broadcast.ended_at = now
        if broadcast.state is not BroadcastState.cancelled:
            broadcast.state = BroadcastState.done
        self.session.flush()


def _open_of(broadcast_id: int) -> Select[int]:
    """The broadcast, if anything of it waits or is in flight."""
    return select(Broadcast.id).where(Broadcast.id == broadcast_id, or_(_waits, _in_flight))
