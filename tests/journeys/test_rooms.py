"""Polls and meetings in a group: everybody sees the card, nobody sees what another one says."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from bot.platforms.base import SendFailed
from bot.settings import Settings
from scheduled import rooms
from storage.database import Database
from storage.deliveries import Failure
from storage.grants import Role
from storage.groups import scope_of
from storage.meetings import Plan
from storage.polls import Electorate, Poll
from storage.rooms import Card
from storage.store import Store
from tests.conftest import NOW
from tests.rooms import NAME, Square, Talker
from tests.stage import Stage

pytestmark = pytest.mark.web  # on a messenger of its own, which is called as Telegram is
LINK = "https://visio.example.org/reseau"
TOAST = 200


@pytest.fixture
async def square(settings: Settings, db: Database) -> AsyncIterator[Square]:
    stage = Stage(settings, db, NOW)
    yield await Square.opened(settings, db, stage)
    await stage.close()


async def opened(
    square: Square,
    question: str = "Que faire en premier ?",
    *,
    electorate: Electorate = Electorate.public,
    options: tuple[str, ...] = ("Le réseau", "Les tablettes"),
    title: str | None = None,
    **more: bool,
) -> int:
    """Open a poll for a day; `title`: on a draft of that title."""

    def make(store: Store) -> int:
        draft = title and store.recommendations.add_draft(title, "Un texte.", None, None, NOW)
        poll = store.polls.open(
            question,
            electorate=electorate,
            closes_at=NOW + timedelta(days=1),
            now=square.stage.clock.now(),
            options=options,
            text_version_id=draft.version_id if draft else None,
            **more,
        )
        return poll.id

    return await square.stage.db.write(make)


async def shown(square: Square, secretary: Talker, what: str = "votes", room: str = "room") -> None:
    """Have the only poll, or meeting, shown in a group."""
    await secretary.say_among(what, room)
    assert (await secretary.press_among("Montrer ici", room)).toast == "C'est montré ici."


async def convened(square: Square, group: int = 1) -> int:
    """A meeting of a group in ten days, with a place and a link."""
    starts = NOW + timedelta(days=10)
    plan = Plan(starts, starts + timedelta(hours=2), "Europe/Paris", "salle 4", LINK, "Secrets")
    return await square.stage.db.write(lambda store: store.meetings.call(group, plan, 1, NOW).id)


async def join(square: Square, name: str, group: int = 1, *, leads: bool = False) -> None:
    def enter(store: Store) -> None:
        person = square.person_id(store, name)
        store.groups.join(group, person, NOW, admitted=True)
        if leads:
            store.grants.give(person, Role.chair, NOW, scope=scope_of(group))

    await square.stage.db.write(enter)


# Showing


async def test_the_secretariat_shows_a_poll_and_others_are_told_so(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    parent = await square.met("parent")
    await opened(square)
    await parent.say_among("votes")
    assert square.room()[-1].text == "Seul le secrétariat peut montrer un vote ici."
    assert square.room()[-1].labels == ["Ouvrir en privé"]
    await secretary.say_among("votes", thread="7")
    offer = square.room()[-1]
    assert "Toutes les personnes présentes ici liront la question et les choix." in offer.text
    assert offer.labels == ["Montrer ici : Que faire en premier ?"]
    assert "ne permet pas" in str((await parent.press_among("Montrer ici")).toast)
    assert square.room()[-1] is offer, "nothing is shown"
    await secretary.press_among("Montrer ici")
    card = square.room()[-1]
    assert len(square.room()) == 2, "it takes the place of the offer"
    assert card.labels == ["Le réseau", "Les tablettes", "Ouvrir en privé"]
    assert card.action("Ouvrir") == "link:vote-1"
    assert "Que faire en premier ?" in card.text
    assert "0 personne a voté." in card.text
    assert "Clôture : mardi 12 janvier 2027 à 10 h (heure de Paris)." in card.text
    assert set(square.messenger.threads.values()) == {"", "7"}, "in the topic where it was asked"


async def test_what_is_for_members_is_not_named_before_it_is_shown(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await opened(square, "", electorate=Electorate.members, options=(), title="Projet discret")
    await secretary.say_among("votes")
    assert square.room()[-1].labels == [
        "Montrer ici : VOTE-2027-001 (réservé, jusqu'au 12 janvier 2027)"
    ]
    await secretary.press_among("Montrer ici")
    card = square.room()[-1]
    assert "Êtes-vous favorable au projet REC-2027-001 ?" in card.text
    assert "Ce vote est réservé aux membres." in card.text
    assert "0 personne sur 1 a voté." in card.text
    await square.stage.advance(timedelta(days=2))
    await square.tick()
    assert "Ce vote est clos." in square.room()[-1].text
    assert not any("discret" in one.text for one in square.room())


async def test_it_is_shown_in_a_group_only_and_while_it_is_open(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await opened(square)
    await square.receive(secretary.address, secretary.address, choice="polls.show_here:1")
    assert "Ce choix n'est plus possible." in secretary.own[-1].text
    await secretary.say_among("votes")
    await square.stage.advance(timedelta(days=2))
    late = await secretary.press_among("Montrer ici")
    assert late.toast == "Ce vote n'est plus ouvert. Rien n'a changé."
    assert "stale" not in str((await secretary.send_among("polls.show_here:99")).toast)
    assert len(square.room()) == 1
    await secretary.say_among("votes")
    assert "Aucun vote n'est ouvert." in square.room()[-1].text


async def test_shown_again_it_moves_down(square: Square) -> None:
    secretary, parent = await square.met("secretary", Role.secretariat), await square.met("parent")
    await opened(square)
    await shown(square, secretary)
    [first] = square.messenger.chats["#room"]
    await shown(square, secretary)
    assert first not in square.messenger.chats["#room"]
    await parent.press_among("Le réseau")
    await square.tick()
    [*_, card] = square.room()
    assert "1 personne a voté." in card.text
    assert card.edits == 2, "shown, and redrawn"


async def test_it_speaks_the_language_of_the_committee(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await secretary.press("English")
    await opened(square)
    await secretary.say_among("votes")
    assert (await secretary.press_among("Montrer ici")).toast == "It is shown here."
    assert "0 personne a voté." in square.room()[-1].text
    assert (await secretary.press_among("Le réseau")).toast == "Your vote: Le réseau."
    await square.tick()
    assert "1 personne a voté." in square.room()[-1].text


async def test_two_presses_at_once_show_it_once(square: Square) -> None:
    one, two = [await square.met(name, Role.secretariat) for name in ("one", "two")]
    await opened(square)
    await one.say_among("votes")
    await two.say_among("votes")
    said = await asyncio.gather(one.press_among("Montrer ici"), two.press_among("Montrer ici"))
    assert sorted(str(answer.toast) for answer in said) == [
        "C'est déjà montré ici. Attendez un instant.",
        "C'est montré ici.",
    ]
    _assert_one_card(square)


async def test_two_offers_of_the_same_poll_leave_one_card(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await opened(square)
    for _ in range(2):
        await secretary.say_among("votes")
    await secretary.press_among("Montrer ici", which=0)
    await secretary.press_among("Montrer ici")
    _assert_one_card(square)
    await secretary.press_among("Le réseau")
    await square.tick()
    assert "1 personne a voté." in square.room()[-1].text


def _assert_one_card(square: Square) -> None:
    assert sum("Le réseau" in one.labels for one in square.room()) == 1


# Voting


async def test_a_press_votes_for_who_pressed_and_tells_nobody_else(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    parent, teacher = await square.met("parent"), await square.met("teacher")
    await opened(square, hidden=False)
    await shown(square, secretary)
    before = [one.text for one in square.room()]
    assert (await parent.press_among("Le réseau")).toast == "Votre voix : Le réseau."
    assert (await parent.press_among("Les tablettes")).toast == "Votre voix : Les tablettes."
    await teacher.press_among("Le réseau")
    assert [one.text for one in square.room()] == before, "the vote itself draws nothing"
    await square.tick()
    [*_, card] = square.room()
    assert "2 personnes ont voté." in card.text
    assert card.labels == ["Le réseau", "Les tablettes", "Ouvrir en privé"]
    own = await parent.say("/start vote-1")
    assert "Votre choix : Les tablettes." in own.text
    assert "Votre choix n'est montré à personne." in own.text
    assert own.labels[:2] == ["Le réseau", "✓ Les tablettes"]


async def test_who_has_no_voice_is_told_so_alone(square: Square) -> None:
    secretary, parent = await square.met("secretary", Role.secretariat), await square.met("parent")
    await opened(square, electorate=Electorate.members)
    await shown(square, secretary)
    before = [one.text for one in square.room()]
    refused = await parent.press_among("Le réseau")
    assert "Ce vote est réservé à d'autres personnes." in str(refused.toast)
    unsigned = await square.receive(
        secretary.address, "#room", choice="polls.vote:1:0", in_group=True, signed_in=False
    )
    assert "votre rôle ne compte pas" in str(unsigned.toast)
    assert "Ce choix n'est plus possible." in str((await parent.send_among("polls.vote:1:x")).toast)
    assert "en privé" in str((await parent.send_among("polls.follow:1")).toast)
    stranger = await square.person("stranger").press_among("Le réseau")
    assert stranger.stranger
    await square.tick()
    assert [one.text for one in square.room()] == before
    turnout = await square.stage.db.read(lambda store: store.polls.turnout(1))
    assert turnout.voted == (0, 0)


async def test_a_toast_is_short_whatever_is_chosen(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    options = tuple(
        f"{'Une option assez longue pour remplir un bouton ' * 2}{n}"[:80] for n in "ab"
    )
    await opened(square, "Q" * 300, options=(*options, "c"), several=True)
    await shown(square, secretary)
    assert (await secretary.press_among("c")).toast == "Votre voix : c."
    for which in ("polls.vote:1:0", "polls.vote:1:1"):
        toast = str((await secretary.send_among(which)).toast)
    assert toast == "Votre voix : 3 choix."
    for option in (0, 1):
        await secretary.send_among(f"polls.vote:1:{option}")
    kept = await secretary.send_among("polls.vote:1:2")
    assert "Il faut garder une option." in str(kept.toast)
    await square.stage.db.write(lambda store: store.polls.cancel(1, NOW))
    cancelled = str((await secretary.send_among("polls.vote:1:0")).toast)
    assert cancelled == "Ce vote est annulé. Votre choix n'a pas été compté."
    assert max(map(len, (toast, cancelled, str(kept.toast)))) <= TOAST


@pytest.mark.parametrize(
    "name", ["France urbaine", "Une organisation dont le nom est beaucoup trop long pour une bulle"]
)
async def test_who_votes_for_an_organisation_is_told_who_will_see_it(
    square: Square, name: str
) -> None:
    await square.stage.organisation("fu", name)
    secretary = await square.met("secretary", Role.secretariat)
    delegate = await square.met("delegate", Role.delegate, organisation="fu")
    await opened(square, electorate=Electorate.both)
    await shown(square, secretary)
    toast = str((await delegate.press_among("Le réseau")).toast)
    whose = name if len(name) < 60 else "votre organisation"
    assert toast == (
        f"Vote compté pour vous et {whose} : Le réseau."
        " Après la clôture, les membres verront celui de l'organisation."
    )
    assert len(toast) <= TOAST


async def test_a_press_among_others_overrules_nobody(square: Square) -> None:
    await square.stage.organisation("amf", "AMF")
    secretary = await square.met("secretary", Role.secretariat)
    delegate = await square.met("delegate", Role.delegate, organisation="amf")
    substitute = await square.met("substitute", Role.substitute, organisation="amf")
    await opened(square, electorate=Electorate.organisations)
    await shown(square, secretary)
    assert (await substitute.press_among("Le réseau")).toast == (
        "Vote compté pour AMF : Le réseau. Après la clôture, les membres le verront."
    )
    refused = await delegate.press_among("Les tablettes")
    assert "votez dans votre conversation privée" in str(refused.toast)
    tally = await square.stage.db.read(
        lambda store: store.polls.tally(store.session.get_one(Poll, 1))
    )
    assert tally.organisations == (1, 0)
    await delegate.say("/start vote-1")
    await delegate.press("Les tablettes")
    late = await substitute.press_among("Le réseau")
    assert late.toast == (
        "Le vote de votre organisation est déjà compté. Votre choix n'a pas été compté."
    )
    assert not any("AMF" in one.text for one in square.room())


async def test_who_casts_no_more_is_told_why_among_others_too(square: Square) -> None:
    await square.stage.organisation("amf", "AMF")
    secretary = await square.met("secretary", Role.secretariat)
    delegate = await square.met("delegate", Role.delegate, organisation="amf")
    substitute = await square.met("substitute", Role.substitute, organisation="amf")
    await opened(square, electorate=Electorate.organisations)
    await shown(square, secretary)

    def hand_over(store: Store) -> None:
        now = square.stage.clock.now()
        of_delegate, of_substitute = store.organisations.speakers(now, "amf")
        store.handovers.give(of_delegate.person_id, of_substitute.id, now, poll_id=1)
        store.change_term(of_substitute.id, now + timedelta(minutes=1), now)

    await delegate.press_among("Le réseau")
    await square.stage.db.write(hand_over)
    refused = await delegate.press_among("Les tablettes")
    assert str(refused.toast).startswith("Vous avez passé la main.")
    taken = await substitute.press_among("Les tablettes")
    assert "votez dans votre conversation privée" in str(taken.toast)
    square.stage.clock.advance_to(square.stage.clock.now() + timedelta(minutes=1))
    late = await substitute.press_among("Les tablettes")
    assert str(late.toast).startswith("Votre mandat pour cette organisation a pris fin.")
    tally = await square.stage.db.read(
        lambda store: store.polls.tally(store.session.get_one(Poll, 1))
    )
    assert tally.named == {"amf": (0,)}


# Redrawn by the clock


async def test_it_is_redrawn_when_a_vote_came_and_not_otherwise(square: Square) -> None:
    secretary, parent = await square.met("secretary", Role.secretariat), await square.met("parent")
    await opened(square)
    await shown(square, secretary)
    await shown(square, secretary, room="elsewhere")
    await square.tick()
    assert await square.redrawings() == 0
    await parent.press_among("Le réseau")
    await square.tick()
    assert await square.redrawings() == 2, "in both groups"
    for room in ("room", "elsewhere"):
        assert "1 personne a voté." in square.room(room)[-1].text
    await parent.press_among("Les tablettes")
    await square.tick()
    assert await square.redrawings() == 2, "the same number of votes"


async def test_a_private_card_is_not_redrawn(square: Square) -> None:
    secretary, parent = await square.met("secretary", Role.secretariat), await square.met("parent")
    await opened(square)
    await shown(square, secretary)
    await parent.say("/start vote-1")
    await secretary.press_among("Le réseau")
    await square.tick()
    assert [one.edits for one in parent.own] == [0] * len(parent.own)


async def test_two_processes_redraw_once(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await opened(square)
    await shown(square, secretary)
    await secretary.press_among("Le réseau")
    now, db = square.stage.clock.now(), square.stage.db
    seen = await db.read(lambda store: rooms.changed(store, now))
    assert seen is not None
    for _ in range(2):  # both saw it before either of them drew it
        await db.write(lambda store: rooms.redraw(store, now, seen))
    await square.settle()
    assert await square.redrawings() == 1


@pytest.mark.parametrize("electorate", [Electorate.public, Electorate.members])
async def test_when_it_closes_only_what_everybody_may_read_is_shown(
    square: Square, electorate: Electorate
) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await opened(square, electorate=electorate)
    await shown(square, secretary)
    await secretary.press_among("Le réseau")
    await square.stage.advance(timedelta(days=2))
    await square.tick()
    [*_, card] = square.room()
    assert card.labels == ["Ouvrir en privé"]
    if electorate is Electorate.public:
        assert "Résultat (VOTE-2027-001)" in card.text
        assert "Le réseau : 1 personne\n" in card.text
    else:
        assert "Qui pouvait voter lit le résultat en privé." in card.text
        assert "1 personne sur 1 a voté." in card.text
        assert "Le réseau" not in card.text
    await square.tick()
    assert card.edits == 2, "shown, and drawn for the last time"
    late = await secretary.send_among("polls.vote:1:0")
    assert "Ce vote est clos." in str(late.toast)
    assert "Résultat (VOTE-2027-001)" in (await secretary.say("/start vote-1")).text
    assert await square.stage.db.read(cards) == 0


async def test_a_cancelled_poll_says_so(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await opened(square)
    await shown(square, secretary)
    await square.stage.db.write(lambda store: store.polls.cancel(1, NOW))
    await square.tick()
    assert "Ce vote est annulé." in square.room()[-1].text
    assert square.room()[-1].labels == ["Ouvrir en privé"]


async def test_a_card_that_was_on_its_way_at_the_closing_is_redrawn_later(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await opened(square)
    await secretary.say_among("votes")
    square.messenger.failure = SendFailed(Failure.unreachable, wait=3600)
    await secretary.press_among("Montrer ici")
    again = await secretary.press_among("Montrer ici")
    assert again.toast == "C'est déjà montré ici. Attendez un instant."
    await square.stage.db.write(lambda store: store.polls.close(1, NOW))
    await square.tick()
    assert await square.stage.db.read(cards) == 1
    square.messenger.failure = None
    square.stage.clock.advance_to(NOW + timedelta(hours=2))
    await square.settle()
    assert "Le réseau" in square.room()[-1].labels, "as it was worded"
    await square.tick()
    assert square.room()[-1].labels == ["Ouvrir en privé"]


async def test_a_group_that_has_us_no_more_is_not_written_to(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await opened(square)
    await shown(square, secretary)
    await shown(square, secretary, room="elsewhere")
    await square.stage.service.dispatcher.lost(NAME, "#elsewhere", Failure.removed, "1", NOW)
    await secretary.press_among("Le réseau")
    await square.tick()
    assert await square.redrawings() == 1
    assert await square.stage.db.read(cards) == 1


def cards(store: Store) -> int:
    """How many cards stand in groups, as we know."""
    return int(store.session.execute(select(func.count()).select_from(Card)).scalar_one())


# Meetings


async def test_who_leads_shows_a_meeting_and_its_members_answer(square: Square) -> None:
    chair = await square.met("chair")
    await join(square, "chair", leads=True)
    member, other = await square.met("member"), await square.met("other")
    await join(square, "member")
    await convened(square)
    await convened(square, group=2)
    await other.say_among("agenda")
    assert "Seuls le secrétariat et l'animation" in square.room()[-1].text
    await chair.say_among("agenda")
    assert square.room()[-1].labels == ["Montrer ici : réunion du 21 janvier 2027"]
    assert "ne permet pas" in str((await other.press_among("Montrer ici")).toast)
    assert "ne permet pas" in str((await chair.send_among("meetings.show_here:2")).toast)
    await chair.press_among("Montrer ici")
    [*_, card] = square.room()
    assert "se réunit jeudi 21 janvier 2027, de 10 h à 12 h (heure de Paris)." in card.text
    assert "Lieu : salle 4" in card.text
    assert "Le lien est dans votre conversation privée." in card.text
    assert "aucune pour l'instant" in card.text
    assert card.labels == [
        "Je viens",
        "À distance",
        "Peut-être",
        "Je ne viens pas",
        "Ouvrir en privé",
    ]
    assert (await member.press_among("Je viens")).toast == "C'est noté : Je viens"
    assert "Seuls les membres" in str((await other.press_among("Je viens")).toast)
    await square.tick()
    [*_, card] = square.room()
    assert "Réponses : 1 sur place." in card.text
    assert "Votre réponse : Je viens." in (await member.say("/start meeting-1")).text
    foreign = (await other.say("/start meeting-1")).text
    assert "réservée aux membres" in foreign
    assert "Votre réponse" not in foreign, "none was given"
    assert not any("visio" in one.text or "Secrets" in one.text for one in square.room())


async def test_a_meeting_that_moves_or_is_called_off_says_so(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await join(square, "secretary")
    await convened(square)
    await shown(square, secretary, "agenda")
    old = square.room()[-1].action("Je viens")
    later = NOW + timedelta(days=11)
    plan = Plan(later, later + timedelta(hours=1), "Europe/Paris", "salle 5")
    await square.stage.db.write(lambda store: store.meetings.change(1, 0, plan, NOW))
    late = str((await secretary.send_among(old)).toast)
    assert "Cette réunion a changé" in late
    assert len(late) <= TOAST
    await square.tick()
    [*_, card] = square.room()
    assert "vendredi 22 janvier 2027, de 10 h à 11 h" in card.text
    assert "salle 5" in card.text
    assert "À distance" not in card.labels
    assert (await secretary.press_among("Je viens")).toast == "C'est noté : Je viens"
    await square.stage.db.write(lambda store: store.meetings.cancel(1, NOW))
    await square.tick()
    [*_, card] = square.room()
    assert "Cette réunion est annulée." in card.text
    assert card.labels == ["Ouvrir en privé"]
    assert await square.stage.db.read(cards) == 0


async def test_nobody_comes_to_a_meeting_that_is_only_remote(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await join(square, "secretary")
    starts = NOW + timedelta(days=10)
    plan = Plan(starts, starts + timedelta(hours=1), "Europe/Paris", None, LINK)
    await square.stage.db.write(lambda store: store.meetings.call(1, plan, 1, NOW))
    await shown(square, secretary, "agenda")
    assert square.room()[-1].labels[:3] == ["À distance", "Peut-être", "Je ne viens pas"]
    assert "Je viens" not in (await secretary.say("agenda")).labels


async def test_a_meeting_that_is_over_says_so_once(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await convened(square)
    await shown(square, secretary, "agenda")
    square.stage.clock.advance_to(NOW + timedelta(days=11))
    await square.tick()
    await square.tick()
    [*_, card] = square.room()
    assert "Cette réunion est terminée." in card.text
    assert card.edits == 2, "shown, and drawn for the last time"
    shut = await secretary.send_among("meetings.show_here:1")
    assert "annulée ou terminée" in str(shut.toast)
