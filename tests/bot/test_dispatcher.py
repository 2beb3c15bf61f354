"""One update, one transaction; a poisoned one is set aside."""

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from bot import dispatcher
from bot.conversation import converse
from bot.messages import Incoming, Reply, Request
from bot.settings import Settings
from storage.conversations import MOST_THREADS, Applied, Conversation, Conversations, Seen
from storage.database import Database
from storage.deliveries import Delivery
from storage.limits import MESSAGES
from storage.people import Chat, ChatKind
from storage.polls import Electorate, Polls
from storage.store import Store
from tests.conftest import NOW
from tests.people import STORY
from tests.rooms import NAME, Square
from tests.stage import Stage


async def test_an_unknown_error_gives_a_number_and_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = await stage.guest()
    await parent.say("témoigner")
    await parent.say("Une histoire assez longue pour ne pas appeler de question, vraiment longue.")

    def broken(request: Request, store: Store) -> None:
        store.conversations.drop_draft(request.person, "report")
        raise RuntimeError("a handler with a bug")

    with monkeypatch.context() as patch:
        patch.setattr(dispatcher, "converse", broken)
        answer = await parent.say("1")
    assert "Vos réponses précédentes sont gardées." in answer
    assert "De quoi parle surtout votre témoignage" in await parent.say("1")


async def test_an_update_that_always_fails_is_set_aside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = await stage.guest()
    tries = []

    def poisoned(request: Request, store: Store) -> None:
        tries.append(request)
        raise OperationalError("SELECT 1", {}, Exception("deadlock detected"))

    with monkeypatch.context() as patch:
        patch.setattr(dispatcher, "converse", poisoned)
        status, _ = await parent.post("/api/v1/messages", {"id": "poison", "text": "menu"})
    assert status == 200
    assert len(tries) == 3
    assert "donnez ce numéro au secrétariat" in await parent.look()
    again, _ = await parent.post("/api/v1/messages", {"id": "poison", "text": "menu"})
    assert again == 200
    assert (await parent.look()).events == [], "it is never applied again"
    key = f"web:{await address(stage)}:poison"
    other = Applied(key, "other content", stage.clock.now())
    [seen] = await stage.db.read(lambda store: store.conversations.seen([other]))
    assert seen is Seen.reused


async def address(stage: Stage) -> str:
    accounts = await stage.db.read(lambda store: store.people.accounts_of(1))
    return accounts[0].address


async def test_an_update_that_cannot_even_be_loaded_is_set_aside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = await stage.guest()

    def damaged(*_: object, **__: object) -> None:
        raise ValueError("a row that cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "find", damaged)
        status, _ = await parent.post("/api/v1/messages", {"id": "damaged", "text": "menu"})
        assert status == 200
    assert (await parent.look()).events == []
    again, _ = await parent.post("/api/v1/messages", {"id": "damaged", "text": "menu"})
    assert again == 200
    assert (await parent.look()).events == [], "it is never applied again"
    assert (await parent.say("aide")).messages, "and holds up nothing"


async def test_a_closing_waits_for_what_is_in_hand(stage: Stage) -> None:
    before = stage.clock.now()
    with stage.service.dispatcher.in_hand(before):
        stage.clock.advance_to(before + timedelta(minutes=5))
        assert stage.service.dispatcher.settled_until() == before
    assert stage.service.dispatcher.settled_until() == stage.clock.now()


async def test_updates_that_wait_together_are_applied_apart(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of a group that fails undoes none of the others, and each chat is answered once."""
    people = [await stage.guest() for _ in range(6)]
    real = converse

    def some_fail(request: Request, store: Store) -> list[Reply]:
        if request.text == "broken":
            store.people.get(request.person).academie = "99"
            raise RuntimeError("a handler with a bug")
        return real(request, store)

    monkeypatch.setattr(dispatcher, "converse", some_fail)
    words = ["menu", "broken", "aide", "broken", "menu", "aide"]
    posts = [
        someone.post("/api/v1/messages", {"id": f"w{n}", "text": word})
        for n, (someone, word) in enumerate(zip(people, words, strict=True))
    ]
    assert {status for status, _ in await asyncio.gather(*posts)} == {200}
    answers = [await someone.look() for someone in people]
    assert [len(answer.messages) for answer in answers] == [1] * 6
    assert ["donnez ce numéro" in answer for answer in answers] == [
        word == "broken" for word in words
    ]
    academies = await stage.db.read(
        lambda store: [store.people.get(n).academie for n in range(1, 7)]
    )
    assert academies == [None] * 6


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_update_scans_no_table(stage: Stage) -> None:
    """What it costs does not grow with the people, the chats or the deliveries there are."""
    someone = await stage.guest()
    said: list[tuple[str, Any]] = []
    engine = stage.db.engine
    event.listen(engine, "before_cursor_execute", lambda *seen: said.append((seen[2], seen[3])))
    await someone.say("menu")
    await someone.say("votes")
    with engine.connect() as connection:
        plans = [
            (sql, str(row[3]))
            for sql, given in said[:]
            if sql.startswith(("SELECT", "UPDATE", "DELETE"))
            for row in connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {sql}", given[0] if isinstance(given, list) else given
            )
        ]
    assert len(plans) > 5
    large = ("people", "accounts", "chats", "conversations", "updates", "deliveries", "notices")
    scanned = [sql for sql, plan in plans if plan.startswith(tuple(f"SCAN {one}" for one in large))]
    assert scanned == []


async def test_a_chat_with_others_in_it_is_a_group_from_then_on(
    settings: Settings, db: Database
) -> None:
    """Its person's draft waits elsewhere; a number there answers nothing that was said before.

    Why nothing private is said there any more, is said there once.
    """
    stage = Stage(settings, db, NOW)
    square = await Square.opened(settings, db, stage)
    parent = await square.met("parent")
    await parent.say("témoigner")
    await parent.say(STORY, said_as="story")
    receiver = stage.service.dispatcher

    def look(store: Store) -> tuple[Any, ...]:
        [chat] = store.session.scalars(select(Chat).where(Chat.platform == NAME))
        conversations = store.session.scalars(select(Conversation)).all()
        bodies = set(map(str, store.session.scalars(select(Delivery.body))))
        drafts = [one.form for one in store.conversations.drafts_of(1)]
        return chat.kind, chat.account_id, len(conversations), bodies, drafts

    async def told() -> list[str]:
        await square.settle()
        return [one.text for one in parent.own if "D'autres personnes peuvent lire" in one.text]

    for _ in range(2):
        await receiver.opened_up(NAME, parent.address, "came", NOW)
    await receiver.opened_up(NAME, "@nobody", "came", NOW)
    assert len(await told()) == 1
    assert await db.read(look) == (
        ChatKind.group,
        None,
        0,
        {"{}", str(parent.own[-1].body)},
        ["report"],
    )
    before = len(parent.own)
    for said in ("1", "/1"):
        await square.receive(parent.address, parent.address, text=said, in_group=True)
    [hello] = parent.own[before:]
    assert "Ici, je montre les votes" in hello.text
    await square.receive(parent.address, "elsewhere", text="menu")
    [*_, menu] = square.messenger.chats["elsewhere"].values()
    assert menu.labels, "one may be talked to again in another chat"
    await stage.close()


async def test_where_there_are_no_buttons_the_ways_on_are_typed(
    settings: Settings, db: Database
) -> None:
    """In the words of the page."""
    stage = Stage(settings, db, NOW)
    square = await Square.opened(settings, db, stage)
    parent = await square.met("parent")
    for shows_buttons in (True, False):
        square.messenger.shows_buttons = shows_buttons
        await parent.say("témoigner")
        asked = await parent.say(STORY)
        assert ("« précédent »" in asked.text) is not shows_buttons
        assert ("‹ Précédent" in asked.labels) is shows_buttons
        await parent.say("annuler")
        await parent.press("Effacer")
    await stage.close()


async def test_threads_are_counted_together_and_are_not_begun_for_ever(
    settings: Settings, db: Database
) -> None:
    stage = Stage(settings, db, NOW)
    square = await Square.opened(settings, db, stage)
    talker = await square.met("talker")
    outcomes = [
        await square.receive(talker.address, talker.address, text="aide", thread=f"${number}")
        for number in range(70)
    ]
    waits = [one.wait for one in outcomes]
    assert MESSAGES.at_most is not None
    answered = MESSAGES.at_most - 1
    assert waits == [0] * answered + [60] * (70 - answered)
    assert [one.told for one in outcomes[answered:]] == [False] + [True] * (69 - answered)
    assert set(square.messenger.threads.values()) >= {f"${number}" for number in range(answered)}
    begun = await db.read(lambda store: list(store.session.scalars(select(Conversation.thread))))
    assert len(begun) == MOST_THREADS
    other = await square.met("other")
    assert (await other.say("aide")).text, "others are not counted with them"
    stage.clock.advance_to(NOW + timedelta(minutes=2))
    await talker.say("Dans le fil", thread="$65")
    kept = select(Conversation.kept).where(
        Conversation.thread == "", Conversation.kept.is_not(None)
    )
    assert await db.read(lambda store: store.session.scalars(kept).one()) == "Dans le fil"
    await stage.close()


async def test_what_is_pressed_together_is_answered_as_what_is_pressed_alone(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever chose the same is told the same, each in their language, with their own reason."""
    stage = Stage(settings, db, NOW)
    square = await Square.opened(settings, db, stage)
    names = ("@one", "@two", "@three", "@four", "@five", "@six")
    for name, language in zip(names, ("fr", "fr", "en", "en", "fr", "fr"), strict=True):
        await square.receive(name, name, text="/start", language=language)

    def begin(store: Store) -> None:
        store.polls.open(
            "Que faire ?",
            electorate=Electorate.public,
            closes_at=NOW + timedelta(days=1),
            now=NOW,
            options=("Le réseau", "Les tablettes"),
        )

    await db.write(begin)
    apply, numbers = stage.service.dispatcher.apply_all, itertools.count()
    presses = [
        Incoming(
            platform=NAME,
            chat=name,
            sender=name,
            update_id="",
            received_at=NOW,
            choice=f"polls.vote:1:{option}",
            message="1",
        )
        for name, option in zip(names, (0, 1, 0, 1, 0, 0), strict=True)
    ]

    async def answers(group: list[Incoming]) -> list[object]:
        new = [replace(one, update_id=f"press {next(numbers)}") for one in group]
        outcomes = await db.write(lambda store: apply(store, new))
        return [(one.toast, [born.outgoing for born in one.born]) for one in outcomes]

    async def answers_one_by_one() -> list[object]:
        return [answer for one in presses for answer in await answers([one])]

    await answers_one_by_one()
    person = await db.read(lambda store: square.person_id(store, "five"))
    await db.write(
        lambda store: store.polls.explain(1, person, "Elles sont usées", NOW, as_member=False)
    )
    alone = await answers_one_by_one()
    assert len({str(one) for one in alone}) == 5, "the first and the last are told the same"
    with monkeypatch.context() as patch:
        patch.setattr(Polls, "press", None)
        together = await answers(presses)
    assert together == alone
    await stage.close()
