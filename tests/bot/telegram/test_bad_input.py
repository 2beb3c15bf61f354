"""What people send that nobody expects: it is answered kindly, and nothing is lost."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from bot import photos
from storage.conversations import Draft
from storage.people import Person
from tests.bot_api import BotApi, User
from tests.chats import ON_SQLITE, Chatter
from tests.journeys.test_reports import photo
from tests.people import STORY
from tests.stage import Stage

pytestmark = ON_SQLITE

VENUE = {"location": {"latitude": 1.0, "longitude": 2.0}, "title": "Un lycée", "address": "Ici"}
USER = {"id": 5, "is_bot": False, "first_name": "x"}
CHAT = {"id": 5, "type": "private", "first_name": "x"}
MESSAGE = {"message_id": 1, "from": USER, "chat": CHAT, "date": 1_800_000_000}


async def answers(stage: Stage) -> dict[str, Any]:
    """The answers of the only draft."""
    state = await stage.db.read(lambda store: store.session.scalars(select(Draft.state)).one())
    found: dict[str, Any] = state["answers"]
    return found


async def halfway(stage: Stage) -> Chatter:
    """Somebody who has told their story and is asked of what kind it is."""
    someone = stage.chatter()
    await someone.start()
    await someone.say("témoigner")
    await someone.say(STORY)
    return someone


ODD: dict[str, Callable[[User], Any]] = {
    "sticker": lambda user: user.send_sticker(),
    "poll": lambda user: user.send_poll(),
    "dice": lambda user: user.send_dice(),
    "location": lambda user: user.send_location(),
    "contact": lambda user: user.send_contact(),
    "video": lambda user: user.send_video(),
    "venue": lambda user: user.send_raw({"venue": VENUE, "location": VENUE["location"]}),
    "story": lambda user: user.send_raw({"story": {"chat": CHAT, "id": 3}}),
    "unknown": lambda user: user.send_raw({"hologram": {"id": "x"}}),
    "game": lambda user: user.send_raw({"game": {"title": "t", "description": "d", "photo": []}}),
}


@pytest.mark.parametrize("kind", ODD)
async def test_odd_things_in_the_middle_of_a_form_are_answered_and_the_question_asked_again(
    stage: Stage, kind: str
) -> None:
    someone = await halfway(stage)
    ODD[kind](someone.user)
    answer = await someone.look()
    assert len(answer.messages) == 1
    assert "Je ne sais pas lire ce genre de message." in answer
    assert "Question 2 sur 6." in answer
    assert (await answers(stage))["story"] == STORY


@pytest.mark.parametrize("kind", ODD)
async def test_odd_things_outside_a_form_are_answered(stage: Stage, kind: str) -> None:
    someone = stage.chatter()
    await someone.start()
    ODD[kind](someone.user)
    answer = await someone.look()
    assert len(answer.messages) == 1
    assert "Je ne sais pas lire ce genre de message." in answer
    assert "erreur" not in answer


@pytest.mark.parametrize(
    "content",
    [
        {"pinned_message": MESSAGE},
        {"new_chat_title": "x"},
        {"message_auto_delete_timer_changed": {"message_auto_delete_time": 86400}},
        {"chat_background_set": {"type": {"type": "fill"}}},
        {"connected_website": "example.org"},
    ],
)
async def test_what_telegram_itself_says_is_not_answered(
    stage: Stage, content: dict[str, Any]
) -> None:
    someone = await halfway(stage)
    someone.user.send_raw(content)
    answer = await someone.look()
    assert not answer.messages


async def test_a_video_with_words_keeps_the_words(stage: Stage) -> None:
    someone = stage.chatter()
    await someone.start()
    await someone.say("témoigner")
    someone.user.send_video(caption=STORY)
    answer = await someone.look()
    assert "Je ne sais pas lire ce genre de message." in answer
    assert (await answers(stage))["story"] == STORY


# Files


async def test_a_photo_too_heavy_is_never_fetched_and_its_words_are_kept(
    stage: Stage, api: BotApi
) -> None:
    someone = stage.chatter()
    await someone.start()
    await someone.say("témoigner")
    someone.user.send_document(
        photo(), "IMG_1.jpg", "image/jpeg", size=photos.LARGEST + 1, caption=STORY
    )
    answer = await someone.look()
    assert "Cette photo est trop lourde : 10 Mo au plus." in answer.text.replace("\u202f", " ")
    assert (await answers(stage))["story"] == STORY
    assert not api.counts["getfile"]


async def test_a_photo_sent_as_a_file_is_a_photo(stage: Stage) -> None:
    someone = await halfway(stage)
    someone.user.send_document(photo(), "IMG_1.jpg", "image/jpeg")
    answer = await someone.look()
    assert "Photo gardée" in answer
    assert len((await answers(stage))["photos"]) == 1


async def test_a_photo_under_a_false_name_is_a_photo(stage: Stage) -> None:
    someone = await halfway(stage)
    someone.user.send_document(b"PK\x03\x04", "IMG_1.jpg", "image/jpeg")
    answer = await someone.look()
    assert "Je ne peux pas ouvrir" in answer
    assert (await answers(stage))["story"] == STORY


async def test_a_document_where_none_is_taken_is_refused_and_its_words_kept(
    stage: Stage, api: BotApi
) -> None:
    someone = stage.chatter()
    await someone.start()
    await someone.say("témoigner")
    someone.user.send_document(b"%PDF-1.4", "x.pdf", caption=STORY)
    answer = await someone.look()
    assert len(answer.messages) == 1
    assert (await answers(stage))["story"] == STORY
    assert "photos" not in await answers(stage)
    assert not api.counts["getfile"], "it is not even looked at"


@pytest.mark.parametrize("way", ["fail", "cut_before", "gone"])
async def test_a_file_that_cannot_be_fetched_is_said_so_and_its_words_kept(
    stage: Stage, api: BotApi, way: str
) -> None:
    someone = stage.chatter()
    await someone.start()
    await someone.say("témoigner")
    if way == "gone":
        api.faults.fail("getFile", status=500)
    else:
        getattr(api.faults, way)("download", None)
    someone.user.send_photo(photo(), caption=STORY)
    answer = await someone.look()
    assert "pas arrivé" in answer or "n'a pas pu" in answer or "pas gardé" in answer
    assert (await answers(stage))["story"] == STORY


async def test_a_file_outside_forms_is_not_kept_and_its_words_are(stage: Stage) -> None:
    someone = stage.chatter()
    await someone.start()
    someone.user.send_photo(photo(), caption="Une idée pour la suite")
    answer = await someone.look()
    assert "Votre photo n'est pas gardée" in answer
    assert "Une idée pour la suite" in answer


async def test_a_first_photo_of_a_newcomer_leaves_no_file(stage: Stage) -> None:
    someone = stage.chatter()
    someone.user.send_photo(photo())
    answer = await someone.look()
    assert "je suis Préau" in answer
    assert "Votre photo n'est pas gardée" in answer
    count = await stage.db.read(
        lambda store: (
            store.session.connection().exec_driver_sql("SELECT count(*) FROM files").scalar()
        )
    )
    assert count == 0


# People


@pytest.mark.parametrize("name", ["\u2063", "🦄" * 64, "<b>Zoé & Cie</b>", "a" * 64, "\u202eoéZ"])
async def test_names_of_all_kinds(stage: Stage, name: str) -> None:
    someone = stage.chatter(name)
    answer = await someone.start()
    assert "je suis Préau" in answer


async def test_somebody_without_a_name(stage: Stage, api: BotApi) -> None:
    nobody = {"id": 900, "is_bot": False, "first_name": ""}
    message = {"message_id": 9, "from": nobody, "chat": {"id": 900, "type": "private"}, "date": 1}
    api.give("message", {**message, "text": "/start"}, 900)
    await api.idle()
    await stage.settle()
    people = await stage.db.read(lambda store: len(store.session.scalars(select(Person)).all()))
    assert people == 1


# Updates


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("hologram", {"id": 1}),
        ("inline_query", {"id": "1", "from": USER, "query": "x", "offset": ""}),
        ("chat_join_request", {"chat": CHAT, "from": USER, "user_chat_id": 5, "date": 1}),
        ("message", {**MESSAGE, "text": None}),
        ("message", {"message_id": 1}),
        ("message", "nonsense"),
        ("message", None),
        ("message", {**MESSAGE, "date": "yesterday", "text": "x"}),
        ("message", {**MESSAGE, "date": 10**18, "text": "x"}),
        ("callback_query", {"id": "1"}),
        ("my_chat_member", {"chat": CHAT}),
        ("edited_message", []),
    ],
)
async def test_an_update_that_cannot_be_read_stops_nobody(
    place: Stage, kind: str, body: Any
) -> None:
    api = place.api
    assert api is not None
    someone = place.chatter()
    await someone.start()
    api.updates.allowed = None
    someone.user.say("menu")
    api.give(kind, body, someone.user.id)
    someone.user.say("aide")
    answer = await someone.look()
    assert "Que voulez-vous faire" in answer
    assert "Écrivez un mot" in answer
    assert await next_is_taken(someone)


async def next_is_taken(someone: Chatter) -> bool:
    return "Que voulez-vous faire" in await someone.say("menu")


async def test_unreadable_among_slow_ones_stops_nobody(stage: Stage, api: BotApi) -> None:
    someone, other = await halfway(stage), stage.chatter("Autre")
    await other.start()
    api.faults.slow("download", 1.0)
    someone.user.send_photo(photo())
    await asyncio.sleep(0.2)
    api.give("message", {"message_id": 1}, 77)
    other.user.say("menu")
    await asyncio.sleep(0.6)
    assert "Que voulez-vous faire" in other.user.chat.newest.text
    assert "Photo gardée" in await someone.look()
    await other.look()


async def test_what_is_unreadable_is_not_logged(stage: Stage, api: BotApi) -> None:
    someone = stage.chatter()
    await someone.start()
    with capture_logs() as logs:
        api.give("message", {**MESSAGE, "date": "un secret", "text": "un secret"}, 5)
        await someone.say("menu")
    assert [one for one in logs if one["event"] == "an update cannot be read"]
    assert "secret" not in repr(logs)
