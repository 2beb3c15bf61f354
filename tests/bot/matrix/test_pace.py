"""A homeserver says how fast it may be called only by refusing: few calls find it out."""

from dataclasses import dataclass, field

import pytest

from bot.outbox import SHORTEST_PAUSE
from bot.platforms.matrix.pace import BURST, FASTEST, FIRST, STEEPEST, LearningPace


@dataclass
class Hands:
    """A clock that is moved by hand."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Server:
    """Refuses as Synapse does: a bucket that holds so many calls, and leaks."""

    clock: Hands
    per_second: float
    burst: int
    taken: int = 0
    refused: list[float] = field(default_factory=list)
    _level: float = 0.0
    _seen: float = 0.0

    def wait(self) -> float:
        """Take a call, or say after how many seconds."""
        leaked = (self.clock() - self._seen) * self.per_second
        self._level, self._seen = max(self._level - leaked, 0.0), self.clock()
        if self._level + 1 <= self.burst:
            self._level += 1
            self.taken += 1
            return 0.0
        self.refused.append(self.clock())
        return (self._level + 1 - self.burst) / self.per_second


@dataclass
class Sending:
    """Calls as fast as the pace lets them go, each answered a moment later."""

    server: Server
    pace: LearningPace
    slow: float = 0.02

    def one(self) -> None:
        self.server.clock.at += self.pace.wait("!room", False)
        start = self.pace.take("!room", False)
        self.server.clock.at += self.slow if self.pace.delay() > self.slow else 0.0
        if wait := self.server.wait():
            self.pace.refused(wait)
            self.pace.pause(max(wait, SHORTEST_PAUSE))
        else:
            self.pace.answered(start)

    def lasting(self, seconds: float) -> int:
        """Send so long; how many calls were taken."""
        until, before = self.server.clock() + seconds, self.server.taken
        while self.server.clock() < until:
            self.one()
        return self.server.taken - before


def sending(per_second: float, burst: int, fixed: float | None = None) -> Sending:
    clock = Hands()
    return Sending(Server(clock, per_second, burst), LearningPace(fixed, clock))


def test_where_nothing_is_refused_it_is_at_its_fastest_within_seconds() -> None:
    calls = sending(10_000, 10_000)
    assert calls.lasting(1) <= FIRST + BURST + 2
    calls.lasting(20)
    assert calls.pace.rate == pytest.approx(FASTEST)
    assert calls.lasting(10) == pytest.approx(10 * FASTEST, rel=0.02)


@pytest.mark.parametrize("per_second", [0.2, 1.0, 5.0, 20.0])
def test_it_finds_what_the_server_takes_and_is_seldom_refused(per_second: float) -> None:
    calls = sending(per_second, 10)
    calls.lasting(60)
    calls.server.refused.clear()
    taken = calls.lasting(600)
    assert taken >= 0.9 * 600 * per_second
    assert len(calls.server.refused) <= taken / 10


def test_it_goes_faster_again_when_the_server_takes_more() -> None:
    calls = sending(0.5, 10)
    calls.lasting(120)
    calls.server.per_second = 40.0
    calls.lasting(600)
    assert calls.pace.rate >= 30


def test_after_a_silence_a_person_is_answered_at_once() -> None:
    calls = sending(0.2, 10)
    calls.lasting(60)
    assert calls.pace.delay() > 1
    calls.server.clock.at += 60
    for _ in range(BURST):
        assert calls.pace.delay() == 0
        calls.one()
    assert len(calls.server.refused) >= 1
    assert calls.server.refused[-1] < calls.server.clock() - 1


def test_a_silence_teaches_nothing() -> None:
    calls = sending(10_000, 10_000)
    calls.lasting(20)
    for _ in range(100):
        calls.server.clock.at += 3600
        calls.one()
    calls.pace.refused(1.0)
    assert calls.pace.rate >= FASTEST / STEEPEST
    slow = sending(10_000, 10_000)
    for _ in range(100):
        slow.server.clock.at += 3600
        slow.one()
    assert slow.pace.rate == pytest.approx(FIRST, rel=0.02)


def test_a_refusal_pauses_all_and_those_on_their_way_do_not_count_again() -> None:
    calls = sending(10_000, 10_000)
    calls.lasting(20)
    on_their_way = [calls.pace.take("!room", False) for _ in range(5)]
    calls.pace.refused(3.0)
    rate = calls.pace.rate
    for start in on_their_way[:2]:
        calls.pace.refused(2.5)
        calls.pace.answered(start)
    assert calls.pace.rate == rate
    assert calls.pace.delay() == pytest.approx(3.0)


def test_no_room_waits_for_itself_and_no_group_is_counted() -> None:
    pace = LearningPace(1000.0, Hands())
    for _ in range(100):
        pace.take("!group", True)
    assert pace.chat_delay("!group", True) == 0
    assert pace.known <= 1


def test_a_rate_that_is_set_is_kept() -> None:
    calls = sending(0.2, 1, fixed=2.0)
    taken = calls.lasting(30)
    assert calls.server.refused
    assert taken >= 5
    assert calls.pace.rate == pytest.approx(2.0, rel=0.02)
    open_server = sending(10_000, 10_000, fixed=2.0)
    assert open_server.lasting(30) == pytest.approx(60, abs=2)
