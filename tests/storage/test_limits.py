"""How often things may be done, and who may do less for a while."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from storage.database import Database
from storage.grants import Role
from storage.limits import (
    LIMITS,
    NEW_FOR,
    REPORTS,
    Limit,
    RestrictionKind,
    Throttle,
    rates,
)
from storage.limits.restrictions import RestrictedAddress, Restriction
from storage.polls import Electorate, VoiceSpent
from storage.store import Store
from tests.conftest import NOW, SECRET, Copy

DAY = timedelta(days=1)
FEW = Limit("few", "person", timedelta(minutes=1), 3, 5)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda one: str(one.name))
def test_each_limit_slows_before_it_refuses(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "LONGEST", 3.0)
    most = limit.at_most if limit.at_most is not None else 3 * limit.slow_from
    delays = [limit.delay(count) for count in range(1, min(most, 5000) + 50)]
    assert delays == sorted(delays), "longer each time"
    assert set(delays[: limit.slow_from - 1]) <= {0.0}
    assert limit.delay(limit.slow_from) > 0
    assert limit.delay(10 * most) == 3.0, "some seconds at most"
    refused = [count for count in range(1, 2 * most) if not limit.takes(count)][:1]
    assert refused == ([] if limit.at_most is None else [limit.at_most + 1])
    assert all(limit.delay(count - 1) == 3.0 for count in refused), "slow as can be before"


MOMENTS = st.lists(st.integers(0, 400), min_size=1, max_size=40)


@given(seconds=MOMENTS)
def test_no_window_takes_more_than_its_most(sqlite_database: Database, seconds: list[int]) -> None:
    """Whenever it is tried: windows follow each other, and each begins with what is taken."""
    moments = [NOW + timedelta(seconds=one) for one in sorted(seconds)]

    def run(store: Store) -> list[tuple[datetime, bool]]:
        store.rates.forget(NOW + 365 * DAY)
        return [(at, store.rates.count(FEW, "someone", at).is_taken) for at in moments]

    done = sqlite_database.write_now(run)
    begins, count = done[0][0], 0
    for at, is_taken in done:
        if at >= begins + FEW.window:
            begins, count = at, 0
        count += 1
        assert is_taken == (count <= 5)


@pytest.fixture(scope="module")
def sqlite_database(sqlite_copy: Copy) -> Iterator[Database]:
    with sqlite_copy() as url:
        opened = Database(url, [SECRET])
        opened.open()
        yield opened
        opened.close()


def test_what_is_counted_is_kept_by_a_hash_and_what_is_rolled_back_does_not_count(
    db: Database,
) -> None:
    def spend(store: Store) -> bool:
        return store.rates.count(FEW, "someone", NOW, 2).is_taken

    assert [db.write_now(spend) for _ in range(3)] == [True, True, False]

    def fail(store: Store) -> None:
        store.rates.count(FEW, "other", NOW)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        db.write_now(fail)
    seen = db.read_now(lambda store: [one.key for one in store.session.scalars(select(Throttle))])
    assert len(seen) == 1
    assert "someone" not in seen[0]
    later = NOW + FEW.window
    assert db.read_now(lambda store: store.rates.peek(FEW, "someone", later).is_taken)
    assert not db.read_now(lambda store: store.rates.peek(FEW, "someone", NOW).is_taken)
    db.write_now(lambda store: store.rates.forget(later))
    assert db.read_now(lambda store: store.session.scalars(select(Throttle)).first()) is None


def test_members_are_never_new(db: Database) -> None:
    def run(store: Store) -> set[tuple[str, str]]:
        for name, since in (("old", NOW - NEW_FOR), ("new", NOW), ("member", NOW)):
            account, _ = store.people.arrive("telegram", name, "fr", since)
            if name == "member":
                store.grants.give(account.person_id, Role.secretariat, NOW - DAY)
        store.session.flush()
        names = ("old", "new", "member", "nobody")
        return store.newcomers.known([("telegram", name) for name in names], NOW)

    assert db.write_now(run) == {("telegram", "old"), ("telegram", "member")}


# Restrictions


def somebody(store: Store, address: str, platform: str = "telegram") -> int:
    return store.people.arrive(platform, address, "fr", NOW)[0].person_id


def test_a_restriction_comes_back_with_its_address_and_ends_without_a_trace(db: Database) -> None:
    def restrict(store: Store) -> int:
        person = somebody(store, "7001")
        other = somebody(store, "7002")
        given = store.restrictions.give(person, RestrictionKind.ban, "Un motif", NOW + DAY, NOW)
        assert store.restrictions.of(other, NOW) is None
        store.erase(person, NOW)
        return given.id

    number = db.write_now(restrict)

    def returned(store: Store) -> tuple[RestrictionKind | None, int]:
        again = somebody(store, "7001")
        found = store.restrictions.of(again, NOW)
        return found.kind if found else None, again

    kind, again = db.write_now(returned)
    assert kind is RestrictionKind.ban
    assert db.read_now(lambda store: store.restrictions.of(again, NOW + DAY)) is None
    assert db.read_now(lambda store: store.restrictions.over(NOW)) == []

    def end(store: Store) -> list[int]:
        [over] = store.restrictions.over(NOW + DAY)
        assert over.id == number
        return store.restrictions.lift(over)

    assert db.write_now(end) == [again]
    left = db.read_now(
        lambda store: [
            *store.session.scalars(select(Restriction)),
            *store.session.scalars(select(RestrictedAddress)),
        ]
    )
    assert left == []


def test_on_the_page_nobody_comes_back_so_nothing_is_kept(db: Database) -> None:
    def run(store: Store) -> None:
        person = somebody(store, "page", "web")
        store.restrictions.give(person, RestrictionKind.ban, "x", None, NOW)
        store.erase(person, NOW)

    db.write_now(run)
    assert db.read_now(lambda store: store.restrictions.count(NOW)) == 0


def test_what_one_was_under_holds_at_every_address_of_both(db: Database) -> None:
    def link(store: Store) -> tuple[int, int]:
        first, other = somebody(store, "1"), somebody(store, "2", "matrix")
        store.restrictions.give(first, RestrictionKind.mute, "x", None, NOW)
        store.restrictions.give(other, RestrictionKind.ban, "y", NOW + DAY, NOW)
        one, two = (store.people.account(*at) for at in (("telegram", "1"), ("matrix", "2")))
        assert one is not None
        assert two is not None
        kept = store.merge((one.id, two.id), {}, NOW)
        return kept, two.id

    kept, account = db.write_now(link)

    def found(store: Store) -> list[RestrictionKind]:
        return [one.kind for one in store.session.scalars(select(Restriction))]

    assert db.read_now(found) == [RestrictionKind.ban], "the strictest"
    db.write_now(lambda store: store.unlink(account, NOW))

    def both(store: Store) -> list[bool]:
        addresses = (("telegram", "1"), ("matrix", "2"))
        accounts = [store.people.account(*at) for at in addresses]
        people = [one.person_id for one in accounts if one is not None]
        assert people[0] == kept
        assert people[1] != kept
        return [store.restrictions.of(one, NOW) is not None for one in people]

    assert db.read_now(both) == [True, True]


def test_neither_linking_nor_unlinking_begins_a_count_anew(db: Database) -> None:
    def run(store: Store) -> list[bool]:
        for address in ("one", "two"):
            somebody(store, address)
        accounts = [store.people.account("telegram", one) for one in ("one", "two")]
        first, second = (one for one in accounts if one is not None)
        store.rates.count(REPORTS, second.person_id, NOW, REPORTS.at_most or 0)
        kept = store.merge((first.id, second.id), {}, NOW)
        store.unlink(second.id, NOW)
        parted = store.people.account("telegram", "two")
        assert parted is not None
        assert parted.person_id != kept
        return [store.rates.peek(REPORTS, one, NOW).is_taken for one in (kept, parted.person_id)]

    assert db.write_now(run) == [False, False]


def test_another_restriction_takes_the_place_of_the_one_before(db: Database) -> None:
    def run(store: Store) -> list[tuple[RestrictionKind, str]]:
        person = somebody(store, "1")
        store.restrictions.give(person, RestrictionKind.ban, "x", None, NOW)
        store.restrictions.give(person, RestrictionKind.mute, "y", None, NOW)
        return [(one.kind, one.reason) for one in store.session.scalars(select(Restriction))]

    assert db.write_now(run) == [(RestrictionKind.mute, "y")]


# Voices that were used


def test_who_erases_themselves_and_comes_back_has_no_second_voice(db: Database) -> None:
    def consult(store: Store) -> int:
        public = Electorate.public
        return store.polls.open("Qui ?", electorate=public, closes_at=NOW + DAY, now=NOW).id

    first, other = db.write_now(consult), db.write_now(consult)

    def vote(store: Store, poll: int) -> None:
        store.polls.press(poll, somebody(store, "1"), 0, NOW, as_member=False)

    db.write_now(lambda store: vote(store, first))
    db.write_now(lambda store: store.erase(somebody(store, "1"), NOW))
    with pytest.raises(VoiceSpent):
        db.write_now(lambda store: vote(store, first))
    db.write_now(lambda store: vote(store, other))
    assert db.read_now(lambda store: store.polls.turnout(first).voted) == (1, 0)
    db.write_now(lambda store: store.polls.close(first, NOW + DAY))
    assert not db.read_now(lambda store: store.polls.has_spent(first, 1))


def test_operators_are_told_of_each_limit() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operators.md").read_text("utf-8")
    table = page.partition("## How much one may do")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[-3:-1]] for line in table.splitlines()]
    told = [tuple(row) for row in rows if len(row) == 2 and row[0].isdigit()]
    wanted = [(str(one.slow_from), str(one.at_most or "never")) for one in LIMITS]
    assert sorted(told) == sorted(wanted)
