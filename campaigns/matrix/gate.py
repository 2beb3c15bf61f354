"""The way between the bot and its homeserver: it fails by chance, and the bot is killed in a call.

People ask their homeserver directly.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

SYNC = "/sync?"
PASSED_ON = ("Authorization", "Content-Type")
LARGEST = 2**26  # bytes of a request
SLOW = 1.5  # seconds
REFUSED = 500  # milliseconds that a refusal asks for


@dataclass(frozen=True)
class Fault:
    """What befalls a share of calls: refuse, fail, cut before or after they are done, slow."""

    kind: str
    chance: float
    of_syncs: bool = False


FAULTS = (
    Fault("refuse", 0.003),
    Fault("fail", 0.01),
    Fault("cut before", 0.01),
    Fault("cut after", 0.01),
    Fault("slow", 0.02),
    Fault("fail", 0.02, of_syncs=True),
    Fault("cut before", 0.02, of_syncs=True),
    Fault("cut after", 0.02, of_syncs=True),
)


@dataclass(frozen=True)
class Passed:
    """A call that was done, as the homeserver answered it."""

    method: str
    path: str
    answer: bytes


@dataclass
class Trap:
    """What is sprung by a call that was done.

    Attributes:
        takes: which calls it is for.
        after: how many such calls go by before.
        delay: seconds after the answer; 0: before it is given.
    """

    takes: Callable[[Passed], bool]
    after: int
    delay: float
    spring: Callable[[], None]


class Gate:
    """Passes calls on; one trap may be set at a time.

    Args:
        server: the homeserver's address.

    Attributes:
        url: where the bot is to ask.
        trap: the one that is set.
        struck: what befell calls, by kind.
    """

    def __init__(self, server: str, seed: int) -> None:
        self.server = server
        self.url = ""
        self.trap: Trap | None = None
        self.struck: Counter[str] = Counter()
        self._dice = random.Random(seed)
        self._faults: tuple[Fault, ...] = ()

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None)
        self._http = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        application = web.Application(client_max_size=LARGEST)
        application.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._http.close()

    def go_wrong(self) -> None:
        """From now on calls fail by chance."""
        self._faults = FAULTS

    def go_well(self) -> None:
        self._faults = ()

    async def _pass(self, request: web.Request) -> web.Response:
        fault = self._fault(SYNC in request.path_qs)
        if fault == "cut before":
            return _cut(request)
        if fault == "refuse":
            refusal = {"errcode": "M_LIMIT_EXCEEDED", "error": "", "retry_after_ms": REFUSED}
            return web.json_response(refusal, status=429)
        if fault == "fail":
            return web.Response(status=502, text="<html>Bad Gateway</html>")
        if fault == "slow":
            await asyncio.sleep(SLOW)
        try:
            answer, passed = await self._asked(request)
        except aiohttp.ClientError:  # the homeserver is down
            return _cut(request)
        self._perhaps_spring(passed)
        return _cut(request) if fault == "cut after" else answer

    def _fault(self, is_sync: bool) -> str | None:
        for fault in self._faults:
            if fault.of_syncs is is_sync and self._dice.random() < fault.chance:
                self.struck[fault.kind] += 1
                return fault.kind
        return None

    async def _asked(self, request: web.Request) -> tuple[web.Response, Passed]:
        """The homeserver's answer.

        Raises:
            aiohttp.ClientError: there is none.
        """
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        data, path = await request.read(), request.raw_path
        address = URL(self.server + path, encoded=True)
        asked = self._http.request(request.method, address, data=data, headers=headers)
        async with asked as answer:
            content = await answer.read()
            given = web.Response(status=answer.status, body=content)
            given.headers["Content-Type"] = answer.headers.get("Content-Type", "text/plain")
        return given, Passed(request.method, path, content)

    def _perhaps_spring(self, passed: Passed) -> None:
        trap = self.trap
        if trap is None or not trap.takes(passed):
            return
        trap.after -= 1
        if trap.after >= 0:
            return
        self.trap = None
        if trap.delay:
            asyncio.get_running_loop().call_later(trap.delay, trap.spring)
        else:
            trap.spring()


def _cut(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
