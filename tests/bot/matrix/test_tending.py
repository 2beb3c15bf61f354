"""Our keys are tended beside the reading, which waits for nothing of it."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from bot.platforms.matrix.client import DeviceLost, TakenOver
from tests.bot.matrix.accounts import Account
from tests.bot.matrix.readers import reader
from tests.homeserver import Correspondent


async def test_what_is_said_is_read_while_keys_are_tended(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await reader(account)
    begun: list[str] = []

    async def slow() -> None:
        begun.append("once")
        try:
            await asyncio.Event().wait()
        finally:
            begun.append("ended")

    monkeypatch.setattr(me.client, "maintain", slow)
    async with Correspondent(account.server, "anna") as anna:
        async with me.reading():
            room = await anna.direct(account.user_id, encrypted=False)
            for word in ("un", "deux"):
                await anna.say(room, word)
            await me.hears("un", "deux")
            assert begun == ["once"]
        assert begun == ["once", "ended"]


@pytest.mark.parametrize("error", [DeviceLost, TakenOver])
async def test_what_ends_our_device_ends_the_reading(
    account: Account, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception]
) -> None:
    me = await reader(account)

    async def ends() -> None:
        raise error()

    monkeypatch.setattr(me.client, "maintain", ends)
    async with asyncio.timeout(10):
        with pytest.raises((DeviceLost, TakenOver)):
            await me.syncing.run()


async def test_what_is_wrong_with_keys_ends_nothing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await reader(account)

    async def fails() -> None:
        raise KeyError("one_time_keys")

    monkeypatch.setattr(me.client, "maintain", fails)
    async with Correspondent(account.server, "anna") as anna, me.reading():
        with capture_logs() as logged:
            room = await anna.direct(account.user_id, encrypted=False)
            await anna.say(room, "bonjour")
            await me.hears("bonjour")
        assert "our keys could not be tended" in [one["event"] for one in logged]
