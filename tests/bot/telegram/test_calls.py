"""What the sender asks for, as the Bot API is asked for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bot.platforms.base import Call, SendFailed
from bot.platforms.telegram.calls import Calls
from storage.deliveries import Failure, Kind, Operation
from tests.bot.telegram.scripted import Scripted, bot_at, serving

FILES: dict[int, tuple[str, bytes]] = {
    1: ("image/png", b"a picture"),
    2: ("application/pdf", b"pages"),
    3: ("audio/ogg", b"a voice"),
    4: ("text/calendar", b"a meeting"),
    5: ("image/jpeg", b"another picture"),
}


class Stand:
    """Calls to a scripted Bot API. `read` notes which files were asked for."""

    def __init__(self, api: Scripted) -> None:
        self.api = api
        self.read: list[int] = []
        self.files = dict(FILES)
        self.calls: Calls

    async def read_file(self, file_id: int) -> tuple[str, bytes] | None:
        self.read.append(file_id)
        return self.files.get(file_id)

    async def send(self, text: str = "", *files: int, **given: Any) -> str:
        return await self.calls.do(call(Operation.send, text, *files, **given))

    async def edit(self, message: str, text: str = "", *files: int, **given: Any) -> str:
        return await self.calls.do(call(Operation.edit, text, *files, message=message, **given))

    async def delete(self, message: str) -> str:
        return await self.calls.do(call(Operation.delete, message=message))


def call(
    operation: Operation,
    text: str = "",
    *files: int,
    choices: list[list[str]] | None = None,
    thread: str = "",
    message: str | None = None,
    kind: Kind = Kind.reply,
    silent: bool = False,
) -> Call:
    kept = [[file, "Pièce jointe", FILES[file][0]] for file in files]
    body = {"markup": text, "choices": choices or [], "files": kept}
    return Call(operation, "7", thread, False, body, message, kind, silent)


@asynccontextmanager
async def _standing() -> AsyncIterator[Stand]:
    api = Scripted()
    stand = Stand(api)
    async with serving(api.answer) as url, bot_at(url) as bot:
        stand.calls = Calls(bot, stand.read_file)
        yield stand


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with _standing() as made:
        yield made


async def test_a_message_is_sent_with_its_keyboard(stand: Stand) -> None:
    sent = await stand.send(
        "<strong>Été</strong><br>&amp;", choices=[["a:1", "Oui"], ["a:2", "Non"]]
    )
    assert sent == "1"
    [asked] = stand.api.asked
    assert asked.method == "sendMessage"
    assert asked.given["chat_id"] == "7"
    assert asked.given["text"] == "<b>Été</b>\n&amp;"
    assert asked.given["parse_mode"] == "HTML"
    assert asked.json("link_preview_options") == {"is_disabled": True}
    assert asked.json("reply_markup") == {
        "inline_keyboard": [
            [{"text": "Oui", "callback_data": "a:1"}, {"text": "Non", "callback_data": "a:2"}]
        ]
    }
    assert not {"message_thread_id", "disable_notification"} & set(asked.given)


@pytest.mark.parametrize("paid", [True, False])
@pytest.mark.parametrize("kind", list(Kind))
async def test_only_broadcasts_are_paid_for_and_only_if_asked(
    stand: Stand, paid: bool, kind: Kind
) -> None:
    stand.calls.paid = paid
    await stand.send("a", kind=kind)
    [asked] = stand.api.asked
    assert ("allow_paid_broadcast" in asked.given) is (paid and kind is Kind.broadcast)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("files", [(), (1,), (2,), (1, 5)])
async def test_only_broadcasts_make_no_sound_and_what_is_followed_by_more(
    stand: Stand, kind: Kind, files: tuple[int, ...]
) -> None:
    await stand.send("a", *files, kind=kind)
    await stand.send("b", *files, kind=kind, silent=True)
    first, second = (asked.given for asked in stand.api.asked)
    assert first.get("disable_notification") == ("true" if kind is Kind.broadcast else None)
    assert second["disable_notification"] == "true"


async def test_a_broadcast_goes_into_its_topic(stand: Stand) -> None:
    await stand.send("a", thread="5", kind=Kind.broadcast)
    [asked] = stand.api.asked
    assert asked.given["message_thread_id"] == "5"
    assert "reply_markup" not in asked.given


@pytest.mark.parametrize("said", ["message thread not found", "TOPIC_CLOSED"])
async def test_a_topic_that_is_gone_is_done_without(stand: Stand, said: str) -> None:
    stand.api.refuse("sendMessage", 400, f"Bad Request: {said}")
    await stand.send("a", thread="5")
    assert [asked.given.get("message_thread_id") for asked in stand.api.asked] == ["5", None]


@pytest.mark.parametrize(
    ("file", "method", "name"),
    [
        (1, "sendPhoto", "preau.png"),
        (2, "sendDocument", "Pièce jointe.pdf"),
        (3, "sendVoice", "preau.ogg"),
        (4, "sendDocument", "Pièce jointe.ics"),
    ],
)
async def test_a_file_goes_with_its_text_and_is_uploaded_once(
    stand: Stand, file: int, method: str, name: str
) -> None:
    kind = method.removeprefix("send").lower()
    for _ in range(2):
        await stand.send("<b>Voici</b>", file, choices=[["a", "Oui"]])
    first, second = stand.api.asked
    assert first.method == second.method == method
    assert first.files == {kind: (name, FILES[file][1])}
    assert (second.files, second.given[kind]) == ({}, f"{kind}-1")
    for asked in (first, second):
        assert asked.given["caption"] == "<b>Voici</b>"
        assert asked.json("reply_markup")["inline_keyboard"]
    assert stand.read == [file]


async def test_a_file_that_telegram_forgot_is_uploaded_again(stand: Stand) -> None:
    await stand.send("a", 1)
    stand.api.refuse("sendPhoto", 400, "Bad Request: wrong remote file identifier specified: x")
    await stand.send("a", 1)
    await stand.send("a", 1)
    assert [bool(asked.files) for asked in stand.api.asked] == [True, False, True, False]


async def test_a_photo_that_cannot_be_one_goes_as_a_document(stand: Stand) -> None:
    stand.api.refuse("sendPhoto", 400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    await stand.send("a", 1)
    assert stand.api.methods() == ["sendPhoto", "sendDocument"]
    assert stand.api.asked[1].files["document"] == ("preau.png", b"a picture")


async def test_an_album_is_one_call_and_several_messages(stand: Stand) -> None:
    assert await stand.send("", 1, 5) == "1 2"
    assert await stand.send("", 5, 1) == "3 4"
    first, second = stand.api.asked
    media = first.json("media")
    names = [one["media"].removeprefix("attach://") for one in media]
    assert [first.files[name][1] for name in names] == [b"a picture", b"another picture"]
    assert [one["media"] for one in second.json("media")] == ["photo-2", "photo-1"]
    assert stand.read == [1, 5]


async def test_a_bad_photo_does_not_hold_up_its_album(stand: Stand) -> None:
    stand.api.refuse("sendMediaGroup", 400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    stand.api.refuse("sendPhoto", 400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    assert await stand.send("", 1, 5) == "1 2"
    assert stand.api.methods() == ["sendMediaGroup", "sendPhoto", "sendDocument", "sendPhoto"]


async def test_a_file_that_is_gone_does_not_hold_up_the_words(stand: Stand) -> None:
    del stand.files[1]
    await stand.send("Voici", 1)
    await stand.send("", 1, 5)
    assert stand.api.methods() == ["sendMessage", "sendPhoto"]
    with pytest.raises(SendFailed) as failed:
        await stand.send("", 1)
    assert (failed.value.reason, failed.value.final) == (Failure.refused, True)


async def test_a_message_changes_in_place(stand: Stand) -> None:
    assert await stand.edit("12", "Merci", choices=[["a", "Oui"]]) == "12"
    assert await stand.edit("12", "Merci") == "12"
    first, second = stand.api.asked
    assert first.method == second.method == "editMessageText"
    assert (first.given["chat_id"], first.given["message_id"]) == ("7", "12")
    assert first.json("reply_markup")["inline_keyboard"]
    assert "reply_markup" not in second.given


async def test_a_message_that_says_it_already_is_well(stand: Stand) -> None:
    said = "Bad Request: message is not modified: specified new message content is the same"
    stand.api.refuse("editMessageText", 400, said)
    assert await stand.edit("12", "Merci") == "12"


async def test_words_take_the_place_of_a_picture_by_a_new_message(stand: Stand) -> None:
    stand.api.refuse("editMessageText", 400, "Bad Request: there is no text in the message to edit")
    assert await stand.edit("12", "Merci") == "1"
    assert stand.api.methods() == ["editMessageText", "sendMessage", "deleteMessage"]
    assert stand.api.asked[2].given["message_id"] == "12"


async def test_a_message_is_edited_with_its_file(stand: Stand) -> None:
    assert await stand.edit("12", "Merci", 1) == "12"
    assert await stand.edit("12", "Merci encore", 1) == "12"
    assert await stand.edit("13", "Écoutez", 3) == "13"
    first, second, third = stand.api.asked
    assert first.method == second.method == "editMessageMedia"
    assert [content for _, content in first.files.values()] == [b"a picture"]
    assert not second.files
    assert second.json("media") == {
        "type": "photo",
        "media": "photo-1",
        "caption": "Merci encore",
        "parse_mode": "HTML",
    }
    assert (third.method, third.given["caption"]) == ("editMessageCaption", "Écoutez")


async def test_an_album_is_edited_picture_by_picture(stand: Stand) -> None:
    stand.api.refuse("editMessageMedia", 400, "Bad Request: message is not modified")
    assert await stand.edit("12 13", "", 1, 5) == "12 13"
    assert [asked.given["message_id"] for asked in stand.api.asked] == ["12", "13"]
    assert await stand.edit("12 13", "Merci") == "2"
    assert stand.api.methods()[2:] == ["sendMessage", "deleteMessage", "deleteMessage"]


async def test_what_was_deleted_is_said_anew_unless_the_clock_says_it(stand: Stand) -> None:
    gone = "Bad Request: message to edit not found"
    stand.api.refuse("editMessageText", 400, gone)
    assert await stand.edit("12", "Merci") == "1"
    stand.api.refuse("editMessageText", 400, gone)
    with pytest.raises(SendFailed) as failed:
        await stand.edit("12", "Merci", kind=Kind.notice)
    assert (failed.value.reason, failed.value.final) == (Failure.refused, True)
    assert stand.api.methods().count("sendMessage") == 1


async def test_messages_are_deleted_or_were(stand: Stand) -> None:
    stand.api.refuse("deleteMessage", 400, "Bad Request: message to delete not found")
    assert await stand.delete("12 13") == "12 13"
    assert [asked.given["message_id"] for asked in stand.api.asked] == ["12", "13"]


async def test_a_message_too_old_to_be_deleted_says_nothing_more(stand: Stand) -> None:
    for no_text in (False, True):
        stand.api.asked.clear()
        stand.api.refuse("deleteMessage", 400, "Bad Request: message can't be deleted for everyone")
        if no_text:
            said = "Bad Request: there is no text in the message to edit"
            stand.api.refuse("editMessageText", 400, said)
        assert await stand.delete("12") == "12"
        assert stand.api.asked[1].given == {"chat_id": "7", "message_id": "12", "text": "…"}
        assert ("editMessageCaption" in stand.api.methods()) is no_text


@pytest.mark.parametrize("operation", Operation)
async def test_errors_of_every_operation_are_named(stand: Stand, operation: Operation) -> None:
    for method in ("sendMessage", "editMessageText", "deleteMessage"):
        stand.api.refuse(method, 403, "Forbidden: bot was blocked by the user")
    with pytest.raises(SendFailed) as failed:
        await stand.calls.do(replace(call(operation, "a"), message="12"))
    assert failed.value.reason is Failure.blocked


async def test_a_refusal_says_how_long(stand: Stand) -> None:
    stand.api.refuse("sendMessage", 429, "Too Many Requests: retry after 5", retry_after=5)
    with pytest.raises(SendFailed) as failed:
        await stand.send("a")
    assert (failed.value.wait, failed.value.for_all) == (5, True)
    stand.api.refuse(
        "sendMessage", 400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-9
    )
    with pytest.raises(SendFailed) as failed:
        await stand.send("a")
    assert failed.value.moved_to == "-9"
