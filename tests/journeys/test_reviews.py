"""The review of reports, as those who read many of them see it."""

import asyncio
from datetime import timedelta

import pytest

from scheduled.reviews import tell_waiting
from storage.grants import Role
from tests.journeys.test_reports import photo
from tests.people import STORY, Someone, report
from tests.stage import Stage


async def waiting(stage: Stage, count: int) -> list[Someone]:
    """Some reports that wait, and their authors."""
    authors = []
    for rank in range(count):
        author = await stage.newcomer()
        await report(author, f"{rank}. {STORY}")
        authors.append(author)
    return authors


async def told(stage: Stage, author: Someone) -> str:
    """What an author hears."""
    await stage.service.deliver()
    return (await author.look()).text


async def test_one_decision_brings_the_next_report(stage: Stage) -> None:
    first, *_ = await waiting(stage, 3)
    secretary = await stage.invited(Role.secretariat)
    assert "3 témoignages attendent" in await secretary.say("modérer")
    assert "2 autres restent." in await secretary.press("Lire le suivant")
    following = await secretary.press("Publier")
    assert "REX-2027-00001 est publié." in following
    assert "REX-2027-00002, reçu le" in following
    assert "Un autre reste." in following
    assert "REX-2027-00003, reçu le" in await secretary.press("Garder pour le comité")
    last = await secretary.press("Garder pour le comité")
    assert "Aucun autre témoignage n'attend." in last
    assert "est publié, sans votre nom" in await told(stage, first)


@pytest.mark.everywhere
async def test_a_decision_can_be_undone_and_its_author_hears(stage: Stage) -> None:
    [author] = await waiting(stage, 1)
    secretary = await stage.invited(Role.secretariat)
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Publier")
    undone = await secretary.press("Annuler ma décision (00001)")
    assert "Votre décision sur REX-2027-00001 est annulée." in undone
    left = await stage.db.read(
        lambda store: (
            store.session.connection()
            .exec_driver_sql("SELECT count(*) FROM published_reports")
            .scalar()
        )
    )
    assert left == 0
    assert "est de nouveau en lecture" in await told(stage, author)
    await secretary.press("Garder")
    assert "Le comité le garde" in await told(stage, author)
    await secretary.press("Annuler ma décision")
    assert "est de nouveau en lecture" in await told(stage, author)


async def test_what_was_public_for_a_moment_leaves_every_chat(stage: Stage) -> None:
    await waiting(stage, 1)
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Publier")
    assert STORY in await reader.say("REX-2027-00001")
    undone = await secretary.press("Annuler ma décision (00001)")
    assert STORY in undone
    assert [one["kind"] for one in (await reader.look()).events] == ["delete"]
    assert "n'est pas publié" in await reader.say("REX-2027-00001")


async def test_a_decision_that_was_answered_is_not_undone(stage: Stage) -> None:
    [author] = await waiting(stage, 1)
    secretary = await stage.invited(Role.secretariat)
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Publier")
    await author.say("mes témoignages")
    await author.press("REX-")
    await author.press("Retirer")
    await author.press("Oui, retirer")
    assert "Son auteur a retiré ce témoignage." in await secretary.press("Annuler ma décision")


async def test_passing_over_shows_another_one(stage: Stage) -> None:
    await waiting(stage, 2)
    secretary = await stage.invited(Role.secretariat)
    await secretary.say("modérer")
    assert "REX-2027-00001, reçu" in await secretary.press("Lire le suivant")
    assert "REX-2027-00002, reçu" in await secretary.press("Au suivant")
    assert "REX-2027-00001, reçu" in await secretary.press("Au suivant")
    await secretary.press("Garder")
    alone = await secretary.press("Au suivant")
    assert "REX-2027-00002 attend de nouveau" in alone
    assert "Aucun autre témoignage n'attend." in alone


async def test_a_claim_lapses_and_is_taken_over(stage: Stage) -> None:
    await waiting(stage, 1)
    absent, colleague = await stage.invited(Role.secretariat), await stage.invited(Role.reviewer)
    await absent.say("modérer")
    await absent.press("Lire le suivant")
    assert "Aucun témoignage n'attend." in await colleague.say("modérer")
    await colleague.press("Ouvrir par numéro")
    assert "Un collègue lit REX-2027-00001." in await colleague.say("2027-1")
    await stage.advance(timedelta(days=3))
    reviewer = await stage.invited(Role.reviewer)
    assert (await reviewer.say("menu")).labels[0] == "Relire les témoignages"
    [again, *_] = (await reviewer.say("modérer")).labels
    assert again == "Reprendre REX-2027-00001 (3 j)"


async def test_a_claim_ends_with_the_role(stage: Stage) -> None:
    await waiting(stage, 1)
    former, colleague = await stage.invited(Role.secretariat), await stage.invited(Role.reviewer)
    await former.say("modérer")
    await former.press("Lire le suivant")
    now = stage.clock.now()
    person = await stage.db.read(lambda store: store.grants.holders(Role.secretariat, now)[0])
    await stage.db.write(lambda store: store.grants.end(person, now))
    await colleague.say("modérer")
    assert "REX-2027-00001, reçu" in await colleague.press("Reprendre REX-2027-00001")
    assert "Votre compte ne permet pas" in await former.press("Publier")


@pytest.mark.buttons  # the message goes, and the numbers with it
async def test_a_report_that_is_withdrawn_meanwhile(stage: Stage) -> None:
    [author] = await waiting(stage, 1)
    secretary = await stage.invited(Role.secretariat)
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await author.say("mes témoignages")
    await author.press("REX-2027-00001")
    await author.press("Retirer")
    await author.press("Oui, retirer")
    withdrawn = await secretary.press("Garder")
    assert "Son auteur a retiré ce témoignage." in withdrawn
    assert withdrawn.labels[0] == "Lire le suivant"


async def test_each_refusal_says_why_and_what_next(stage: Stage) -> None:
    await waiting(stage, 1)
    one, two = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    await one.say("modérer")
    await one.press("Lire le suivant")
    await one.press("Arrêter")
    await two.say("modérer")
    await two.press("Lire le suivant")
    taken = await one.press("Publier")
    assert "Un collègue lit REX-2027-00001." in taken
    await two.press("Garder")
    assert "Un collègue a déjà décidé" in await one.press("Publier")
    mine = await two.press("Publier")
    assert "Vous avez déjà décidé pour REX-2027-00001." in mine
    assert "Lire le suivant" in mine.labels


async def test_a_report_is_opened_by_its_number_and_seen_again(stage: Stage) -> None:
    await waiting(stage, 3)
    secretary = await stage.invited(Role.secretariat)
    await secretary.say("modérer")
    await secretary.press("Ouvrir par numéro")
    assert "Aucun témoignage ne porte ce numéro." in await secretary.say("REX-2027-99999")
    await secretary.press("Ouvrir par numéro")
    assert "REX-2027-00002, reçu" in await secretary.say("rex 2027-00002")
    await secretary.press("Garder")
    await secretary.say("modérer")
    latest = await secretary.press("Mes dernières lectures")
    assert latest.labels[0].startswith("REX-2027-00002")
    seen = await secretary.press("REX-2027-00002")
    assert "lu, gardé pour le comité" in seen
    assert "Annuler ma décision (00002)" in seen.labels


@pytest.mark.everywhere
async def test_photos_are_looked_at_before_they_are_published(stage: Stage) -> None:
    author, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await author.say("témoigner")
    await author.say(STORY)
    await author.press("Une expérience")
    await author.press("Le réseau")
    await author.press("Parent")
    await author.say("974")
    await author.press("Tout le monde")
    await author.send_photo(photo())
    await author.press("Envoyer")
    await secretary.say("modérer")
    shown = await secretary.press("Lire le suivant")
    assert len(shown.files) == 1
    asked = await secretary.press("Publier")
    assert "Un visage, un nom, une étiquette : ne publiez pas." in asked
    assert asked.labels == ["Relire ce témoignage", "Publier, photos vérifiées"]
    published = await secretary.press("Publier, photos vérifiées")
    assert "est publié." in published


async def test_two_readers_never_hold_one_report(stage: Stage) -> None:
    await waiting(stage, 2)
    readers = [await stage.invited(Role.secretariat) for _ in range(3)]
    for reader in readers:
        await reader.say("modérer")
    answers = await asyncio.gather(*(reader.press("Lire le suivant") for reader in readers))
    shown = [
        number
        for number in ("REX-2027-00001", "REX-2027-00002")
        for one in answers
        if number in one
    ]
    assert shown == ["REX-2027-00001", "REX-2027-00002"]


async def test_readers_learn_that_reports_wait(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await waiting(stage, 2)
    now, zone = stage.clock.now(), stage.settings.zone
    await stage.db.write(lambda store: tell_waiting(store, now, zone))
    await stage.service.deliver()
    assert "2 témoignages attendent une lecture." in await secretary.look()
    await secretary.press("Commencer la lecture")
    assert "REX-2027-00001, reçu" in await secretary.press("Lire le suivant")
