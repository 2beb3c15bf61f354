"""What every platform promises, whatever it is: one list for all of them.

A new platform is added to `PLACES` and to `Stage`, whose people say and press there.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from bot.settings import Settings
from storage.conversations import Conversation, Update
from storage.database import Database
from storage.deliveries import Outgoing
from storage.people import Chat, ChatState
from storage.polls import Electorate
from storage.polls.model import Ballot
from storage.store import Store
from tests.bot_api import BotApi
from tests.chats import ON_SQLITE, Chatter
from tests.conftest import NOW
from tests.journeys.test_reports import photo
from tests.people import STORY, Guest, Someone, report
from tests.stage import Stage

pytestmark = ON_SQLITE
PLACES = ["web", "telegram", "telegram-webhook"]


class Place:
    """A platform under test, which can be stopped and started again."""

    def __init__(self, name: str, settings: Settings, db: Database, api: BotApi) -> None:
        self._api = api if name.startswith("telegram") else None
        self._webhook = name.endswith("webhook")
        self._settings, self._db = settings, db
        self.stage = self._made()

    def _made(self) -> Stage:
        return Stage(self._settings, self._db, NOW, self._api, webhook=self._webhook)

    async def restart(self, someone: Someone) -> None:
        """Stop, and begin again on the same database; the person goes on."""
        await self.stage.close()
        self.stage = self._made()
        await self.stage.open()
        assert isinstance(someone, (Guest, Chatter))
        someone.settled = self.stage.settle
        if isinstance(someone, Guest):
            cookies = someone.http.cookie_jar
            again = self.stage.stranger()
            again.http.cookie_jar.update_cookies({one.key: one.value for one in cookies})
            someone.http, someone.base = again.http, again.base


@pytest.fixture(params=PLACES)
async def place(
    request: pytest.FixtureRequest, settings: Settings, db: Database
) -> AsyncIterator[Place]:
    async with BotApi() as api:
        made = Place(request.param, settings, db, api)
        await made.stage.open()
        yield made
        await made.stage.close()


async def opened(stage: Stage) -> None:
    """A poll for everybody."""

    def make(store: Store) -> None:
        store.polls.open(
            "Que faire ?",
            electorate=Electorate.public,
            closes_at=NOW + timedelta(days=1),
            now=NOW,
            options=("Réseau", "Tablettes"),
        )

    await stage.db.write(make)


async def count(stage: Stage, column: object) -> int:
    wanted = select(func.count()).select_from(column)  # type: ignore[arg-type]
    return await stage.db.read(lambda store: int(store.session.scalar(wanted) or 0))


async def test_a_message_is_answered_once(place: Place) -> None:
    someone = await place.stage.newcomer()
    before = await count(place.stage, Update)
    answer = await someone.say("menu")
    assert len(answer.messages) == 1
    assert "Que voulez-vous faire" in answer
    assert not (await someone.look()).events
    assert await count(place.stage, Update) == before + 1


async def test_an_update_is_applied_once(place: Place) -> None:
    someone = await place.stage.newcomer()
    if isinstance(someone, Guest):
        for _ in range(3):
            await someone.say("Une phrase", id="the-same-id")
    elif isinstance(someone, Chatter):
        someone.api.faults.duplicate(1.0)
        someone.user.say("Une phrase")
        await someone.look()
        await asyncio.sleep(0.2)
    kept = await place.stage.db.read(lambda store: store.session.scalar(select(Conversation.kept)))
    assert kept == "Une phrase"


async def test_what_is_said_in_a_chat_is_applied_in_order(place: Place) -> None:
    someone = await place.stage.newcomer()
    words = [f"Phrase numéro {number}" for number in range(12)]
    if isinstance(someone, Chatter):
        for one in words:
            someone.user.say(one)
        await someone.look()
    else:
        for one in words:
            await someone.say(one)
    kept = await place.stage.db.read(lambda store: store.session.scalar(select(Conversation.kept)))
    assert (kept or "").splitlines() == words


async def test_a_press_edits_in_place_or_says_why_not(place: Place) -> None:
    await opened(place.stage)
    someone = await place.stage.newcomer()
    card = (await someone.say("votes")).messages[-1]
    old = someone.button("Réseau")
    answer = await someone.press("Réseau")
    changed = [one for one in answer.messages if one["kind"] == "edit"]
    assert [one["message"] for one in changed] == [card["message"]]
    assert "Votre vote est compté" in answer
    await place.stage.advance(timedelta(days=2))
    await someone.look()
    late = await someone.press_again(old)
    said = late.text + " ".join(one["text"] for one in late.events)
    assert "clos" in said


async def test_a_number_chooses(place: Place) -> None:
    await opened(place.stage)
    someone = await place.stage.newcomer()
    await someone.say("votes")
    assert "Votre vote est compté : Tablettes." in await someone.say("2")
    assert await count(place.stage, Ballot) == 1


async def test_a_forged_choice_is_refused(place: Place) -> None:
    await opened(place.stage)
    someone = await place.stage.newcomer()
    if isinstance(someone, Chatter):
        someone.user.press(data="polls.close:1")
        someone.user.press(data="reviews.publish:1")
        await someone.look()
        assert someone.user.waits == 0
    elif isinstance(someone, Guest):
        for choice in ("polls.close:1", "1/99", "", "x" * 500):
            message = {"id": f"id-{choice[:9]}", "choice": choice}
            status, _ = await someone.post("/api/v1/messages", message)
            assert status in (200, 400)
    poll = await place.stage.db.read(lambda store: store.polls.get(1))
    assert poll is not None
    assert poll.closed_at is None


async def test_a_file_comes_in_and_goes_out(place: Place) -> None:
    someone = await place.stage.newcomer()
    await someone.say("témoigner")
    status, kept = await someone.send_photo(photo())
    assert status == 200
    assert "Photo gardée" in kept
    await someone.say(STORY)
    for answer in ("1", "5", "3", "974"):
        await someone.say(answer)
    review = await someone.press("Tout le monde")
    [file] = review.files
    status, content = await someone.fetch(file)
    assert status == 200
    assert content.startswith(b"\xff\xd8")
    assert b"Untel" not in content


async def test_what_is_committed_is_delivered_after_a_restart(place: Place) -> None:
    someone = await place.stage.newcomer()
    await report(someone)

    def queue(store: Store) -> None:
        [chat] = store.session.scalars(select(Chat))
        body = {"markup": "Rien n'est perdu.", "choices": [], "files": []}
        store.deliveries.queue(chat.id, "", [Outgoing(body)], NOW)

    await someone.look()
    if isinstance(someone, Chatter):
        await place.stage.service.sender.close()  # what comes now is left
        await place.stage.db.write(queue)
        someone.user.say("menu")
    else:
        await someone.say("menu")
    await place.restart(someone)
    answer = await someone.look()
    if isinstance(someone, Chatter):
        assert "Rien n'est perdu." in answer
        assert "Que voulez-vous faire" in answer
    assert not (await someone.look()).events, "once"
    again = await someone.say("mes témoignages")
    assert "REX-2027-00001" in "".join(again.labels)


@pytest.mark.parametrize("place", PLACES[1:], indirect=True)  # nobody leaves a page
async def test_who_left_is_not_written_to_and_comes_back(place: Place) -> None:
    someone = await place.stage.newcomer()
    assert isinstance(someone, Chatter)
    someone.user.block()
    await someone.look()
    states = await place.stage.db.read(
        lambda store: store.session.scalars(select(Chat.state)).all()
    )
    assert list(states) == [ChatState.blocked]
    answer = await someone.start()
    assert "je suis Préau" in answer
    states = await place.stage.db.read(
        lambda store: store.session.scalars(select(Chat.state)).all()
    )
    assert list(states) == [ChatState.active]
