"""One person on several chats: linked by a code, asked on both sides, parted again.

Each journey is made by people who have a page and a messenger at once.
"""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.settings import Settings
from storage.audit import AuditEntry
from storage.database import Database
from storage.grants import Role
from storage.limits import CODES, RestrictionKind
from storage.people import Account, ChatState
from storage.polls import Electorate
from storage.sessions import ALPHABET, WebSession
from storage.store import Store
from tests.conftest import NOW
from tests.people import Guest, report
from tests.rooms import NAME, Square, Talker
from tests.stage import Stage

pytestmark = pytest.mark.web  # at the page, and on a messenger which is called as Telegram is
WRONG = "Ce code ne sert pas, ou ne sert plus."
ROLE_IS_OPEN = "Votre rôle est ouvert ici."


@pytest.fixture
async def square(settings: Settings, db: Database) -> AsyncIterator[Square]:
    stage = Stage(settings, db, NOW)
    yield await Square.opened(settings, db, stage)
    await stage.close()


def code_in(text: str) -> str:
    found = re.search(r"(?:[A-Z0-9]{4}-){2}[A-Z0-9]{4}", text)
    assert found, text
    return found[0]


async def linked(guest: Guest, talker: Talker) -> None:
    """Show a code on the page, type it on the messenger, say yes there and then here."""
    code = code_in((await guest.say("lier")).text)
    asked = (await talker.say(code)).text
    assert "Est-ce bien vous ?" in asked
    assert "Quelqu'un vous a donné ce code, ou un lien ? Répondez non." in asked
    assert "Confirmez maintenant là-bas" in (await talker.press("Oui")).text
    assert "Est-ce bien vous ?" in await guest.look()
    await guest.press("Oui")


async def people(square: Square) -> set[int]:
    """Who is there."""
    return set(
        await square.stage.db.read(
            lambda store: store.session.scalars(store.people.everybody()).all()
        )
    )


async def acts(square: Square) -> list[str]:
    def read(store: Store) -> list[str]:
        return [one.act for one in store.session.query(AuditEntry).order_by(AuditEntry.id)]

    return [act for act in await square.stage.db.read(read) if act.startswith("linking.")]


async def poll(square: Square) -> int:
    def make(store: Store) -> int:
        closes = NOW + timedelta(days=2)
        return store.polls.open(
            "Avez-vous le réseau ?", electorate=Electorate.public, closes_at=closes, now=NOW
        ).id

    return await square.stage.db.write(make)


async def voices(square: Square, poll_id: int) -> list[int]:
    def read(store: Store) -> list[int]:
        found = store.polls.get(poll_id)
        assert found is not None
        return list(store.polls.tally(found).persons)

    return await square.stage.db.read(read)


async def test_one_person_votes_on_one_chat_and_changes_it_on_the_other(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    number, poll_id = await report(guest), await poll(square)
    await guest.say("votes")
    await guest.press("Pour")
    await linked(guest, talker)
    assert "à une seule personne : vous" in guest.seen[-1]["text"]
    assert "à une seule personne : vous" in talker.own[-1].text
    assert any(number in label for label in (await talker.say("mes témoignages")).labels)
    assert "Vous avez voté partout." in (await talker.say("votes")).text
    await talker.press(talker.own[-1].labels[0])
    await talker.press("Contre")
    assert await voices(square, poll_id) == [0, 0, 1, 0]
    assert len(await people(square)) == 1
    assert await acts(square) == ["linking.merged"]


async def test_what_linking_means_is_said_with_the_code(square: Square) -> None:
    guest = await square.stage.guest()
    said = await guest.say("relier")
    assert "Ne donnez ce code à personne." in said
    assert "Témoignages, votes et rôles seront communs." in said


@pytest.mark.parametrize(
    "typed",
    [
        "{}",
        "lier {}",
        "/start link-{}",
        "Lier un compte : {}",
        "/link {}",
        "link-{}",
        "Votre code : {}",
        "Bonjour, voici mon code {}. Merci !",
    ],
)
async def test_the_code_may_be_typed_in_many_ways(square: Square, typed: str) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    code = code_in((await guest.say("lier")).text)
    assert "la page web, connu depuis le" in (await talker.say(typed.format(code.lower()))).text


async def test_both_must_say_yes_and_either_may_say_no(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    code = code_in((await guest.say("lier")).text)
    await talker.say(code)
    assert "Rien n'est relié" in (await talker.press("Non")).text
    assert "L'autre conversation a répondu non." in await guest.look()
    assert WRONG in (await talker.say(code)).text, "the code is dead"
    code = code_in((await guest.say("lier")).text)
    asked = await talker.say(code)
    await talker.press("Oui")
    twice = await square.receive(talker.address, talker.address, choice=asked.action("Oui"))
    assert twice.born, "a second press is answered as the first"
    assert "Confirmez maintenant là-bas" in talker.own[-1].text
    await guest.look()
    assert "Rien n'est relié" in await guest.press("Non")
    assert "L'autre conversation a répondu non." in talker.own[-1].text
    assert len(await people(square)) == 2


@pytest.mark.parametrize("typed", ["oui, c'est moi", "Oui.", "OUI, c'est bien moi !"])
async def test_the_answer_may_be_typed(square: Square, typed: str) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    code = code_in((await guest.say("lier")).text)
    asked = (await talker.say(code)).text
    assert (await talker.say(code)).text == asked, "the code again: it still waits for a yes"
    assert "Confirmez maintenant là-bas" in (await talker.say(typed)).text
    assert WRONG in (await talker.say(code)).text
    await guest.look()
    assert "Rien n'est relié" in await guest.say("non")
    assert len(await people(square)) == 2


async def test_of_two_questions_a_no_is_asked_about(square: Square) -> None:
    guest, other = await square.stage.guest(), await square.stage.guest()
    talker = await square.met("ada")
    await other.say(code_in((await talker.say("lier")).text))
    await talker.say(code_in((await guest.say("lier")).text))
    await other.press("Oui")
    assert "À quoi répond « non » ?" in (await talker.say("non")).text
    assert "Rien n'est relié" in (await talker.press("Non, ne rien relier")).text


async def test_a_yes_to_a_message_before_the_newest_is_asked_about(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    await talker.say(code_in((await guest.say("lier")).text))

    def open_poll(store: Store) -> None:
        closes = NOW + timedelta(days=2)
        poll = store.polls.open("Oui ?", electorate=Electorate.public, closes_at=closes, now=NOW)
        asked = store.polls.asked(poll, NOW)
        store.deliveries.notify("polls.opened", {"poll": poll.id}, asked, NOW)

    await square.stage.db.write(open_poll)
    await square.stage.service.deliver()
    assert "À quoi répond « oui » ?" in (await talker.say("oui")).text
    assert len(await people(square)) == 2
    assert "Confirmez maintenant là-bas" in (await talker.press("Oui")).text


async def test_who_said_yes_is_told_that_nobody_else_did(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    code = code_in((await guest.say("lier")).text)
    await talker.say(code)
    await talker.press("Oui")
    await guest.look()
    await square.stage.advance(timedelta(minutes=11))
    assert "Le délai est passé" in talker.own[-1].text
    assert "Cette demande est terminée" in await guest.press("Oui")
    assert len(await people(square)) == 2


async def test_codes_that_do_not_serve(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    before = code_in((await guest.say("lier")).text)
    shown = (await guest.say("lier")).text
    assert "Le code d'avant ne sert plus." in shown
    code = code_in(shown)
    assert WRONG in (await talker.say(before)).text, "a new one replaced it"
    assert "celui de cette conversation" in await guest.say(code)
    square.stage.clock.advance_to(NOW + timedelta(minutes=10))
    assert WRONG in (await talker.say(code)).text, "it is too old"
    code = code_in((await guest.say("lier")).text)
    await guest.say("données")
    await guest.press("Tout effacer")
    await guest.say("effacer")
    assert WRONG in (await talker.say(code)).text, "that person is erased"


async def test_the_code_of_somebody_banned_does_not_serve(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    code = code_in((await guest.say("lier")).text)
    both = sorted(await people(square))

    def ban(store: Store) -> None:
        store.restrictions.give(both[0], RestrictionKind.ban, "insultes", None, NOW)

    await square.stage.db.write(ban)
    assert WRONG in (await talker.say(code)).text
    assert len(await people(square)) == 2


async def test_wrong_codes_are_counted(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    for number in range(CODES.at_most or 0):
        assert WRONG in (await talker.say(f"BCDF-GHJK-MNP{ALPHABET[number]}")).text
    code = code_in((await guest.say("lier")).text)
    assert "Trop de codes" in (await talker.say(code)).text
    assert "Est-ce bien vous" in (await (await square.met("bob")).say(code)).text
    square.stage.clock.advance_to(NOW + CODES.window)
    code = code_in((await guest.say("lier")).text)
    assert "Est-ce bien vous" in (await talker.say(code)).text


@pytest.mark.parametrize("has_roles", [True, False])
async def test_who_is_banned_meanwhile_is_linked_to_nobody(square: Square, has_roles: bool) -> None:
    secretary = await square.stage.guest(Role.secretariat)
    guest = await square.stage.guest(Role.reviewer if has_roles else None)
    talker = await square.met("ada", *([Role.member] if has_roles else []))
    await talker.say(code_in((await guest.say("lier")).text))
    await talker.press("Oui")
    await guest.look()
    if has_roles:
        await guest.press("Oui")

    def ban(store: Store) -> None:
        person = square.person_id(store, "ada")
        store.restrictions.give(person, RestrictionKind.ban, "insultes", None, NOW)

    await square.stage.db.write(ban)
    if has_roles:
        await secretary.look()
        assert "C'est déjà décidé" in await secretary.press("Oui, c'est la même personne")
    else:
        assert "Cette demande" in await guest.press("Oui")
    assert len(await people(square)) == 3


@pytest.mark.parametrize("is_older", [True, False])
async def test_nobody_goes_with_who_is_about_to_be_erased(square: Square, is_older: bool) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    code = code_in((await guest.say("lier")).text)
    both = await people(square)
    going = min(both) if is_older else max(both)

    def decide(store: Store) -> None:
        store.people.get(going).erase_at = NOW + timedelta(minutes=10)

    await square.stage.db.write(decide)
    mine, other = "Vous ne pouvez donc rien relier", "L'un de ces comptes sera bientôt effacé"
    assert (other if is_older else mine) in (await talker.say(code)).text
    keeping = guest if is_older else talker
    assert mine in (await keeping.say("lier")).text
    await keeping.press("Ne pas m'effacer")
    await talker.say(code_in((await guest.say("lier")).text))
    await talker.press("Oui")
    await guest.look()
    await square.stage.db.write(decide)
    assert (mine if is_older else other) in await guest.press("Oui")
    assert len(await people(square)) == 2
    await square.stage.advance(timedelta(minutes=10))
    assert await people(square) == both - {going}


async def test_of_two_ballots_the_person_chooses(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    poll_id = await poll(square)
    for someone in (guest, talker):
        await someone.say("votes")
    await guest.press("Pour")
    await talker.press("Contre")
    assert await voices(square, poll_id) == [1, 0, 1, 0]
    await linked(guest, talker)
    asked = guest.seen[-1]
    assert "Vous avez voté deux fois" in asked["text"]
    assert [one["label"] for one in asked["choices"]][:2] == [
        "Pour (la page web)",
        f"Contre ({NAME})",
    ]
    await talker.say("votes")
    await talker.press(talker.own[-1].labels[0])
    await talker.press("Abstention")  # meanwhile
    assert "Vous avez voté deux fois" in await guest.press(f"Contre ({NAME})"), "it is asked again"
    assert await voices(square, poll_id) == [1, 0, 0, 1]
    await guest.press(f"Abstention ({NAME})")
    assert await voices(square, poll_id) == [0, 0, 0, 1]
    assert len(await people(square)) == 1


async def test_two_roles_wait_for_the_secretariat(square: Square) -> None:
    secretary = await square.stage.guest(Role.secretariat)
    guest, talker = await square.stage.guest(Role.secretariat), await square.met("ada", Role.member)
    await linked(guest, talker)
    assert "Une personne du secrétariat doit donc confirmer." in guest.seen[-1]["text"]
    assert "Une personne du secrétariat doit donc confirmer." in talker.own[-1].text
    assert len(await people(square)) == 3
    assert "Deux comptes avec un rôle" in await secretary.look()
    assert not any("Deux comptes avec un rôle" in one["text"] for one in guest.seen)
    await secretary.press("Oui, c'est la même personne")
    assert len(await people(square)) == 2
    assert "à une seule personne : vous" in talker.own[-1].text
    assert "à une seule personne : vous" in await guest.look()
    assert "Relire les témoignages" in (await talker.say("menu")).labels
    assert await acts(square) == ["linking.merged"]


async def test_the_secretariat_may_say_no(square: Square) -> None:
    secretary = await square.stage.guest(Role.secretariat)
    guest, talker = await square.stage.guest(Role.reviewer), await square.met("ada", Role.member)
    await linked(guest, talker)
    await secretary.look()
    await secretary.press("Non, ne pas relier")
    assert "Le secrétariat n'a pas confirmé." in talker.own[-1].text
    assert "Le secrétariat n'a pas confirmé." in await guest.look()
    assert len(await people(square)) == 3
    assert await acts(square) == ["linking.refused_by_secretariat"]
    assert "C'est déjà décidé" in await secretary.press("Oui, c'est la même personne")


async def test_a_role_is_lent_only_where_it_counts(square: Square) -> None:
    """A page that is not signed in lends no role of its person, whatever is confirmed."""
    talker = await square.met("ada", Role.secretariat)
    person = await square.stage.db.read(lambda store: square.person_id(store, "ada"))
    guest = await square.stage.guest()
    await linked(guest, talker)
    unsigned = await square.stage.guest()
    await linked(unsigned, talker)

    def begin(store: Store) -> None:
        for account in store.people.accounts_of(person):
            if account.platform == "web":
                store.session.execute(
                    WebSession.__table__.update().values(signed_in=False)  # type: ignore[attr-defined]
                )

    await square.stage.db.write(begin)
    square.stage.clock.advance_to(NOW + timedelta(minutes=1))
    stranger = await square.met("eve")
    code = code_in((await unsigned.say("lier")).text)
    assert WRONG in (await stranger.say(code)).text
    code = code_in((await stranger.say("lier")).text)
    assert "votre rôle ne compte pas encore" in await unsigned.say(code)


async def test_a_member_signs_in_again_on_the_page(square: Square) -> None:
    talker, guest = await square.met("ada", Role.secretariat), await square.stage.guest()
    assert "ne permet pas" in await guest.say("modérer")
    await linked(guest, talker)
    assert ROLE_IS_OPEN in guest.seen[-1]["text"]
    assert "Relire les témoignages" in (await guest.say("menu")).labels
    square.stage.clock.advance_to(NOW + timedelta(hours=12))
    assert await guest.status() == 403, "twelve idle hours close it"
    again = await square.stage.guest()
    code = code_in((await talker.say("lier")).text)
    assert "Est-ce bien vous" in await again.say(code)
    await again.press("Oui")
    await talker.press("Oui")
    assert ROLE_IS_OPEN in await again.look()
    assert "Relire les témoignages" in (await again.say("menu")).labels
    signed = ["linking.merged", "linking.signed_in"]
    assert await acts(square) == [*signed, *signed]


async def test_a_page_that_is_theirs_already_only_signs_in(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    await linked(guest, talker)
    assert "déjà reliés" in (await talker.say(code_in((await guest.say("lier")).text))).text
    person = await square.stage.db.read(lambda store: square.person_id(store, "ada"))
    await square.stage.db.write(lambda store: store.grants.give(person, Role.secretariat, NOW))
    assert "il faut être reconnu sur cette page" in await guest.say("modérer")
    assert "Votre rôle s'ouvrira alors ici." in await guest.say("lier")
    await linked(guest, talker)
    assert ROLE_IS_OPEN in guest.seen[-1]["text"]
    assert "Relire les témoignages" in (await guest.say("menu")).labels
    assert await acts(square) == ["linking.merged", "linking.signed_in"]


async def test_an_account_is_unlinked_and_starts_afresh(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    number = await report(guest)
    await linked(guest, talker)
    await talker.say("mes témoignages")
    assert "Vous nous parlez par 2 comptes" in await guest.press("Mes comptes reliés")
    assert "repartira de zéro" in await guest.press("Délier")
    assert "n'est plus à vous" in await guest.press("Oui, délier")
    assert "Ce compte a été délié." in talker.own[-1].text
    assert not any(number in one.text + str(one.labels) for one in talker.own)
    assert "Vous n'avez encore rien raconté" in (await talker.say("mes témoignages")).text
    assert any(number in label for label in (await guest.say("mes témoignages")).labels)
    await guest.say("réglages")
    assert "un seul compte" in await guest.press("Mes comptes reliés")
    assert len(await people(square)) == 2
    assert (await acts(square))[-1] == "linking.unlinked"


async def test_of_two_browsers_the_other_is_said_in_short(square: Square) -> None:
    first, other = await square.stage.guest(), await square.stage.guest()
    code = code_in((await first.say("lier")).text)
    await other.say(code)
    await other.press("Oui")
    await first.look()
    await first.press("Oui")
    linked_now = first.seen[-1]["text"]
    assert "Cette conversation et un autre navigateur sont à une seule personne" in linked_now
    shown = await first.press("Mes comptes reliés")
    assert "Délier : la page web (vue aujourd'hui à 10 h)" in shown.labels
    await first.press("Délier")
    assert "n'est plus à vous : un autre navigateur." in await first.press("Oui, délier")


async def test_a_page_that_is_unlinked_is_closed(square: Square) -> None:
    talker, guest = await square.met("ada"), await square.stage.guest()
    await linked(guest, talker)
    await talker.press("Mes comptes reliés")
    await talker.press("Délier")
    assert await guest.status() == 200
    await talker.press("Oui, délier")
    assert await guest.status() == 403


@pytest.mark.parametrize("is_first", [True, False])
async def test_who_was_linked_by_a_trick_takes_no_mandate(square: Square, is_first: bool) -> None:
    """Nor who made their own account before; and the secretariat learns of both acts."""
    stage = square.stage
    await stage.organisation("amf", "AMF")
    secretary = await stage.guest(Role.secretariat)
    early = await stage.guest()
    victim = await square.met("ada", Role.delegate, organisation="amf")
    trickster = early if is_first else await stage.guest()
    await linked(trickster, victim)
    told = await secretary.look()
    assert "Cette personne vient de relier un compte : la page web." in told
    assert "(n° " in told
    assert "Mettre fin au mandat" in str((await secretary.press("Voir sa fiche")).labels)
    await trickster.say("lier")
    await trickster.press("Mes comptes")
    refused = await trickster.press("Délier")
    assert "Ce sera possible le lundi 18 janvier 2027" in refused
    await trickster.say("données")
    assert "Il ne peut pas encore tout effacer" in await trickster.press("Tout effacer")
    await victim.say("réglages")
    await victim.press("Mes comptes")
    await victim.press("Délier")
    assert "n'est plus à vous" in (await victim.press("Oui, délier")).text
    assert "vient de délier un compte : la page web." in await secretary.look()

    def roles(store: Store) -> frozenset[Role]:
        return store.roles_of(square.person_id(store, "ada"), NOW)

    assert await stage.db.read(roles) == {Role.delegate}


async def test_an_account_that_was_linked_a_week_ago_unlinks_another(square: Square) -> None:
    talker, other = await square.met("ada"), await square.met("bob")
    code = code_in((await talker.say("lier")).text)
    await other.say(code)
    await other.press("Oui")
    await talker.press("Oui")
    for days, said in ((6, "Il ne peut pas encore délier"), (7, "repartira de zéro")):
        square.stage.clock.advance_to(NOW + timedelta(days=days))
        await other.say("réglages")
        await other.press("Mes comptes")
        assert said in (await other.press("Délier")).text


async def test_notices_come_where_they_are_wanted(square: Square) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    await linked(guest, talker)
    clock = square.stage.clock

    async def told() -> str:
        """Where a notice comes now."""
        before = len(guest.seen), len(talker.own)
        number = await square.stage.db.read(lambda store: square.person_id(store, "ada"))
        await square.stage.db.write(
            lambda store: store.deliveries.notify(
                "linking.was_refused", {}, store.people.everybody(), clock.now()
            )
        )
        await square.settle()
        await guest.look()
        after = len(guest.seen), len(talker.own)
        assert number
        return {(1, 0): "page", (0, 1): NAME}[after[0] - before[0], after[1] - before[1]]

    clock.advance_to(NOW + timedelta(seconds=1))
    await talker.say("menu")
    assert await told() == NAME, "where they spoke last"
    clock.advance_to(NOW + timedelta(seconds=2))
    await guest.say("menu")
    assert await told() == "page"
    await guest.say("réglages")
    await guest.press("Mes comptes reliés")
    await guest.press("Choisir où")
    assert "Les messages arriveront là" in await guest.press(NAME)
    assert await told() == NAME, "where they chose"

    def block(store: Store) -> None:
        [chat] = [
            chat
            for account in store.session.query(Account).where(Account.platform == NAME)
            for chat in store.people.direct_chats_of(account.id)
        ]
        store.people.mark_chat(chat.id, ChatState.blocked)

    await square.stage.db.write(block)
    assert await told() == "page", "elsewhere, if it is blocked"
    await guest.say("réglages")
    assert "Préau ne peut plus y écrire." in await guest.press("Mes comptes reliés")


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_code_said_among_others_is_burnt(square: Square, is_known: bool) -> None:
    guest, talker = await square.stage.guest(), await square.met("ada")
    writer = await square.met("bob") if is_known else square.person("bob")
    code = code_in((await guest.say("lier")).text)
    await writer.say_among(f"mon code : {code.lower()} !", overheard=True)
    [said] = square.room()
    assert "il ne vaut plus" in said.text
    assert WRONG in (await talker.say(code)).text
    await writer.say_among("BCDF-GHJK-2345", overheard=True)
    assert len(square.room()) == 1, "of what is not a code nothing is said"
