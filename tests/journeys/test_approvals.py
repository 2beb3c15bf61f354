"""A second person agrees to sensitive acts, where the setting says so; somebody else is erased."""

from datetime import timedelta

import pytest
from sqlalchemy import literal, select

from bot.approving import ACTS, named
from bot.settings import Sensitive
from bot.texts import SOURCE
from storage.audit import Filter
from storage.grants import Role
from storage.store import Store
from tests.journeys.test_data_requests import send
from tests.journeys.test_groups import chair_of, on_request
from tests.journeys.test_invitations import CODE, ask
from tests.people import Answer, Guest, report
from tests.stage import Stage
from tests.storage.test_erasure import history
from tests.test_locales import signatures


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
    said = " ".join(asked.text.split())
    assert "(n° 1) demande votre accord : donner un rôle : relecture" in said, "whatever their name"
    assert "par un code : qui l'a en main prend ce rôle" in said
    done = await second.press("Oui, je suis d'accord")
    assert "C'est fait, avec votre accord." in done
    assert not CODE.search(done.text), "the code is for who asked"
    told = await first.look()
    assert "L'acte que vous avez demandé est fait : donner un rôle." in told
    code = CODE.search(told.text)
    assert code
    if isinstance(first, Guest):
        _, refused = await first.post("/api/v1/session", {"code": code[0]})
        assert refused["error"] == "own_invitation"
    else:
        assert "Une autre personne doit la prendre" in await first.say(code[0])
    reader = await stage.redeems(code[0])
    assert "Votre invitation est acceptée" in await first.look()
    assert "à laquelle vous avez donné votre accord est acceptée" in await second.look()
    assert "Votre compte ne permet pas" not in await reader.say("modérer")
    assert await acts(stage, "approvals") == [("approvals.asked", 1), ("approvals.accepted", 2)]
    assert "accord donné (donner un rôle), par vous" in await second.say("journal")
    assert ("invitations.made", 2) in await acts(stage, "invitations")


def test_every_act_is_called_something() -> None:
    known = {f"approvals.{name}" for name in signatures(SOURCE, "approvals")}
    assert {named(act).name for act in ACTS} <= known


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
    assert "Ne pas m'effacer" in told.labels
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
async def test_who_is_erased_is_named_no_more(stage: Stage) -> None:
    """Neither to who asked, nor to who is asked, nor in the list."""
    stage.settings.second_person.append(Sensitive.roles)
    await stage.guest(Role.reviewer)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)

    def name(store: Store) -> None:
        store.people.get(1).name = "Ada Girafon"

    await stage.db.write(name)
    await first.say("membres")
    await first.press("Voir qui a un rôle")
    await first.press("Ada Girafon")
    assert "Ada Girafon" in await first.press("Oui, retirer ce rôle")
    assert "Ada Girafon" in await second.look()
    await second.say("membres")
    assert "Ada Girafon" in (await second.press("Voir les accords demandés")).labels[0]
    await stage.db.write(lambda store: store.erase(1, stage.clock.now()))
    for one in (first, second):
        assert "Girafon" not in await history(one)


@pytest.mark.web
async def test_an_act_that_only_a_newer_version_knows_is_passed_over(stage: Stage) -> None:
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    now = stage.clock.now()

    def ask_for_tea(store: Store) -> None:
        asked = {"approval": store.approvals.ask("teapots.fill", {}, 1, now).id}
        store.deliveries.notify("approvals.asked", asked, select(literal(2)), now)

    await stage.db.write(ask_for_tea)
    await stage.advance(timedelta(seconds=1))
    assert (await second.look()).messages == []
    labels = (await second.say("membres")).labels
    assert "Voir qui a un rôle" in labels
    assert "Voir les accords demandés" not in labels
    await stage.advance(timedelta(days=3))
    assert (await first.look()).messages == []


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


@pytest.mark.web
async def test_roles_in_a_group_are_given_and_ended_by_two(stage: Stage) -> None:
    """Whatever ends them: taking somebody out of the group does, and closing it."""
    stage.settings.second_person.append(Sensitive.roles)
    group = await on_request(stage)
    chair = await chair_of(stage, group)
    await chair_of(stage, group, Role.rapporteur)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)

    def name(store: Store) -> None:
        store.people.get(1).name, store.people.get(2).name = "Ada", "Bob"

    await stage.db.write(name)
    for steps, agreed in (
        (["Choisir un membre", "Ada", "Retirer l'animation"], "retirer l'animation"),
        (["Choisir un membre", "Bob", "Confier l'animation"], "confier l'animation"),
        (["Choisir un membre", "Bob", "Faire sortir", "Oui, faire sortir"], "faire sortir"),
        (["Fermer ce groupe", "Oui, le fermer"], "fermer le groupe"),
    ):
        said = await first.say("groupes")
        for step in ("Équité", "Gérer ce groupe", *steps):
            said = await first.press(step)
        assert "demande l'accord d'une seconde personne" in said
        assert f"demande votre accord :\n{agreed}" in await second.look()
    await second.say("membres")
    await second.press("Voir les accords demandés")
    await second.press("retirer l'animation du groupe « Équité » à Ada (n° 1)")
    await second.press("Oui, je suis d'accord")
    assert "Vous n'animez plus le groupe" in await chair.look()


@pytest.mark.web
async def test_who_has_a_role_is_excluded_by_two_and_paused_by_one(stage: Stage) -> None:
    stage.settings.second_person.append(Sensitive.roles)
    await stage.organisation("amf", "AMF")
    delegate = await stage.guest(Role.delegate, "amf")
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)

    async def restrict(*steps: str) -> Answer:
        await first.say("membres")
        for step in ("AMF", "Membre du comité (titulaire)", "Mettre en pause ou exclure", *steps):
            await first.press(step)
        await first.press("publicité")
        return await first.press("Confirmer la décision")

    for kind, lasts in (("Exclure", "Un jour"), ("Mettre en pause", "Jusqu'à nouvel ordre")):
        assert "demande l'accord d'une seconde personne" in await restrict(kind, lasts)
    assert "exclure Membre du comité (n° 1), qui a un rôle (un jour ;" in await second.look()
    assert "pause jusqu'au" in await restrict("Mettre en pause", "Une semaine")
    told = await second.look()
    assert "Une personne qui a un rôle est en pause jusqu'au" in told
    assert "Votre compte est en pause" in await delegate.say("secrétariat")
    await second.say("membres")
    await second.press("Voir les accords demandés")
    await second.press("exclure Membre du comité (n° 1)")
    await second.press("Oui, je suis d'accord")
    assert "Votre compte est exclu" in await delegate.say("votes")


@pytest.mark.web
async def test_a_report_that_somebody_else_asks_to_withdraw_is_withdrawn_by_two(
    stage: Stage,
) -> None:
    stage.settings.second_person.append(Sensitive.erasure)
    author = await stage.guest()
    number = await report(author)
    first, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await send(stage)
    await first.say("demandes")
    await first.press("DEM-2027-001")
    await first.press(f"Retirer {number}")
    assert "demande l'accord d'une seconde personne" in await first.press("Oui, retirer")
    assert f"retirer {number}, à la demande DEM-2027-001" in await second.look()
    assert number in (await author.say("mes témoignages")).labels[0]
    await second.press("Oui, je suis d'accord")
    assert "a retiré votre témoignage" in await author.look()
