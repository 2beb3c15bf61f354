"""A message that its writer took back leaves the drafts it stood in, and is asked for again.

What was kept outside any form follows it; of what counts already it is said that it does.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bot.messages import Incoming
from bot.settings import Settings
from storage.conversations import Conversation
from storage.counted import CountedMessage
from storage.database import Database
from storage.files import File
from storage.grants import Role
from storage.meetings import Plan
from storage.people import Account
from storage.polls import Electorate, Polls
from storage.store import Store
from tests.conftest import NOW
from tests.people import STORY
from tests.rooms import NAME, Square, Talker
from tests.stage import Stage

pytestmark = pytest.mark.web  # on a messenger whose messages have ids

OTHER = "Une autre histoire, assez longue pour être gardée ainsi. " * 2


@pytest.fixture
async def square(settings: Settings, db: Database) -> AsyncIterator[Square]:
    stage = Stage(settings, db, NOW)
    yield await Square.opened(settings, db, stage)
    await stage.close()


@pytest.fixture
async def parent(square: Square) -> Talker:
    """Somebody who is asked what they want to tell."""
    parent = await square.met("parent")
    await parent.say("témoigner")
    return parent


async def draft(square: Square) -> dict[str, Any]:
    """The state of the only draft."""
    [kept] = await square.stage.db.read(
        lambda store: [one.state for one in store.conversations.drafts_of(1)]
    )
    return kept


async def withdraw(parent: Talker, message: str) -> list[str]:
    """Have a message taken back; what is said to that."""
    before = len(parent.own)
    await parent.square.receive(parent.address, parent.address, withdraws=message)
    return [one.text for one in parent.own[before:]]


async def edit(parent: Talker, message: str, text: str) -> list[str]:
    """Have a message edited; what is said to that."""
    before = len(parent.own)
    await parent.square.receive(parent.address, parent.address, edits=message, text=text)
    return [one.text for one in parent.own[before:]]


async def test_an_answer_that_is_taken_back_is_asked_for_again(
    square: Square, parent: Talker
) -> None:
    await parent.say(STORY, said_as="story")
    await parent.say("1", said_as="kind")
    [asked] = await withdraw(parent, "story")
    assert "C'est retiré : " in asked
    assert "Que voulez-vous raconter ?" in asked
    state = await draft(square)
    assert STORY not in str(state)
    assert (state["step"], list(state["answers"])) == ("story", ["kind"])
    assert "REX" not in (await parent.say(OTHER)).text
    assert (await draft(square))["step"] == "theme", "the other answers are still there"


async def test_of_several_messages_the_others_stay(square: Square, parent: Talker) -> None:
    await parent.say("Le réseau tombe.", said_as="first")
    await parent.say("Chaque matin.", said_as="second")
    [asked] = await withdraw(parent, "first")
    assert "C'est retiré : " in asked
    state = await draft(square)
    assert (state["step"], state["answers"]["story"]) == ("kind", "Chaque matin.")
    await withdraw(parent, "second")
    state = await draft(square)
    assert (state["step"], state["answers"]) == ("story", {})
    await parent.say("annuler")
    drafts = await square.stage.db.read(lambda store: store.conversations.drafts_of(1))
    assert drafts == [], "nothing was given"


async def test_what_was_refused_is_not_kept_either(square: Square, parent: Talker) -> None:
    await parent.say("x" * 4050, said_as="long")
    assert "xxx" in str(await draft(square))
    await withdraw(parent, "long")
    assert "xxx" not in str(await draft(square))


async def test_what_is_left_and_is_no_answer_goes_too(square: Square, parent: Talker) -> None:
    pieces = (("a", "x" * 4050, "\n"), ("b", "Fin.", ""))
    await parent.say("x" * 4050 + "\nFin.", said_as="a", pieces=pieces)
    await withdraw(parent, "b")
    state = await draft(square)
    assert "xxx" not in str(state)
    assert state["step"] == "story"


async def test_before_it_is_sent_it_is_asked_for_again(square: Square, parent: Talker) -> None:
    await parent.say(STORY, said_as="story")
    await parent.press("Une expérience vécue")
    await parent.press("Le réseau et le matériel")
    await parent.press("Parent d'élève")
    await parent.say("974")
    await parent.press("Tout le monde")
    assert (await draft(square))["step"] == "review"
    await withdraw(parent, "story")
    assert (await draft(square))["step"] == "story"
    assert "Envoyer" in (await parent.say(OTHER)).labels[0]


async def test_a_photo_that_is_taken_back_leaves_the_draft(square: Square, parent: Talker) -> None:
    await parent.say(STORY, said_as="story", photos=(b"one",))
    await square.receive(parent.address, parent.address, photos=(b"two",), said_as="two")
    gathered = {"photos": (b"3", b"4"), "files_in": ("three", "four"), "said_as": "three"}
    await square.receive(parent.address, parent.address, **gathered)
    assert (await draft(square))["answers"]["photos"] == [1, 2, 3, 4]
    [asked] = await withdraw(parent, "four")
    assert "Ce fichier est retiré." in asked
    assert (await draft(square))["answers"]["photos"] == [1, 2, 3]
    await withdraw(parent, "story")
    state = await draft(square)
    assert (state["step"], state["answers"]) == ("story", {"photos": [2, 3]})
    await withdraw(parent, "two")
    await withdraw(parent, "three")
    assert "photos" not in (await draft(square))["answers"]
    counted = select(func.count()).select_from(File)
    assert not await square.stage.db.read(lambda store: store.session.scalar(counted))


async def test_it_leaves_a_draft_that_is_not_open_and_nothing_is_said(
    square: Square, parent: Talker
) -> None:
    await parent.say(STORY, said_as="story")
    await parent.say("annuler")
    assert await withdraw(parent, "story") == []
    assert STORY not in str(await draft(square))
    [form] = await square.stage.db.read(
        lambda store: store.session.scalars(select(Conversation.form)).all()
    )
    assert form is None
    assert "Que voulez-vous raconter ?" in (await parent.press("Continuer")).text


async def test_other_messages_are_nothing(square: Square, parent: Talker) -> None:
    await parent.say(STORY, said_as="story")
    before = await draft(square)
    assert await withdraw(parent, "another") == []
    assert await draft(square) == before
    await parent.say("annuler")
    stray = await parent.say("Le wifi tombe souvent.", said_as="stray")
    assert await withdraw(parent, "stray") == []
    assert parent.own[-1] is stray


async def test_among_others_nothing_is_said(square: Square, parent: Talker) -> None:
    for address in (parent.address, "@stranger"):
        await square.receive(address, "#room", withdraws="x", in_group=True)
    assert square.room() == []
    accounts = select(func.count()).select_from(Account)
    assert await square.stage.db.read(lambda store: store.session.scalar(accounts)) == 1


async def kept(square: Square) -> list[str | None]:
    """What is kept outside any form, conversation by conversation."""
    said = select(Conversation.kept).order_by(Conversation.id)
    return await square.stage.db.read(lambda store: list(store.session.scalars(said)))


async def test_what_was_said_outside_any_form_is_kept_no_more(
    square: Square, parent: Talker
) -> None:
    await parent.say("annuler")
    for number in range(3):
        await parent.say(f"Phrase {number}\nsur deux lignes", said_as=f"s{number}")
    await parent.say("Dans un fil, un secret", said_as="t1", thread="t")
    await parent.say("Rien d'autre", said_as="t2", thread="t")
    assert await withdraw(parent, "another") == []
    assert await withdraw(parent, "s1") == []
    assert await withdraw(parent, "t1") == []
    said = "Phrase 0\nsur deux lignes\nPhrase 2\nsur deux lignes"
    assert await kept(square) == [said, "Rien d'autre"]
    await withdraw(parent, "t2")
    await parent.say("Encore une phrase", said_as="s3")
    await withdraw(parent, "s0")
    assert await kept(square) == ["Phrase 2\nsur deux lignes\nEncore une phrase", None]


async def test_what_was_kept_leaves_the_form_that_took_it(square: Square, parent: Talker) -> None:
    """And what is corrected where it was said is corrected there."""
    await parent.say("annuler")
    for number in range(3):
        await parent.say(f"{STORY} {number}", said_as=f"s{number}")
    await parent.press("En faire un témoignage")
    assert (await draft(square))["answers"]["story"].count(STORY) == 3
    said, *_ = await edit(parent, "s2", f"{STORY} Deux")
    assert "C'est changé : " in said
    [gone] = await withdraw(parent, "s0")
    assert "C'est retiré : " in gone
    assert (await draft(square))["answers"]["story"] == f"{STORY} 1\n{STORY} Deux"


async def test_of_what_was_kept_before_messages_were_known_nothing_stays(
    square: Square, parent: Talker
) -> None:
    await parent.say("annuler")
    await parent.say("Avant", said_as="s1")
    forget = update(Conversation).values(kept_in=None)
    await square.stage.db.write(lambda store: store.session.execute(forget) and None)
    await parent.say("Après", said_as="s2")
    await withdraw(parent, "s1")
    assert await kept(square) == [None]


# What was kept outside any form, and is corrected where it was said


async def test_what_is_kept_follows_the_message_it_was_said_in(
    square: Square, parent: Talker
) -> None:
    await parent.say("annuler")
    await parent.say("Le wifi tombe le matin.", said_as="s1")
    await parent.say("Et le soir.", said_as="s2")
    assert await edit(parent, "s1", "Le wifi tombe le matin.") == []
    assert await edit(parent, "another", "Autre chose.") == []
    assert await edit(parent, "s1", " ") == []
    [said] = await edit(parent, "s1", "Le réseau tombe le matin.")
    assert "J'ai gardé votre message : « Le réseau tombe le matin.\xa0· Et le soir. »." in said
    assert "En faire un témoignage" in parent.own[-1].labels
    await edit(parent, "s2", "Et le soir\naussi.")
    assert await kept(square) == ["Le réseau tombe le matin.\nEt le soir\naussi."]
    [said] = await edit(parent, "s2", "x" * 9_990)
    assert "La limite est 10\u202f000." in said
    assert await kept(square) == ["Le réseau tombe le matin.\nEt le soir\naussi."]
    await withdraw(parent, "s1")
    assert await kept(square) == ["Et le soir\naussi."]


async def test_what_is_kept_in_a_thread_or_beside_a_form_changes_in_a_word(
    square: Square, parent: Talker
) -> None:
    await parent.say("Le wifi tombe souvent.", said_as="t1", thread="t")
    [said] = await edit(parent, "t1", "Le réseau tombe souvent.")
    assert said == "C'est changé. Votre message reste gardé."
    assert await kept(square) == [None, "Le réseau tombe souvent."]


# What counts already, and is corrected or taken back where it was said

COUNTS = "Votre message était déjà pris en compte."
MINUTE = timedelta(minutes=1)


async def sent(parent: Talker) -> str:
    """Tell something and send it, the story being in the message `story`; the thanks for it."""
    await parent.say(STORY, said_as="story")
    await parent.press("Une expérience vécue")
    await parent.press("Le réseau et le matériel")
    await parent.press("Parent d'élève")
    await parent.say("974", said_as="place")
    await parent.press("Tout le monde")
    return (await parent.say("envoyer", said_as="send")).text


async def test_who_takes_a_sent_report_back_by_its_message_is_told_how_to(
    square: Square, parent: Talker
) -> None:
    assert "Merci" in await sent(parent)
    [said] = await withdraw(parent, "story")
    assert COUNTS in said
    assert "écrivez « mes témoignages »" in said
    assert await withdraw(parent, "story") == [], "it was said just now"
    square.stage.clock.advance_to(NOW + MINUTE)
    assert COUNTS in (await withdraw(parent, "story"))[0]
    assert await edit(parent, "place", "974") == [], "its words are as they were"
    assert COUNTS in (await edit(parent, "place", "971"))[0]
    square.stage.clock.advance_to(NOW + 2 * MINUTE)
    assert await edit(parent, "place", "971") == [], "nor did they change since"
    assert await withdraw(parent, "send") == []
    stories = await square.stage.db.read(lambda store: store.reports.written_by(1)[0].story)
    assert stories == STORY


async def test_what_was_kept_and_sent_counts_too(square: Square, parent: Talker) -> None:
    await parent.say("annuler")
    await parent.say("Qui lit mes messages ici ?", said_as="letter")
    assert await withdraw(parent, "unknown") == []
    await parent.press("Envoyer au secrétariat")
    [said] = await withdraw(parent, "letter")
    assert COUNTS in said
    assert "écrivez « secrétariat »" in said


def opened(store: Store) -> None:
    """Open a poll for everybody."""
    closes_at, options = NOW + timedelta(days=1), ("Le réseau", "Les tablettes")
    everybody = Electorate.public
    store.polls.open(
        "Que faire ?", electorate=everybody, closes_at=closes_at, now=NOW, options=options
    )


async def test_of_a_typed_vote_only_the_vote_counts(square: Square, parent: Talker) -> None:
    await square.stage.db.write(opened)
    await parent.say("annuler")
    await parent.say("votes", said_as="votes")
    assert "Votre vote est compté : Les tablettes." in (await parent.say("2", said_as="vote")).text
    [said] = await edit(parent, "vote", "1")
    assert COUNTS in said
    assert "écrivez « votes »" in said
    assert await withdraw(parent, "vote") == [], "it was said just now"
    assert await edit(parent, "votes", "menu") == []
    assert await withdraw(parent, "votes") == []


async def test_votes_that_several_type_at_once_are_cast_together_and_count(
    square: Square, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in reply to the vote that they were shown."""
    await square.stage.db.write(opened)
    people = [await square.met(name) for name in ("one", "two", "three")]
    shown = {}
    for someone in people:
        await someone.say("votes")
        shown[someone.address] = list(square.messenger.chats[someone.address])[-1]
        await someone.say("2")  # from then on they are electors
    typed = [
        Incoming(
            platform=NAME,
            chat=one.address,
            sender=one.address,
            update_id=f"typed {number}",
            received_at=NOW,
            text=text,
            said_as="vote",
            replied=shown[one.address],
        )
        for number, (one, text) in enumerate(zip(people, ("1", "2", "9"), strict=True))
    ]

    def alone(*_: object, **__: object) -> None:
        raise AssertionError("one by one")

    monkeypatch.setattr(Polls, "press", alone)
    apply = square.stage.service.dispatcher.apply_all
    done = await square.stage.db.write(lambda store: apply(store, typed))
    words = [str([born.outgoing.body["markup"] for born in one.born]) for one in done]
    assert "Votre vote est compté : Le réseau." in words[0]
    assert "Votre vote est compté : Les tablettes." in words[1]
    assert "compté" not in words[2]
    for someone in people[:2]:
        assert COUNTS in (await edit(someone, "vote", "9"))[0]
    assert await edit(people[2], "vote", "8") == []


async def test_a_typed_answer_to_a_meeting_counts_too(square: Square) -> None:
    secretary = await square.met("secretary", Role.secretariat)

    def convene(store: Store) -> None:
        store.groups.join(1, 1, NOW, admitted=True)
        starts = NOW + timedelta(days=10)
        plan = Plan(starts, starts + timedelta(hours=2), "Europe/Paris", "salle 4", "", "")
        store.meetings.call(1, plan, 1, NOW)

    await square.stage.db.write(convene)
    await secretary.say("agenda")
    assert "Je viens" in secretary.own[-1].labels
    await secretary.say("1", said_as="comes")
    [said] = await withdraw(secretary, "comes")
    assert COUNTS in said
    assert "écrivez « agenda »" in said


async def test_once_all_is_erased_nothing_counts(square: Square, parent: Talker) -> None:
    await sent(parent)
    await square.stage.db.write(lambda store: store.forget_writings(1, NOW))
    assert await withdraw(parent, "story") == []
    counted = select(func.count()).select_from(CountedMessage)
    assert not await square.stage.db.read(lambda store: store.session.scalar(counted))
