"""A second person agrees to sensitive acts, where the setting says so; somebody else is erased."""

from datetime import timedelta

import pytest

from bot.settings import Sensitive
from storage.audit import Filter
from storage.grants import Role
from storage.store import Store
from tests.journeys.test_invitations import CODE, ask
from tests.people import report
from tests.stage import Stage


async def acts(stage: Stage, noun: str) -> list[tuple[str, int | None]]:
    """What was noted, the oldest first, and by whom."""

    def noted(store: Store) -> list[tuple[str, int | None]]:
        found = store.audit.latest(Filter(noun=noun))
        return [(one.act, one.actor_id) for one in reversed(found)]

    return await stage.db.read(noted)


@pytest.mark.everywhere
async def test_a_role_is_given_by_two(stage: Stage) -> None:
    stage.settings.second_person.append(Sensitive.roles)
    first = await stage.invited(Role.secretariat)
    assert "Personne d'autre ne peut le donner." in await ask(first, "Relecture des témoignages")
    await first.say("annuler")
    second = await stage.invited(Role.secretariat)
    waits = await ask(first, "Relecture des témoignages")
    assert "demande l'accord d'une seconde personne" in waits
    assert not CODE.search(waits.text)
    asked = await second.look()
    assert "demande votre accord : donner un rôle : relecture" in " ".join(asked.text.split())
    done = await second.press("Oui, je suis d'accord")
    assert "C'est fait, avec votre accord." in done
    assert not CODE.search(done.text), "the code is for who asked"
    told = await first.look()
    assert "l'acte que vous avez demandé est fait" in told.text.lower()
    code = CODE.search(told.text)
    assert code
    reader = await stage.redeems(code[0])
    assert "Votre compte ne permet pas" not in await reader.say("modérer")
    assert await acts(stage, "approvals") == [("approvals.asked", 1), ("approvals.accepted", 2)]
    assert ("invitations.made", 2) in await acts(stage, "invitations")


@pytest.mark.web
async def test_nobody_agrees_with_themselves_and_it_ends(stage: Stage) -> None:
    stage.settings.second_person.append(Sensitive.roles)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await ask(first, "Membre du comité")
    await second.look()
    yes = second.button("Oui, je suis d'accord")
    action = await stage.db.read(lambda store: store.approvals.waiting(stage.clock.now())[0].id)

    def make_own(store: Store) -> None:
        found = store.approvals.get(action)
        assert found is not None
        found.asked_by = 2

    await second.press("Non, ne pas le faire")
    assert "est refusé" in await first.look()
    assert "n'attend plus de réponse" in await second.press_again(yes)
    await ask(first, "Membre du comité")
    await second.look()
    action += 1
    await stage.db.write(make_own)
    assert "Vous avez demandé cet acte vous-même" in await second.press("Oui, je suis d'accord")
    await stage.advance(timedelta(days=3))
    assert [one for one, _ in await acts(stage, "approvals")][-1] == "approvals.expired"
    held = await stage.db.read(lambda store: store.grants.holders(Role.member, stage.clock.now()))
    assert held == []


@pytest.mark.web
async def test_who_asked_must_still_be_allowed(stage: Stage) -> None:
    stage.settings.second_person.append(Sensitive.roles)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await stage.guest(Role.reviewer)
    await first.say("membres")
    await first.press("Voir qui a un rôle")
    await first.press("Membre du comité : relecture")
    assert "seconde personne" in await first.press("Oui, retirer ce rôle")
    await second.look()
    now = stage.clock.now()
    await stage.db.write(lambda store: store.grants.end(1, now))
    assert "n'attend plus" in await second.press("Oui, je suis d'accord")
    assert len(await stage.db.read(lambda store: store.grants.holders(Role.reviewer, now))) == 1


@pytest.mark.everywhere
async def test_somebody_is_erased_at_their_request_and_told_last(stage: Stage) -> None:
    parent = await stage.newcomer()
    await report(parent)
    await parent.say("données")
    await parent.press("Corriger ou refuser")
    await parent.press("Faire une demande")
    await parent.press("Effacer mes données")
    await parent.say("Effacez tout, merci.")
    await parent.press("Envoyer")
    stage.settings.second_person.append(Sensitive.erasure)
    first, second = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    await first.say("demandes")
    await first.press("DEM-2027-001")
    assert "Écrivez « effacer » pour confirmer" in await first.press("Effacer, à sa demande")
    assert "il faut écrire le mot" in await first.say("oui")
    assert "demande l'accord" in await first.say("effacer")
    await second.look()
    await second.press("Oui, je suis d'accord")
    told = await parent.look()
    assert "le secrétariat efface vos données dans quelques minutes" in told
    await stage.advance(timedelta(minutes=9))
    assert await stage.db.read(lambda store: store.reports.numbered("REX-2027-00001"))
    await stage.advance(timedelta(minutes=1))
    assert not await stage.db.read(lambda store: store.reports.numbered("REX-2027-00001"))
    assert await stage.db.read(lambda store: store.people.accounts_of(1)) == []
    assert [one for one, _ in await acts(stage, "members")] == [
        "members.erasure_decided",
        "members.erased",
    ]


@pytest.mark.web
async def test_a_mandate_is_ended_by_two(stage: Stage) -> None:
    """And so is a term that would end it a little later."""
    await stage.organisation("amf", "AMF")
    delegate = await stage.guest(Role.delegate, "amf")
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    stage.settings.second_person.append(Sensitive.roles)
    await first.say("membres")
    await first.press("AMF")
    await first.press("Membre du comité (titulaire)")
    await first.press("Fixer la fin du mandat")
    assert "seconde personne" in await first.say("demain à 12 h")
    asked = await second.say("membres")
    assert "Voir les accords demandés" in asked.labels
    listed = await second.press("Voir les accords demandés")
    assert "fixer la fin d'un mandat au mardi 12 janvier 2027 à 12 h" in listed.labels[0]
    await second.press("fixer la fin")
    await second.press("Oui, je suis d'accord")
    assert "Votre mandat pour AMF (titulaire) a maintenant une fin" in await delegate.look()
