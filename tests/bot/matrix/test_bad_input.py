"""The whole service on a real homeserver: people do what is odd, late, at once, or too much."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select, update

from bot.settings import Settings
from storage.conversations import Conversation, Update
from storage.database import Database
from storage.deliveries import Delivery
from storage.limits import MESSAGES
from storage.people import Chat, ChatKind
from storage.polls.model import Ballot, bits
from tests.bot.matrix.test_syncing import write_raw
from tests.bot.test_platforms import Place, count, homeserver, opened
from tests.chats import ON_SQLITE
from tests.homeserver import Client, Correspondent, JsCorrespondent, Node, Synapse
from tests.homeserver.client import POLL, TEXT
from tests.matrix_people import Correspond
from tests.people import STORY
from tests.stage import Stage

pytestmark = ON_SQLITE
DAY = timedelta(days=1)
NOWHERE = "$nowhere"


@pytest.fixture
async def place(synapse: Synapse, settings: Settings, db: Database) -> AsyncIterator[Place]:
    made = Place(settings, db, homeserver=homeserver(synapse, encrypted=True))
    await made.stage.open()
    yield made
    await made.stage.close()


@pytest.fixture
def stage(place: Place) -> Stage:
    return place.stage


@pytest.fixture
async def anna(stage: Stage) -> Correspond:
    """Somebody in a direct chat with us."""
    return await stage.correspondent()


async def put(person: Correspond, room: str, kind: str, content: object) -> str:
    """Say something as it is, in clear."""
    path = f"/rooms/{quote(room)}/send/{kind}/{secrets.token_hex(8)}"
    return str((await person.client.ask("PUT", path, content))["event_id"])


async def choices(stage: Stage) -> list[int]:
    """All the ballots, as sets of options."""
    return list(
        await stage.db.read(lambda store: store.session.scalars(select(Ballot.choices)).all())
    )


async def another_device(person: Correspond) -> Correspondent:
    """The same account, logged in a second time."""
    return Correspondent(person.client.server, person.client.member)


# Polls


async def test_of_two_quick_votes_the_last_counts(stage: Stage, anna: Correspond) -> None:
    await opened(stage)
    await anna.say("votes")
    (_, poll, first), (_, _, second) = anna.ballots
    for answer in (second, first, second):
        await anna.client.ballot(anna.room, poll, answer)
    assert "Votre vote est compté : Tablettes." in await anna.look()
    assert await choices(stage) == [bits([1])]


async def test_an_answer_to_a_poll_of_somebody_else_is_no_vote(
    stage: Stage, anna: Correspond
) -> None:
    await opened(stage)
    start = {
        "kind": "org.matrix.msc3381.poll.disclosed",
        "question": {TEXT: "Quand ?"},
        "answers": [{"id": "polls.vote:1:0", TEXT: "Demain"}],
    }
    theirs = await anna.client.send(anna.room, f"{POLL}.start", {f"{POLL}.start": start})
    await anna.client.ballot(anna.room, theirs, "polls.vote:1:0")
    assert not (await anna.look()).events
    assert await choices(stage) == []


async def test_an_answer_counts_before_it_is_noted_that_its_poll_was_said(
    stage: Stage, anna: Correspond
) -> None:
    """We died after we had said it, and before we knew."""
    await opened(stage)
    await anna.say("votes")
    unknown = update(Delivery).where(Delivery.poll.is_not(None)).values(poll=None)
    await stage.db.write(lambda store: store.session.execute(unknown))
    [event] = (await anna.vote("Tablettes")).events
    assert (event["kind"], await choices(stage)) == ("message", [bits([1])])
    assert "Votre vote est compté : Tablettes." in event["text"]


async def test_a_number_chooses_in_a_message_of_which_it_is_noted_late_that_it_was_said(
    stage: Stage, anna: Correspond
) -> None:
    """The form that is open does not take the number meanwhile."""
    await opened(stage)
    await anna.say("votes")
    card = anna.button("Tablettes")
    await anna.say("témoigner")
    await anna.say(STORY)
    said = update(Delivery).where(Delivery.message == card.message)
    await stage.db.write(lambda store: store.session.execute(said.values(message="?")))
    await anna.client.reply(anna.room, card.message, str(card.number))
    await asyncio.sleep(1)
    noted = update(Delivery).where(Delivery.message == "?").values(message=card.message)
    await stage.db.write(lambda store: store.session.execute(noted))
    assert "Votre vote est compté : Tablettes." in await anna.look()
    assert await choices(stage) == [bits([1])]


async def test_an_answer_to_a_poll_that_is_closed_is_not_counted(
    stage: Stage, anna: Correspond
) -> None:
    await opened(stage)
    await anna.say("votes")
    await stage.advance(2 * DAY)
    await anna.look()
    assert "clos" in await anna.vote("Réseau")
    assert await choices(stage) == []


async def test_a_vote_that_is_taken_back_stands_which_is_said_and_an_unknown_one_is_none(
    stage: Stage, anna: Correspond
) -> None:
    await opened(stage)
    await anna.say("votes")
    await anna.vote("Réseau")
    [(_, poll, _), *_] = anna.ballots
    for _ in range(2):
        await anna.client.ballot(anna.room, poll)
    [said] = (await anna.look()).events
    assert said["text"] == (
        "Un vote compté reste compté : pour le changer, choisissez une autre réponse."
    )
    await anna.client.ballot(anna.room, poll, "autre chose")
    [said] = (await anna.look()).events
    assert "Ce choix n'est plus possible." in said["text"]
    assert await choices(stage) == [bits([0])]
    await anna.client.reply(anna.room, said["message"], "menu")
    async with asyncio.timeout(10):  # what is kept nowhere is not waited for
        assert "Que voulez-vous faire" in await anna.look()


async def test_a_typed_vote_that_is_corrected_or_taken_back_stands_which_is_said_once(
    stage: Stage, anna: Correspond
) -> None:
    await opened(stage)
    await anna.say("votes")
    card = anna.button("Tablettes")
    typed = await anna.client.reply(anna.room, card.message, str(card.number))
    assert "Votre vote est compté : Tablettes." in await anna.look()
    await anna.client.edit(anna.room, typed, "1")
    await anna.client.redact(anna.room, typed)
    [said] = (await anna.look()).events
    assert "Votre message était déjà pris en compte." in said["text"]
    assert "écrivez « votes »" in said["text"]
    assert await choices(stage) == [bits([1])]


# Devices


async def test_who_comes_back_into_a_room_with_a_new_device_is_read_and_reads(
    stage: Stage, anna: Correspond
) -> None:
    zoe = await stage.correspondent()
    room = await anna.client.group("Atelier", anna.bot)
    host = Correspond(anna.client, anna.bot, room, stage.settle, in_group=True)
    await host.look()  # what was said before she came is not encrypted for her
    await anna.client.invite(room, zoe.client.user_id)
    await zoe.client.join(room)
    here = Correspond(zoe.client, zoe.bot, room, stage.settle, in_group=True)
    assert await greeted(stage, here)
    await zoe.client.leave(room)
    await anna.client.until(lambda: anna.client.membership(room, zoe.client.user_id) == "leave", "")
    await stage.settle()
    async with await another_device(zoe) as later:
        await anna.client.invite(room, later.user_id)
        await later.join(room)
        back = Correspond(later, zoe.bot, room, stage.settle, in_group=True)
        assert await greeted(stage, back)


async def greeted(stage: Stage, person: Correspond) -> bool:
    """Whether what somebody asks in a group is answered, and they can read it."""
    await stage.advance(timedelta(minutes=2))  # it is said once a minute at most
    return "je suis Préau" in await person.say("!aide")


@pytest.mark.parametrize("library", ["nio", "js"])
async def test_a_device_that_somebody_adds_reads_and_writes_what_comes_next(
    stage: Stage, anna: Correspond, node: Node, library: str
) -> None:
    before = await anna.say("menu")
    second: Client = await another_device(anna)
    if library == "js":
        second = JsCorrespondent(node, anna.client.server, anna.client.member, strict=True)
    async with second:
        await second.until(lambda: second.encrypts(anna.room), "the room")
        there = Correspond(second, anna.bot, anna.room, anna.settled)
        await anna.client.say(anna.room, "menu")
        await stage.settle()
        texts = [before.text]
        await second.until(lambda: _last(second, anna) != "", "the answer on the new device")
        assert "Que voulez-vous faire" in _last(second, anna)
        assert texts[0]
        second.unheard(anna.room)
        await second.say(there.room, "votes")
        await stage.settle()
        await anna.client.until(lambda: "vote" in _last(anna.client, anna), "an answer to it")


def _last(client: Client, person: Correspond) -> str:
    """What we said last, as a client could read it."""
    ours = [one for one in client.events if (one.sender, one.room) == (person.bot, person.room)]
    said = [one for one in ours if one.type == "m.room.message" and one.encrypted]
    return said[-1].text if said else ""


# Much at once


async def test_what_many_said_while_we_were_away_is_applied_once_and_in_order(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = replace(MESSAGES, slow_from=1000, at_most=1001)
    monkeypatch.setattr("bot.limiting.MESSAGES", many)
    monkeypatch.setattr("bot.dispatcher.MESSAGES", many)
    stage, each = place.stage, 100
    met = [await stage.correspondent() for _ in range(3)]
    people = [
        await Correspond.meet(one.client, one.bot, one.settled, encrypted=False) for one in met
    ]
    before = await count(stage, Update)
    await stage.service.stop()
    words = [[f"{name}{number}" for number in range(each)] for name in "abc"]

    async def say_all(person: Correspond, texts: list[str]) -> None:
        for text in texts:
            await put(person, person.room, "m.room.message", {"msgtype": "m.text", "body": text})

    await asyncio.gather(*(say_all(*one) for one in zip(people, words, strict=True)))
    place.stage = again = place._made()
    again.keep_clients_of(stage)
    await again.open()
    async with asyncio.timeout(120):
        while await count(again, Update) < before + 3 * each:  # noqa: ASYNC110 (of the database)
            await asyncio.sleep(0.2)
    kept = await again.db.read(lambda store: store.session.scalars(select(Conversation.kept)).all())
    assert sorted(one.splitlines() for one in kept if one) == words
    await asyncio.sleep(0.5)
    assert await count(again, Update) == before + 3 * each


@pytest.mark.parametrize("encrypted", [True, False])
async def test_an_enormous_message_is_answered_kindly(
    stage: Stage, anna: Correspond, *, encrypted: bool
) -> None:
    room, size = anna.room, 40_000 if encrypted else 60_000
    if not encrypted:
        anna = await Correspond.meet(anna.client, anna.bot, anna.settled, encrypted=False)
        assert anna.room != room
    answer = await anna.say("x" * size)
    assert "Raccourcissez-le, puis renvoyez-le." in answer
    assert "Que voulez-vous faire" in await anna.say("menu")


# Who may be heard


async def test_who_is_not_admitted_any_more_is_not_read_and_is_told_once(place: Place) -> None:
    anna = await place.stage.correspondent()
    before = await count(place.stage, Update)
    admitting = place._settings
    place._settings = admitting.model_copy(
        update={"matrix_allowed_servers": ["elsewhere.test", "@somebody:home.test"]}
    )
    await place.restart(anna)
    await anna.client.say(anna.room, "menu")
    await anna.client.say(anna.room, "témoigner")
    [told] = (await anna.look()).events
    assert "n'a pas encore autorisé la messagerie de votre compte" in told["text"]
    assert await count(place.stage, Update) == before
    place._settings = admitting
    await place.restart(anna)
    assert "Que voulez-vous faire" in await anna.say("menu")
    assert await count(place.stage, Update) == before + 1


# Odd shapes

MARKUP: list[Any] = [
    "<a href=",
    "<b><i>menu</b></i></p></mx-reply>",
    "<" * 5_000,
    '<a href="https://matrix.to/#/@x:y"><script>alert(1)</script>',
    "&#x110000; &#99999999; &amp",
    5,
    None,
    ["menu"],
]


@pytest.mark.parametrize("in_group", [False, True])
async def test_malformed_markup_is_read_by_its_words(
    stage: Stage, anna: Correspond, *, in_group: bool
) -> None:
    if in_group:
        room = await anna.client.group("Atelier", anna.bot, encrypted=False)
        anna = Correspond(anna.client, anna.bot, room, stage.settle, in_group=True)
        await anna.look()
    else:
        anna = await Correspond.meet(anna.client, anna.bot, anna.settled, encrypted=False)
    before = await count(stage, Update)
    said = {"msgtype": "m.text", "body": "!aide", "format": "org.matrix.custom.html"}
    for markup in MARKUP:
        await put(anna, anna.room, "m.room.message", {**said, "formatted_body": markup})
        assert bool((await anna.look()).events) is not in_group, "a group is greeted once a minute"
    assert await count(stage, Update) == before + len(MARKUP)


async def test_what_refers_to_what_is_unknown_changes_nothing(
    stage: Stage, anna: Correspond
) -> None:
    await anna.say("menu")
    words = {"msgtype": "m.text", "body": "menu"}
    for kind, content in [
        ("m.room.message", related("m.replace", **{"m.new_content": words, **words})),
        ("m.room.redaction", {"redacts": NOWHERE}),
        (f"{POLL}.response", related("m.reference", **{f"{POLL}.response": {"answers": ["x"]}})),
        ("m.reaction", related("m.annotation", key="👍")),
    ]:
        await write(anna, kind, content)
    assert not (await anna.look()).events
    await write(anna, "m.room.message", related("m.thread", **words))
    await anna.look()  # the server takes no answer in such a thread
    await write(anna, "m.room.message", related("com.example.odd", **words))
    assert "Que voulez-vous faire" in await anna.look()
    await anna.client.reply(anna.room, NOWHERE, "menu")
    assert "Que voulez-vous faire" in await anna.look()


def related(how: str, **content: Any) -> dict[str, Any]:
    return {**content, "m.relates_to": {"rel_type": how, "event_id": NOWHERE}}


async def write(person: Correspond, kind: str, content: object) -> None:
    """Write what the server would refuse if it could read it."""
    assert isinstance(person.client, Correspondent)
    plain = {"type": kind, "content": content, "room_id": person.room}
    await write_raw(person.client, person.room, json.dumps(plain).encode())


ODD_MEMBERS: list[tuple[str, dict[str, Any]]] = [
    ("", {"membership": "join", "displayname": 5, "avatar_url": {"x": []}}),
    ("", {"membership": "join", "displayname": "x" * 20_000}),
    ("", {"membership": "join", "is_direct": "yes", "reason": ["x"]}),
    ("@nobody:home.test", {"membership": "ban", "reason": {"x": 1}}),
    ("@nobody:home.test", {"membership": "leave", "third_party_invite": []}),
    ("@nobody:home.test", {"membership": "knock"}),
    ("", {}),
    ("", {"membership": "elsewhere"}),
    ("nobody", {"membership": "join"}),
]


async def test_odd_memberships_end_nothing(stage: Stage, anna: Correspond) -> None:
    for who, content in ODD_MEMBERS:
        path = f"/rooms/{quote(anna.room)}/state/m.room.member/"
        with suppress(AssertionError):  # the server takes not all of it
            await anna.client.ask("PUT", path + quote(who or anna.client.user_id), content)
        assert "Que voulez-vous faire" in await anna.say("menu"), content
    kinds = await stage.db.read(lambda store: store.session.scalars(select(Chat.kind)).all())
    assert list(kinds) == [ChatKind.direct]


# Threads


async def test_an_answer_in_a_thread_is_edited_there(stage: Stage, anna: Correspond) -> None:
    """An edit says not in which thread it is."""
    root = await anna.client.say(anna.room, "bonjour")
    await anna.look()
    await anna.client.thread(anna.room, root, "témoigner")
    assert "Que voulez-vous raconter ?" in await anna.look()
    story = await anna.client.thread(anna.room, root, STORY)
    assert "Qu'avez-vous raconté" in await anna.look()
    await anna.client.edit(anna.room, story, f"{STORY} Tout va mieux.")
    changed = await anna.look()
    assert changed.text == "C'est changé : votre récit."
    [draft] = await stage.db.read(
        lambda store: [one.state for one in store.conversations.drafts_of(1)]
    )
    assert draft["answers"]["story"] == f"{STORY} Tout va mieux."
    await anna.client.thread(anna.room, root, "1")
    assert "C'est changé" not in await anna.look()
    [draft] = await stage.db.read(
        lambda store: [one.state for one in store.conversations.drafts_of(1)]
    )
    assert "kind" in draft["answers"], "the form is open in its thread"
    assert "Que voulez-vous faire" in await anna.say("menu")


async def test_a_number_in_the_thread_of_a_message_chooses_in_it(
    stage: Stage, anna: Correspond
) -> None:
    await anna.say("menu")
    [menu] = [
        one.message for one in anna.offered if one.number == 1 and one.message == anna.at_hand
    ]
    await anna.say("aide")
    await anna.client.thread(anna.room, menu, "1")
    assert "Que voulez-vous raconter ?" in await anna.look()
    story = await anna.client.thread(anna.room, menu, STORY)
    assert story
    assert "Qu'avez-vous raconté" in await anna.look(), "the form is open in the thread"


async def test_what_is_not_encrypted_in_an_encrypted_room_is_not_read(
    stage: Stage, anna: Correspond
) -> None:
    """The homeserver could write it in anybody's name."""
    await opened(stage)
    await anna.say("votes")
    _, poll, answer = anna.ballots[0]
    relation = {"rel_type": "m.reference", "event_id": poll}
    kind = f"{POLL}.response"
    await put(anna, anna.room, kind, {kind: {"answers": [answer]}, "m.relates_to": relation})
    await put(anna, anna.room, "m.room.message", {"msgtype": "m.text", "body": "1"})
    assert not (await anna.look()).events
    assert await choices(stage) == []
    assert "Votre vote est compté" in await anna.say("1")
