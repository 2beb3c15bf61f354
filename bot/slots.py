"""Which of what was just claimed is taken in now, and when the rest is to be looked at again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from storage.deliveries import Kind

RANKS = (Kind.reply, Kind.notice, Kind.reminder, Kind.broadcast)
MOST_AHEAD = 2.5  # seconds of work that are held in memory, replies excepted
EARLY = 2.0  # seconds before its turn at which a deferred delivery is claimed again

Line = tuple[int, int]  # those that wait for each other: the rank, and the notice of a broadcast


def rank_of(kind: Kind) -> int:
    return RANKS.index(kind)


@dataclass
class Slots:
    """The turns that are given out, for one batch; a copy is made for each try of a transaction.

    Args:
        rate: calls a second.
        start: when the next call may be made, in the seconds of the pace's clock.
        now: in the same seconds.
        waiting: how many wait already, by rank.
        ends: up to when turns are given out, by line.
    """

    rate: float
    now: float
    start: float
    waiting: Sequence[int]
    ends: Mapping[Line, float] = field(default_factory=dict)

    def copy(self) -> "Slots":
        return Slots(self.rate, self.now, self.start, list(self.waiting), dict(self.ends))

    def delay(self, kind: Kind, notice_id: int | None) -> float:
        """Seconds after which a delivery is to be claimed again; 0 if it is taken in now.

        A delivery waits behind all that goes before its kind. Each broadcast has a line of its
        own, so that a small one does not wait for all of a large one.
        """
        rank = rank_of(kind)
        begins = self.start + sum(self.waiting[: rank + 1]) / self.rate
        if kind is Kind.reply or begins - self.now <= MOST_AHEAD:
            self.waiting = [*self.waiting[:rank], self.waiting[rank] + 1, *self.waiting[rank + 1 :]]
            return 0.0
        line = (rank, (notice_id or 0) if kind is Kind.broadcast else 0)
        before = [end for other, end in self.ends.items() if other[0] < rank or other == line]
        turn = max([begins, *before]) + 1 / self.rate
        self.ends = {**self.ends, line: turn}
        return turn - EARLY - self.now
