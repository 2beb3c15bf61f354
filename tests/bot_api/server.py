"""The server: HTTP, tokens, faults, rates, answers."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web

from tests.bot_api.errors import Refused, too_many
from tests.bot_api.faults import Fault, Faults
from tests.bot_api.groups import Channel, Group
from tests.bot_api.limits import MB, Limits
from tests.bot_api.methods import METHODS, WAITING_METHODS
from tests.bot_api.params import Params, read
from tests.bot_api.people import User
from tests.bot_api.rates import Rates
from tests.bot_api.updates import Updates
from tests.bot_api.webhook import Webhook
from tests.bot_api.world import World

TOKEN = "100200300:for-tests-only"
USERNAME = "preau_test_bot"
EDITS = {
    "editmessagetext",
    "editmessagecaption",
    "editmessagereplymarkup",
    "editmessagemedia",
}


class Call(NamedTuple):
    """A call that was answered, or cut.

    Attributes:
        method: in small letters.
        chat: its `chat_id`, 0 without one.
        at: monotonic seconds when it came.
        error: the HTTP status, 0 if it went well; -1 if it was cut off.
    """

    method: str
    chat: int
    at: float
    error: int

    @property
    def ok(self) -> bool:
        return self.error == 0


class BotApi:
    """A Bot API server for one bot, on loopback.

    Args:
        token: the bot's; its part before the colon is its id.
        rates: what is enforced; None is nothing.
        port: 0 picks one.
        keep: how many messages a chat remembers; None is all.
        seed: of the faults that come by chance.
    """

    def __init__(
        self,
        token: str = TOKEN,
        *,
        username: str = USERNAME,
        rates: Rates | None = None,
        port: int = 0,
        keep: int | None = None,
        seed: int = 0,
    ) -> None:
        self.token = token
        self.world = World(token, username, keep, seed)
        self.rates = rates
        self.calls: deque[Call] = deque(maxlen=200_000)
        self.counts: Counter[str] = Counter()  # calls by method, in small letters
        self.done: Counter[str] = Counter()  # those that went well, even if the answer was cut
        self.in_flight = 0
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def username(self) -> str:
        return self.world.username

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def users(self) -> dict[int, User]:
        return self.world.people

    @property
    def groups(self) -> dict[int, Group]:
        return self.world.groups

    @property
    def faults(self) -> Faults:
        return self.world.faults

    @property
    def limits(self) -> Limits:
        return self.world.limits

    @property
    def updates(self) -> Updates:
        return self.world.updates

    @property
    def webhook(self) -> Webhook:
        return self.world.webhook

    @property
    def refusals(self) -> Counter[str]:
        """How many calls each rate refused."""
        return Counter() if self.rates is None else self.rates.refusals

    def user(self, first_name: str = "Anna", **more: Any) -> User:
        """Somebody new; see `User`."""
        return User(self.world, first_name, **more)

    def group(self, title: str = "Atelier", **more: Any) -> Group:
        """A new group; see `Group`."""
        return Group(self.world, title, **more)

    def channel(self, title: str = "Annonces") -> Channel:
        return Channel(self.world, title)

    def give(self, kind: str, body: Any, queue: int = 0) -> int | None:
        """Any update at all, of a kind unknown today perhaps."""
        return self.world.updates.push(kind, body, queue)

    async def idle(self, seconds: float = 30.0) -> None:
        """Wait until every update was confirmed, for so many seconds at most."""
        await self.world.updates.idle(seconds)

    # Serving

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self, more: Callable[[web.Application], None] | None = None) -> None:
        """Listen; `more` may add routes.

        Closed and opened again it is Telegram that was away: the port and the world stay, but a
        webhook is to be set anew.
        """
        app = web.Application(client_max_size=self.limits.upload + MB)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{path:.+}", self._download)
        if more is not None:
            more(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        await self.webhook.stop()
        self.updates.wake("closing")
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _download(self, request: web.Request) -> web.StreamResponse:
        file = self.world.paths.get(request.match_info["path"])
        if request.match_info["token"] != self.token or file is None:
            return _answer(Refused(404, "file not found"))
        fault = self.faults.strike("download")
        try:
            if fault is not None and await self._struck(fault, request):
                return _struck_answer(fault)
        except Refused as refused:
            return _answer(refused)
        return web.Response(body=file.data, content_type="application/octet-stream")

    async def _call(self, request: web.Request) -> web.StreamResponse:
        at = time.monotonic()
        method = request.match_info["method"].lower()
        token = request.match_info["token"]
        if token != self.token:
            # 404 for a malformed token: telegram.request.BaseRequest says so of the real one.
            return _answer(Refused(401, "Unauthorized") if ":" in token else Refused(404, ""))
        self.counts[method] += 1
        self.in_flight += 1
        chat = 0
        try:
            try:
                params = await read(request)
            except web.HTTPRequestEntityTooLarge:
                raise Refused(413, "Request Entity Too Large") from None
            chat = params.number("chat_id")
            fault = self.faults.strike(method)
            if fault is not None and await self._struck(fault, request):
                self._note(method, chat, at, -1 if fault.kind == "cut_before" else fault.status)
                return _struck_answer(fault)
            self._keep_pace(method, params, chat)
            body = await self._do(method, params)
            self.done[method] += 1
        except Refused as refused:
            self._note(method, chat, at, refused.code)
            return _answer(refused)
        finally:
            self.in_flight -= 1
        if fault is not None and fault.kind == "cut_after":
            self._note(method, chat, at, -1)
            return _cut(request)
        self._note(method, chat, at, 0)
        return web.Response(body=body, content_type="application/json")

    def _note(self, method: str, chat: int, at: float, error: int) -> None:
        if method != "getupdates" or error:
            self.calls.append(Call(method, chat, at, error))

    async def _struck(self, fault: Fault, request: web.Request) -> bool:
        """Whether the call ends here."""
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            return False
        if fault.kind == "refuse":
            raise too_many(fault.retry_after)
        if fault.kind == "conflict":
            raise Refused(
                409,
                "terminated by other getUpdates request; "
                "make sure that only one bot instance is running",
            )
        if fault.kind == "cut_before":
            _cut(request)
        return fault.kind != "cut_after"

    def _keep_pace(self, method: str, params: Params, chat: int) -> None:
        rates = self.rates
        if rates is None:
            return
        sends = method.startswith("send") and method != "sendchataction"
        if not sends and not (rates.edits and method in EDITS):
            return
        count = 1
        if method == "sendmediagroup":
            count = max(1, len(params.object("media") or ()))
        waiting = rates.take(chat, count)
        if waiting is not None:
            raise too_many(waiting.seconds)

    async def _do(self, method: str, params: Params) -> bytes:
        """The body of a good answer."""
        if method == "getupdates":
            self.updates.allow(params.object("allowed_updates"))
            batch = await self.updates.poll(
                params.number("offset"), params.number("limit", 100), params.number("timeout")
            )
            return b'{"ok":true,"result":[%s]}' % b",".join(batch)
        if method in METHODS:
            result = METHODS[method](self.world, params)
        elif method in WAITING_METHODS:
            result = await WAITING_METHODS[method](self.world, params)
        else:
            raise Refused(404, "method not found")
        return json.dumps({"ok": True, "result": result}, ensure_ascii=False).encode()


def _cut(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _answer(refused: Refused) -> web.Response:
    headers = {}
    if refused.parameters and "retry_after" in refused.parameters:
        headers["Retry-After"] = str(refused.parameters["retry_after"])
    return web.json_response(refused.body(), status=refused.code, headers=headers)


def _struck_answer(fault: Fault) -> web.Response:
    if fault.kind == "fail" and fault.status != 500:
        page = f"<html><head><title>{fault.status} Bad Gateway</title></head></html>"
        return web.Response(status=fault.status, text=page, content_type="text/html")
    body = {"ok": False, "error_code": 500, "description": "Internal Server Error"}
    return web.json_response(body, status=500)
