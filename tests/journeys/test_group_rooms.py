"""A working group tied to a chat group: what is new of it is shown there by itself, once."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select

from bot.settings import Settings
from storage.database import Database
from storage.deliveries import Delivery, Failure, Notice
from storage.grants import Role
from storage.groups import scope_of
from storage.recommendations import Theme
from storage.store import Store
from tests.conftest import NOW
from tests.rooms import NAME, Message, Square, Talker
from tests.stage import Stage

pytestmark = pytest.mark.web  # on a messenger of its own, which is called as Telegram is
GROUP = "Le réseau et le matériel"
OFFERED = "Lier ce salon au groupe « Le réseau et le matériel »"


@pytest.fixture
async def square(settings: Settings, db: Database) -> AsyncIterator[Square]:
    stage = Stage(settings, db, NOW)
    yield await Square.opened(settings, db, stage)
    await stage.close()


async def network(square: Square) -> int:
    """The group on the network."""

    def look(store: Store) -> int:
        [found] = [one.id for one in store.groups.all_open() if one.theme is Theme.infrastructure]
        return found

    return await square.stage.db.read(look)


async def chair_of(square: Square, name: str = "chair", theme: str = "infrastructure") -> Talker:
    talker = await square.met(name)

    def lead(store: Store) -> None:
        [group] = [one.id for one in store.groups.all_open() if one.theme == theme]
        person = square.person_id(store, name)
        store.groups.join(group, person, NOW, admitted=True)
        store.grants.give(person, Role.chair, NOW, scope=scope_of(group))

    await square.stage.db.write(lead)
    return talker


async def tied(square: Square, leader: Talker, room: str = "room") -> Message:
    """Tie the group on the network to a chat group; what then stands there."""
    await leader.say_among("groupes", room)
    assert (await leader.press_among(OFFERED, room)).toast == "C'est lié."
    return square.room(room)[-1]


async def convene(chair: Talker, place: str = "salle 4") -> Message:
    """Call a meeting of the only group one leads; the review."""
    await chair.say("réunion")
    if "Quel groupe" in chair.own[-1].text:
        await chair.press(GROUP)
    await chair.say("22 janvier 2027 à 14 h")
    await chair.say("16 h")
    await chair.press("Sur place et à distance")
    await chair.say(place)
    review = await chair.say("https://visio.example.org/reseau")
    await chair.press("Convoquer")
    return review


async def draft_on(square: Square, theme: Theme | None, title: str = "Projet discret") -> int:
    def enter(store: Store) -> int:
        return store.recommendations.add_draft(title, "Un texte.", theme, None, NOW).text_id

    return await square.stage.db.write(enter)


async def reviewed(square: Square, secretary: Talker, text_id: int) -> Message:
    """Ask members to vote on a draft, with the standard options, and do not open it yet."""
    await square.receive(secretary.address, secretary.address, choice=f"polls.ask:{text_id}")
    await secretary.press(secretary.own[-1].labels[0])
    await secretary.press("Les membres, une voix")
    return await secretary.say("18 janvier 2027 à 18 h")


async def put_to_vote(square: Square, secretary: Talker, text_id: int) -> Message:
    """Have members vote on a draft; what was reviewed."""
    review = await reviewed(square, secretary, text_id)
    await secretary.press("Ouvrir le vote")
    return review


async def cards_sent(square: Square) -> int:
    """How many times a card was put into a group by itself, on its way or there."""
    wanted = (
        select(func.count())
        .select_from(Delivery)
        .join(Notice, Notice.id == Delivery.notice_id)
        .where(Notice.name.in_(("polls.group_card", "meetings.group_card")))
    )
    return int(await square.stage.db.read(lambda store: store.session.execute(wanted).scalar_one()))


# Tying


async def test_who_leads_a_group_ties_it_and_others_are_told_so(square: Square) -> None:
    chair, parent = await chair_of(square), await square.met("parent")
    await parent.say_among("groupes")
    assert "Ce salon n'est lié à aucun groupe de travail." in square.room()[-1].text
    assert square.room()[-1].labels == ["Ouvrir en privé"]
    await chair.say_among("groupes")
    offer = square.room()[-1]
    assert offer.labels == [OFFERED]
    assert "Tout le monde ici les lira." in offer.text
    assert "ne permet pas" in str((await parent.press_among(OFFERED)).toast)
    other = await chair_of(square, "other", "usages")
    assert "ne permet pas" in str((await other.press_among(OFFERED)).toast)
    await chair.press_among(OFFERED)
    standing = square.room()[-1]
    assert "Ce salon est lié au groupe « Le réseau et le matériel »." in standing.text
    assert "écrivez ici « /agenda » ou « /votes »" in standing.text
    assert len(square.room()) == 2, "it takes the place of the offer"
    await other.say_among("groupes")
    assert square.room()[-1].labels == ["Ouvrir en privé"], "not theirs to untie"
    await parent.say("groupes")
    assert "Un salon est lié à ce groupe." in (await parent.press(GROUP)).text
    assert "Délier le salon" not in parent.own[-1].labels


async def test_the_secretariat_is_offered_all_groups(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await secretary.say_among("groupes")
    assert sum(one.startswith("Lier ce salon") for one in square.room()[-1].labels) == 6


async def test_it_is_tied_where_it_was_asked_and_nowhere_else(square: Square) -> None:
    chair, group = await chair_of(square), await network(square)
    await square.receive(chair.address, chair.address, choice=f"groups.tie:{group}")
    assert "Ce choix n'est plus possible." in chair.own[-1].text
    unsigned = await square.receive(
        chair.address, "#room", choice=f"groups.tie:{group}", in_group=True, signed_in=False
    )
    assert "votre rôle ne compte pas" in str(unsigned.toast)
    await tied(square, chair)
    await tied(square, chair, "elsewhere")
    await convene(chair)
    assert "se réunit" in square.room("elsewhere")[-1].text
    assert not any("se réunit" in one.text for one in square.room())


async def test_a_chat_serves_one_group(square: Square) -> None:
    chair, other = await chair_of(square), await chair_of(square, "other", "usages")
    await other.say_among("groupes")
    late = square.room()[-1].labels[0]
    await tied(square, chair)
    assert "lié à un autre groupe" in str((await other.press_among(late, which=0)).toast)
    await chair.say_among("groupes")
    assert "réseau" in square.room()[-1].text


async def test_it_is_untied_in_the_chat_or_on_the_page(square: Square) -> None:
    chair, parent = await chair_of(square), await square.met("parent")
    group = await network(square)
    await tied(square, chair)
    assert "ne permet pas" in str((await parent.press_among("Délier le salon")).toast)
    elsewhere = await chair.send_among(f"groups.untie:{group}", "elsewhere")
    assert "n'était plus lié" in str(elsewhere.toast)
    assert "Le salon n'est plus lié." in str((await chair.press_among("Délier le salon")).toast)
    assert "n'est plus lié au groupe" in square.room()[-1].text
    await tied(square, chair)
    await chair.say("groupes")
    await chair.press(f"✓ {GROUP}")
    assert "Un salon est lié à ce groupe." in chair.own[-1].text
    card = await chair.press("Délier le salon")
    assert "Le salon n'est plus lié." in card.text
    assert "Un salon est lié" not in card.text
    again = await square.receive(chair.address, chair.address, choice=f"groups.untie:{group}")
    assert again is not None
    assert "n'était plus lié" in chair.own[-1].text
    await convene(chair)
    assert await cards_sent(square) == 0


# What is shown


async def test_a_meeting_is_shown_when_it_is_called(square: Square) -> None:
    chair, member = await chair_of(square), await square.met("member")
    await tied(square, chair)
    review = await convene(chair)
    assert "(la réunion s'affiche aussi dans son salon)" in review.text
    card = square.room()[-1]
    assert "se réunit vendredi 22 janvier 2027" in card.text
    assert card.labels[0] == "Je viens"
    assert not any("visio" in one.text for one in square.room()), "its link stays private"
    assert await cards_sent(square) == 1
    await square.tick()
    assert await cards_sent(square) == 1, "once"
    assert "Seuls les membres" in str((await member.press_among("Je viens")).toast)
    assert (await chair.press_among("Je viens")).toast == "C'est noté : Je viens"
    await square.tick()
    assert "Réponses : 1 sur place." in square.room()[-1].text
    shown = len(square.room())
    await chair.say_among("agenda")
    await chair.press_among("Montrer ici")
    assert len(square.room()) == shown, "shown again, it moves down"


async def test_a_poll_on_a_draft_of_its_theme_is_shown_when_it_opens(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await tied(square, await chair_of(square))
    review = await put_to_vote(square, secretary, await draft_on(square, Theme.infrastructure))
    assert "dans le salon lié au groupe Le réseau et le matériel" in review.text
    card = square.room()[-1]
    assert "Êtes-vous favorable au projet REC-2027-001 ?" in card.text
    assert not any("discret" in one.text for one in square.room()), "its title stays private"
    assert (await secretary.press_among("Pour")).toast == "Votre voix : Pour."
    await square.tick()
    assert "1 personne sur 2 a voté." in square.room()[-1].text


@pytest.mark.parametrize("theme", [Theme.usages, None])
async def test_a_poll_on_something_else_is_not_shown(square: Square, theme: Theme | None) -> None:
    secretary = await square.met("secretary", Role.secretariat)
    await tied(square, await chair_of(square))
    review = await put_to_vote(square, secretary, await draft_on(square, theme))
    assert "salon" not in review.text
    assert await cards_sent(square) == 0


async def test_nothing_is_shown_that_the_review_did_not_tell(square: Square) -> None:
    secretary, chair = await square.met("secretary", Role.secretariat), await chair_of(square)
    await reviewed(square, secretary, await draft_on(square, Theme.infrastructure))
    await tied(square, chair)
    await secretary.press("Ouvrir le vote")
    assert any("Un vote est ouvert" in one.text for one in secretary.own)
    assert await cards_sent(square) == 0


async def test_a_chat_that_has_us_no_more_is_not_written_to(square: Square) -> None:
    chair = await chair_of(square)
    await tied(square, chair)
    await square.stage.service.dispatcher.lost(NAME, "#room", Failure.removed, "left", NOW)
    assert "salon" not in (await convene(chair)).text
    assert await cards_sent(square) == 0
    await chair.say("groupes")
    assert "Un salon est lié" not in (await chair.press(f"✓ {GROUP}")).text


@pytest.mark.parametrize("known", [False, True])
async def test_it_follows_a_chat_that_moves(square: Square, known: bool) -> None:
    chair = await chair_of(square)
    await tied(square, chair)
    if known:
        await chair.say_among("bonjour", "new")
    await square.stage.service.dispatcher.moved(NAME, "#room", "#new", "moved", NOW)
    await convene(chair)
    assert "se réunit" in square.room("new")[-1].text


async def test_a_group_that_closes_leaves_its_chat(square: Square) -> None:
    chair, secretary = await chair_of(square), await square.met("secretary", Role.secretariat)
    group = await network(square)
    await tied(square, chair)
    await square.stage.db.write(lambda store: store.groups.close(group, NOW))
    await secretary.say_among("groupes")
    assert sum(one.startswith("Lier ce salon") for one in square.room()[-1].labels) == 5
