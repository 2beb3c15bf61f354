"""Urgent broadcasts: a reason, at once, before the others, and agreed to by two where it is set."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

import scheduled.broadcasts
from bot.settings import Sensitive
from storage.approvals import Approval, ApprovalState
from storage.audit import Filter
from storage.broadcasts import BroadcastState
from storage.deliveries import DeliveryState
from storage.grants import Role
from storage.store import Store
from tests.journeys.test_approvals import acts
from tests.journeys.test_broadcasts import MINUTE, composed, counted, state_of
from tests.people import Answer, Someone
from tests.stage import Stage

TEXT = "Le site est fermé ce matin."
REASON = "Une inondation"
URGENT = "Urgent, de la part du comité"


async def urgent(secretary: Someone) -> Answer:
    """An urgent message, up to its preview."""
    await composed(secretary, TEXT)
    asked = await secretary.press("C'est urgent")
    assert "Pourquoi est-ce urgent ?" in asked
    return await secretary.say(REASON)


async def approvals(stage: Stage) -> list[ApprovalState]:
    wanted = select(Approval.state).order_by(Approval.id)
    return await stage.db.read(lambda store: list(store.session.scalars(wanted)))


@pytest.mark.everywhere
async def test_it_leaves_whatever_the_hour_with_its_reason(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tomorrow(moment: datetime) -> datetime:
        return moment + timedelta(days=1)

    monkeypatch.setattr(scheduled.broadcasts, "leaves_at", tomorrow)
    reader, refuses = await stage.newcomer(), await stage.newcomer()
    secretary = await stage.invited(Role.secretariat)
    await refuses.say("stop")
    await composed(secretary, "Rien ne presse.")
    await secretary.press("Envoyer")
    exact, told = (await urgent(secretary)).messages
    assert exact["text"].startswith(URGENT)
    assert f"Raison : « {REASON} »" in told["text"]
    assert "2 personnes le recevront" in told["text"]
    card = await secretary.press("Envoyer en urgence")
    assert f"Urgent : « {REASON} »" in card
    await stage.advance(MINUTE)
    [received] = (await reader.look()).messages
    assert received["text"] == exact["text"], "an ordinary one waits for the day after"
    assert (await refuses.look()).messages == []
    await stage.advance(timedelta(days=1))
    assert "Rien ne presse." in await reader.look()

    def noted(store: Store) -> tuple[str, int | None, dict[str, Any] | None]:
        [entry, *_] = store.audit.latest(Filter(noun="broadcasts"))
        return entry.act, entry.actor_id, store.audit.details_of(entry)

    assert await stage.db.read(noted) == (
        "broadcasts.urgent",
        3,
        {"reason": REASON, "asked_by": 3},
    )


@pytest.mark.everywhere
async def test_a_second_person_reads_it_all_and_agrees(stage: Stage) -> None:
    stage.settings.second_person.append(Sensitive.urgent)
    reader, first = await stage.newcomer(), await stage.invited(Role.secretariat)
    await urgent(first)
    assert "Personne d'autre ne peut le donner." in await first.press("Envoyer en urgence")
    second = await stage.invited(Role.secretariat)
    await first.say("diffuser")
    await first.press("À confirmer, urgent : Le site est fermé")
    waits = await first.press("Envoyer en urgence")
    assert "demande l'accord d'une seconde personne" in waits
    asked = await second.look()
    assert "envoyer en urgence « Le site est fermé ce matin. »" in asked
    assert asked.labels == ["Lire avant de répondre", "Non, ne pas le faire"]
    exact, told, decides = (await second.press("Lire avant de répondre")).messages
    assert exact["text"].startswith(URGENT)
    assert TEXT in exact["text"]
    assert "3 personnes le recevront" in told["text"]
    assert f"Raison : « {REASON} »" in told["text"]
    assert "demande votre accord" in decides["text"]
    await stage.advance(MINUTE)
    assert (await reader.look()).messages == []
    assert "C'est fait, avec votre accord." in await second.press("Oui, je suis d'accord")
    done = await first.look()
    assert "L'acte que vous avez demandé est fait : envoyer une annonce urgente." in done
    await stage.advance(MINUTE)
    assert TEXT in await reader.look()
    assert await acts(stage, "approvals") == [("approvals.asked", 2), ("approvals.accepted", 3)]
    assert await acts(stage, "broadcasts") == [("broadcasts.urgent", 3)]


@pytest.mark.web
async def test_declined_or_unanswered_nothing_leaves(stage: Stage) -> None:
    stage.settings.second_person.append(Sensitive.urgent)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await urgent(first)
    send = first.button("Envoyer en urgence")
    await first.press_again(send)
    await first.press_again(send)
    assert await approvals(stage) == [ApprovalState.waiting], "asked once"
    await second.look()
    await second.press("Non, ne pas le faire")
    assert "est refusé" in await first.look()
    await first.press_again(send)
    await stage.advance(timedelta(days=3))
    assert await approvals(stage) == [ApprovalState.declined, ApprovalState.expired]
    assert await state_of(stage) is BroadcastState.composed
    assert await counted(stage, DeliveryState.on_page) == 0


@pytest.mark.web
@pytest.mark.parametrize("way", ["Abandonner ce message", "Modifier"])
async def test_what_changes_meanwhile_awaits_no_agreement(stage: Stage, way: str) -> None:
    stage.settings.second_person.append(Sensitive.urgent)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await urgent(first)
    await first.press("Envoyer en urgence")
    await second.look()
    await second.press("Lire avant de répondre")
    agree = second.button("Oui, je suis d'accord")
    await second.say("diffuser")
    await second.press("À confirmer, urgent")
    await second.press(way)
    if way == "Modifier":
        anew = await second.press("Voir l'aperçu")
        assert f"Raison : « {REASON} »" in anew
        assert "Envoyer en urgence" in anew.labels, "as urgent as before"
    assert "n'attend plus de réponse" in await second.press_again(agree)
    assert "changé ou abandonné" in await first.look()
    assert await approvals(stage) == [ApprovalState.void]
    await stage.advance(MINUTE)
    assert await counted(stage, DeliveryState.on_page) == 0


@pytest.mark.web
async def test_what_was_confirmed_meanwhile_is_replaced_no_more(stage: Stage) -> None:
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await urgent(first)
    await second.say("diffuser")
    await second.press("À confirmer, urgent")
    await second.press("Modifier")
    await first.press("Envoyer en urgence")
    assert "Cet envoi est déjà confirmé." in await second.press("Voir l'aperçu")
    assert "À confirmer" not in "".join((await first.say("diffuser")).labels)


@pytest.mark.web
async def test_nobody_agrees_to_what_nobody_would_receive(stage: Stage) -> None:
    stage.settings.second_person.append(Sensitive.urgent)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await urgent(first)
    for one in (first, second):
        await one.say("stop")
    await first.say("diffuser")
    await first.press("À confirmer, urgent")
    assert "Personne ne recevrait ce message." in await first.press("Envoyer en urgence")
    assert await approvals(stage) == []


@pytest.mark.web
@pytest.mark.parametrize("erased", [True, False])
async def test_what_is_dropped_with_its_author_or_its_age_awaits_nothing(
    stage: Stage, erased: bool
) -> None:
    stage.settings.second_person.append(Sensitive.urgent)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await urgent(first)
    await second.say("diffuser")
    await second.press("À confirmer, urgent")
    await second.press("Envoyer en urgence")
    now = stage.clock.now()
    if erased:
        await stage.db.write(lambda store: store.erase(1, now))
    else:
        await stage.db.write(lambda store: store.forget_composed(now + MINUTE, now))
    assert await approvals(stage) == [ApprovalState.void]
    assert "n'attend plus d'accord : envoyer une annonce urgente" in await second.look()
    assert await acts(stage, "approvals") == [("approvals.asked", 2), ("approvals.void", None)]


@pytest.mark.web
async def test_of_two_who_ask_one_is_agreed_to(stage: Stage) -> None:
    stage.settings.second_person.append(Sensitive.urgent)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await urgent(first)
    await first.press("Envoyer en urgence")
    await second.say("diffuser")
    await second.press("À confirmer, urgent")
    await second.press("Envoyer en urgence")
    await first.look()
    await first.press("Lire avant de répondre")
    assert "C'est fait" in await first.press("Oui, je suis d'accord")
    assert await approvals(stage) == [ApprovalState.void, ApprovalState.accepted]


@pytest.mark.web
async def test_the_ordinary_preview_is_gone_and_others_are_refused(stage: Stage) -> None:
    secretary = await stage.guest(Role.secretariat)
    await composed(secretary, TEXT)
    ordinary, is_urgent = secretary.button("Envoyer"), secretary.button("C'est urgent")
    await secretary.press("C'est urgent")
    await secretary.say(REASON)
    send = secretary.button("Envoyer en urgence")
    for gone in (ordinary, is_urgent):
        assert "Cet aperçu n'existe plus." in await secretary.press_again(gone)
    now = stage.clock.now()
    await stage.db.write(lambda store: store.grants.end(1, now))
    for forged in (is_urgent, send):
        assert "Votre compte ne permet pas" in await secretary.press_again(forged)
    assert await state_of(stage) is BroadcastState.composed
