"""One update, one transaction; a poisoned one is set aside."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from bot import dispatcher
from bot.conversation import converse
from bot.messages import Reply, Request
from storage.conversations import Applied, Conversations, Seen
from storage.store import Store
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
