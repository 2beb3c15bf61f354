"""Pauses and exclusions: given for a reason, told, lifted; and what stays possible meanwhile."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.messages import Incoming
from storage.audit import AuditEntry
from storage.grants import Role
from storage.limits import LETTERS, REPORTS, UPLOADS, Limit, RestrictionKind
from storage.limits.restrictions import Restriction
from storage.polls import Electorate
from storage.store import Store
from tests.journeys.test_groups import chair_of, on_request
from tests.journeys.test_reports import photo
from tests.journeys.test_reviews import told, waiting
from tests.people import STORY, Answer, Someone
from tests.stage import Stage


async def restrict(
    stage: Stage,
    secretary: Someone,
    *,
    ban: bool = False,
    lasts: str = "Une semaine",
    reason: str | None = None,
) -> Answer:
    """From the card of the report that waits longest."""
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Mettre en pause ou exclure")
    await secretary.press("Exclure" if ban else "Mettre en pause")
    await secretary.press(lasts)
    if reason is None:
        shown = await secretary.press("publicité")
    else:
        shown = await secretary.say(reason)
    assert "Motif" in shown
    done = await secretary.press("Confirmer la décision")
    await stage.service.deliver()
    return done


async def acts(stage: Stage) -> list[str]:
    wanted = select(AuditEntry.act).where(AuditEntry.act.startswith("limits.")).order_by("id")
    return await stage.db.read(lambda store: list(store.session.scalars(wanted)))


@pytest.mark.everywhere
async def test_who_is_paused_reads_and_votes_and_sends_nothing(stage: Stage) -> None:
    [author] = await waiting(stage, 1)
    secretary = await stage.invited(Role.secretariat)
    done = await restrict(stage, secretary)
    assert "pause jusqu'au lundi 18 janvier 2027" in done
    news = await told(stage, author)
    assert "met votre compte en pause jusqu'au lundi 18 janvier 2027" in news
    assert "Motif : publicité." in news
    assert "jusqu'à la fin, pas après" in news
    for words in ("témoigner", "secrétariat"):
        assert "Votre compte est en pause" in await author.say(words), words
    assert "dpo@example.org" in await author.say("témoigner")
    stray = await author.say("Je n'ai vendu aucun tableau.")
    assert stray.labels == ["Contester", "Voir le menu"]
    asked = await author.press("Contester")
    assert "Contester une pause ou exclusion" in asked
    assert "Je n'ai vendu aucun tableau." in asked
    assert "Votre demande est enregistrée" in await author.press("Envoyer")
    assert "Contester une pause ou exclusion" in await told(stage, secretary)
    await _consult(stage)
    assert "Qui vote ?" in await author.say("votes")
    await author.press("Pour")
    assert "Votre compte est en pause" not in await author.look()
    held = await author.say("données")
    held = await author.press("Voir ce qui est gardé")
    assert "Votre compte est en pause jusqu'au lundi 18 janvier 2027" in held
    await stage.advance(timedelta(days=7, minutes=2))
    assert "Votre pause est terminée." in await told(stage, author)
    assert "Que voulez-vous raconter" in await author.say("témoigner")
    assert await acts(stage) == ["limits.muted", "limits.ended"]
    left = await stage.db.read(lambda store: store.session.scalars(select(Restriction)).all())
    assert left == []


@pytest.mark.web
async def test_a_chair_who_is_paused_calls_no_meeting_and_takes_no_name(stage: Stage) -> None:
    chair = await chair_of(stage, await on_request(stage))

    def pause(store: Store) -> None:
        store.restrictions.give(1, RestrictionKind.mute, "insultes", None, stage.clock.now())

    await stage.db.write(pause)
    assert "Votre compte est en pause" in await chair.say("réunion")
    await chair.say("groupes")
    await chair.press("Équité")
    assert "Votre compte est en pause" in await chair.press("Donner mon nom")


@pytest.mark.everywhere
async def test_who_is_banned_sees_to_their_data_and_no_more(stage: Stage) -> None:
    [author] = await waiting(stage, 1)
    secretary = await stage.invited(Role.secretariat)
    await author.say("témoigner")
    lasts = "Jusqu'à nouvel ordre"
    await restrict(stage, secretary, ban=True, lasts=lasts, reason="Vous vendez des tableaux.")
    news = await told(stage, author)
    assert "exclut votre compte jusqu'à nouvel ordre" in news
    assert "Motif : Vous vendez des tableaux." in news
    assert "Dites-nous en quelques mots" in await author.press("Contester")
    await author.say("annuler")
    for words in ("menu", STORY, "votes", "groupes", "témoigner"):
        assert "Votre compte est exclu" in await author.say(words), words
    await author.say("données")
    assert "Ce que nous gardons de vous" in await author.press("Voir ce qui est gardé")
    await author.say("données")
    await author.press("Corriger ou refuser")
    await author.press("Choisir ce que je reçois")
    assert "Votre compte est exclu" not in await author.press("Ne plus recevoir les nouvelles")
    await author.say("mes témoignages")
    shown = await author.press("REX-2027-00001")
    assert "Votre compte est exclu" not in shown
    await author.press("Retirer")
    listed = await secretary.say("pauses")
    assert "Une personne est en pause ou exclue." in listed
    await secretary.press(listed.labels[0])
    assert "C'est levé." in await secretary.press("Lever maintenant")
    assert "Votre exclusion est levée." in await told(stage, author)
    assert "exclu" not in (await author.say("menu")).text
    assert await acts(stage) == ["limits.banned", "limits.lifted"]
    journal = await secretary.say("journal")
    assert "personne exclue (Parent d'élève, n° 1)" in journal
    assert "pause ou exclusion arrêtée avant la fin (Parent d'élève, n° 1)" in journal
    await secretary.press("Choisir qui cela concerne")
    concerned = await secretary.press("Parent d'élève (n° 1)")
    assert "personne exclue" in concerned
    assert "invitation" not in concerned


async def _consult(stage: Stage) -> int:
    """A public consultation."""

    def consult(store: Store) -> int:
        now = stage.clock.now()
        closes_at = now + timedelta(days=3)
        public = Electorate.public
        return store.polls.open("Qui vote ?", electorate=public, closes_at=closes_at, now=now).id

    return await stage.db.write(consult)


async def test_a_ban_takes_no_vote(stage: Stage) -> None:
    """Nor one that is pressed at the same moment as others: see `act_together`."""
    [author] = await waiting(stage, 1)
    secretary = await stage.invited(Role.secretariat)
    poll = await _consult(stage)
    await author.say("votes")
    button = author.button("Pour")
    await restrict(stage, secretary, ban=True)
    assert "Votre compte est exclu" in await author.press_again(button)
    turnout = await stage.db.read(lambda store: store.polls.turnout(poll))
    assert turnout.voted == (0, 0)


async def test_nobody_restricts_themselves_nor_the_secretariat(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    other = await stage.invited(Role.secretariat)
    for writer, words in ((other, "Bonjour."), (secretary, "Bonsoir.")):
        await writer.say("secrétariat")
        await writer.say(words)
    inbox = await secretary.say("courrier")
    answers = []
    for line in inbox.labels[:2]:
        await secretary.say("courrier")
        await secretary.press(line)
        answers.append((await secretary.press("Mettre en pause")).text)
    assert sorted(
        ("est du secrétariat" in one, "Vous ne pouvez pas vous mettre en pause" in one)
        for one in answers
    ) == [(False, True), (True, False)]
    assert await acts(stage) == []


async def test_only_the_secretariat_restricts(stage: Stage) -> None:
    [author] = await waiting(stage, 1)
    reviewer = await stage.invited(Role.reviewer)
    await reviewer.say("modérer")
    card = await reviewer.press("Lire le suivant")
    assert "Mettre en pause ou exclure" not in card.labels
    assert "pauses" not in (await author.say("pauses")).text.lower()


async def test_from_a_letter_and_twice(stage: Stage) -> None:
    writer = await stage.newcomer()
    await writer.say("secrétariat")
    await writer.say("Achetez mes tableaux !")
    secretary = await stage.invited(Role.secretariat)
    listed = await secretary.say("courrier")
    await secretary.press(listed.labels[0])
    asked = await secretary.press("Mettre en pause ou exclure")
    assert "Que décidez-vous ?" in asked
    await secretary.press("Mettre en pause")
    await secretary.press("Un jour")
    await secretary.press("publicité")
    await secretary.press("Confirmer la décision")
    await secretary.say("courrier")
    await secretary.press(listed.labels[0])
    again = await secretary.press("Mettre en pause ou exclure")
    assert "Lever maintenant" in again.labels


async def test_a_colleague_s_decision_stays(stage: Stage) -> None:
    await waiting(stage, 1)
    secretary = await stage.invited(Role.secretariat)

    def ban(store: Store) -> None:
        store.restrictions.give(1, RestrictionKind.ban, "reason:flood", None, stage.clock.now())

    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    for label in ("Mettre en pause ou exclure", "Mettre en pause", "Un jour", "publicité"):
        await secretary.press(label)
    await stage.db.write(ban)
    assert "Lever maintenant" in (await secretary.press("Confirmer la décision")).labels
    kinds = select(Restriction.kind)
    kept = await stage.db.read(lambda store: store.session.scalars(kinds).all())
    assert kept == [RestrictionKind.ban]


async def spend(stage: Stage, limit: Limit) -> None:
    """Everybody has done something as often as they may."""

    def count(store: Store) -> None:
        for person in store.session.scalars(store.people.everybody()).all():
            store.rates.count(limit, person, stage.clock.now(), limit.at_most or 0)

    await stage.db.write(count)


async def test_too_many_letters_are_refused_until_tomorrow(stage: Stage) -> None:
    writer = await stage.newcomer()
    await spend(stage, LETTERS)
    await writer.say("secrétariat")
    refused = await writer.say("Bonjour, encore moi.")
    assert "Vous avez beaucoup écrit au secrétariat aujourd'hui." in refused
    assert "Vous pourrez continuer mardi 12 janvier 2027" in refused
    await stage.advance(timedelta(days=1, minutes=1))
    assert "bien reçu" in await writer.say("Bonjour, encore moi.")


async def test_too_many_reports_are_refused_and_the_draft_is_kept(stage: Stage) -> None:
    [author] = await waiting(stage, 1)
    await spend(stage, REPORTS)
    await author.say("témoigner")
    await author.say(STORY)
    for label in ("Une expérience vécue", "Le réseau et le matériel", "Tout le monde"):
        await author.press(label)
    assert "Vous avez donné beaucoup de témoignages" in await author.press("Envoyer")
    await stage.advance(timedelta(days=1, minutes=1))
    assert "REX-2027-00002" in await author.press("Envoyer")


@pytest.mark.web
async def test_too_many_files_are_not_looked_at(stage: Stage) -> None:
    author = await stage.newcomer()
    await author.say("témoigner")
    await author.say(STORY)
    await spend(stage, UPLOADS)
    _, answer = await author.send_photo(photo())
    assert "Vous avez envoyé beaucoup de fichiers." in answer


async def test_who_is_banned_links_nothing(stage: Stage) -> None:
    [author] = await waiting(stage, 1)
    secretary = await stage.invited(Role.secretariat)
    other = await stage.newcomer()
    code = re.search(r"\w{4}-\w{4}-\w{4}", (await other.say("lier")).text)
    assert code is not None
    await restrict(stage, secretary, ban=True)
    assert "Votre compte est exclu" in await author.say(code[0])
    assert "Votre compte est exclu" in await author.say("lier")


async def test_who_comes_back_after_an_erasure_votes_no_second_time(stage: Stage) -> None:
    poll = await _consult(stage)
    voter = await stage.newcomer()
    await voter.say("votes")
    button = voter.button("Pour")
    await voter.press_again(button)
    await voter.say("données")
    await voter.press("Tout effacer")
    await voter.say("effacer")
    if stage.api is None:  # at the page one comes back as somebody else
        return
    await voter.say("votes")
    assert "Votre voix est déjà comptée dans ce vote." in await voter.press("Contre")
    turnout = await stage.db.read(lambda store: store.polls.turnout(poll))
    assert turnout.voted == (1, 0)


async def test_who_erases_again_and_again_has_no_minute_more_each_time(stage: Stage) -> None:
    if stage.api is None:  # at the page one comes back as somebody else
        return
    chatter = stage.chatter()
    at, now = str(chatter.user.id), stage.clock.now()
    again = Incoming(platform="telegram", chat=at, sender=at, update_id="again", received_at=now)
    rests = []
    for _ in range(3):
        await chatter.start()
        await chatter.say("données")
        await chatter.press("Tout effacer")
        await chatter.say("effacer")
        rests.append(stage.service.dispatcher.waits(again))
    assert rests == [False, False, True]
