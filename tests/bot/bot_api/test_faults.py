"""The Bot API test server, asked by python-telegram-bot: faults and updates."""

import asyncio
import time
from datetime import timedelta

import pytest
from telegram import Bot, Update
from telegram.error import BadRequest, Conflict, NetworkError, RetryAfter, TimedOut

from tests.bot_api import BotApi, User
from tests.bot_api.clients import refused, stock_bot


@pytest.fixture(autouse=True)
def timedeltas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


def ids(updates: tuple[Update, ...]) -> list[int]:
    return [update.update_id for update in updates]


# Faults


async def test_a_scripted_429(api: BotApi, bot: Bot, anna: User) -> None:
    api.faults.refuse("sendMessage", times=2, retry_after=7)
    for _ in range(2):
        with pytest.raises(RetryAfter) as raised:
            await bot.send_message(anna.id, "x")
        assert raised.value.retry_after == timedelta(seconds=7)
    await bot.send_message(anna.id, "x")
    assert [call.error for call in api.calls if call.method == "sendmessage"] == [429, 429, 0]
    assert api.faults.struck == {"refuse": 2}


async def test_everything_is_refused_for_a_while(api: BotApi, bot: Bot, anna: User) -> None:
    api.faults.refuse_all(seconds=0.3)
    with pytest.raises(RetryAfter):
        await bot.send_message(anna.id, "x")
    with pytest.raises(RetryAfter):
        await bot.get_me()
    assert await bot.get_updates() == ()
    await asyncio.sleep(0.31)
    await bot.send_message(anna.id, "x")


async def test_server_errors(api: BotApi, bot: Bot, anna: User) -> None:
    api.faults.fail(status=500)
    with pytest.raises(NetworkError, match="Internal Server Error"):
        await bot.send_message(anna.id, "x")
    api.faults.fail(status=502, after=1)
    await bot.send_message(anna.id, "x")
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.send_message(anna.id, "y")
    assert [one.text for one in anna.chat.from_bot] == ["x"]


async def test_a_connection_cut_before_and_after(api: BotApi, bot: Bot, anna: User) -> None:
    for cut, stands in ((api.faults.cut_before, 0), (api.faults.cut_after, 1)):
        cut("sendMessage")
        with pytest.raises(NetworkError) as raised:
            await bot.send_message(anna.id, "x")
        assert not isinstance(raised.value, BadRequest)
        assert len(anna.chat.from_bot) == stands
    assert [call.error for call in api.calls if call.method == "sendmessage"] == [-1, -1]
    await bot.send_message(anna.id, "y")


async def test_a_slow_answer(api: BotApi, bot: Bot, anna: User) -> None:
    api.faults.slow("sendMessage", seconds=0.3, times=2)
    began = time.monotonic()
    await bot.send_message(anna.id, "x")
    assert time.monotonic() - began >= 0.3
    with pytest.raises(TimedOut):
        await bot.send_message(anna.id, "y", read_timeout=0.05)
    await asyncio.sleep(0.35)
    assert [one.text for one in anna.chat.from_bot] == ["x", "y"]  # it was taken all the same


async def test_telegram_is_away_and_comes_back(api: BotApi, bot: Bot, anna: User) -> None:
    anna.say("un")
    await api.close()
    with pytest.raises(NetworkError):
        await bot.get_updates()
    anna.say("deux")
    await api.open()
    updates = await bot.get_updates()
    assert [update.message.text for update in updates if update.message] == ["un", "deux"]


async def test_faults_by_seeded_chance(anna: User) -> None:
    def strikes(seed: int) -> list[bool]:
        faults = BotApi(seed=seed).faults
        faults.fail(times=None, chance=0.3)
        return [faults.strike("sendmessage") is not None for _ in range(200)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert 30 < sum(strikes(1)) < 90


# Updates


async def test_updates_are_kept_until_confirmed(api: BotApi, bot: Bot, anna: User) -> None:
    given = [anna.say(str(n)) for n in range(5)]
    assert ids(await bot.get_updates(limit=3)) == given[:3]
    assert ids(await bot.get_updates()) == given
    assert ids(await bot.get_updates(offset=given[2])) == given[2:]
    with pytest.raises(TimeoutError):
        await api.idle(0.05)
    assert ids(await bot.get_updates(offset=-1)) == given[-1:]
    assert given[-1] is not None
    assert await bot.get_updates(offset=given[-1] + 1) == ()
    await api.idle(0.05)
    assert given == list(range(given[0] or 0, (given[0] or 0) + 5))


async def test_a_long_poll_waits(bot: Bot, anna: User) -> None:
    began = time.monotonic()
    poll = asyncio.create_task(bot.get_updates(timeout=10))
    await asyncio.sleep(0.1)
    number = anna.say("bonjour")
    assert ids(await poll) == [number]
    assert time.monotonic() - began < 2
    began = time.monotonic()
    assert await bot.get_updates(offset=(number or 0) + 1, timeout=1) == ()
    assert time.monotonic() - began >= 1


async def test_a_second_poll_ends_the_first(api: BotApi, bot: Bot, anna: User) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=10))
    await asyncio.sleep(0.1)
    async with stock_bot(api) as other:
        second = asyncio.create_task(other.get_updates(timeout=10))
        with pytest.raises(Conflict, match="terminated by other getUpdates"):
            await first
        number = anna.say("bonjour")
        assert ids(await second) == [number]
    api.faults.conflict()
    with pytest.raises(Conflict):
        await bot.get_updates()


async def test_only_the_kinds_that_are_asked_for(bot: Bot, anna: User) -> None:
    await bot.get_updates(allowed_updates=["callback_query"])
    assert anna.say("bonjour") is None
    await bot.get_updates(allowed_updates=[])
    assert anna.say("bonjour") is not None
    assert anna.edit(anna.last, "bonsoir") is not None
    _, update = await bot.get_updates()
    assert update.edited_message is not None
    assert update.edited_message.text == "bonsoir"


async def test_duplicates_and_disorder(api: BotApi, bot: Bot, anna: User) -> None:
    given = [anna.say(str(n)) or 0 for n in range(6)]
    api.faults.reorder()
    mixed = ids(await bot.get_updates())
    assert mixed != given
    assert sorted(mixed) == given
    api.faults.clear()
    api.faults.duplicate()
    assert ids(await bot.get_updates()) == given
    again = await bot.get_updates(offset=given[-1] + 1)
    assert ids(again) == given  # although they were confirmed
    assert await bot.get_updates(offset=given[-1] + 1) == ()


async def test_unusual_updates(api: BotApi, bot: Bot, anna: User) -> None:
    api.give("telepathy", {"from": anna.shown})
    api.channel().post("Annonce")
    anna.send_sticker()
    anna.send_poll()
    anna.send_dice()
    anna.send_location()
    anna.send_contact()
    anna.paste("mot " * 2500)
    odd, post, *messages = await bot.get_updates()
    assert odd.effective_message is None
    assert post.channel_post is not None
    shown = [one.message for one in messages if one.message is not None]
    assert shown[0].sticker
    assert shown[1].poll
    assert shown[2].dice
    assert shown[3].location
    assert shown[4].contact
    pieces = [one.text or "" for one in shown[5:]]
    assert len(pieces) == 3
    assert all(len(piece) <= 4096 for piece in pieces)
    assert sum(piece.count("mot") for piece in pieces) == 2500


async def test_a_wrong_webhook_is_refused(api: BotApi, bot: Bot) -> None:
    await refused(bot.set_webhook("ftp://example.org/x"), "invalid webhook URL")
    url = "http://127.0.0.1:1/x"
    await refused(bot.set_webhook(url, secret_token="é"), "unallowed characters")
    await refused(bot.set_webhook(url, secret_token="x" * 257), "too long")
    api.webhook.local = False
    await refused(bot.set_webhook(url), "HTTPS URL must be provided")
    await refused(bot.set_webhook("https://example.org:9443/"), "only on ports 80, 88, 443")
