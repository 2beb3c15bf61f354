"""What a person sends as one and Telegram delivers in pieces is one answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from bot.platforms.telegram import gathering
from bot.settings import Settings
from storage.conversations import Conversation, Draft
from storage.database import Database
from storage.inbox import Held
from tests.bot_api import BotApi
from tests.chats import ON_SQLITE, Chatter
from tests.conftest import NOW
from tests.journeys.test_reports import photo
from tests.people import STORY
from tests.stage import Stage

pytestmark = ON_SQLITE


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for the next piece."""
    monkeypatch.setattr(gathering, "PATIENCE", 0.4)


async def answers(stage: Stage) -> dict[str, Any]:
    """The answers of the only draft."""
    state = await stage.db.read(lambda store: store.session.scalars(select(Draft.state)).one())
    found: dict[str, Any] = state["answers"]
    return found


async def held(stage: Stage) -> int:
    return await stage.db.read(lambda store: len(store.session.scalars(select(Held.id)).all()))


async def kept(stage: Stage) -> str | None:
    """What was kept of what the only person said outside any form."""
    return await stage.db.read(lambda store: store.session.scalar(select(Conversation.kept)))


async def asked(stage: Stage) -> Chatter:
    """Somebody who is asked what they want to tell."""
    someone = stage.chatter()
    await someone.start()
    await someone.say("témoigner")
    return someone


def words(length: int) -> str:
    """A text of different words that is so long."""
    return " ".join(f"mot{n}" for n in range(20_000))[:length].rstrip() + "."


@pytest.mark.parametrize(("length", "pieces"), [(6000, 2), (9000, 3)])
async def test_a_long_paste_is_one_message(place: Stage, length: int, pieces: int) -> None:
    someone = place.chatter()
    await someone.start()
    sent = someone.user.paste(words(length))
    answer = await someone.look()
    assert len(sent) == pieces
    assert len(answer.messages) == 1
    assert await kept(place) == words(length)
    assert await held(place) == 0


async def test_ten_pieces_are_one_message(place: Stage) -> None:
    someone = await asked(place)
    sent = someone.user.paste(words(39_000))
    answer = await someone.look()
    assert len(sent) == 10
    assert len(answer.messages) == 1
    assert "Votre texte fait 39 001 caractères." in answer.text.replace("\u202f", " ")


async def test_a_paste_cut_within_a_word_reads_on(place: Stage) -> None:
    someone = place.chatter()
    await someone.start()
    someone.user.say("a" * 4096)
    someone.user.say("b" * 1000)
    await someone.look()
    assert await kept(place) == "a" * 4096 + "b" * 1000


async def test_what_is_said_after_a_paste_is_another_message(place: Stage) -> None:
    someone = await asked(place)
    text = words(3400)
    someone.user.say(text)
    someone.user.say("Fin.")
    someone.user.say("2")
    answer = await someone.look()
    assert (await answers(place))["story"] == f"{text}\nFin."
    assert (await answers(place))["kind"] is not None
    assert len(answer.messages) == 2


async def test_a_command_ends_a_paste(place: Stage) -> None:
    someone = await asked(place)
    someone.user.say(words(3400))
    someone.user.say("/menu")
    answer = await someone.look()
    assert (await answers(place))["story"] == words(3400)
    assert "Que voulez-vous faire" in answer


async def test_a_press_ends_a_paste_and_comes_after_it(place: Stage) -> None:
    someone = await asked(place)
    someone.user.say(words(3400))
    someone.user.press(data="people.menu")
    answer = await someone.look()
    assert [one["text"][:4] for one in answer.messages][-1] == "Que "
    assert (await answers(place))["story"] == words(3400)


async def test_two_people_paste_at_once(place: Stage) -> None:
    people = [place.chatter(name) for name in ("Anna", "Bruno")]
    texts = [words(6000), words(7000)[::-1].strip()]
    for someone in people:
        await someone.start()
    pieces = [[text[:4000], text[4000:]] for text in texts]
    for number in range(2):
        for someone, mine in zip(people, pieces, strict=True):
            someone.user.say(mine[number])
    said = [await someone.look() for someone in people]
    assert [len(one.messages) for one in said] == [1, 1]


async def test_pieces_that_come_twice_and_out_of_order_count_once(
    stage: Stage, api: BotApi
) -> None:
    someone = await asked(stage)
    api.faults.duplicate(1.0)
    api.faults.reorder(1.0)
    someone.user.say(words(3400))
    someone.user.say("Fin.")
    answer = await someone.look()
    assert len(answer.messages) == 1
    assert (await answers(stage))["story"] == f"{words(3400)}\nFin."


async def test_a_piece_posted_twice_counts_once(posted: Stage, api: BotApi) -> None:
    someone = await asked(posted)
    api.faults.duplicate(1.0)
    someone.user.say(words(3400))
    someone.user.say("Fin.")
    answer = await someone.look()
    assert len(answer.messages) == 1
    assert (await answers(posted))["story"] == f"{words(3400)}\nFin."


@pytest.fixture(params=["polled", "posted"])
async def stages(
    request: pytest.FixtureRequest, settings: Settings, db: Database, api: BotApi
) -> AsyncIterator[list[Stage]]:
    """A service, and the one that takes over when it is stopped."""
    made = [Stage(settings, db, NOW, api, webhook=request.param == "posted") for _ in range(2)]
    await made[0].open()
    yield made
    await made[1].close()


async def test_a_restart_in_the_middle_of_a_paste_loses_nothing(
    stages: list[Stage], api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "PATIENCE", 5.0)
    someone = await asked(stages[0])
    text = words(3400)
    someone.user.say(text)
    await asyncio.sleep(0.3)
    await stages[0].close()
    assert "story" not in await answers(stages[0]), "it waited for more"
    someone.user.say("Fin.")
    await stages[1].open()
    someone.settled = stages[1].settle
    answer = await someone.look()
    assert (await answers(stages[1]))["story"] == f"{text}\nFin."
    assert len(answer.messages) == 1
    assert await held(stages[1]) == 0


async def test_a_database_that_is_away_in_the_middle_loses_nothing(stage: Stage) -> None:
    someone = await asked(stage)
    someone.user.say(words(3400))
    await asyncio.sleep(0.2)
    with stage.database_away():
        someone.user.say("Fin.")
        await asyncio.sleep(1)
    answer = await someone.look()
    assert (await answers(stage))["story"] == f"{words(3400)}\nFin."
    assert len(answer.messages) == 1


# Albums


@pytest.mark.parametrize("count", [2, 5])
async def test_an_album_is_one_answer(place: Stage, count: int) -> None:
    someone = await asked(place)
    for number in range(count):
        someone.user.send_photo(photo(), album="a", caption=STORY if not number else "")
    answer = await someone.look()
    assert len(answer.messages) == 1
    found = await answers(place)
    assert len(found["photos"]) == count
    assert found["story"] == STORY


async def test_an_album_of_more_than_are_taken_says_so_and_keeps_its_words(place: Stage) -> None:
    someone = await asked(place)
    for number in range(10):
        someone.user.send_photo(photo((64, 48)), album="a", caption=STORY if number == 3 else "")
    answer = await someone.look()
    assert len(answer.messages) == 1
    assert "Cinq fichiers au plus." in answer
    found = await answers(place)
    assert len(found["photos"]) == 5
    assert found["story"] == STORY


async def test_a_bad_photo_spoils_no_album(place: Stage) -> None:
    someone = await asked(place)
    for data in (photo(), b"\xff\xd8\xffnot a photo", photo()):
        someone.user.send_photo(data, album="a")
    answer = await someone.look()
    assert len(answer.messages) == 1
    assert "Je ne peux pas ouvrir" in answer
    assert len((await answers(place))["photos"]) == 2


async def test_two_albums_are_two_answers(place: Stage) -> None:
    someone = await asked(place)
    for album in ("a", "a", "b", "b"):
        someone.user.send_photo(photo((64, 48)), album=album)
    answer = await someone.look()
    assert len(answer.messages) == 2
    assert len((await answers(place))["photos"]) == 4


async def test_what_is_said_after_a_photo_waits_for_it(place: Stage, api: BotApi) -> None:
    someone = await asked(place)
    api.faults.slow("download", 0.5)
    someone.user.send_photo(photo(), caption=STORY)
    someone.user.say("1")
    answer = await someone.look()
    assert (await answers(place))["story"] == STORY
    assert [one["text"].startswith("Photo gardée") for one in answer.messages] == [True, False]
    assert "kind" in await answers(place)
