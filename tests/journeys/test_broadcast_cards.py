"""The card by which the secretariat follows a broadcast counts up by itself."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from scheduled.broadcasts import changed, redraw
from storage.deliveries import Delivery, Operation
from storage.grants import Role
from storage.store import Store
from tests.journeys.test_broadcasts import composed, leaving
from tests.people import Someone
from tests.stage import Stage
from tests.storage.test_broadcasts import settle


async def tick(stage: Stage) -> None:
    """End what can end, and redraw what is to be, as the clock does."""
    now = stage.clock.now()
    await stage.db.write(lambda store: settle(store, now))
    await stage.db.write(lambda store: redraw(store, now, changed(store, now) or []))
    await stage.settle()


async def edits(someone: Someone) -> list[dict[str, Any]]:
    """How the card was redrawn since the last look."""
    return [event for event in (await someone.look()).messages if event["kind"] == "edit"]


async def redrawings(stage: Stage) -> int:
    """How many times any card was redrawn by the clock."""
    wanted = select(func.count()).where(
        Delivery.operation == Operation.edit, Delivery.notice_id.is_not(None)
    )
    return await stage.db.read(lambda store: int(store.session.execute(wanted).scalar_one()))


async def test_it_is_redrawn_for_all_who_follow_it_when_something_changes(stage: Stage) -> None:
    one, two = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    await leaving(stage, one)
    await two.say("diffuser")
    assert "En cours" in await two.press("En cours")
    await tick(stage)
    await one.look()
    await two.look()
    before = await redrawings(stage)
    await tick(stage)
    assert await redrawings(stage) == before, "nothing changed"
    await two.press("Mettre en pause")
    await tick(stage)
    [card] = await edits(one)
    assert "En pause" in card["text"]
    assert [choice["label"] for choice in card["choices"]] == [
        "Reprendre l'envoi",
        "Annuler ce qui reste",
        "Voir les envois",
    ]
    await one.press("Reprendre l'envoi")
    await stage.advance(timedelta(hours=2))
    await tick(stage)
    for someone in (one, two):
        *_, card = await edits(someone)
        assert "Terminé" in card["text"]
        assert stage.delivered(2) in card["text"]
    before = await redrawings(stage)
    await stage.advance(timedelta(hours=2))
    await tick(stage)
    assert await redrawings(stage) == before, "how it ended was shown"


@pytest.mark.buttons  # an answer to a number takes the place of no card
async def test_what_took_the_place_of_the_card_is_left_alone(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await leaving(stage, secretary)
    await tick(stage)
    await secretary.look()
    await secretary.press("Annuler ce qui reste")
    await stage.advance(timedelta(minutes=30))
    await tick(stage)
    assert await edits(secretary) == []
    assert "En cours" in await secretary.press("Non, ne rien annuler")


@pytest.mark.web
async def test_of_two_cards_in_a_chat_the_newest_is_redrawn(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await leaving(stage, secretary)
    await secretary.say("diffuser")
    newest = (await secretary.press("En cours")).messages[-1]["message"]
    await secretary.press("Mettre en pause")
    await tick(stage)
    assert {card["message"] for card in await edits(secretary)} == {newest}


async def test_who_lost_the_role_sees_no_more(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await leaving(stage, secretary)
    await tick(stage)
    await secretary.look()

    def dismiss(store: Store) -> None:
        store.grants.end(1, stage.clock.now())
        store.broadcasts.pause(1)

    await stage.db.write(dismiss)
    await tick(stage)
    assert await edits(secretary) == []


@pytest.mark.everywhere
async def test_a_number_still_answers_the_card_that_was_redrawn(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await composed(secretary)
    await secretary.press("Envoyer")
    await stage.db.write(lambda store: store.broadcasts.cancel(1, stage.clock.now()))
    await tick(stage)
    [card] = await edits(secretary)
    assert "Rien n'est parti." in card["text"]
    assert [choice["label"] for choice in card["choices"]] == ["Voir les envois"]
    assert "Écrire un nouveau message" in (await secretary.say("1")).labels
