"""What is claimed is taken in, or comes back just before its turn."""

import pytest

from bot.slots import EARLY, MOST_AHEAD, Slots
from storage.deliveries import Kind

RATE = 30.0


def slots(waiting: tuple[int, ...] = (0, 0, 0, 0), pause: float = 0) -> Slots:
    return Slots(RATE, 100.0, 100.0 + pause, waiting)


def taken(given: Slots, kind: Kind, count: int, notice: int = 1) -> list[float]:
    return [given.delay(kind, notice) for _ in range(count)]


def test_a_large_broadcast_is_spread_over_its_time() -> None:
    delays = taken(slots(), Kind.broadcast, 3000)
    at_once = delays.count(0)
    assert at_once == RATE * MOST_AHEAD + 1
    later = delays[at_once:]
    assert later[0] == pytest.approx(MOST_AHEAD - EARLY + 2 / RATE)
    assert later == sorted(later)
    assert later[-1] == pytest.approx(3000 / RATE - EARLY)


def test_replies_are_always_taken() -> None:
    assert set(taken(slots((900, 0, 0, 0), pause=60), Kind.reply, 3000)) == {0}


def test_a_notice_does_not_wait_for_a_broadcast() -> None:
    given = slots()
    taken(given, Kind.broadcast, 3000)
    assert given.delay(Kind.notice, None) == 0
    assert given.delay(Kind.reminder, None) == 0


def test_a_broadcast_waits_for_notices() -> None:
    given = slots()
    taken(given, Kind.notice, 3000)
    assert given.delay(Kind.broadcast, 1) > 3000 / RATE - EARLY


def test_a_small_broadcast_does_not_wait_for_all_of_a_large_one() -> None:
    given = slots()
    taken(given, Kind.broadcast, 3000, notice=1)
    assert max(taken(given, Kind.broadcast, 20, notice=2)) < MOST_AHEAD + 20 / RATE


def test_a_pause_defers_all_but_replies() -> None:
    given = slots(pause=5)
    assert given.delay(Kind.notice, None) == pytest.approx(5 + 1 / RATE - EARLY)


def test_a_copy_gives_the_same_turns_again() -> None:
    given = slots()
    first = taken(given.copy(), Kind.broadcast, 200)
    assert taken(given.copy(), Kind.broadcast, 200) == first
    assert given.ends == {}
