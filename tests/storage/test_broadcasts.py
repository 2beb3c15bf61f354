"""A broadcast reaches those whom it is for, once each, whatever happens to it on the way."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, update

from scheduled.broadcasts import end, ending, leave, withdraw
from storage.broadcasts import (
    DELAY,
    Audience,
    AudienceKind,
    Broadcast,
    BroadcastKind,
    BroadcastState,
    Mute,
)
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, Failure
from storage.following import Progress
from storage.store import Store

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)
LEFT = NOW + DELAY
EVERYONE = Audience(AudienceKind.everyone)
READERS = 12


def readers(store: Store, count: int = READERS, prefix: str = "r") -> list[int]:
    """People who can be reached."""
    people = []
    for rank in range(count):
        account, _ = store.people.arrive("web", f"{prefix}{rank}", "fr", NOW)
        store.people.chat("web", f"{prefix}{rank}", account_id=account.id)
        people.append(account.person_id)
    return people


def confirmed(store: Store, kind: BroadcastKind = BroadcastKind.news) -> int:
    made = store.broadcasts.compose("Bonjour", kind, EVERYONE, NOW)
    assert store.broadcasts.confirm(made.id, 1, READERS, NOW)
    return made.id


def begun(store: Store) -> int:
    readers(store)
    broadcast = confirmed(store)
    leave(store, LEFT)
    return broadcast


def progress(store: Store, broadcast_id: int, now: datetime = LEFT) -> Progress:
    found = store.broadcasts.get(broadcast_id)
    assert found is not None
    is_over = found.ended_at is not None
    return store.following.progress(found) if is_over else store.following.count(found, now)


def settle(store: Store, now: datetime) -> None:
    """End what can end, as the clock's jobs do."""
    while withdraw(store, now):
        pass
    end(store, now, ending(store, now) or [])


def state(store: Store, broadcast_id: int) -> BroadcastState:
    found = store.broadcasts.get(broadcast_id)
    assert found is not None
    return found.state


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """The statements executed meanwhile."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def test_it_leaves_once_when_its_minute_is_over(db: Database) -> None:
    db.write_now(lambda store: readers(store))
    broadcast = db.write_now(confirmed)
    assert db.read_now(lambda store: store.broadcasts.next_leaving()) == LEFT
    db.write_now(lambda store: leave(store, LEFT - timedelta(seconds=1)))
    assert db.read_now(lambda store: state(store, broadcast)) is BroadcastState.confirmed
    for _ in range(2):
        db.write_now(lambda store: leave(store, LEFT))
    assert db.read_now(lambda store: progress(store, broadcast)) == Progress(
        total=READERS, remaining=READERS
    )


def test_what_it_costs_does_not_grow_with_who_reads_it(db: Database) -> None:
    db.write_now(lambda store: readers(store, 60))
    db.write_now(confirmed)
    with counted(db) as statements:
        db.write_now(lambda store: leave(store, LEFT))
    assert len(statements) < 16
    assert sum("INSERT INTO deliveries" in one for one in statements) == 1
    with counted(db) as statements:
        db.write_now(lambda store: progress(store, 1))
    assert sum("deliveries" in one for one in statements) == 1


def test_who_cannot_be_reached_or_asked_not_to_be_is_left_out(db: Database) -> None:
    def count(store: Store, kind: BroadcastKind = BroadcastKind.news) -> int:
        return store.broadcasts.count(EVERYONE, kind, NOW)

    people = db.write_now(lambda store: readers(store, 4))
    db.write_now(lambda store: store.people.arrive("web", "without a chat", "fr", NOW))
    assert db.read_now(count) == 4
    db.write_now(lambda store: store.broadcasts.mute(people[0], [BroadcastKind.news], NOW))
    db.write_now(lambda store: store.broadcasts.mute(people[0], BroadcastKind, NOW))
    db.write_now(lambda store: store.erase(people[1], NOW))
    assert db.read_now(count) == 2
    assert db.read_now(lambda store: count(store, BroadcastKind.event)) == 2
    db.write_now(lambda store: store.broadcasts.unmute(people[0], [BroadcastKind.event]))
    assert db.read_now(lambda store: count(store, BroadcastKind.event)) == 3
    assert db.read_now(count) == 2


def test_of_many_who_confirm_at_once_one_does(db: Database) -> None:
    people = db.write_now(lambda store: readers(store, 6))
    made = db.write_now(
        lambda store: store.broadcasts.compose("Bonjour", BroadcastKind.news, EVERYONE, NOW).id
    )
    together = threading.Barrier(len(people))

    def confirm(person: int) -> bool:
        together.wait()
        return db.write_now(lambda store: store.broadcasts.confirm(made, person, READERS, NOW))

    with ThreadPoolExecutor(len(people)) as threads:
        won = list(threads.map(confirm, people))
    assert sorted(won) == [False] * 5 + [True]

    def by(store: Store) -> int | None:
        found = store.broadcasts.get(made)
        assert found is not None
        return found.confirmed_by

    assert db.read_now(by) == people[won.index(True)]


def test_what_was_left_waiting_is_cancelled_in_batches(db: Database) -> None:
    broadcast = db.write_now(begun)
    assert db.write_now(lambda store: store.broadcasts.cancel(broadcast, LEFT))

    def batch(store: Store) -> bool:
        found = store.broadcasts.get(broadcast)
        assert found is not None
        left = store.following.withdraw(found, LEFT, at_most=5)
        end(store, LEFT, ending(store, LEFT) or [])
        return left

    for cancelled in (5, 10):
        assert db.write_now(batch)
        assert db.read_now(lambda store: progress(store, broadcast)).cancelled == cancelled
        assert db.read_now(lambda store: store.following.withdrawn()) == [broadcast]
    assert not db.write_now(batch)
    ended = db.read_now(lambda store: progress(store, broadcast))
    assert ended == Progress(total=READERS, cancelled=READERS)
    assert db.read_now(lambda store: store.following.withdrawn_since()) is None


def test_it_ends_only_when_nothing_is_in_flight(db: Database) -> None:
    broadcast = db.write_now(begun)
    [*claimed] = db.write_now(lambda store: store.deliveries.claim(LEFT))
    assert len(claimed) == READERS
    db.write_now(lambda store: store.broadcasts.cancel(broadcast, LEFT))
    assert db.read_now(lambda store: store.following.ending_since()) is None
    db.write_now(lambda store: store.deliveries.retry(claimed[0].id, LEFT))

    def refuse_the_others(store: Store) -> None:
        for one in claimed[1:]:
            store.deliveries.failed(one.id, Failure.blocked, LEFT)

    db.write_now(refuse_the_others)
    db.write_now(lambda store: settle(store, LEFT))
    ended = db.read_now(lambda store: progress(store, broadcast))
    assert ended == Progress(READERS, cancelled=1, failed=(("blocked", READERS - 1),))


def test_how_it_ended_outlives_its_deliveries(db: Database) -> None:
    broadcast = db.write_now(begun)
    all_sent = update(Delivery).values(state=DeliveryState.sent, done_at=LEFT)
    db.write_now(lambda store: store.session.execute(all_sent) and None)
    db.write_now(lambda store: settle(store, LEFT))
    db.write_now(lambda store: store.deliveries.forget_old(LEFT + timedelta(days=91)))
    assert db.read_now(lambda store: store.session.scalars(select(Delivery.id)).all()) == []
    assert db.read_now(lambda store: state(store, broadcast)) is BroadcastState.done
    assert db.read_now(lambda store: progress(store, broadcast)) == Progress(READERS, sent=READERS)


def test_of_two_who_count_one_redraws(db: Database) -> None:
    db.write_now(begun)
    one, two = [db.read_now(lambda store: store.following.changed(LEFT)) for _ in range(2)]
    assert db.write_now(lambda store: store.following.redrawn(one[0]))
    assert not db.write_now(lambda store: store.following.redrawn(two[0]))
    assert db.read_now(lambda store: store.following.changed(LEFT)) == []


def test_its_pace_says_how_long_it_takes(db: Database) -> None:
    broadcast = db.write_now(begun)
    now = LEFT + timedelta(seconds=30)
    some = select(Delivery.id).order_by(Delivery.id).limit(3)
    sent = update(Delivery).where(Delivery.id.in_(some))
    values = {"state": DeliveryState.sent, "done_at": now}
    db.write_now(lambda store: store.session.execute(sent.values(values)) and None)
    found = db.read_now(lambda store: progress(store, broadcast, now))
    assert (found.sent, found.remaining, found.rate, found.minutes_left) == (3, 9, 6, 2)
    assert db.read_now(lambda store: progress(store, broadcast, LEFT)).minutes_left is None


def refuse_some(store: Store) -> int:
    """Claim some of what is due, and be done with it; say how much there was."""
    claimed = store.deliveries.claim(LEFT, 5)
    for one in claimed:
        store.deliveries.failed(one.id, Failure.refused, LEFT)
    return len(claimed)


MOVES: dict[str, Callable[[Store, int], object]] = {
    "pause": lambda store, one: store.broadcasts.pause(one),
    "resume": lambda store, one: store.broadcasts.resume(one),
    "cancel": lambda store, one: store.broadcasts.cancel(one, LEFT),
    "leave": lambda store, _: leave(store, LEFT, at_most=5),
    "settle": lambda store, _: settle(store, LEFT),
    "send": lambda store, _: refuse_some(store),
}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.sampled_from([*MOVES, "leave", "send"]), max_size=14))
def test_nothing_leaves_but_while_it_is_leaving(db: Database, moves: list[str]) -> None:
    def handled(store: Store, broadcast: int) -> int:
        return sum(count for _, count in progress(store, broadcast).failed)

    def play(store: Store) -> None:
        readers(store)
        broadcast = confirmed(store)
        for move in moves:
            before, was = state(store, broadcast), handled(store, broadcast)
            MOVES[move](store, broadcast)
            if before is not BroadcastState.leaving:
                assert handled(store, broadcast) == was, (before, move)
        store.broadcasts.resume(broadcast)
        while leave(store, LEFT, at_most=5):
            assert progress(store, broadcast).total == READERS
        while refuse_some(store):
            pass
        settle(store, LEFT)
        found, ended = progress(store, broadcast), state(store, broadcast)
        assert ended in (BroadcastState.done, BroadcastState.cancelled)
        assert found.remaining == 0
        assert handled(store, broadcast) + found.cancelled == found.total == READERS
        if "cancel" not in moves:
            assert handled(store, broadcast) == READERS

    db.write_now(play)


def test_an_erased_person_leaves_no_wish_and_no_preview(db: Database) -> None:
    def prepare(store: Store) -> None:
        readers(store, 2)
        for person in (1, 2):
            store.broadcasts.mute(person, BroadcastKind, NOW)
            store.broadcasts.compose(
                "Bonjour", BroadcastKind.news, EVERYONE, NOW, composed_by=person
            )
        store.broadcasts.confirm(2, 2, READERS, NOW)

    def left(store: Store) -> tuple[list[int], list[int]]:
        people = store.session.scalars(select(Mute.person_id).distinct()).all()
        return list(people), list(store.session.scalars(select(Broadcast.id)))

    db.write_now(prepare)
    db.write_now(lambda store: store.erase(1, NOW))
    assert db.read_now(left) == ([2], [2])
    db.write_now(lambda store: store.erase(2, NOW))
    assert db.read_now(left) == ([], [2]), "what was confirmed is the committee's"


def in_group(store: Store) -> int:
    """A preview for a group that has members."""
    for person in readers(store, 3):
        store.groups.join(1, person, NOW)
    audience = Audience(AudienceKind.group, "1")
    return store.broadcasts.compose("Bonjour", BroadcastKind.news, audience, NOW).id


def test_a_group_that_was_closed_has_nobody_to_tell(db: Database) -> None:
    def close(store: Store) -> list[int]:
        found = store.broadcasts.get(in_group(store))
        assert found is not None
        before = store.broadcasts.count(found.whom, found.kind, NOW)
        store.groups.close(1, NOW)
        return [before, store.broadcasts.count(found.whom, found.kind, NOW)]

    assert db.write_now(close) == [3, 0]


def test_an_audience_that_went_within_the_minute_ends_it_at_once(db: Database) -> None:
    def close(store: Store) -> int:
        broadcast = in_group(store)
        store.broadcasts.confirm(broadcast, 1, 3, NOW)
        store.groups.close(1, NOW)
        return broadcast

    broadcast = db.write_now(close)
    assert not db.write_now(lambda store: leave(store, LEFT)), "there is nobody else"
    db.write_now(lambda store: settle(store, LEFT))
    assert db.read_now(lambda store: state(store, broadcast)) is BroadcastState.done
    assert db.read_now(lambda store: progress(store, broadcast)) == Progress(total=0)


def test_of_who_confirms_and_who_drops_the_first_prevails(db: Database) -> None:
    def look(store: Store) -> None:
        readers(store, 1)
        dropped, sent = confirmed_by_nobody(store), confirmed_by_nobody(store)
        assert store.broadcasts.drop(dropped.id)
        assert not store.broadcasts.confirm(dropped.id, 1, READERS, NOW)
        assert not store.broadcasts.drop(dropped.id)
        assert store.broadcasts.again(dropped.id) is None
        assert store.broadcasts.confirm(sent.id, 1, READERS, NOW)
        assert not store.broadcasts.drop(sent.id)
        assert state(store, sent.id) is BroadcastState.confirmed

    db.write_now(look)


def confirmed_by_nobody(store: Store) -> Broadcast:
    return store.broadcasts.compose("Bonjour", BroadcastKind.news, EVERYONE, NOW)
