"""The quiet word that somebody has waited long for the secretariat."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from scheduled.threads import tell_late
from storage.database import Database
from storage.deliveries import Delivery
from storage.grants import Role
from storage.store import Store
from tests.stage import Stage

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)  # a Monday
PARIS = ZoneInfo("Europe/Paris")


def told(store: Store, after: timedelta) -> int:
    """How many people are told at some time after Monday, 10:00 in Paris."""
    wanted = select(func.count(Delivery.id))
    before = store.session.scalar(wanted) or 0
    tell_late(store, NOW + after, PARIS)
    return (store.session.scalar(wanted) or 0) - before


def test_the_secretariat_is_told_once_a_day_in_office_hours(db: Database) -> None:
    def work(store: Store) -> None:
        people = [store.people.arrive("web", f"p{n}", "fr", NOW)[0].person_id for n in range(4)]
        for person, role in zip(
            people, (Role.secretariat, Role.secretariat, Role.reviewer), strict=False
        ):
            store.grants.give(person, role, NOW)
        store.session.flush()
        store.threads.write(people[3], "?", NOW)
        assert told(store, timedelta(hours=6)) == 0, "it has not waited for a day"
        assert told(store, timedelta(days=1)) == 2, "the secretariat, no reviewer"
        assert told(store, timedelta(days=1, hours=2)) == 0, "not twice a day"
        assert told(store, timedelta(days=1, hours=20)) == 0, "not at night"
        assert told(store, timedelta(days=5)) == 0, "not on a Saturday"
        assert told(store, timedelta(days=7)) == 2

    db.write_now(work)


async def test_the_word_says_how_many_and_nothing_once_they_are_answered(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("secrétariat")
    await parent.say("Une question.")
    now = stage.clock.now() + timedelta(days=1)
    stage.clock.advance_to(now)
    secretary = await stage.invited(Role.secretariat)
    await stage.db.write(lambda store: tell_late(store, now, PARIS))
    late = "Un message attend une réponse depuis plus d'un jour."
    assert late in await secretary.look()

    def answered_meanwhile(store: Store) -> None:
        store.deliveries.notify("threads.late", {}, store.grants.secretaries(now), now)
        [listed] = store.threads.waiting(0, 9)
        thread = store.threads.get(listed.thread.id)
        assert thread is not None
        holder = store.grants.holders(Role.secretariat, now)[0]
        store.threads.take(thread, holder, now)
        store.threads.mark_read(thread, holder, store.threads.last_message(thread.id))
        store.threads.answer(thread, holder, "Une réponse.", now)

    await stage.db.write(answered_meanwhile)
    assert late not in await secretary.look()
