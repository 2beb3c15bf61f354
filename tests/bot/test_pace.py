"""The three rates are kept as a strict server counts them, and hardly anything is lost to that."""

from collections import defaultdict, deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.pace import EARLY, SECOND, Pace

ON_THE_WAY = 0.013  # seconds by which one call may catch up with another


@dataclass
class Hands:
    """A clock that is moved by hand."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Referee:
    """Counts calls as the strictest server would: in every window that ends with one."""

    per_second: int = 30
    every: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _all: deque[float] = field(default_factory=deque)
    _chats: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def receive(self, at: float, chat: str, in_group: bool) -> None:
        mine = self._chats[chat]
        self.every.append(at)
        self._all.append(at)
        mine.append(at)
        while self._all[0] <= at - 1:
            self._all.popleft()
        while mine[0] <= at - 60:
            mine.popleft()
        if len(self._all) > self.per_second:
            self.refused.append("in all")
        if len(mine) > 1 and mine[-2] > at - 1:
            self.refused.append("in a chat")
        if in_group and len(mine) > 20:
            self.refused.append("in a group")


def called(pace: Pace, clock: Hands, referee: Referee, chat: str, late: float, slow: float) -> None:
    """Call as soon as the pace lets, by a loop that wakes late and a network that is slow."""
    in_group = chat.startswith("-")
    while wait := pace.wait(chat, in_group):
        clock.at += wait
    clock.at += late
    pace.take(chat, in_group)
    referee.receive(clock.at + slow, chat, in_group)


late = st.floats(0, 0.005) | st.floats(0, 0.3)
delays = st.lists(st.tuples(late, st.floats(0, ON_THE_WAY)), min_size=1, max_size=40)


@given(delays, st.sampled_from([5, 30, 1000]))
def test_a_strict_server_never_refuses_and_the_rate_is_reached(
    given_delays: list[tuple[float, float]], per_second: int
) -> None:
    clock, referee = Hands(), Referee(per_second)
    pace = Pace(per_second, clock=clock)
    count = 30 * per_second if per_second < 100 else 2000
    for number in range(count):
        late, slow = given_delays[number % len(given_delays)]
        called(pace, clock, referee, str(number), late, slow)
    assert referee.refused == []
    # What is lost to a strict server by a loop that is late at every call cannot be had back.
    if per_second <= 30 and max(late for late, _ in given_delays) <= 0.005:
        rate = (count - 1) / (referee.every[-1] - referee.every[0])
        assert rate >= 0.97 * per_second


chats = st.sampled_from(["1", "2", "3", "-1", "-2"])
steps = st.lists(st.tuples(chats, st.floats(0, 0.03), st.floats(0, 5)), min_size=30, max_size=200)


@given(steps)
def test_a_chat_is_called_once_a_second_and_a_group_twenty_times_a_minute(
    given_steps: list[tuple[str, float, float]],
) -> None:
    clock, referee = Hands(), Referee()
    pace = Pace(30, clock=clock)
    for chat, late, idle in given_steps:
        clock.at += idle
        called(pace, clock, referee, chat, late, 0)
    assert referee.refused == []


def test_a_loop_that_stops_for_a_moment_catches_up() -> None:
    clock, referee = Hands(), Referee()
    pace = Pace(30, clock=clock)
    for number in range(900):
        called(pace, clock, referee, str(number), 0.2 if number % 200 == 199 else 0, 0)
    assert referee.refused == []
    assert 899 / (referee.every[-1] - referee.every[0]) >= 0.97 * 30


def test_a_group_takes_twenty_at_once_then_one_as_each_gets_old() -> None:
    clock = Hands()
    pace = Pace(30, clock=clock)
    began = clock.at
    for _ in range(20):
        clock.at += pace.wait("-1", True)
        pace.take("-1", True)
    assert clock.at - began == pytest.approx(19 * 1.02)
    assert pace.wait("-1", True) == pytest.approx(60 * 1.02 - 19 * 1.02)
    assert pace.wait("-2", True) < 0.05
    clock.at += pace.wait("-1", True)
    pace.take("-1", True)
    assert pace.wait("-1", True) == pytest.approx(1.02), "the second of the minute is old by now"


def test_only_a_moment_is_caught_up() -> None:
    clock = Hands()
    pace = Pace(30, clock=clock)
    pace.take("1", False)
    clock.at += 100
    gone = 0
    while pace.wait(str(gone), False) == 0:
        pace.take(str(gone), False)
        gone += 1
    assert gone == int(EARLY * pace.rate) + 1


def test_a_pause_is_for_everyone_and_never_shortened() -> None:
    clock = Hands()
    pace = Pace(30, clock=clock)
    pace.pause(5)
    pace.pause(2)
    assert (pace.wait("1", False), pace.delay(), pace.paused) == (5, 5, 5)
    clock.at += 3
    pace.pause(4)
    assert pace.paused == 4
    clock.at += 4
    assert (pace.wait("1", False), pace.paused) == (0, 0)


def test_an_album_counts_as_its_pictures() -> None:
    clock = Hands()
    pace = Pace(30, clock=clock)
    pace.take("-1", True, 10)
    assert pace.chat_delay("-1", True) == pytest.approx(10.2)
    clock.at += 10.2
    pace.take("-1", True, 10)
    assert pace.chat_delay("-1", True) > 40, "a group takes twenty in a minute"


def test_idle_chats_are_forgotten() -> None:
    clock = Hands()
    pace = Pace(30, clock=clock)
    for number in range(5000):
        clock.at += pace.delay()
        pace.take(f"-{number}" if number % 2 else f"{number}", bool(number % 2))
    assert pace.known < 30 * 60 / 2 + 100
    clock.at += 62
    pace.take("last", False)
    assert pace.known == 1


def test_a_call_that_took_long_may_have_arrived_late() -> None:
    clock = Hands()
    pace = Pace(1, chat_seconds=0, clock=clock)
    waits = []
    for took in (0.01, 0.06):
        start = pace.take("7", in_group=False)
        clock.at += took
        pace.answered(start)
        waits.append(took + pace.delay())
        clock.at += pace.delay()
    assert waits == pytest.approx([SECOND, SECOND + 0.05], abs=0.001)
