"""One update, one transaction; a poisoned one is set aside."""

import pytest
from sqlalchemy.exc import OperationalError

from bot import dispatcher
from bot.messages import Request
from storage.conversations import Applied, Seen
from storage.store import Store
from tests.people import Stage


async def test_an_unknown_error_gives_a_number_and_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = await stage.newcomer()
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
    parent = await stage.newcomer()
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
