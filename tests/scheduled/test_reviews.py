"""The quiet word that reports wait."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from scheduled.reviews import tell_waiting
from storage.database import Database
from storage.deliveries import Delivery
from storage.grants import Role
from storage.reports import Content, ReportKind
from storage.store import Store

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)  # a Monday
PARIS = ZoneInfo("Europe/Paris")


def told(store: Store, after: timedelta) -> int:
    """How many people are told at some time after Monday, 10:00 in Paris."""
    before = store.session.scalar(select(func.count(Delivery.id))) or 0
    tell_waiting(store, NOW + after, PARIS)
    return (store.session.scalar(select(func.count(Delivery.id))) or 0) - before


def test_readers_are_told_once_a_day_in_office_hours(db: Database) -> None:
    def work(store: Store) -> None:
        people = [store.people.arrive("web", f"p{n}", "fr", NOW)[0].person_id for n in range(3)]
        for person, role in zip(
            people, (Role.secretariat, Role.reviewer, Role.member), strict=True
        ):
            store.grants.give(person, role, NOW)
        store.grants.give(people[0], Role.reviewer, NOW)
        store.session.flush()
        assert told(store, timedelta()) == 0, "nothing waits"
        content = Content("Un récit.", ReportKind.need, None, publishable=True, title="Un récit")
        store.reports.submit(people[2], None, None, content, NOW)
        assert told(store, timedelta(minutes=5)) == 2, "each reader once, whatever their roles"
        assert told(store, timedelta(hours=2)) == 0, "not twice a day"
        assert told(store, timedelta(hours=20)) == 0, "not before the morning"
        assert told(store, timedelta(days=1)) == 2
        assert told(store, timedelta(days=5)) == 0, "not on a Saturday"
        assert told(store, timedelta(days=7)) == 2

    db.write_now(work)
