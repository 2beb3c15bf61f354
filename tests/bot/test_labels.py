"""The label of what came unasked chooses in it, unless several messages have that label."""

from datetime import timedelta

from sqlalchemy import func, select

from bot.settings import Settings
from storage.database import Database
from storage.polls import Ballot, Electorate
from storage.store import Store
from tests.conftest import NOW
from tests.rooms import Square
from tests.stage import Stage


def told_of(store: Store, question: str) -> None:
    """Open a poll for everybody, and tell them."""
    closes_at = NOW + timedelta(days=1)
    poll = store.polls.open(
        question, electorate=Electorate.public, closes_at=closes_at, now=NOW, options=("A", "B")
    )
    asked = store.polls.asked(poll, NOW)
    store.deliveries.notify("polls.opened", {"poll": poll.id}, asked, NOW)


def ballots(store: Store) -> int:
    return store.session.scalar(select(func.count()).select_from(Ballot)) or 0


async def test_a_label_chooses_only_where_it_stands_once(settings: Settings, db: Database) -> None:
    stage = Stage(settings, db, NOW)
    square = await Square.opened(settings, db, stage)
    parent = await square.met("parent")
    await db.write(lambda store: told_of(store, "Un ?"))
    await square.settle()
    await parent.say("menu")
    assert "Votre vote est compté : A." in (await parent.say("a")).text
    await db.write(lambda store: told_of(store, "Deux ?"))
    await db.write(lambda store: told_of(store, "Trois ?"))
    await square.settle()
    for _ in range(2):  # while a number may still answer them, and later
        assert "compté" not in (await parent.say("b")).text
        await parent.say("menu")
    assert await db.read(ballots) == 1
    await stage.close()
