"""`membres`: who speaks for each organisation, terms that end, and roles."""

from datetime import timedelta

import pytest

from storage.grants import Role
from storage.organisations import MandateKind
from storage.polls import Poll
from storage.store import Store
from tests.journeys.test_handovers import AMF, asked, ballot
from tests.journeys.test_polls import opened
from tests.people import Answer, Someone
from tests.stage import Stage


async def named(stage: Stage, **names: str) -> None:
    """Give names to who speaks for an organisation, by what they are."""

    def name(store: Store) -> None:
        for one in store.organisations.speakers(stage.clock.now(), "amf"):
            if str(one.kind) in names:
                store.people.get(one.person_id).name = names[one.kind]

    await stage.db.write(name)


async def mandate(secretary: Someone, who: str) -> Answer:
    await secretary.say("membres")
    await secretary.press(AMF)
    return await secretary.press(who)


async def test_organisations_without_a_delegate_are_a_list_of_their_own(stage: Stage) -> None:
    await stage.organisation("zep", "Zep", college="associations")
    secretary, _, _ = await asked(stage)
    await named(stage, delegate="Ada", substitute="Zoé")
    page = await secretary.say("membres")
    assert page.labels[:3] == ["Chercher", AMF, "Voir celles sans titulaire"]
    assert "Une organisation n'a pas de titulaire." in page
    assert "Zep" not in page
    assert f"{AMF} : Ada (titulaire), Zoé (suppléance)" in page
    assert "Zep : personne" in await secretary.press("Voir celles sans titulaire")
    assert "Organisation signataire, collège : Associations." in await secretary.press("Zep")
    await secretary.press("Voir toutes les organisations")
    card = await secretary.press(AMF)
    assert "Organisation signataire" in card
    assert "Mandat depuis le 11 janvier 2027, sans fin prévue." in card
    assert "Dernière visite : 11 janvier 2027." in card


async def test_somebody_is_found_by_a_name_an_organisation_or_a_role(stage: Stage) -> None:
    secretary, _, _ = await asked(stage)
    await stage.invited(Role.reviewer)
    await named(stage, delegate="Élodie Girafon")

    async def search(words: str) -> Answer:
        await secretary.say("membres")
        await secretary.press("Chercher")
        return await secretary.say(words)

    assert "Rien ne correspond à « girafeau »" in await search("girafeau")
    line = f"Élodie Girafon (n° 2) (titulaire), {AMF}"
    assert (await search("GIRAFON elodie")).labels[0] == line
    assert (await search("2 titulaire")).labels[0] == line
    assert "« maires » : 3 réponses" in await search("maires")
    assert (await search("relecture")).labels[0] == "Membre du comité : relecture"
    await search("girafon")
    assert "Mandat depuis le 11 janvier 2027" in await secretary.press("Élodie")


@pytest.mark.everywhere
async def test_a_term_ends_mid_poll(stage: Stage) -> None:
    secretary, delegate, substitute = await asked(stage)
    await named(stage, delegate="Ada")
    await delegate.press("Contre")
    await mandate(secretary, "Ada")
    assert "Quand le mandat prend-il fin ?" in await secretary.press("Fixer la fin du mandat")
    done = await secretary.say("aujourd'hui à 12 h")
    assert "C'est enregistré." in done
    assert "jusqu'au 11 janvier 2027" in done
    told = await delegate.look()
    assert f"Votre mandat pour {AMF} (titulaire) a maintenant une fin" in told
    assert "lundi 11 janvier 2027 à 12 h" in told
    await stage.advance(timedelta(hours=3))
    assert f"Votre mandat pour {AMF} (titulaire) a pris fin." in await delegate.look()
    assert f"Plus personne n'est titulaire pour {AMF}." in await secretary.look()
    await stage.advance(timedelta(minutes=1))
    assert [*(await delegate.look()).texts, *(await secretary.look()).texts] == [], "once"
    refused = await delegate.press("Abstention")
    assert f"Votre mandat pour {AMF} a pris fin." in refused
    assert "Votre choix reste compté : Contre." in refused
    assert "Votre choix n'a pas été compté." in refused
    assert await ballot(stage) == (2,)
    await substitute.say("votes")
    assert "Un vote est déjà compté" in await substitute.press("Êtes-vous favorable")


async def test_a_mandate_is_ended_now_and_once(stage: Stage) -> None:
    secretary, delegate, substitute = await asked(stage)
    await named(stage, delegate="Ada")
    await delegate.press("Je passe la main")
    await delegate.press("Membre du comité, Association")
    await substitute.look()
    await mandate(secretary, "Ada")
    asks = await secretary.press("Mettre fin au mandat maintenant")
    assert "Mettre fin maintenant au mandat de Ada" in asks
    yes = secretary.button("Oui, y mettre fin")
    assert "Plus personne n'est titulaire" in await secretary.press_again(yes)
    await stage.advance(timedelta(seconds=1))
    assert "a pris fin." in await delegate.look()
    journal = await secretary.say("journal")
    assert f"mandat terminé (Ada, n° 2, {AMF})" in journal
    assert f"vote confié à une suppléance (Membre du comité, n° 3, {AMF})" in journal
    assert "Vous ne votez plus à la place de votre titulaire" in await substitute.look()
    assert "Ce mandat a déjà pris fin." in await secretary.press_again(yes)
    await substitute.say("votes")
    assert "Votre vote est compté" in await substitute.press("Pour")


@pytest.mark.web
async def test_a_term_is_announced_two_weeks_before(stage: Stage) -> None:
    secretary, delegate, _ = await asked(stage)
    await named(stage, delegate="Ada")
    await mandate(secretary, "Ada")
    await secretary.press("Fixer la fin du mandat")
    await secretary.say("25 janvier 2027 à 18 h")
    assert "a maintenant une fin" in await delegate.look()
    await stage.advance(timedelta(hours=7))
    assert "prend bientôt fin" not in await delegate.look()
    await stage.advance(timedelta(hours=1))
    assert "prend bientôt fin : lundi 25 janvier 2027 à 18 h" in await delegate.look()
    await stage.advance(timedelta(hours=1))
    assert "prend bientôt fin" not in await delegate.look()
    await secretary.press("Ne plus prévoir de fin")
    assert "n'a plus de fin prévue" in await delegate.look()


async def test_a_role_is_ended_but_not_the_last(stage: Stage) -> None:
    secretary, reviewer = await stage.invited(Role.secretariat), await stage.invited(Role.reviewer)
    await secretary.say("membres")
    held = await secretary.press("Voir qui a un rôle")
    assert held.labels[:2] == ["Membre du comité : relecture", "Membre du comité : secrétariat"]
    await secretary.press("Membre du comité : relecture")
    assert "Le rôle est retiré." in await secretary.press("Oui, retirer ce rôle")
    assert "Un de vos rôles est retiré : relecture." in await reviewer.look()
    assert "Votre compte ne permet pas" in await reviewer.say("modérer")
    own = await secretary.press("Membre du comité : secrétariat")
    assert "C'est votre propre rôle." in own
    assert "Personne d'autre n'a ce rôle." in await secretary.press("Oui, retirer ce rôle")
    await stage.invited(Role.secretariat)
    await secretary.press("Voir qui a un rôle")
    await secretary.press("Membre du comité (n° 1) : secrétariat")
    assert "Votre rôle est retiré." in await secretary.press("Oui, retirer ce rôle")
    assert "Votre compte ne permet pas" in await secretary.say("membres")


async def test_only_an_administrator_takes_the_secretariats_role(stage: Stage) -> None:
    secretary, other = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    administrator = await stage.invited(Role.administrator)
    await secretary.say("membres")
    await secretary.press("Voir qui a un rôle")
    card = await secretary.press("Membre du comité (n° 2) : secrétariat")
    assert "Seule l'administration retire ce rôle." in card
    assert "Oui, retirer ce rôle" not in card.labels
    await administrator.say("membres")
    await administrator.press("Voir qui a un rôle")
    await administrator.press("Membre du comité (n° 2) : secrétariat")
    assert "Le rôle est retiré." in await administrator.press("Oui, retirer ce rôle")
    assert "Un de vos rôles est retiré : secrétariat." in await other.look()


async def test_who_holds_a_mandate_may_have_roles_besides(stage: Stage) -> None:
    secretary, delegate, _ = await asked(stage)
    await named(stage, delegate="Ada")

    def give(store: Store) -> None:
        found = store.organisations.speakers(stage.clock.now(), "amf")
        [ada] = [one.person_id for one in found if one.kind is MandateKind.delegate]
        store.grants.give(ada, Role.reviewer, stage.clock.now())

    await stage.db.write(give)
    assert "A aussi un rôle : relecture." in await mandate(secretary, "Ada")
    await secretary.press("Retirer un rôle : relecture")
    await secretary.press("Oui, retirer ce rôle")
    assert "relecture" in await delegate.look()


async def test_it_is_the_secretariat_s(stage: Stage) -> None:
    _, delegate, _ = await asked(stage)
    assert "Votre compte ne permet pas" in await delegate.say("membres")


async def test_an_erased_delegate_is_named_no_more(stage: Stage) -> None:
    secretary, _, _ = await asked(stage)
    await named(stage, delegate="Ada Girafon")
    await secretary.say("membres")

    def erase(store: Store) -> None:
        found = store.organisations.speakers(stage.clock.now(), "amf")
        [ada] = [one.person_id for one in found if one.kind is MandateKind.delegate]
        store.erase(ada, stage.clock.now())

    await stage.db.write(erase)
    gone = await secretary.look()
    assert "delete" in [event["kind"] for event in gone.events]
    assert "Girafon" not in await secretary.say("membres")
    await stage.advance(timedelta(seconds=1))
    await stage.service.deliver()
    assert f"Plus personne n'est titulaire pour {AMF}." in await secretary.look()


async def test_an_ended_organisation_is_asked_no_more(stage: Stage) -> None:
    secretary, delegate, _ = await asked(stage)
    today = stage.clock.now().date()

    def end(store: Store) -> None:
        [name] = store.organisations.all_names()["amf"]
        name.ends_on = today

    await stage.db.write(end)
    await stage.organisation("adf", "Départements de France")
    await opened(stage, secretary, who="Les organisations")
    assert "Un vote est ouvert" not in await delegate.look()


async def test_who_has_a_voice_of_their_own_keeps_it(stage: Stage) -> None:
    """Of two ballots, the one for the organisation is lost; the card says so."""
    await stage.organisation("amf", AMF)
    secretary = await stage.invited(Role.secretariat)
    delegate = await stage.invited(Role.delegate, "amf")
    await opened(stage, secretary, who="Les membres et les organisations")
    await delegate.look()
    await delegate.press("Contre")

    def end(store: Store) -> None:
        [one] = store.organisations.speakers(stage.clock.now(), "amf")
        store.change_term(one.id, stage.clock.now() + timedelta(hours=1), stage.clock.now())
        store.grants.give(one.person_id, Role.member, stage.clock.now())

    await stage.db.write(end)
    await stage.advance(timedelta(hours=2))
    await delegate.look()
    await delegate.say("votes")
    card = await delegate.press("Êtes-vous favorable")
    assert f"Votre mandat pour {AMF} a pris fin." in card
    assert "Votre choix reste compté : Contre." in card
    await delegate.press("Pour")
    assert await ballot(stage) == (2,)
    tally = await stage.db.read(lambda store: store.polls.tally(store.session.get_one(Poll, 1)))
    assert tally.persons == (1, 0, 0, 0)


@pytest.mark.buttons  # an old one, pressed again
async def test_a_poll_is_shown_no_more_after_the_term(stage: Stage) -> None:
    secretary, delegate, _ = await asked(stage)
    await named(stage, delegate="Ada")
    await delegate.press("Contre")
    await delegate.press("Donner une raison")
    await delegate.say("Trop tôt.")
    again = delegate.button("Revoir ce vote")
    await mandate(secretary, "Ada")
    await secretary.press("Mettre fin au mandat maintenant")
    await secretary.press("Oui, y mettre fin")
    gone = await delegate.press_again(again)
    assert f"Votre mandat pour {AMF} a pris fin." in gone
    assert "Ce vote ne vous est plus montré." in gone


async def test_of_two_without_a_name_each_role_is_told_apart(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    first, second = await stage.invited(Role.reviewer), await stage.invited(Role.reviewer)
    await secretary.say("membres")
    held = await secretary.press("Voir qui a un rôle")
    assert held.labels[:2] == [f"Membre du comité (n° {one}) : relecture" for one in (2, 3)]
    await secretary.press("Membre du comité (n° 3)")
    await secretary.press("Oui, retirer ce rôle")
    assert "Un de vos rôles est retiré : relecture." in await second.look()
    assert (await first.look()).texts == []
