"""Bodies cut in parts and sent: what a person sees of them, where limits are enforced."""

import io
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from PIL import Image
from telegram import Bot

from bot.platforms.base import Call, SendFailed
from bot.platforms.telegram.calls import Calls
from bot.platforms.telegram.transport import AiohttpRequest
from bot.platforms.telegram.wording import parts
from storage.deliveries import Failure, Operation
from tests.bot_api import BotApi, User


def _picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, "JPEG")
    return out.getvalue()


PHOTO, PDF, VOICE = ("image/jpeg", _picture()), ("application/pdf", b"%PDF"), ("audio/ogg", b"OggS")
FILES = {1: PHOTO, 2: PHOTO, 3: PDF, 4: VOICE}


async def read_file(file_id: int) -> tuple[str, bytes] | None:
    return FILES.get(file_id)


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi() as server:
        yield server


@pytest.fixture
async def calls(api: BotApi) -> AsyncIterator[Calls]:
    request = AiohttpRequest()
    base = f"{api.url}/bot"
    async with Bot(api.token, base_url=base, request=request, get_updates_request=request) as bot:
        yield Calls(bot, read_file)


@pytest.fixture
def anna(api: BotApi) -> User:
    return api.user("Anna", known=True)


def body(text: str, *files: int, choices: list[list[str]] | None = None) -> dict[str, Any]:
    kept = [[file, "Pièce jointe", FILES[file][0]] for file in files]
    return {"markup": text, "choices": choices or [], "files": kept}


async def say(calls: Calls, chat: int, said: dict[str, Any], thread: str = "") -> list[str]:
    return [
        await calls.do(Call(Operation.send, str(chat), thread, False, part, None))
        for part in parts(said)
    ]


async def change(calls: Calls, chat: int, message: str, said: dict[str, Any]) -> str:
    [part] = parts(said)
    return await calls.do(Call(Operation.edit, str(chat), "", False, part, message))


async def erase(calls: Calls, chat: int, message: str) -> str:
    return await calls.do(Call(Operation.delete, str(chat), "", False, body(""), message))


async def test_a_long_message_is_read_whole(calls: Calls, anna: User) -> None:
    words = "Été &amp; <b>classe 👩‍🏫</b> " * 600
    choices = [[f"a:{number}", "Une proposition bien trop longue " * 3] for number in range(9)]
    await say(calls, anna.id, body(words, choices=choices))
    messages = anna.chat.messages
    assert len(messages) == 4
    assert " ".join(one.text for one in messages).count("Été & classe 👩‍🏫") == 600
    assert [one.labels for one in messages[:-1]] == [[]] * 3
    assert messages[-1].labels == [str(number) for number in range(1, 10)]
    assert "9. Une proposition" in messages[-1].text


async def test_files_of_all_kinds_arrive(calls: Calls, anna: User) -> None:
    for _ in range(2):  # uploaded, then known
        await say(calls, anna.id, body("Voici", 1, 2, 3, 4, choices=[["a", "Merci"]]))
        messages = anna.chat.messages[-5:]
        kinds = [[file.kind for file in one.files] for one in messages]
        assert kinds == [["photo"], ["photo"], ["document"], ["voice"], []]
        assert [file.data for one in messages for file in one.files] == [
            content for _, content in FILES.values()
        ]
        assert (messages[-1].text, messages[-1].labels) == ("Voici", ["Merci"])
    await say(calls, anna.id, body("Voici", 3, choices=[["a", "Merci"]]))
    last = anna.chat.messages[-1]
    assert (last.text, last.labels, last.files[0].name) == ("Voici", ["Merci"], "Pièce jointe.pdf")


async def test_messages_change_in_place_and_again(calls: Calls, anna: User) -> None:
    [first] = await say(calls, anna.id, body("Votez", choices=[["a", "Oui"]]))
    for _ in range(2):
        assert await change(calls, anna.id, first, body("<i>Merci</i>")) == first
    [shown] = anna.chat.messages
    assert (shown.text, shown.labels, shown.edited) == ("Merci", [], 1)
    [photo] = await say(calls, anna.id, body("Plan", 1))
    assert await change(calls, anna.id, photo, body("Autre plan", 2)) == photo
    assert anna.chat.messages[-1].text == "Autre plan"
    assert await change(calls, anna.id, photo, body("Plus de plan")) != photo
    seen = [one.text for one in anna.chat.messages if not one.deleted]
    assert seen == ["Merci", "Plus de plan"]


async def test_messages_go_even_late(calls: Calls, anna: User) -> None:
    sent = await say(calls, anna.id, body("Un", choices=[["a", "Oui"]]))
    sent += await say(calls, anna.id, body("", 1, 2))
    old = anna.chat.messages[0]
    old.date = int(time.time()) - 49 * 3600
    for message in sent:
        await erase(calls, anna.id, message)
        await erase(calls, anna.id, message)
    assert (old.text, old.labels) == ("…", [])
    assert [one for one in anna.chat.messages if not one.deleted] == [old]


async def test_a_deleted_topic_is_done_without(api: BotApi, calls: Calls, anna: User) -> None:
    group = api.group("Atelier", forum=True)
    group.add_bot(by=anna)
    topic = group.topic("Manuels")
    await say(calls, group.id, body("Un"), str(topic))
    group.delete_topic(topic)
    await say(calls, group.id, body("Deux"), str(topic))
    assert [(one.text, one.thread) for one in group.from_bot] == [("Un", topic), ("Deux", None)]


async def test_a_group_that_moved_says_where(api: BotApi, calls: Calls, anna: User) -> None:
    group = api.group("Atelier")
    group.add_bot(by=anna)
    await say(calls, group.id, body("Un"))
    grown = group.upgrade()
    with pytest.raises(SendFailed) as failed:
        await say(calls, group.id, body("Deux"))
    assert failed.value.moved_to == str(grown.id)
    grown.kick_bot()
    with pytest.raises(SendFailed) as failed:
        await say(calls, grown.id, body("Deux"))
    assert (failed.value.reason, failed.value.final) == (Failure.removed, True)


async def test_people_who_left_are_named(api: BotApi, calls: Calls, anna: User) -> None:
    bob = api.user("Bob", known=True)
    anna.block()
    bob.delete_account()
    reasons = []
    for chat in (anna.id, bob.id, 999_999):
        with pytest.raises(SendFailed) as failed:
            await say(calls, chat, body("a"))
        assert failed.value.final
        reasons.append(failed.value.reason)
    assert reasons == [Failure.blocked, Failure.deleted, Failure.not_found]


async def test_faults_are_told_apart(api: BotApi, calls: Calls, anna: User) -> None:
    faults = api.faults
    expected: list[tuple[Callable[[], None], Failure, int]] = [
        (lambda: faults.refuse("sendMessage", retry_after=3), Failure.refused, 0),
        (lambda: faults.fail("sendMessage"), Failure.unreachable, 0),
        (lambda: faults.cut_before("sendMessage"), Failure.in_doubt, 0),
        (lambda: faults.cut_after("sendMessage"), Failure.in_doubt, 1),
    ]
    for strike, reason, arrived in expected:
        strike()
        with pytest.raises(SendFailed) as failed:
            await say(calls, anna.id, body("a"))
        assert (failed.value.reason, failed.value.final) == (reason, False)
        assert failed.value.wait == (3 if reason is Failure.refused else 0)
        assert len(anna.chat.messages) == arrived
