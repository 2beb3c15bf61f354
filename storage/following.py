"""How far broadcasts have come, counted from their deliveries, and how they end."""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, and_, bindparam, case, func, or_, select, text, update
from sqlalchemy.orm import Session

from storage.base import execute
from storage.broadcasts import DRAWN, ENDING, UNDER_WAY, URGENT_FIRST, Broadcast, BroadcastState
from storage.deliveries import Delivery, DeliveryState
from storage.deliveries.model import LEASED, WAITING_BROADCAST
from storage.types import Instant

LATELY = timedelta(minutes=1)
SLICE = 40_000  # deliveries made in one transaction, so that nobody waits long for the next
BATCH = 5_000  # deliveries cancelled in one transaction
STILL = 600  # seconds after which a card is redrawn though nothing more was sent


@dataclass(frozen=True)
class Progress:
    """How far a broadcast has come.

    Attributes:
        total: how many it is for.
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
        return asdict(self)

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "Progress":
        return cls(**{**kept, "failed": tuple((reason, count) for reason, count in kept["failed"])})


@dataclass(frozen=True)
class Drawing:
    """What the cards of a broadcast last showed, and what they are to show, counted.

    `after` is None when they are to show how it ended, which is counted already.
    """

    broadcast_id: int
    before: str | None
    after: str | None
    progress: Progress | None


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
_ending = select(Broadcast.id, Broadcast.composed_at).where(
    or_(
        and_(
            text(UNDER_WAY),
            Broadcast.state != BroadcastState.confirmed,
            Broadcast.spread_to.is_(None),
        ),
        text(ENDING),
    ),
    ~_waits,
    ~_in_flight,
)
_withdrawn = select(Broadcast.id, Broadcast.composed_at).where(text(ENDING), _waits)
_ending_ids = _ending.with_only_columns(Broadcast.id)
_left = (
    select(_rows.c.id)
    .where(text(WAITING_BROADCAST), _rows.c.notice_id == bindparam("notice"))
    .limit(bindparam("most"))
)
_count_left = (
    select(func.count())
    .select_from(_rows)
    .where(text(WAITING_BROADCAST), _rows.c.notice_id == bindparam("notice"))
)
_spreading = (
    text(UNDER_WAY),
    Broadcast.spread_to.is_not(None),
    Broadcast.state != BroadcastState.confirmed,
)
_cancel = (
    update(_rows)
    .where(_rows.c.id.in_(_left.scalar_subquery()), _rows.c.state == DeliveryState.waiting)
    .values(state=DeliveryState.cancelled, done_at=bindparam("moment", type_=Instant()))
)


class Following:
    def __init__(self, session: Session) -> None:
        self.session = session

    def progress(self, broadcast: Broadcast) -> Progress:
        """As it was last counted; what is not counted yet is to come."""
        if broadcast.counts is not None:
            return Progress.from_kept(broadcast.counts)
        total = broadcast.total or 0
        if broadcast.state is BroadcastState.cancelled:
            return Progress(total, cancelled=total)
        return Progress(total, remaining=total)

    def count(self, broadcast: Broadcast, now: datetime) -> Progress:
        """Count its deliveries, in one statement. Of a million it takes seconds: on a snapshot."""
        since = max(now - LATELY, broadcast.started_at or now)
        counts, failed, lately = self._counted(broadcast.notice_id, since)
        elapsed = (now - since).total_seconds()
        total = max(broadcast.total or 0, sum(counts.values()))
        counts[_fate_of_others(broadcast)] += total - sum(counts.values())
        return Progress(
            total=total,
            sent=counts[DeliveryState.sent],
            on_page=counts[DeliveryState.on_page],
            remaining=counts[DeliveryState.waiting] + counts[DeliveryState.sending],
            cancelled=counts[DeliveryState.cancelled],
            left_out=counts[DeliveryState.expired],
            failed=failed,
            rate=round(lately * 60 / elapsed) if elapsed else 0,
        )

    def _counted(
        self, notice_id: int | None, since: datetime
    ) -> tuple[Counter[DeliveryState], tuple[tuple[str, int], ...], int]:
        """How many deliveries are in each state, how many failed for what, and sent lately."""
        counts: Counter[DeliveryState] = Counter()
        failed: dict[str, int] = {}
        sent_lately = 0
        for state, failure, count, lately in execute(
            self.session, _counts, {"notice": notice_id, "since": since}
        ):
            counts[state] += count
            if state is DeliveryState.failed:
                failed[str(failure)] = count
            if state in (DeliveryState.sent, DeliveryState.on_page):
                sent_lately += lately
        return counts, tuple(sorted(failed.items())), sent_lately

    def begin(self, broadcast: Broadcast, notice_id: int) -> None:
        """Tie a broadcast to its notice, whose deliveries are yet to be made."""
        broadcast.notice_id, broadcast.spread_to = notice_id, 0
        self.session.flush()

    def spreading(self) -> Broadcast | None:
        """The first broadcast whose deliveries are being made, locked; an urgent one if any is."""
        wanted = select(Broadcast).where(*_spreading).order_by(*URGENT_FIRST).limit(1)
        locked = wanted.with_for_update().execution_options(populate_existing=True)
        return self.session.scalars(locked).first()

    def spreading_since(self) -> datetime | None:
        """A moment in the past if the deliveries of any broadcast are being made."""
        wanted = select(func.min(Broadcast.started_at)).where(*_spreading)
        return self.session.execute(wanted).scalar()

    def spread(self, broadcast: Broadcast, at_most: int) -> None:
        """Note how far its deliveries are made: those of all, when the last slice was not full."""
        made = Delivery.notice_id == broadcast.notice_id
        in_slice = select(func.count(), func.max(Delivery.person_id)).where(
            made, Delivery.person_id > broadcast.spread_to
        )
        count, last = self.session.execute(in_slice).one()
        if count < at_most:
            everybody = select(func.count()).select_from(Delivery).where(made)
            broadcast.spread_to = None
            broadcast.total = self.session.execute(everybody).scalar_one()
        else:
            broadcast.spread_to = last
        self.session.flush()

    def changed(self, now: datetime) -> list[Drawing]:
        """The broadcasts whose cards show something else than what is so, counted."""
        live = self.session.scalars(select(Broadcast).where(text(DRAWN)).order_by(Broadcast.id))
        drawings = [(one, self._drawing(one, now)) for one in live]
        return [
            Drawing(one.id, one.drawn, after, self.count(one, now) if after else None)
            for one, after in drawings
            if one.drawn != after
        ]

    def _drawing(self, broadcast: Broadcast, now: datetime) -> str | None:
        """What its cards should show, coarsely enough that they are not redrawn all the time."""
        if broadcast.ended_at is not None:
            return None
        if broadcast.state is BroadcastState.confirmed:
            return broadcast.state
        remaining = execute(self.session, _count_left, {"notice": broadcast.notice_id}).scalar_one()
        left = 100 * remaining // max(broadcast.total or 0, 1)
        still = int(now.timestamp()) // STILL if broadcast.state is BroadcastState.leaving else 0
        return f"{broadcast.state} {left} {still}"

    def redrawn(self, drawing: Drawing) -> bool:
        """Note what the cards show now; False if another process did."""
        counted = {} if drawing.progress is None else {"counts": drawing.progress.kept()}
        noted = self.session.execute(
            update(Broadcast)
            .where(Broadcast.id == drawing.broadcast_id, Broadcast.drawn == drawing.before)
            .values(drawn=drawing.after, **counted)
            .execution_options(synchronize_session=False)
            .returning(Broadcast.id)
        )
        return noted.scalar() is not None

    def withdrawn(self) -> list[int]:
        """The cancelled broadcasts of which something still waits."""
        return sorted(execute(self.session, _withdrawn).scalars())

    def withdrawn_since(self) -> datetime | None:
        """A moment in the past if there is any."""
        return min((at for _, at in execute(self.session, _withdrawn)), default=None)

    def withdraw(self, broadcast: Broadcast, now: datetime, at_most: int = BATCH) -> bool:
        """Cancel some of what a cancelled broadcast left waiting; whether that was all it may."""
        given = {"notice": broadcast.notice_id, "most": at_most, "moment": now}
        return execute(self.session, _cancel, given).rowcount == at_most

    def ending(self, now: datetime) -> list[tuple[int, Progress]]:
        """The broadcasts of which nothing waits or is in flight any more, counted."""
        found = sorted(execute(self.session, _ending).scalars())
        broadcasts = [self.session.get_one(Broadcast, one) for one in found]
        return [(one.id, self.count(one, now)) for one in broadcasts]

    def ending_since(self) -> datetime | None:
        """A moment in the past if there is any."""
        return min((at for _, at in execute(self.session, _ending)), default=None)

    def end(self, broadcast_id: int, progress: Progress, now: datetime) -> None:
        """End a broadcast, as it was counted, if that still holds."""
        still = select(Broadcast).where(Broadcast.id.in_(_ending_ids), Broadcast.id == broadcast_id)
        broadcast = self.session.scalars(still).first()
        if broadcast is None:
            return
        broadcast.counts = replace(progress, rate=0).kept()
        broadcast.ended_at = now
        if broadcast.state is not BroadcastState.cancelled:
            broadcast.state = BroadcastState.done
        self.session.flush()


def _fate_of_others(broadcast: Broadcast) -> DeliveryState:
    """What becomes of those for whom there is no delivery: not made yet, or gone with them."""
    if broadcast.notice_id is not None and broadcast.spread_to is None:
        return DeliveryState.expired
    is_cancelled = broadcast.state is BroadcastState.cancelled
    return DeliveryState.cancelled if is_cancelled else DeliveryState.waiting
