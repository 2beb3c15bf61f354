"""What every platform promises, whatever it is: one list for all of them.

A new platform is added to `PLACES` and to `Stage`, whose people say and press there.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

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
from tests.homeserver import Correspondent, Synapse
from tests.journeys.test_reports import photo
from tests.matrix_people import Correspond
from tests.people import STORY, Guest, Someone, report
from tests.stage import Homeserver, Stage

pytestmark = ON_SQLITE
CALLED = ["telegram", "telegram-webhook", "matrix", "matrix-plain"]
PLACES = ["web", *CALLED]


class Place:
    """A platform under test, which can be stopped and started again."""

    def __init__(self, settings: Settings, db: Database, **where: Any) -> None:
        self._settings, self._db, self._where = settings, db, where
        self.stage = self._made()

    def _made(self) -> Stage:
        return Stage(self._settings, self._db, NOW, **self._where)

    async def restart(
        self, someone: Someone, meanwhile: Callable[[Store], None] = lambda _: None
    ) -> None:
        """Stop, and begin again on the same database; the person goes on."""
        await self.stage.service.stop()
        await self.stage.db.write(meanwhile)
        before, self.stage = self.stage, self._made()
        self.stage.keep_clients_of(before)
        await self.stage.open()
        assert isinstance(someone, (Guest, Chatter, Correspond))
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
    name: str = request.param
    async with AsyncExitStack() as stack:
        where: dict[str, Any] = {}
        if name.startswith("telegram"):
            where["api"] = await stack.enter_async_context(BotApi())
            where["webhook"] = name.endswith("webhook")
        elif name.startswith("matrix"):
            where["homeserver"] = homeserver(
                request.getfixturevalue("synapse"), encrypted=name == "matrix"
            )
        made = Place(settings, db, **where)
        await made.stage.open()
        yield made
        await made.stage.close()


def homeserver(server: Synapse, *, encrypted: bool) -> Homeserver:
    return Homeserver(
        server, server.register("preau"), lambda: Correspondent(server), encrypted=encrypted
    )


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
    before = await count(place.stage, Update)
    answers: list[dict[str, Any]] = []
    if isinstance(someone, Guest):
        for _ in range(3):
            answers += (await someone.say("Une phrase", id="the-same-id")).messages
    elif isinstance(someone, Chatter):
        someone.api.faults.duplicate(1.0)
        someone.user.say("Une phrase")
        answers += (await someone.look()).messages
        await asyncio.sleep(0.2)
    elif isinstance(someone, Correspond):
        read = await place.stage.db.read(lambda store: store.matrix.get("sync"))
        answers += (await someone.say("Une phrase")).messages
        await place.restart(someone, lambda store: store.matrix.put("sync", "", read or {}))
    answers += (await someone.look()).messages
    assert len({one["message"] for one in answers}) == 1
    assert await count(place.stage, Update) == before + 1
    kept = await place.stage.db.read(lambda store: store.session.scalar(select(Conversation.kept)))
    assert kept == "Une phrase"


async def test_what_is_said_in_a_chat_is_applied_in_order(place: Place) -> None:
    someone = await place.stage.newcomer()
    words = [f"Phrase numéro {number}" for number in range(12)]
    if isinstance(someone, Chatter):
        for one in words:
            someone.user.say(one)
        await someone.look()
    elif isinstance(someone, Correspond):
        for one in words:
            await someone.client.say(someone.room, one)
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
    if isinstance(someone, Correspond):  # a number is answered; a native poll is pressed
        answer = await someone.vote("Réseau")
    else:
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
    elif isinstance(someone, Correspond):
        await someone.say("votes")
        [*_, (_, poll, _)] = someone.ballots
        for answer in ("polls.close:1", "reviews.publish:1", "", "x" * 500, "polls.vote:1:99"):
            await someone.client.ballot(someone.room, poll, answer)
        await someone.look()
        assert await count(place.stage, Ballot) == 0
    elif isinstance(someone, Guest):
        for choice in ("polls.close:1", "1/99", "", "x" * 500):
            message = {"id": f"id-{choice[:9]}", "choice": choice}
            status, _ = await someone.post("/api/v1/messages", message)
            assert status in (200, 400)
    found = await place.stage.db.read(lambda store: store.polls.get(1))
    assert found is not None
    assert found.closed_at is None


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
        body: dict[str, Any] = {"markup": "Rien n'est perdu.", "choices": [], "files": []}
        if place.stage.matrix is not None:
            [body] = place.stage.matrix.parts(body)
        store.deliveries.queue(chat.id, "", [Outgoing(body)], NOW)

    await someone.look()
    if isinstance(someone, Chatter):
        await place.stage.service.sender.close()  # what comes now is left
        await place.stage.db.write(queue)
        someone.user.say("menu")
    elif isinstance(someone, Correspond):
        await place.stage.service.sender.close()
        await place.stage.db.write(queue)
        await someone.client.say(someone.room, "menu")
    else:
        await someone.say("menu")
    await place.restart(someone)
    answer = await someone.look()
    if isinstance(someone, Chatter | Correspond):
        assert "Rien n'est perdu." in answer
        assert "Que voulez-vous faire" in answer
    assert not (await someone.look()).events, "once"
    again = await someone.say("mes témoignages")
    assert "REX-2027-00001" in "".join(again.labels)


@pytest.mark.parametrize("place", CALLED, indirect=True)  # nobody leaves a page
async def test_who_left_is_not_written_to_and_comes_back(place: Place) -> None:
    someone = await place.stage.newcomer()
    if isinstance(someone, Correspond):
        await left_and_come_back(place.stage, someone)
        return
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


async def left_and_come_back(stage: Stage, someone: Correspond) -> None:
    """On Matrix who comes back opens another room."""
    await someone.client.leave(someone.room)
    await stage.settle()
    states = await stage.db.read(lambda store: store.session.scalars(select(Chat.state)).all())
    assert list(states) == [ChatState.left]
    again = await Correspond.meet(someone.client, someone.bot, someone.settled)
    assert "je suis Préau" in "".join(event["text"] for event in again.seen)
    states = await stage.db.read(
        lambda store: store.session.scalars(select(Chat.state).order_by(Chat.id)).all()
    )
    assert list(states) == [ChatState.left, ChatState.active]
