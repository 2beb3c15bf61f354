"""An account that may read and not write: the log says so once, and once that it is over."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from bot.platforms.base import SendFailed
from bot.platforms.matrix.doors import join
from bot.platforms.matrix.login import MUTED
from storage.deliveries import Failure
from tests.bot.matrix.accounts import V3, Account, look
from tests.bot.matrix.calling import Desk, talking

OFF = ("error", "Matrix: our account may not write for now")
ON = ("warning", "Matrix: our account may write again")


def told(logged: list[Any]) -> list[tuple[str, str]]:
    return [(one["log_level"], one["event"]) for one in logged if "may" in one["event"]]


async def refused(send: Callable[[], Any]) -> SendFailed:
    with pytest.raises(SendFailed) as found:
        await send()
    return found.value


async def test_a_suspended_account_is_told_once_and_that_it_is_over(account: Account) -> None:
    async with talking(account) as (desk, person):
        account.suspend(suspended=True)
        with capture_logs() as logged:
            for _ in range(2):
                failed = await refused(lambda: desk.send("Bonjour"))
                assert (failed.reason, failed.for_all) == (Failure.unreachable, True)
                await look(desk.client)
            assert told(logged) == [OFF]
            assert logged[0]["reason"] == "M_USER_SUSPENDED"
            account.suspend(suspended=False)
            await desk.send("Bonjour")
            await desk.send("Bonsoir")
        assert told(logged) == [OFF, ON]
        assert [one.text for one in await person.hear(desk.room, 2)] == ["Bonjour", "Bonsoir"]


async def test_a_suspended_account_is_still_read(account: Account) -> None:
    for _ in range(2):
        account.suspend(suspended=True)
        client = await account.open()
        assert client.is_signed
        await look(client)


@pytest.mark.parametrize("code", [*sorted(MUTED), "M_USER_LOCKED", "M_LIMIT_EXCEEDED"])
async def test_what_is_said_of_a_refusal(account: Account, code: str) -> None:
    """One that ends all our serving is told by who serves, and one that passes is not told."""
    desk = Desk(await account.open())
    body = {"errcode": code, "error": "Anna Dupont"}

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=403)

    app = web.Application()
    app.router.add_route("*", f"{V3}/{{path:.*}}", answer)
    async with TestServer(app) as server:
        desk.client.homeserver = str(server.make_url("")).rstrip("/")
        with capture_logs() as logged:
            await refused(lambda: join(desk.client, "!room", "@anna:example.org"))
            await desk.client.room_get_state("!room")  # reading is another matter
    assert told(logged) == ([OFF] if code in MUTED else [])
    assert "Anna" not in str(logged)
