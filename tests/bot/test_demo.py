"""The demo's committee, as each persona finds it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bot.demo.seed import PERSONAS, address_of, seed
from bot.markup import as_plain
from bot.settings import Settings
from storage.broadcasts import BroadcastState
from storage.database import Database
from storage.deliveries import PageEvent
from storage.people import Account, Chat
from storage.store import Store
from tests.conftest import SECRET
from tests.stage import Stage

SERVERS = pytest.mark.servers
NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)


@pytest.fixture
def seeded(db: Database, settings: Settings) -> Database:
    db.write_now(lambda store: seed(store, settings, NOW))
    return db


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=SERVERS)])
def world(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The committee on each engine, seeded once for those who only read."""
    with request.getfixturevalue(f"{request.param}_copy")() as url:
        db = Database(url, [SECRET])
        db.open()
        db.write_now(lambda store: seed(store, Settings(_env_file=None), NOW))
        yield db
        db.close()


def page(store: Store, persona: str) -> list[PageEvent]:
    """What stands on a persona's page."""
    address = address_of(PERSONAS[persona])
    chat = store.session.scalars(select(Chat.id).where(Chat.address_index == address)).one()
    return store.deliveries.page_events(chat, 0)


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_page_reads_in_the_order_of_its_times(world: Database, persona: str) -> None:
    events = world.read_now(lambda store: page(store, persona))
    assert [event.event for event in events] == list(range(1, len(events) + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert all(event.at < NOW for event in events)


@pytest.mark.parametrize(
    ("persona", "first"),
    [
        ("delegate", "people.do:polls"),
        ("secretariat", "people.do:review"),
        ("teacher", "people.do:report"),
        ("parent", "people.do:report"),
    ],
)
def test_each_is_offered_first_what_they_come_for(
    world: Database, persona: str, first: str
) -> None:
    welcome, *_ = world.read_now(lambda store: page(store, persona))
    assert welcome.body["choices"][0][0] == first


def test_the_delegate_leads_a_group_and_sees_who_comes(world: Database) -> None:
    welcome, *told = world.read_now(lambda store: page(store, "delegate"))
    assert "people.do:meeting" in [action for action, _ in welcome.body["choices"]]
    [card] = [event for event in told if "Réponses :" in event.body["markup"]]
    assert "3 à distance, 1 peut-être, 5 sans réponse" in card.body["markup"]
    assert card.body["choices"][-1][1] == "Gérer la réunion"


def test_the_result_of_the_past_comes_before_the_open_votes(world: Database) -> None:
    _, result, *told = world.read_now(lambda store: page(store, "delegate"))
    said = as_plain(result.body["markup"])
    assert said.startswith("Résultat (VOTE-")
    assert "11 organisations sur 11" in said
    assert "ARF" not in said, "the names are those of the day"
    assert result.body["files"], "it is drawn, too"
    opened = [event for event in told if "Un vote est ouvert" in event.body["markup"]]
    assert len(opened) == 2


def test_reports_are_in_every_state_of_a_review(world: Database) -> None:
    def look(store: Store) -> None:
        address = address_of(PERSONAS["secretariat"])
        secretary = store.session.scalars(
            select(Account.person_id).where(Account.address_index == address)
        ).one()
        [left] = store.reports.left(secretary, NOW)
        assert (NOW - left.changed_at).days == 3
        assert store.reports.count_waiting() > 5
        assert store.reports.decided_by(secretary)

    world.read_now(look)


def test_a_broadcast_is_under_way_and_threads_wait(world: Database) -> None:
    def look(store: Store) -> None:
        [broadcast] = store.broadcasts.under_way()
        progress = store.following.count(broadcast, NOW)
        assert broadcast.state is BroadcastState.paused
        assert progress.on_page == 14
        assert progress.remaining > 10
        assert store.threads.count_waiting() == 3

    world.read_now(look)


async def test_moving_the_clock_shows_the_reminders_in_order(
    seeded: Database, settings: Settings
) -> None:
    stage = Stage(settings, seeded, NOW)
    await stage.open()
    await stage.advance(timedelta(days=4))
    await stage.close()
    events = seeded.read_now(lambda store: page(store, "delegate"))
    since = [event for event in events if event.at > NOW]
    reminders = [event for event in since if "se réunit" in event.body["markup"]]
    assert [event.at.isoformat()[5:16] for event in reminders] == [
        "01-11T13:00",  # the day before
        "01-12T12:00",  # the hour before
        "01-13T09:00",
        "01-14T08:00",
    ]
