"""A Bot API that notes what it is asked and answers as told: for errors which are hard to cause."""

import asyncio
import itertools
import json
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from telegram import Bot

from bot.platforms.telegram.transport import AiohttpRequest

TOKEN = "123456:a-secret-token"


@dataclass(frozen=True)
class Asked:
    """One call: its method, its parameters, and the files that came with it."""

    method: str
    given: dict[str, str]
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def json(self, name: str) -> Any:
        return json.loads(self.given[name])


class Scripted:
    """Answers `refusals[method]` first, one a call, then takes all."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.refusals: defaultdict[str, list[tuple[int, str, dict[str, int]]]] = defaultdict(list)
        self.url = ""
        self._ids = itertools.count(1)
        self._file_ids = itertools.count(1)

    def refuse(self, method: str, code: int, said: str, **parameters: int) -> None:
        self.refusals[method].append((code, said, parameters))

    def methods(self) -> list[str]:
        return [one.method for one in self.asked]

    async def answer(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        given: dict[str, str] = {}
        files: dict[str, tuple[str, bytes]] = {}
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files[name] = (value.filename, value.file.read())
            else:
                assert isinstance(value, str)
                given[name] = value
        self.asked.append(Asked(method, given, files))
        if self.refusals[method]:
            code, said, parameters = self.refusals[method].pop(0)
            refusal = {"ok": False, "error_code": code, "description": said}
            if parameters:
                refusal["parameters"] = parameters
            return web.json_response(refusal, status=code)
        return web.json_response({"ok": True, "result": self._result(method, given)})

    def _result(self, method: str, given: dict[str, str]) -> Any:
        if method == "getMe":
            return {"id": 1, "is_bot": True, "first_name": "Préau", "username": "preau_bot"}
        if method == "sendMediaGroup":
            return [self._message("photo") for _ in json.loads(given["media"])]
        if method in ("deleteMessage", "answerCallbackQuery"):
            return True
        if method == "editMessageMedia":
            return self._message(json.loads(given["media"])["type"])
        return self._message(method.removeprefix("send").lower())

    def _message(self, kind: str) -> dict[str, Any]:
        made: dict[str, Any] = {
            "message_id": next(self._ids),
            "date": 1,
            "chat": {"id": 7, "type": "private"},
        }
        file_id = f"{kind}-{next(self._file_ids)}"
        one = {"file_id": file_id, "file_unique_id": file_id}
        if kind == "photo":
            made["photo"] = [{**one, "width": 1, "height": 1}]
        elif kind == "voice":
            made["voice"] = {**one, "duration": 1}
        elif kind == "document":
            made["document"] = one
        else:
            made["text"] = "…"
        return made


@asynccontextmanager
async def serving(handler: Any) -> AsyncIterator[str]:
    """The address of a loopback server that gives every request to a handler."""
    app = web.Application(client_max_size=64 * 2**20)
    app.add_routes([web.route("*", "/bot{token}/{method}", handler)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def bot_at(url: str, **options: Any) -> AsyncIterator[Bot]:
    """A bot over our transport, which has not asked who it is."""
    request = AiohttpRequest(**options)
    bot = Bot(TOKEN, base_url=f"{url}/bot", request=request, get_updates_request=request)
    await request.initialize()
    try:
        yield bot
    finally:
        await request.shutdown()


def assert_says_no_token(error: BaseException) -> None:
    said = "".join(traceback.format_exception(error)) + repr(error)
    assert TOKEN not in said
    assert "secret" not in said
    assert error.__context__ is None


@asynccontextmanager
async def listening(handle: Any, **options: Any) -> AsyncIterator[str]:
    """A server of raw connections; each is closed when its handler ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
    scheme = "https" if "ssl" in options else "http"
    async with server:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
