"""When a request about data is due, and what may be decided on it once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from bot.data_requests import HOUR, MOST_TOLD, told
from bot.retention import swept
from storage.data_requests import (
    REMINDED,
    Asked,
    DataRequest,
    RequestKind,
    RequestState,
    Settled,
    months_after,
    next_reminder,
)
from storage.database import Database
from storage.deliveries import Notice
from storage.store import Store
from tests.conftest import NOW

ASKED = Asked(RequestKind.withdrawal, "Retirez-le.", name="Ada", contact="ada@example.org")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, st.integers(1, 3))
def test_a_calendar_month_later_is_the_same_day_or_the_last(at: datetime, months: int) -> None:
    due = months_after(at, months)
    passed = (due.year - at.year) * 12 + due.month - at.month
    assert passed == months
    assert due.time() == at.time()
    assert due.day == at.day or (due.day < at.day and (due + timedelta(days=1)).day == 1)


def test_it_is_due_a_calendar_month_later() -> None:
    assert months_after(datetime(2027, 1, 31, tzinfo=UTC), 1) == datetime(2027, 2, 28, tzinfo=UTC)
    assert months_after(datetime(2026, 12, 15, tzinfo=UTC), 1) == datetime(2027, 1, 15, tzinfo=UTC)
    assert months_after(datetime(2028, 1, 29, tzinfo=UTC), 3) == datetime(2028, 4, 29, tzinfo=UTC)


def made(store: Store) -> DataRequest:
    return store.data_requests.add(ASKED, NOW)


def test_it_is_decided_once_and_extended_once(db: Database) -> None:
    def run(store: Store) -> None:
        store.people.arrive("web", "one", "fr", NOW)
        one = made(store)
        one.extend("Il faut chercher.", NOW)
        assert one.due_at == months_after(NOW, 3)
        with pytest.raises(Settled):
            one.extend("Encore.", NOW)
        one.close(RequestState.granted, 1, NOW)
        for state in (RequestState.granted, RequestState.refused):
            with pytest.raises(Settled):
                one.close(state, 1, NOW)

    with pytest.raises(Settled):
        db.write_now(lambda store: made(store).extend("Trop tard.", months_after(NOW, 1)))
    db.write_now(run)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12))
def test_each_reminder_is_told_once_in_order_whenever_somebody_looks(days: list[int]) -> None:
    one = DataRequest(state=RequestState.waiting, due_at=months_after(NOW, 1), reminded=None)
    heard: list[int] = []
    for day in sorted(days):
        now = NOW + timedelta(days=day)
        reached = one.reminder_due(now)
        if reached is not None:
            one.reminded = reached
            heard.append(reached)
            next_due = next_reminder(one.due_at, one.reminded)
            assert next_due is None or next_due > now
    assert heard == sorted(set(heard), reverse=True)
    assert set(heard) <= set(REMINDED)
    latest = NOW + timedelta(days=max(days))
    assert (0 in heard) == (latest > one.due_at)


def test_of_a_flood_only_so_many_are_told_in_an_hour(db: Database) -> None:
    def flood(store: Store, now: datetime) -> int:
        for _ in range(MOST_TOLD + 5):
            told(store, made(store), now)
        store.session.flush()
        return int(store.session.execute(select(func.count()).select_from(Notice)).scalar_one())

    assert db.write_now(lambda store: flood(store, NOW)) == MOST_TOLD
    assert db.write_now(lambda store: flood(store, NOW + HOUR)) == 2 * MOST_TOLD


def test_who_only_asked_stays_as_long_as_what_they_asked(db: Database) -> None:
    account, _ = db.write_now(lambda store: store.people.arrive("web", "one", "fr", NOW))

    def ask(store: Store) -> None:
        asked = replace(ASKED, person_id=account.person_id)
        store.data_requests.add(asked, NOW).close(RequestState.granted, account.person_id, NOW)

    def kept(store: Store, later: timedelta) -> int:
        swept(store, NOW + later)
        return len(store.data_requests.closed(5))

    db.write_now(ask)
    assert db.write_now(lambda store: kept(store, timedelta(days=60))) == 1
    assert db.write_now(lambda store: kept(store, timedelta(days=366))) == 0


def test_what_was_answered_is_dropped_a_year_later_and_what_waits_stays(db: Database) -> None:
    def run(store: Store) -> None:
        first, _ = made(store), made(store)
        first.close(RequestState.granted, account.person_id, NOW)
        store.session.flush()
        store.data_requests.forget_closed(NOW)
        assert len(store.data_requests.closed(5)) == 1
        store.data_requests.forget_closed(NOW + timedelta(seconds=1))
        assert store.data_requests.closed(5) == []
        assert store.data_requests.count_waiting() == 1

    account, _ = db.write_now(lambda store: store.people.arrive("web", "one", "fr", NOW))
    db.write_now(run)
