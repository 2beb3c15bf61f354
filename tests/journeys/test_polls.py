"""A poll from the draft to the result."""

import asyncio
from datetime import timedelta

import pytest

from storage.grants import Role
from tests.people import Someone, Stage


async def opened(stage: Stage, secretary: Someone, *, who: str) -> None:
    """Enter a draft and put it to the vote."""
    await secretary.say("projet")
    await secretary.press("Entrer un nouveau projet")
    await secretary.say("Un réseau fiable")
    await secretary.say("Le comité recommande de mesurer le réseau avant tout achat. " * 3)
    await secretary.press("Le réseau")
    assert "REC-2027-001" in await secretary.press("Envoyer")
    await secretary.press("Mettre au vote")
    await secretary.press("Pour, avec réserve, contre")
    await secretary.press(who)
    await secretary.say("11/01/2027 18h")
    assert "VOTE-2027-001" in await secretary.press("Envoyer")


async def test_two_taps_from_the_notice_to_a_counted_vote(stage: Stage) -> None:
    await stage.organisation("amf", "Association des maires de France")
    secretary = await stage.invited(Role.secretariat)
    delegate = await stage.invited(Role.delegate, "amf")
    await opened(stage, secretary, who="Les membres et les organisations")
    notice = await delegate.look(1.5)
    assert "« Un réseau fiable »" in notice
    assert "Votre vote compte aussi pour : Association des maires de France." in notice
    assert "lundi 11 janvier 2027 à 18 h (heure de Paris)" in notice
    voted = await delegate.press("Pour")
    assert "Votre vote est compté : Pour." in voted
    assert [event["kind"] for event in voted.messages] == ["edit"]
    await delegate.press("Pour, avec réserve")
    await secretary.say("votes")
    await secretary.press("Contre")
    await stage.advance(timedelta(hours=9))
    result = await delegate.look(2.5)
    assert "Résultat (VOTE-2027-001)" in result
    assert "Pour, avec réserve : 1 personne, 1 organisation (Association des maires" in result
    assert "Contre : 1 personne, 0 organisation" in result
    assert "Participation : 2 personnes sur 2, 1 organisation sur 1." in result
    [chart] = result.messages[-1]["files"]
    async with delegate.http.get(delegate.base + chart["url"]) as response:
        assert (await response.read()).startswith(b"\x89PNG")


async def test_a_late_press_is_not_counted_and_says_so(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await opened(stage, secretary, who="Les membres, une voix")
    await secretary.say("votes")
    stage.clock.advance_to(stage.clock.now() + timedelta(hours=9))
    late = await secretary.press("Pour")
    assert "Ce vote est clos. Votre choix n'a pas été compté." in late


async def test_a_stranger_has_no_voice(stage: Stage) -> None:
    secretary, stranger = await stage.invited(Role.secretariat), await stage.newcomer()
    await opened(stage, secretary, who="Les membres, une voix")
    assert "Aucun vote n'est ouvert pour vous." in await stranger.say("votes")
    await secretary.say("votes")
    status, answer = await stranger.post(
        "/api/v1/messages", {"id": "forged", "choice": secretary.button("Pour")["id"]}
    )
    assert (status, answer["error"]) == (400, "unknown_choice")
    assert "Votre compte ne permet pas" in await stranger.say("sondage")


async def test_several_options_are_pressed_on_and_off(stage: Stage) -> None:
    secretary, teacher = await stage.invited(Role.secretariat), await stage.newcomer()
    await secretary.say("sondage")
    await secretary.press("Une autre question")
    await secretary.say("De quoi avez-vous besoin ?")
    assert "de 2 à 10 options" in await secretary.press("Mes propres options")
    assert "de 2 à 10 options différentes" in await secretary.say("Une seule")
    await secretary.say("Du temps\nUn réseau\nDe l'aide")
    await secretary.press("Plusieurs")
    await secretary.press("Tout le monde")
    for typed, refused in [
        ("30 février 2027 18h", "n'existe pas"),
        ("28/03/2027 2h30", "n'existe pas"),
        ("1er janvier 2027", "déjà passée"),
        ("bientôt", "pas compris"),
        ("14/01/2031", "trop lointaine"),
    ]:
        assert refused in await secretary.say(typed)
    await secretary.say("14 janvier 2027")
    await secretary.press("Envoyer")
    await teacher.look(1.5)
    await teacher.press("Du temps")
    assert "Du temps, De l'aide" in await teacher.press("De l'aide")
    assert "Votre vote est compté : De l'aide." in await teacher.press("Du temps")
    assert "Gardez au moins une option" in await teacher.press("De l'aide")


async def test_the_substitute_speaks_when_the_delegate_does_not(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    secretary = await stage.invited(Role.secretariat)
    substitute = await stage.invited(Role.substitute, "amf")
    delegate = await stage.invited(Role.delegate, "amf")
    await opened(stage, secretary, who="Les organisations, une voix")
    await substitute.look(1.5)
    await delegate.look(1.5)
    assert "Votre vote est compté" in await substitute.press("Contre")
    assert "Votre vote est compté" in await delegate.press("Pour")
    assert "Ce vote ne vous est pas ouvert" in await substitute.press("Contre")
    tally = await stage.db.read(lambda store: store.polls.tally(store.polls.get(1)))  # type: ignore[arg-type]
    assert tally.named == {"amf": (0,)}


@pytest.mark.parametrize("presses", [1, 2, 5])
async def test_a_button_pressed_quickly_counts_once(stage: Stage, presses: int) -> None:
    secretary = await stage.invited(Role.secretariat)
    await opened(stage, secretary, who="Les membres, une voix")
    await secretary.say("votes")
    choice = secretary.button("Pour")["id"]
    answers = await asyncio.gather(
        *(
            secretary.post("/api/v1/messages", {"id": f"press-{n}", "choice": choice})
            for n in range(presses)
        )
    )
    assert {status for status, _ in answers} == {200}
    tally = await stage.db.read(lambda store: store.polls.tally(store.polls.get(1)))  # type: ignore[arg-type]
    assert tally.persons == (1, 0, 0, 0)
