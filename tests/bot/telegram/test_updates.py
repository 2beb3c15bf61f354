"""What an update says, read purely."""

from typing import Any

import pytest
from telegram import Update

from bot.attachments import FileKind
from bot.messages import Incoming
from bot.platforms.telegram.updates import LONG, NOTHING, Arrival, Reader
from storage.deliveries import Failure
from tests.conftest import NOW

ANNA = {"id": 5, "is_bot": False, "first_name": "Anna"}
US = {"id": 99, "is_bot": True, "first_name": "Préau", "username": "preau_bot"}
OWN = {"id": 5, "type": "private", "first_name": "Anna"}
GROUP = {"id": -100, "type": "supergroup", "title": "Atelier"}
CHANNEL = {"id": -200, "type": "channel", "title": "Annonces"}
READER = Reader(99, "Preau_Bot")


def read(**parts: Any) -> Arrival:
    update = Update.de_json({"update_id": 7, **parts}, None)
    return READER.read(update, NOW)


def message(chat: dict[str, Any] = OWN, **content: Any) -> dict[str, Any]:
    return {"message_id": 3, "from": ANNA, "chat": chat, "date": 1_800_000_000, **content}


def said(**parts: Any) -> Incoming:
    incoming = read(**parts).incoming
    assert incoming is not None
    return incoming


def test_words_in_private() -> None:
    incoming = said(message=message(text="bonjour"))
    assert incoming == Incoming(
        platform="telegram",
        chat="5",
        sender="5",
        update_id="7",
        received_at=NOW,
        said_as="3",
        text="bonjour",
    )


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("/votes", "/votes"),
        ("/votes@preau_bot", "/votes"),
        ("/VOTES@PREAU_BOT demain", "/VOTES demain"),
        ("/votes@another_bot", None),
        ("/votes@preau_bot_two", None),
        ("@preau_bot votes", "votes"),
        ("votes @Preau_bot", "votes"),
        ("@preau_bots votes", None),
        ("moi@preau_bot", "moi"),
        ("bonjour", None),
        ("", None),
    ],
)
def test_what_is_heard_in_a_group(text: str, heard: str | None) -> None:
    arrival = read(message=message(GROUP, text=text))
    assert (arrival.incoming.text if arrival.incoming else None) == heard
    if arrival.incoming is not None:
        assert arrival.incoming.in_group


def test_a_reply_in_a_group_is_heard_only_if_it_is_addressed_to_us() -> None:
    ours = {**message(GROUP, text="Bonjour"), "from": US, "message_id": 2}
    assert read(message=message(GROUP, text="1", reply_to_message=ours)) is NOTHING
    for text in ("/aide@preau_bot", "@preau_bot /aide"):
        assert said(message=message(GROUP, text=text, reply_to_message=ours)).text == "/aide"


@pytest.mark.parametrize(
    ("code", "language"), [("en", "en"), ("pt-BR", "pt"), ("FR", "fr"), ("", None), (None, None)]
)
def test_the_language_of_the_app(code: str | None, language: str | None) -> None:
    anna = {**ANNA, "language_code": code}
    assert said(message={**message(text="x"), "from": anna}).language == language
    ours = {**message(text="Bonjour"), "from": US}
    query = {"id": "q", "from": anna, "chat_instance": "1", "message": ours, "data": "x"}
    assert said(callback_query=query).language == language


def test_a_reply_in_private_names_our_message() -> None:
    ours = {**message(text="Bonjour"), "from": US, "message_id": 2}
    assert said(message=message(text="1", reply_to_message=ours)).replied == "2"
    mine = {**ours, "from": ANNA}
    assert said(message=message(text="1", reply_to_message=mine)).replied is None


@pytest.mark.parametrize(
    ("more", "thread"),
    [
        ({}, ""),
        ({"message_thread_id": 4}, ""),
        ({"message_thread_id": 4, "is_topic_message": True}, "4"),
    ],
)
def test_only_topics_are_threads(more: dict[str, Any], thread: str) -> None:
    assert said(message=message(GROUP, text="/votes", **more)).thread == thread


@pytest.mark.parametrize("chat", [OWN, GROUP, CHANNEL])
def test_edits_count_in_private_alone(chat: dict[str, Any]) -> None:
    arrival = read(edited_message=message(chat, text="/votes", edit_date=1))
    if chat is OWN:
        assert arrival.incoming is not None
        assert (arrival.incoming.edits, arrival.incoming.said_as) == ("3", None)
    else:
        assert arrival is NOTHING


def test_an_edit_without_words_is_nothing() -> None:
    assert read(edited_message=message(location={"latitude": 1, "longitude": 2})) is NOTHING


@pytest.mark.parametrize(
    "parts",
    [
        {"channel_post": {**message(CHANNEL, text="/votes")}},
        {"message": {key: one for key, one in message(text="x").items() if key != "from"}},
        {"message": message(CHANNEL, text="/votes")},
        {"message": message(new_chat_members=[ANNA])},
        {"message": message(GROUP, group_chat_created=True)},
        {"message": message(GROUP, photo=[], caption="@preau_bot")},
        {"inline_query": {"id": "1", "from": ANNA, "query": "", "offset": ""}},
        {
            "poll_answer": {
                "poll_id": "1",
                "user": ANNA,
                "option_ids": [0],
                "option_persistent_ids": ["a"],
            }
        },
        {},
    ],
)
def test_what_is_not_for_us_is_nothing(parts: dict[str, Any]) -> None:
    assert read(**parts) is NOTHING


def test_a_group_that_moves() -> None:
    assert read(message=message(GROUP, migrate_to_chat_id=-1000)) == Arrival(
        chat="-100", number="7", moved_to="-1000"
    )
    assert read(message=message(GROUP, migrate_from_chat_id=-5)) is NOTHING


@pytest.mark.parametrize(
    ("chat", "before", "after", "lost", "joined"),
    [
        (OWN, "member", "kicked", Failure.blocked, False),
        (OWN, "kicked", "member", None, False),
        (GROUP, "left", "member", None, True),
        (GROUP, "kicked", "administrator", None, True),
        (GROUP, "member", "administrator", None, False),
        (GROUP, "member", "left", Failure.removed, False),
        (GROUP, "administrator", "kicked", Failure.removed, False),
        (CHANNEL, "left", "administrator", None, False),
    ],
)
def test_how_we_stand_in_a_chat(
    chat: dict[str, Any], before: str, after: str, lost: Failure | None, joined: bool
) -> None:
    rights: dict[str, object] = {
        "can_be_edited": False,
        "is_anonymous": False,
        "can_manage_chat": True,
        "can_delete_messages": False,
        "can_manage_video_chats": False,
        "can_restrict_members": False,
        "can_promote_members": False,
        "can_change_info": False,
        "can_invite_users": False,
        "can_post_stories": False,
        "can_edit_stories": False,
        "can_delete_stories": False,
    }
    more: dict[str, dict[str, object]] = {"kicked": {"until_date": 0}, "administrator": rights}
    change = {
        "chat": chat,
        "from": ANNA,
        "date": 1,
        "old_chat_member": {"user": US, "status": before, **more.get(before, {})},
        "new_chat_member": {"user": US, "status": after, **more.get(after, {})},
    }
    arrival = read(my_chat_member=change)
    assert arrival.lost == lost
    assert (arrival.incoming is not None and arrival.incoming.joined) == joined


@pytest.mark.parametrize(
    ("content", "kind", "problem"),
    [
        ({"photo": [{"width": 9}, {"width": 90}]}, FileKind.photo, None),
        ({"document": {"mime_type": "image/png"}}, FileKind.photo, None),
        ({"document": {"mime_type": "application/pdf"}}, FileKind.document, None),
        ({"document": {}}, FileKind.document, None),
        ({"voice": {"duration": 1}}, FileKind.voice, None),
        ({"audio": {"duration": 1}}, None, "forms.not_taken"),
    ],
)
def test_files(content: dict[str, Any], kind: FileKind | None, problem: str | None) -> None:
    ids = {"file_id": "f", "file_unique_id": "u"}
    made: dict[str, Any] = {
        name: [{**ids, "file_id": f"f{one['width']}", "height": 1, **one} for one in value]
        if isinstance(value, list)
        else {**ids, **value}
        for name, value in content.items()
    }
    arrival = read(message=message(**made, caption="Voilà."))
    assert arrival.incoming is not None
    assert arrival.incoming.problem == problem
    assert arrival.incoming.text == "Voilà."
    assert (arrival.sent.kind if arrival.sent else None) == kind
    if "photo" in content:
        assert arrival.sent is not None
        assert arrival.sent.file_id == "f90", "the largest"


@pytest.mark.parametrize(
    ("text", "glue"),
    [
        ("x" * 4096, ""),
        ("🦄" * 2048, ""),
        ("x" * LONG, " "),
        ("x" * LONG + ".", "\n"),
        ("Court", "\n"),
    ],
)
def test_what_stands_between_two_pieces(text: str, glue: str) -> None:
    assert said(message=message(text=text)).glue == glue


def press(**more: Any) -> Arrival:
    query = {"id": "q", "from": ANNA, "chat_instance": "1", **more}
    return read(callback_query=query)


def test_presses() -> None:
    ours = {**message(text="Bonjour"), "from": US}
    seen = press(message=ours, data="people.menu")
    assert seen.incoming is not None
    assert (seen.query, seen.incoming.choice, seen.incoming.message) == ("q", "people.menu", "3")
    old = press(message={"chat": OWN, "message_id": 3, "date": 0}, data="people.menu")
    assert old.incoming is not None
    assert old.incoming.message is None
    assert press(data="x") == Arrival(query="q")
    assert press(message=ours, game_short_name="jeu") == Arrival(query="q")
    assert press(message={**ours, "chat": CHANNEL}, data="x") == Arrival(query="q")
