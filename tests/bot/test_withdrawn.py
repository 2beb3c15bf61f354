"""A message that its writer took back leaves the drafts it stood in, and is asked for again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bot.settings import Settings
from storage.conversations import Conversation
from storage.database import Database
from storage.files import File
from storage.people import Account
from tests.conftest import NOW
from tests.people import STORY
from tests.rooms import Square, Talker
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
    before = len(parent.own)
    await parent.square.receive(parent.address, parent.address, edits="s2", text=f"{STORY} Deux")
    assert "C'est changé : " in parent.own[before].text
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
