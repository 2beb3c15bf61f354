"""A poll from the draft to the result."""

import asyncio
from datetime import timedelta

import pytest

from storage.grants import Role
from storage.organisations import MandateKind
from storage.store import Store
from tests.people import Someone
from tests.stage import Stage


async def drafted(secretary: Someone, title: str = "Un réseau fiable") -> None:
    await secretary.say("projet")
    await secretary.press("Entrer un nouveau projet")
    await secretary.say(title)
    await secretary.say("Le comité recommande de mesurer le réseau avant tout achat. " * 3)
    await secretary.press("Le réseau")
    assert "REC-2027-" in await secretary.press("Envoyer")


async def opened(stage: Stage, secretary: Someone, *, who: str) -> None:
    """Enter a draft and put it to the vote."""
    await drafted(secretary)
    await secretary.press("Mettre au vote")
    await secretary.press("Pour, avec réserve, contre")
    await secretary.press(who)
    await secretary.say("11/01/2027 18h")
    assert "VOTE-2027-" in await secretary.press("Ouvrir le vote")
    await secretary.look()


async def asked(secretary: Someone, who: str, *, several: bool = True) -> None:
    """Open a poll with options of its own."""
    await secretary.say("sondage")
    await secretary.press("Une autre question")
    await secretary.say("De quoi avez-vous besoin ?")
    await secretary.press("Mes propres options")
    await secretary.say("Du temps\nUn réseau\nDe l'aide")
    await secretary.press("Plusieurs" if several else "Une seule")
    await secretary.press(who)
    await secretary.say("14 janvier 2027")
    assert "VOTE-2027-" in await secretary.press("Ouvrir le vote")
    await secretary.look()


async def signed_out_delegate(stage: Stage, organisation: str) -> Someone:
    """Somebody with a mandate, in a session that was opened without it."""
    someone, now = await stage.newcomer(), stage.clock.now()

    def appoint(store: Store) -> None:
        newest = max(store.session.scalars(store.people.everybody()))
        store.organisations.appoint(newest, organisation, MandateKind.delegate, now)

    await stage.db.write(appoint)
    return someone


@pytest.mark.everywhere
async def test_two_taps_from_the_notice_to_a_counted_vote(stage: Stage) -> None:
    await stage.organisation("amf", "Association des maires de France")
    await stage.organisation("adf", "Départements de France")
    secretary = await stage.invited(Role.secretariat)
    delegate = await stage.invited(Role.delegate, "amf")
    await opened(stage, secretary, who="Les membres et les organisations")
    notice = await delegate.look()
    assert "« Un réseau fiable »" in notice
    assert "Deux bulletins : le vôtre, et un pour Association des maires de France." in notice
    assert "lundi 11 janvier 2027 à 18 h (heure de Paris)" in notice
    voted = await delegate.press("Pour")
    assert "Votre vote est compté : Pour." in voted
    assert [event["kind"] for event in voted.messages] == [stage.in_place]
    await delegate.press("Pour, avec réserve")
    await secretary.say("votes")
    await secretary.press("Contre")
    await stage.advance(timedelta(hours=9))
    result = await delegate.look()
    assert "Résultat (VOTE-2027-001)" in result
    assert "Pour, avec réserve : 1 personne, 1 organisation (Association des maires" in result
    assert "Contre : 1 personne\n" in result
    assert "Abstention : aucune voix" in result
    assert "Participation : 2 personnes sur 2, 1 organisation sur 2." in result
    assert "N'a pas voté : Départements de France." in result
    assert "Clos : lundi 11 janvier 2027 à 18 h (heure de Paris)." in result
    assert "Vote indicatif, sans règle de majorité." in result
    [chart] = result.files
    assert (await delegate.fetch(chart))[1].startswith(b"\x89PNG")
    assert "mesurer le réseau" in await delegate.press("Lire le texte (version 1)")


async def test_a_late_press_is_not_counted_and_says_so(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await opened(stage, secretary, who="Les membres, une voix")
    await secretary.say("votes")
    stage.clock.advance_to(stage.clock.now() + timedelta(hours=9))
    late = await secretary.press("Pour")
    assert "Ce vote est clos. Votre choix n'a pas été compté." in late


@pytest.mark.web
async def test_a_stranger_has_no_voice(stage: Stage) -> None:
    secretary, stranger = await stage.guest(Role.secretariat), await stage.guest()
    await opened(stage, secretary, who="Les membres, une voix")
    assert "Aucun vote n'est ouvert pour vous." in await stranger.say("votes")
    await secretary.say("votes")
    status, answer = await stranger.post(
        "/api/v1/messages", {"id": "forged", "choice": secretary.button("Pour")["id"]}
    )
    assert (status, answer["error"]) == (400, "unknown_choice")
    assert "Votre compte ne permet pas" in await stranger.say("sondage")


@pytest.mark.web
async def test_who_is_not_signed_in_has_no_say_as_a_member(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    secretary = await stage.invited(Role.secretariat)
    delegate = await signed_out_delegate(stage, "amf")
    await opened(stage, secretary, who="Les membres et les organisations")
    assert "Un vote est ouvert" in await delegate.look(), "a notice goes where the person is"
    seen = await delegate.say("votes")
    assert "Un réseau fiable" not in seen.text + "".join(seen.labels)
    assert "il faut être reconnu" in seen
    for button in ("Pour", "Lire le texte"):
        assert "il faut être reconnu" in await delegate.press(button)
    turnout = await stage.db.read(lambda store: store.polls.turnout(1))
    assert turnout.voted == (0, 0)
    await secretary.say("votes")
    await secretary.press("Pour")
    await secretary.press("Donner une raison")
    await secretary.say("Il le faut.")
    await stage.advance(timedelta(hours=9))
    await delegate.look()
    for button in ("Lire le texte", "Lire la raison"):
        assert "il faut être reconnu" in await delegate.press(button)
    assert "Résultat" not in "".join((await delegate.say("votes")).labels)
    await asked(secretary, "Tout le monde")
    await delegate.look()
    assert "Votre vote est compté : Du temps" in await delegate.press("Du temps")


@pytest.mark.everywhere
async def test_several_options_are_pressed_on_and_off(stage: Stage) -> None:
    secretary, teacher = await stage.invited(Role.secretariat), await stage.newcomer()
    await secretary.say("sondage")
    await secretary.press("Une autre question")
    await secretary.say("De quoi avez-vous besoin ?")
    assert "de 2 à 10 options" in await secretary.press("Mes propres options")
    assert "de 2 à 10 options différentes" in await secretary.say("Une seule")
    assert "se ressemblent trop" in await secretary.say("Du thé\nDU THE")
    await secretary.say("Du temps\nUn réseau\nDe l'aide")
    await secretary.press("Plusieurs")
    await secretary.press("Tout le monde")
    for typed, refused in [
        ("30 février 2027 18h", "n'existe pas"),
        ("1er janvier 2027", "déjà passée"),
        ("bientôt", "pas compris"),
        ("14 janvier entre 8h et 18h", "pas compris"),
        ("14/01/2031", "trop lointaine"),
    ]:
        assert refused in await secretary.say(typed)
    review = await secretary.say("14 janvier 2027")
    assert "2 personnes, dès maintenant" in review
    assert "jeudi 14 janvier 2027 à 18 h (heure de Paris)" in review
    await secretary.press("Ouvrir le vote")
    card = await teacher.look()
    assert "Si vous votez, il arrivera aussi ici." in card
    first = await teacher.press("Du temps")
    assert first.labels[0] == "✓ Du temps"
    assert "Pour en retirer une, choisissez-la encore." in first
    assert "Du temps, De l'aide" in await teacher.press("De l'aide")
    assert "Votre vote est compté : De l'aide." in await teacher.press("Du temps")
    assert "Il faut garder une option." in await teacher.press("De l'aide")
    assert not [label for label in first.labels if "raison" in label], "nobody reads it before"
    await stage.advance(timedelta(days=4))
    result = await teacher.look()
    assert "Plusieurs choix étaient possibles." in result
    assert "L'identité des votants n'est pas vérifiée." in result


async def test_the_substitute_speaks_when_the_delegate_does_not(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    secretary = await stage.invited(Role.secretariat)
    substitute = await stage.invited(Role.substitute, "amf")
    delegate = await stage.invited(Role.delegate, "amf")
    await opened(stage, secretary, who="Les organisations")
    assert "Votre vote compte pour AMF." in await substitute.look()
    await delegate.look()
    assert "Votre vote est compté : Contre." in await substitute.press("Contre")
    mine = await delegate.say("votes")
    assert "Votre suppléance a choisi « Contre » pour AMF." in mine
    assert "Votre choix :" not in mine, "another's ballot is not shown as mine"
    assert "Votre vote est compté : Pour." in await delegate.press("Pour")
    assert "Une autre personne a voté pour AMF" in await substitute.look()
    late = await substitute.press("Contre")
    assert "Votre titulaire a voté pour AMF. Votre suppléance n'est pas nécessaire." in late
    assert "(voté)" in (await substitute.say("votes")).labels[0], "it stays to be read"
    assert "Votre titulaire a voté" in await substitute.press("Êtes-vous favorable")
    tally = await stage.db.read(lambda store: store.polls.tally(store.polls.get(1)))  # type: ignore[arg-type]
    assert tally.named == {"amf": (0,)}


async def test_a_reason_is_kept_shown_and_can_be_hidden(stage: Stage) -> None:
    secretary, member = await stage.invited(Role.secretariat), await stage.invited(Role.member)
    await opened(stage, secretary, who="Les membres, une voix")
    await member.look()
    await member.press("Pour")
    assert "N'écrivez aucun nom." in await member.press("Donner une raison")
    await member.say("Madame Untel l'a dit : « c'est bien »")
    card = await member.press("Revoir ce vote")
    assert "Votre raison : « Madame Untel l'a dit : “c'est bien” »" in card
    assert "Votre raison" in await member.press("Pour"), "the same choice keeps it"
    await secretary.say("sondage")
    await secretary.press("Suivre : Un réseau fiable")
    listed = await secretary.press("Lire la raison donnée")
    assert "1. « Madame Untel" in listed
    assert "La raison est masquée." in await secretary.press("Masquer la raison 1")
    assert "Votre raison" not in await member.press("Pour")
    await stage.advance(timedelta(hours=9))
    result = await member.look()
    assert not [label for label in result.labels if "raison" in label]


async def test_a_reason_that_comes_too_late_says_so(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await opened(stage, secretary, who="Les membres, une voix")
    await secretary.say("votes")
    await secretary.press("Pour")
    await secretary.press("Donner une raison")
    await stage.advance(timedelta(hours=9))
    await secretary.look()
    late = await secretary.say("Parce que.")
    assert "Votre raison n'est pas gardée." in late
    assert "n'a pas été compté" not in late
    assert "Votre raison n'est pas gardée." in await secretary.press("Donner une raison")


async def test_the_secretariat_follows_and_cancels(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    await stage.organisation("adf", "ADF")
    secretary = await stage.invited(Role.secretariat)
    delegate = await stage.invited(Role.delegate, "amf")
    await opened(stage, secretary, who="Les organisations")
    await delegate.look()
    await delegate.press("Contre")
    assert "Un vote est ouvert." in await secretary.say("sondage")
    followed = await secretary.press("Suivre : Un réseau fiable")
    assert "1 organisation sur 2 a voté." in followed
    assert "Contre" not in followed
    assert "Aller au vote" not in followed.labels, "the secretary has no voice here"
    await secretary.press("Annuler ce vote")
    await secretary.press("Oui, annuler ce vote")
    assert "Le vote VOTE-2027-001 est annulé" in await delegate.look()
    assert "est annulé" in await delegate.press("Contre")
    await stage.advance(timedelta(hours=9))
    assert not (await delegate.look()).messages, "there is no result"
    assert "Aucun vote n'est ouvert" in await delegate.say("votes")


async def test_the_secretariat_gets_the_result_of_what_it_has_no_voice_in(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    secretary = await stage.invited(Role.secretariat)
    await opened(stage, secretary, who="Les organisations")
    await stage.advance(timedelta(hours=9))
    assert "N'a pas voté : AMF." in await secretary.look()


@pytest.mark.everywhere
async def test_what_is_opened_is_shown_before(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    secretary = await stage.invited(Role.secretariat)
    await stage.invited(Role.delegate, "amf")
    await drafted(secretary)
    await secretary.press("Mettre au vote")
    await secretary.press("Mes propres options")
    await secretary.say("Faut-il commencer par les écoles ?")
    await secretary.say("Oui\nNon")
    await secretary.press("Une seule")
    await secretary.press("Les membres et les organisations")
    review = await secretary.say("demain à midi")
    for line in (
        "Projet : REC-2027-001, « Un réseau fiable », version 1",
        "Question : Faut-il commencer par les écoles ?",
        "Recevront le vote : 2 personnes, pour 2 voix de membres et 1 organisation",
        "Clôture : mardi 12 janvier 2027 à 12 h (heure de Paris)",
        "Résultat caché jusqu'à la clôture : Oui",
    ):
        assert line in review
    change = await secretary.press("Modifier une réponse")
    assert "Projet" not in change.labels, "what is known is not asked"
    assert "Clôture" in change.labels


async def test_a_new_version_leaves_the_vote_on_the_old_one(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await opened(stage, secretary, who="Les membres, une voix")
    await secretary.say("projet")
    await secretary.press("REC-2027-001")
    assert "mesurer le réseau" in await secretary.press("Écrire une nouvelle version")
    assert "dit la même chose" in await secretary.press("Envoyer")
    await secretary.press("Modifier une réponse")
    await secretary.press("Titre")
    await secretary.say("Un réseau fiable partout")
    saved = await secretary.press("Envoyer")
    assert "version 2" in saved
    assert "Le vote VOTE-2027-001 reste sur la version 1." in saved


async def test_older_drafts_can_be_reached(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    for rank in range(6):
        await drafted(secretary, f"Projet de rang {rank}")
    for word in ("projet", "sondage"):
        newest = await secretary.say(word)
        assert not [label for label in newest.labels if "rang 0" in label]
        older = await secretary.press("Voir les plus anciens")
        assert [label for label in older.labels if "rang 0" in label]


@pytest.mark.web
@pytest.mark.parametrize("presses", [1, 2, 5])
async def test_a_button_pressed_quickly_counts_once(stage: Stage, presses: int) -> None:
    secretary = await stage.guest(Role.secretariat)
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
