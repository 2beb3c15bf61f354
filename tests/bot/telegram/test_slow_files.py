"""Files that come slowly, or by the dozen: nobody else waits for them, and nothing is lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select
from structlog.testing import capture_logs

from bot import dispatcher, photos
from bot.attachments import Attachments
from bot.platforms import fetching
from bot.settings import Settings
from storage.conversations import Draft
from storage.database import Database
from storage.inbox import Held
from storage.polls import Poll
from tests.bot.telegram.test_cards import open_poll
from tests.bot_api import BotApi
from tests.chats import ON_SQLITE, Chatter
from tests.conftest import NOW
from tests.journeys.test_reports import photo
from tests.people import STORY
from tests.stage import Stage

pytestmark = ON_SQLITE

SMALL = photo((64, 48))


async def answers(stage: Stage) -> dict[str, Any]:
    """The answers of the only draft."""
    state = await stage.db.read(lambda store: store.session.scalars(select(Draft.state)).one())
    found: dict[str, Any] = state["answers"]
    return found


async def held(stage: Stage) -> int:
    return await stage.db.read(lambda store: len(store.session.scalars(select(Held.id)).all()))


async def asked(stage: Stage, name: str = "Camille") -> Chatter:
    """Somebody who is asked what they want to tell."""
    someone = stage.chatter(name)
    await someone.start()
    await someone.say("témoigner")
    return someone


async def wait_for(condition: Any, seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.01)


class Downloads:
    """How files come.

    Attributes:
        seconds: that each takes; `instead` answers in another way.
        now, most, all: how many are on their way, how many ever were at once, and were begun.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.instead: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        self.now = self.most = self.all = 0

    async def wait(self) -> None:
        self.all += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.now -= 1


@pytest.fixture(autouse=True)
def downloads(monkeypatch: pytest.MonkeyPatch) -> Downloads:
    made, real = Downloads(), BotApi._download

    async def slow(self: BotApi, request: web.Request) -> web.StreamResponse:
        if made.instead is not None:
            return await made.instead(request)
        await made.wait()
        return await real(self, request)

    monkeypatch.setattr(BotApi, "_download", slow)
    return made


# Others


async def test_a_hundred_files_of_one_person_hold_up_nobody(
    place: Stage, downloads: Downloads
) -> None:
    busy, other = await asked(place), place.chatter("Autre")
    await other.start()
    downloads.seconds = 2.0
    for _ in range(110):
        busy.user.send_document(SMALL, "a.jpg", "image/jpeg")
    busy.user.say("menu")
    await asyncio.sleep(0.5)
    newcomers = [place.chatter(f"Personne {number}") for number in range(150)]
    for someone in newcomers:
        someone.user.start()
    await wait_for(lambda: all(one.user.chat.from_bot for one in newcomers), 8.0)
    began, count = time.monotonic(), len(other.user.chat.from_bot)
    other.user.say("menu")
    await wait_for(lambda: len(other.user.chat.from_bot) > count)
    assert time.monotonic() - began < 1.5
    assert downloads.most == 1, "one at a time of one person"


async def test_few_files_are_fetched_at_once_and_messages_wait_for_none(
    stage: Stage, downloads: Downloads
) -> None:
    people = [await asked(stage, f"Personne {number}") for number in range(7)]
    other = stage.chatter("Autre")
    await other.start()
    downloads.seconds = 0.5
    for someone in people:
        someone.user.send_photo(SMALL)
    await asyncio.sleep(0.2)
    assert downloads.now == fetching.AT_ONCE
    began, count = time.monotonic(), len(other.user.chat.from_bot)
    other.user.say("menu")
    await wait_for(lambda: len(other.user.chat.from_bot) > count)
    assert time.monotonic() - began < 0.4
    await people[0].look()
    assert downloads.most == fetching.AT_ONCE
    assert downloads.all == 7
    assert all("Photo gardée" in one.user.chat.newest.text for one in people)


# Each person's own


async def test_what_is_said_before_and_after_a_file_keeps_its_place(
    place: Stage, downloads: Downloads
) -> None:
    someone = place.chatter()
    await someone.start()
    downloads.seconds = 0.3
    someone.user.say("/temoigner")
    someone.user.send_photo(SMALL)
    someone.user.say(STORY)
    someone.user.send_photo(SMALL)
    someone.user.say("1")
    answer = await someone.look()
    found = await answers(place)
    assert len(found["photos"]) == 2
    assert found["story"] == STORY
    assert "kind" in found
    assert len(answer.messages) == 5
    assert await held(place) == 0


async def test_a_stop_is_quick_and_keeps_files_and_what_follows_them(
    settings: Settings, db: Database, api: BotApi, downloads: Downloads
) -> None:
    stages = [Stage(settings, db, NOW, api) for _ in range(2)]
    await stages[0].open()
    someone = await asked(stages[0])
    downloads.seconds = 40.0
    someone.user.send_photo(SMALL)
    someone.user.say(STORY)
    await api.idle()
    began = time.monotonic()
    await stages[0].close()
    assert time.monotonic() - began < 2
    assert await held(stages[0]) == 2
    downloads.seconds = 0.0
    someone.user.say("1")
    await stages[1].open()
    someone.settled = stages[1].settle
    await someone.look()
    found = await answers(stages[1])
    assert (len(found["photos"]), found["story"], "kind" in found) == (1, STORY, True)
    assert await held(stages[1]) == 0
    await stages[1].close()


# Files that are not taken


async def test_a_file_that_comes_too_slowly_is_given_up(
    stage: Stage, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000000"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    downloads.instead = drip
    monkeypatch.setattr(fetching, "WHOLE", 0.5)
    someone = await asked(stage)
    someone.user.send_photo(SMALL)
    someone.user.say(STORY)
    async with asyncio.timeout(5):
        answer = await someone.look()
    assert "Le fichier n'est pas arrivé jusqu'à moi." in answer
    assert (await answers(stage))["story"] == STORY


async def test_a_file_larger_than_announced_is_not_read_to_its_end(
    stage: Stage, downloads: Downloads
) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1024 * 1024)
            sent += 1024 * 1024

    downloads.instead = endless
    someone = await asked(stage)
    someone.user.send_document(SMALL, "a.jpg", "image/jpeg", size=1)
    answer = await someone.look()
    assert "Cette photo est trop lourde" in answer
    assert sent < 2 * photos.LARGEST


async def test_where_no_more_files_are_taken_none_is_fetched(stage: Stage, api: BotApi) -> None:
    someone = await asked(stage)
    for number in range(8):
        someone.user.send_photo(SMALL, album="a", caption=STORY if not number else "")
    answer = await someone.look()
    assert "Cinq fichiers au plus." in answer
    assert api.counts["getfile"] == 5
    someone.user.send_photo(SMALL, caption="Encore une.")
    answer = await someone.look()
    assert "Cinq fichiers au plus." in answer
    assert api.counts["getfile"] == 5
    found = await answers(stage)
    assert (len(found["photos"]), found["story"]) == (5, STORY)


async def test_a_bug_while_a_file_is_written_anew_is_told_and_costs_nothing_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    someone = await asked(stage)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(Attachments, "taken", broken)
        someone.user.send_photo(SMALL, caption=STORY)
        answer = await someone.look()
    [logged] = [one for one in logs if one["log_level"] == "error"]
    assert logged["reference"] in answer.text
    assert (await answers(stage))["story"] == STORY
    await someone.say("annuler")
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr("bot.dispatcher.problem_with", broken)
        someone.user.send_photo(SMALL)
        answer = await someone.look()
    [logged] = [one for one in logs if one["log_level"] == "error"]
    assert logged["reference"] in answer.text


# Closings


async def closed(stage: Stage) -> bool:
    return await stage.db.read(
        lambda store: store.session.scalars(select(Poll.closed_at)).one() is not None
    )


async def test_a_closing_waits_for_a_press_but_for_no_file(
    place: Stage, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.db.write(open_poll)
    slow, voter = await asked(place), place.chatter("Votante")
    await voter.start("vote-1")
    receiver = place.service.dispatcher
    downloads.seconds = 5.0
    slow.user.send_photo(SMALL)
    slow.user.say("mot " * 800)
    await asyncio.sleep(0.2)
    place.clock.advance_to(NOW + timedelta(hours=23))
    assert receiver.settled_until() == place.clock.now(), "a file is never a vote"
    slow.user.press(data="polls.vote:1:0")
    await asyncio.sleep(0.2)
    pressed = place.clock.now()
    place.clock.advance_to(NOW + timedelta(days=1, hours=1))
    assert receiver.settled_until() == pressed
    assert await held(place) == 3
    await place.service.ticker.advance(place.clock, place.clock.now())
    assert not await closed(place)
    monkeypatch.setattr(dispatcher, "LONGEST_IN_HAND", 0.1)
    assert receiver.settled_until() == place.clock.now(), "but not for ever"
    await asyncio.sleep(1.2)
    assert await closed(place)


async def test_a_press_behind_a_file_counts_if_it_came_before_the_closing(
    place: Stage, downloads: Downloads
) -> None:
    await place.db.write(open_poll)
    someone = await asked(place)
    place.clock.advance_to(NOW + timedelta(days=1) - timedelta(seconds=1))
    downloads.seconds = 1.5
    someone.user.send_photo(SMALL)
    someone.user.press(data="polls.vote:1:0")
    await asyncio.sleep(0.3)
    place.clock.advance_to(NOW + timedelta(days=1, seconds=1))
    await someone.look()
    await asyncio.sleep(1.2)
    assert await closed(place)
    votes = "SELECT count(*) FROM ballots"
    assert await place.db.read(
        lambda store: store.session.connection().exec_driver_sql(votes).scalar()
    )
