"""A stub of the Bot API on loopback: it serves updates and counts the answers."""

import asyncio
import sys
import time
from typing import Any

from aiohttp import web

UPDATES = 1500
BATCH = 100  # as Telegram gives at most


class BotApi:
    def __init__(self) -> None:
        self.answered = 0
        self.first: float | None = None
        self.done = asyncio.Event()

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.route("*", "/bot{token}/{method}", self.call)])
        return app

    async def call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        given = await request.post()
        if method == "getUpdates":
            return _ok(await self._updates(int(str(given.get("offset", 0)) or 0)))
        if method == "sendMessage":
            self.answered += 1
            if self.answered >= UPDATES:
                self.done.set()
            return _ok(_message(self.answered, "x"))
        if method == "getMe":
            return _ok({"id": 1, "is_bot": True, "first_name": "b", "username": "b_bot"})
        return _ok(True)

    async def _updates(self, offset: int) -> list[dict[str, Any]]:
        if self.first is None:
            self.first = time.perf_counter()
        begin = max(offset, 1)
        if begin > UPDATES:
            await asyncio.sleep(1)
            return []
        return [
            {"update_id": n, "message": _message(n, "1")}
            for n in range(begin, min(begin + BATCH, UPDATES + 1))
        ]


def _message(number: int, text: str) -> dict[str, Any]:
    chat = {"id": number % 50 + 1, "type": "private", "first_name": "a"}
    sender = {"id": chat["id"], "is_bot": False, "first_name": "a"}
    return {"message_id": number, "date": 1, "chat": chat, "from": sender, "text": text}


def _ok(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


async def echoes_per_second(manner: str) -> float:
    """Updates answered a second by a stock python-telegram-bot echo."""
    api = BotApi()
    runner = web.AppRunner(api.application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    echo = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.echo",
        base,
        manner,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(120):
            await api.done.wait()
        assert api.first is not None
        return UPDATES / (time.perf_counter() - api.first)
    finally:
        echo.kill()
        await echo.wait()
        await runner.cleanup()
