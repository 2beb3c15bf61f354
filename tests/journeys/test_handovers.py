"""« Je passe la main »: a delegate has a substitute vote, and takes it back."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.grants import Role
from storage.organisations import Mandate, MandateKind
from storage.polls import chosen
from storage.store import Store
from tests.journeys.test_polls import opened
from tests.people import Answer, Someone
from tests.stage import Stage

AMF = "Association des maires de France"


async def asked(stage: Stage) -> tuple[Someone, Someone, Someone]:
    """A poll of the organisations, and the secretariat, a delegate and a substitute of one."""
    await stage.organisation("amf", AMF)
    secretary = await stage.invited(Role.secretariat)
    delegate = await stage.invited(Role.delegate, "amf")
    substitute = await stage.invited(Role.substitute, "amf")
    await opened(stage, secretary, who="Les organisations")
    await delegate.look()
    await substitute.look()
    return secretary, delegate, substitute


async def ballot(stage: Stage, poll: int = 1) -> tuple[int, ...]:
    """What the organisation's one ballot says."""

    def read(store: Store) -> tuple[int, ...]:
        found = store.polls.get(poll)
        assert found is not None
        named = store.polls.tally(found).named
        assert len(named) <= 1
        return named.get("amf", ())

    return await stage.db.read(read)


@pytest.mark.everywhere
async def test_a_poll_is_handed_over_voted_in_and_taken_back(stage: Stage) -> None:
    _, delegate, substitute = await asked(stage)
    await delegate.press("Contre")
    assert await ballot(stage) == (2,)
    offered = await delegate.press("Je passe la main")
    assert "Qui votera à votre place ?" in offered
    given = await delegate.press("Membre du comité, Association des maires de France (suppléance")
    assert f"C'est fait : Membre du comité vote pour {AMF}." in given
    assert "Cela vaut pour VOTE-2027-001, jusqu'à la clôture." in given
    assert "Le bulletin déjà déposé reste compté jusqu'à son vote." in given
    assert await ballot(stage) == (2,), "what was cast stays until the substitute votes"
    told = await substitute.look()
    assert f"Votre titulaire vous passe la main pour {AMF}." in told
    assert "Il reste compté jusqu'à votre vote." in told
    card = await substitute.press("Aller au vote")
    assert f"Votre titulaire vous a passé la main pour {AMF}." in card
    await substitute.press("Pour, avec réserve")
    assert await ballot(stage) == (1,), "it takes the place of the delegate's"
    assert "Une autre personne a voté" in await delegate.look()
    refused = await delegate.press("Abstention")
    assert f"Vous avez passé la main pour {AMF}." in refused
    assert "Votre choix n'a pas été compté." in refused
    assert await ballot(stage) == (1,)
    assert "Aucun vote ne vous attend. Vous avez passé la main" in await delegate.say("votes")
    seen = await delegate.press("Êtes-vous favorable")
    assert "Choix compté : Pour, avec réserve." in seen
    back = await delegate.press("Je reprends la main")
    assert "Vous avez repris la main" in back
    assert "Le bulletin déjà déposé reste compté jusqu'à votre vote." in back
    assert "Votre titulaire reprend la main" in await substitute.look()
    assert await ballot(stage) == (1,)
    await delegate.press("Aller au vote")
    await delegate.press("Abstention")
    assert await ballot(stage) == (3,)
    await substitute.say("votes")
    assert "Votre titulaire a voté" in await substitute.press("Revoir ce vote")


async def test_a_period_covers_what_is_open_and_what_opens(stage: Stage) -> None:
    secretary, delegate, substitute = await asked(stage)
    await delegate.press("Je passe la main")
    page = await delegate.press("Passer la main pour une absence")
    assert "Vous votez vous-même partout." in page
    assert page.text == (await delegate.say("je passe la main")).text
    question = await delegate.press("Passer la main à Membre du comité")
    assert "À partir de quand passez-vous la main ?" in question
    assert "Jusqu'à quand passez-vous la main ?" in await delegate.press("Dès maintenant")
    given = await delegate.say("jusqu'à aujourd'hui 17 h")
    assert "lundi 11 janvier 2027 à 17 h (heure de Paris)" in given
    assert "Votre titulaire vous passe la main" in await substitute.look()
    await opened(stage, secretary, who="Les organisations")
    card = await delegate.look()
    assert "Votre suppléance vote à votre place." in card
    assert "Pour" not in card.labels
    assert "Je reprends la main, pour tous les votes" in card.labels
    for poll in (1, 2):
        assert "(confié)" in (await delegate.say("votes")).labels[poll - 1]
        await substitute.say("votes")
        await substitute.press("Êtes-vous favorable au projet REC-2027-00" + str(poll))
        await substitute.press("Contre")
        assert await ballot(stage, poll) == (2,)
    await stage.advance(timedelta(hours=7))
    assert "Vous votez à nouveau vous-même" in await delegate.look()
    assert "Vous ne votez plus à la place de votre titulaire" in await substitute.look()
    await stage.advance(timedelta(minutes=1))
    assert [*(await delegate.look()).texts, *(await substitute.look()).texts] == [], "once"
    await delegate.say("votes")
    await delegate.press("Êtes-vous favorable au projet REC-2027-001")
    await delegate.press("Pour")
    assert await ballot(stage) == (0,)


async def prepared(delegate: Someone, since: str, until: str) -> Answer:
    """Hand over a period, as the delegate of one organisation with one substitute."""
    await delegate.say("passer la main")
    await delegate.press("Passer la main à Membre du comité")
    await delegate.say(since)
    return await delegate.say(until)


@pytest.mark.everywhere
async def test_a_period_begins_later(stage: Stage) -> None:
    _, delegate, substitute = await asked(stage)
    given = await prepared(delegate, "à partir d'aujourd'hui 14 h", "aujourd'hui 16 h")
    assert f"C'est fait : Membre du comité votera pour {AMF}." in given
    assert "Le début : lundi 11 janvier 2027 à 14 h (heure de Paris)." in given
    assert "D'ici là, vous votez vous-même." in given
    told = await substitute.look()
    assert f"Votre titulaire vous passera la main pour {AMF}." in told
    assert "D'ici là, vous n'avez rien à faire." in told
    assert "du 11 janvier 2027 au 11 janvier 2027" in await delegate.say("passer la main")
    card = await delegate.say("votes")
    assert f"Votre suppléance votera à votre place pour {AMF}. Le début : lundi 11" in card
    await delegate.press("Contre")
    assert await ballot(stage) == (2,), "until then they vote as ever"
    await substitute.say("votes")
    card = await substitute.press("Êtes-vous favorable")
    assert "Votre titulaire a voté" in card
    assert f"Votre titulaire vous passera la main pour {AMF}." in card
    await stage.advance(timedelta(hours=4))
    begun = await delegate.look()
    assert f"À partir de maintenant, c'est Membre du comité qui vote pour {AMF}." in begun
    assert f"À partir de maintenant, c'est vous qui votez pour {AMF}." in await substitute.look()
    await stage.advance(timedelta(minutes=1))
    assert [*(await delegate.look()).texts, *(await substitute.look()).texts] == [], "once"
    await substitute.say("votes")
    card = await substitute.press("Êtes-vous favorable")
    assert "votera" not in card
    assert "passera" not in card
    await substitute.press("Pour, avec réserve")
    assert await ballot(stage) == (1,)
    await delegate.say("votes")
    card = await delegate.press("Êtes-vous favorable")
    assert "Votre suppléance vote à votre place." in card
    assert "Pour" not in card.labels
    await stage.advance(timedelta(hours=2))
    assert "Vous votez à nouveau vous-même" in await delegate.look()
    assert "Vous ne votez plus à la place de votre titulaire" in await substitute.look()


async def test_dates_that_cannot_be_are_asked_again(stage: Stage) -> None:
    _, delegate, _ = await asked(stage)

    def end(store: Store) -> None:
        [mandate] = store.session.scalars(
            select(Mandate).where(Mandate.kind == MandateKind.delegate)
        )
        store.change_term(mandate.id, stage.clock.now() + timedelta(days=360), stage.clock.now())

    await stage.db.write(end)
    await delegate.say("passer la main")
    await delegate.press("Passer la main à Membre du comité")
    for typed, answer in (
        ("le 30 février", "Ce jour n'existe pas."),
        ("dès que possible", "Je n'ai pas compris cette date."),
        ("10 janvier 2027", "Cette date est déjà passée."),
        ("10 janvier 2028", "Un des deux mandats prend fin avant."),
    ):
        assert answer in await delegate.say(typed), typed
    assert "Jusqu'à quand" in await delegate.say("du 20 décembre")
    assert "La fin doit venir après le début" in await delegate.say("19 décembre 2027")
    late = await delegate.say("20 janvier")
    assert "Un des deux mandats prend fin avant." in late
    assert [one[:17] for one in late.labels] == ["Lundi 27 décembre", "Lundi 3 janvier, "]
    given = await delegate.say("au 5 janvier")
    assert "La fin : mercredi 5 janvier 2028 à 18 h" in given
    assert "Le début : lundi 20 décembre 2027 à 0 h" in given
    again = await prepared(delegate, "1er janvier", "3 janvier")
    assert "Vous avez déjà passé la main." in again


@pytest.mark.everywhere
async def test_a_period_is_taken_back_before_it_begins(stage: Stage) -> None:
    _, delegate, substitute = await asked(stage)
    await prepared(delegate, "aujourd'hui 14 h", "aujourd'hui 16 h")
    await substitute.look()
    back = await delegate.press("Je reprends la main")
    assert f"Vous gardez la main pour {AMF}." in back
    assert f"Votre titulaire garde la main pour {AMF}." in await substitute.look()
    await stage.advance(timedelta(hours=7))
    assert [*(await delegate.look()).texts, *(await substitute.look()).texts] == []


@pytest.mark.parametrize("whose", MandateKind)
async def test_a_term_that_ends_before_calls_it_off(stage: Stage, whose: MandateKind) -> None:
    _, delegate, substitute = await asked(stage)
    await prepared(delegate, "aujourd'hui 14 h", "aujourd'hui 16 h")
    await substitute.look()

    def end(store: Store) -> None:
        [mandate] = store.session.scalars(select(Mandate).where(Mandate.kind == whose))
        store.change_term(mandate.id, stage.clock.now() + timedelta(hours=1), stage.clock.now())

    await stage.db.write(end)
    await stage.advance(timedelta(seconds=1))
    assert f"Votre suppléance devait voter pour {AMF}" in await delegate.look()
    assert f"Votre titulaire devait vous passer la main pour {AMF}" in await substitute.look()
    await stage.advance(timedelta(hours=5))
    told = [*(await delegate.look()).texts, *(await substitute.look()).texts]
    assert not any("À partir de maintenant" in one or "devait" in one for one in told)


async def test_who_is_no_delegate_hands_nothing_over(stage: Stage) -> None:
    secretary, delegate, substitute = await asked(stage)
    await delegate.press("Je passe la main")
    forged = delegate.button("Membre du comité, Association")
    for other in (secretary, substitute):
        assert "Je passe la main" not in (await other.look()).text
    if isinstance(forged, dict):
        await delegate.press("Membre du comité, Association")
        again = await delegate.press_again(forged)
        assert "Vous avez déjà passé la main." in again


async def test_a_closed_poll_is_not_handed_over(stage: Stage) -> None:
    _, delegate, _ = await asked(stage)
    await delegate.press("Je passe la main")
    await stage.advance(timedelta(hours=10))
    await delegate.look()
    late = await delegate.press("Membre du comité, Association")
    assert "Ce vote est clos. Rien n'a changé." in late


async def test_two_substitutes_one_is_chosen(stage: Stage) -> None:
    _, delegate, first = await asked(stage)
    second = await stage.invited(Role.substitute, "amf")

    def name(store: Store) -> None:
        found = store.organisations.speakers(stage.clock.now(), "amf")
        people = [one.person_id for one in found if one.kind is MandateKind.substitute]
        for person, called in zip(people, ("Ada", "Zoé"), strict=True):
            store.people.get(person).name = called

    await stage.db.write(name)
    await delegate.say("votes")
    offered = await delegate.press("Je passe la main")
    assert [label[:3] for label in offered.labels[:2]] == ["Ada", "Zoé"]
    assert "Zoé vote pour" in await delegate.press("Zoé")
    assert "vous passe la main" in await second.look()
    assert "vous passe la main" not in await first.look()
    await second.press("Aller au vote")
    await second.press("Pour")
    assert chosen(1) == await ballot(stage) == (0,)


async def test_in_a_group_a_substitute_says_nothing_of_it(stage: Stage) -> None:
    """A ballot handed over is cast in one's own chat like any other."""
    _, delegate, substitute = await asked(stage)
    await delegate.press("Je passe la main")
    await delegate.press("Membre du comité, Association")
    await substitute.look()
    await substitute.say("votes")
    voted = await substitute.press("Contre")
    assert "Votre vote est compté : Contre." in voted
    assert await ballot(stage) == (2,)


async def test_a_ballot_that_is_missing_is_said(stage: Stage) -> None:
    """Who votes for herself while another votes for the organisation votes for it afterwards."""
    await stage.organisation("amf", AMF)
    secretary = await stage.invited(Role.secretariat)
    delegate = await stage.invited(Role.delegate, "amf")
    await stage.invited(Role.substitute, "amf")
    await opened(stage, secretary, who="Les membres et les organisations")
    await delegate.look()
    await delegate.press("Je passe la main")
    await delegate.press("Membre du comité, Association")
    await delegate.say("votes")
    assert "Il manque" not in await delegate.press("Abstention")
    await delegate.press("Je reprends la main")
    missing = f"Il manque le bulletin de {AMF} : choisissez encore."
    assert missing in await delegate.press("Aller au vote")
    assert "Il manque" not in await delegate.press("Abstention")
    assert await ballot(stage) == (3,)
