"""What is chosen in a group by its number, where there are no buttons."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.settings import Settings
from storage.database import Database
from storage.deliveries import Outgoing
from storage.grants import Role
from storage.meetings import Plan
from storage.polls import Electorate
from storage.store import Store
from tests.conftest import NOW
from tests.rooms import Square, Talker
from tests.stage import Stage

pytestmark = pytest.mark.web  # on a messenger of its own
GREETING = "Ici, je montre les votes"


@pytest.fixture
async def square(settings: Settings, db: Database) -> AsyncIterator[Square]:
    stage = Stage(settings, db, NOW)
    yield await Square.opened(settings, db, stage)
    await stage.close()


@pytest.fixture
async def secretary(square: Square) -> Talker:
    return await square.met("secretary", Role.secretariat)


def newest(square: Square) -> str:
    """The id of the newest message of the group."""
    return list(square.messenger.chats["#room"])[-1]


async def polled(square: Square) -> None:
    def make(store: Store) -> None:
        store.polls.open(
            "Que faire ?",
            electorate=Electorate.public,
            closes_at=NOW + timedelta(days=1),
            now=NOW,
            options=("Le réseau", "Les tablettes"),
        )

    await square.stage.db.write(make)


async def convened(square: Square, secretary: Talker) -> None:
    """A meeting of a group of which the secretary is a member."""

    def make(store: Store) -> None:
        store.groups.join(1, square.person_id(store, secretary.name), NOW, admitted=True)
        starts = NOW + timedelta(days=10)
        plan = Plan(starts, starts + timedelta(hours=2), "Europe/Paris", "salle 4", "", "")
        store.meetings.call(1, plan, 1, NOW)

    await square.stage.db.write(make)


async def test_a_marked_number_or_a_reply_chooses(square: Square, secretary: Talker) -> None:
    await convened(square, secretary)
    await secretary.say_among("agenda")
    shown = await secretary.say_among("!1")
    assert shown.toast == "C'est montré ici."
    card = newest(square)
    assert "se réunit" in square.room()[-1].text
    assert (await secretary.say_among("!1")).toast == "C'est noté : Je viens"
    assert (await secretary.say_among("/2")).toast == "C'est noté : À distance"
    assert (await secretary.say_among("3", replied=card)).toast == "C'est noté : Peut-être"
    parent = await square.met("parent")
    assert "Seuls les membres" in str((await parent.say_among("!1")).toast)
    before = len(square.room())
    assert "aucun choix" in str((await secretary.say_among("!9")).toast)
    assert "aucun choix" in str((await secretary.say_among("0", replied=card)).toast)
    assert "en privé" in str((await secretary.say_among("5", replied=card)).toast)
    assert len(square.room()) == before, "each is told alone"
    await secretary.say_among("1")
    assert GREETING in square.room()[-1].text, "a number alone is not for us"
    assert (await secretary.say_among("!1")).toast == "C'est noté : Je viens"


async def test_nobody_votes_by_a_number_that_others_read(square: Square, secretary: Talker) -> None:
    await polled(square)
    await secretary.say_among("votes")
    assert (await secretary.say_among("1", replied=newest(square))).toast == "C'est montré ici."
    card = newest(square)
    refused = await secretary.say_among("1", replied=card)
    assert refused.toast == "Cela se fait en privé, dans votre conversation avec Préau."
    assert (await secretary.say_among("!1")).toast == refused.toast
    assert await square.stage.db.read(lambda store: store.polls.ballots(1)) == 0


async def test_a_card_that_is_about_to_be_redrawn_takes_numbers(
    square: Square, secretary: Talker
) -> None:
    await convened(square, secretary)
    await secretary.say_among("agenda")
    await secretary.press_among("Montrer ici")

    def wait(store: Store) -> None:
        store.deliveries.redraw("meetings.group_card", {"meeting": 1}, "meeting_card:1", NOW)

    def chosen(store: Store) -> list[list[list[str]]]:
        wait(store)
        return store.deliveries.offered(square_chat(store))

    def square_chat(store: Store) -> int:
        chat = store.people.chat_at("messenger", "#room")
        assert chat is not None
        return chat

    [choices] = await square.stage.db.write(chosen)
    assert len(choices) == 5

    def deleted(store: Store) -> list[list[list[str]]]:
        gone = Outgoing({}, message=newest(square))
        store.deliveries.add(square_chat(store), "", [gone], NOW)
        return store.deliveries.offered(square_chat(store))

    assert await square.stage.db.write(deleted) == []


async def test_a_stranger_is_shown_the_way(square: Square, secretary: Talker) -> None:
    await convened(square, secretary)
    await secretary.say_among("agenda")
    await square.person("stranger").say_among("1", replied=newest(square))
    assert GREETING in square.room()[-1].text
