"""Codes for many with their picture and poster; seeing what serves, revoking it, and being told."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.settings import Sensitive
from storage.audit import Filter
from storage.grants import Role
from storage.invitations import Invitation
from storage.store import Store
from tests.people import Answer, Someone
from tests.stage import Stage

CODE = re.compile(r"(?:[A-Z0-9]{4}-){3}[A-Z0-9]{4}")
PLACE = "Collège Jean-Moulin"


async def ask(secretary: Someone, role: str, *answers: str) -> Answer:
    """Go through the questions of an invitation; what it is answered."""
    asked = await secretary.say("inviter")
    if "en cours" in asked:
        asked = await secretary.press("Faire une invitation")
    said = await secretary.press(role)
    if "Qui inviter ?" in said:
        said = await secretary.press("Un code à transmettre")
    for answer in answers:
        said = await secretary.say(answer)
    if "Pour qui ?" in said:
        await secretary.press("Passer")
    return await secretary.press("Inviter")


@pytest.mark.web
async def test_who_it_is_for_is_the_secretariats_and_goes_with_them(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    await stage.guest(Role.delegate, "amf")
    stage.settings.second_person.append(Sensitive.roles)
    secretary, second = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await secretary.say("inviter")
    await secretary.press("Titulaire d'une organisation")
    await secretary.press("AMF")
    review = await secretary.say("Zoé Girafon")
    assert "AMF a déjà un titulaire" in review
    await secretary.press("Inviter")
    assert "donner un rôle, pour Zoé Girafon : titulaire (AMF)" in await second.look()
    await second.press("Oui, je suis d'accord")
    code = code_of(await secretary.look())
    listed = await secretary.say("inviter")
    assert "Zoé Girafon : titulaire (AMF), jusqu'au 18 janvier 2027" in listed.labels
    zoe = await stage.stranger().enter(code=code)
    accepted = zoe.seen[-1]["text"]
    assert "Votre rôle : titulaire.\nVous parlez pour : AMF.\n" in accepted
    assert "Elle était pour : Zoé Girafon." in await secretary.look()
    await zoe.press("Dire mon nom")
    assert "Votre nom est maintenant Zoé." in await zoe.say("Zoé")
    [person] = await stage.db.read(
        lambda store: store.audit.actors(Filter(noun="invitations"), at_most=1)
    )
    await stage.db.write(lambda store: store.erase(person, stage.clock.now()))
    labels = await stage.db.read(
        lambda store: list(store.session.scalars(select(Invitation.label)))
    )
    assert set(labels) == {None}
    gone = await secretary.look()
    assert "delete" in [one["kind"] for one in gone.events]


@pytest.mark.web
async def test_a_code_for_many_says_so(stage: Stage) -> None:
    secretary = await stage.guest(Role.secretariat)
    await secretary.say("inviter")
    await secretary.press("Aucun")
    await secretary.say("Collège Jean-Moulin")
    await secretary.press("200 au plus")
    review = await secretary.say("31 août 2027")
    assert "Cette invitation ne donne aucun rôle." in review
    assert "sert une fois" not in review


def code_of(made: Answer) -> str:
    found = CODE.search(made.text)
    assert found, made.text
    return found[0]


async def acts(stage: Stage) -> list[str]:
    def noted(store: Store) -> list[str]:
        return [one.act for one in store.audit.latest(Filter(noun="invitations"))]

    return await stage.db.read(noted)


@pytest.mark.everywhere
async def test_a_poster_for_a_school(stage: Stage) -> None:
    """Several come by one code, to no role. It has a picture and a poster, and is revoked."""
    stage.settings.public_url = "http://preau.example.org"
    secretary = await stage.invited(Role.secretariat)
    made = await ask(secretary, "Aucun : raconter", PLACE, "12", "31 août 2027")
    code = code_of(made)
    assert f"http://preau.example.org/#code={code}" in made
    assert "Elle ne donne aucun rôle." in made
    assert ("https://t.me/" in made) is (stage.api is not None)
    assert ("Matrix ou Tchap : écrire à @" in made) is (stage.homeserver is not None)
    await stage.advance(timedelta(seconds=2))
    came = await secretary.look()
    assert f"Voici l'affiche : {PLACE}." in came
    types = {one["type"]: one for one in [*made.files, *came.files]}
    assert types.keys() == {"image/png", "application/pdf"}
    _, poster = await secretary.fetch(types["application/pdf"])
    assert poster.startswith(b"%PDF")

    first = await stage.redeems(code)
    welcome = "\n".join(one["text"] for one in first.seen)
    assert "Bonjour, je suis Préau" in welcome
    assert "Votre invitation est acceptée" not in welcome
    assert "Votre compte ne permet pas" in await first.say("modérer")

    listed = await secretary.say("inviter")
    assert "Une invitation en cours" in listed
    assert not CODE.search(listed.text)
    card = await secretary.press(PLACE)
    assert "Elle peut encore servir 11 fois sur 12." in card
    assert "par vous" in card
    await secretary.press("Annuler cette invitation")
    yes = secretary.button("Oui, l'annuler")
    assert "elle ne sert plus" in await secretary.press_again(yes)
    assert "ne sert déjà plus" in await secretary.press_again(yes)
    noted = await acts(stage)
    assert noted == [f"invitations.{one}" for one in ("revoked", "made", "redeemed")], (
        "the secretary's own; no contributor's"
    )


@pytest.mark.web
async def test_what_serves_no_more_is_said(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    used = code_of(await ask(secretary, "Aucun : raconter", PLACE, "01", "1er mars 2027"))
    guest = await stage.stranger().enter(code=used)
    assert "Bonjour, je suis Préau" in guest.seen[-1]["text"]
    role = code_of(await ask(secretary, "Relecture des témoignages"))
    await secretary.say("inviter")
    await secretary.press("relecture")
    await secretary.press("Annuler")
    await secretary.press("Oui, l'annuler")
    for code, error in (
        (used, "code_is_over"),
        (role, "code_is_over"),
        ("AAAA-AAAA-AAAA-AAAA", "unknown_code"),
    ):
        status, answer = await stage.stranger().post("/api/v1/session", {"code": code})
        assert (status, answer["error"]) == (403, error)


@pytest.mark.web
async def test_who_is_there_stays_who_they_are(stage: Stage) -> None:
    """A code for many changes nothing for a member, nor opens again what has closed."""
    stage.settings.public_url = "http://preau.example.org"
    secretary = await stage.guest(Role.secretariat)
    code = code_of(await ask(secretary, "Aucun : raconter", PLACE, "200", "1er mars 2027"))
    await secretary.enter(code=code)
    assert "Votre compte ne permet pas" not in await secretary.say("inviter")
    assert "Elle peut encore servir 200 fois" in await secretary.press(PLACE)
    stage.clock.advance_to(stage.clock.now() + timedelta(hours=13))
    secretary.last = 0  # they are somebody new
    await secretary.enter(code=code)
    assert "Votre compte ne permet pas" in await secretary.say("inviter")


@pytest.mark.web
async def test_it_ends_with_the_right_of_who_made_it(stage: Stage) -> None:
    """Whoever may no longer give a role gives it by no older code; nor do they revoke one."""
    administrator = await stage.guest(Role.administrator)
    code = code_of(await ask(administrator, "Administration (donne"))
    await administrator.say("inviter")
    await administrator.press("administration")
    await administrator.press("Annuler")
    now = stage.clock.now()

    def demote(store: Store) -> None:
        store.grants.end(1, now)
        store.grants.give(1, Role.secretariat, now)

    await stage.db.write(demote)
    assert "Votre compte ne permet pas" in await administrator.press("Oui, l'annuler")
    await administrator.say("inviter")
    assert "Annuler cette invitation" not in (await administrator.press("administration")).labels
    status, answer = await stage.stranger().post("/api/v1/session", {"code": code})
    assert (status, answer["error"]) == (403, "code_is_over")
    assert await stage.db.read(lambda store: store.grants.holders(Role.administrator, now)) == []


@pytest.mark.web
async def test_without_an_address_it_is_said_what_is_missing(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    made = await ask(secretary, "Relecture des témoignages")
    assert "l'adresse publique de la page manque" in made
    assert made.files == []


async def test_who_invited_is_told(stage: Stage) -> None:
    """Accepted, or expired unused: once each."""
    secretary = await stage.invited(Role.secretariat)
    taken = await ask(secretary, "Relecture des témoignages")
    await ask(secretary, "Membre du comité")
    await stage.redeems(code_of(taken))
    assert "Votre invitation est acceptée : relecture" in await secretary.look()
    await stage.advance(timedelta(days=7))
    told = await secretary.look() if stage.api else await back(stage)
    assert "a pris fin sans servir : membre" in told
    assert told.text.count("a pris fin sans servir") == 1
    await stage.advance(timedelta(days=1))
    assert "a pris fin" not in await secretary.look()


async def back(stage: Stage) -> Answer:
    """What the secretary of the page finds, whose session has closed."""
    person = await stage.db.read(
        lambda store: store.grants.holders(Role.secretariat, stage.clock.now())[0]
    )
    return Answer((await stage.unsigned(person)).seen)
