"""HTTP to a homeserver, beneath nio: one aiohttp session, with a time for everything.

What nio asks, and what we ask ourselves by `ask`, goes through `Connection.send`.
"""

import json
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from nio import AsyncClient, AsyncClientConfig
from yarl import URL

from bot.platforms.base import PlatformRefused

API = "/_matrix/client/v3"
POOL = 64  # most connections at once
KEEPALIVE = 30.0  # seconds that an idle connection is kept
CONNECT = 5.0  # seconds to connect
USUAL, MEDIA, WHOLE = 15.0, 60.0, 120.0  # seconds for a request, a file, the state of all rooms
_HEADERS = {"User-Agent": "Preau"}


class Unreachable(aiohttp.ClientConnectionError):
    """The homeserver did not answer, or cannot do it now; it may be asked again.

    It is also an error of aiohttp, as nio expects.

    Attributes:
        wait: seconds after which it may be asked again, if the homeserver said so; else 0.
    """

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


class ServerRefused(Exception):
    """The homeserver refused: asking the same again is useless.

    Attributes:
        status: of HTTP.
        errcode: as Matrix names it, such as M_FORBIDDEN; perhaps empty.
        body: all that it answered.
    """

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.errcode = str(body.get("errcode", ""))
        self.body = body
        super().__init__(" ".join(f"{self.name} {body.get('error', '')}".split())[:200])

    @property
    def name(self) -> str:
        """What it is, without the homeserver's own words, which may name people."""
        return f"{self.status} {self.errcode}".strip()


class Connection(AsyncClient):  # type: ignore[misc]
    """A client of nio whose requests are ours. nio itself never tries again.

    Args:
        homeserver: its address.
        user: the account, as the operator writes it.
        password: of the account, where the homeserver asks for it again.
    """

    client_session: aiohttp.ClientSession | None

    def __init__(self, homeserver: str, user: str, password: str | None) -> None:
        config = AsyncClientConfig(
            store=None, max_limit_exceeded=0, max_timeouts=0, custom_headers=_HEADERS
        )
        super().__init__(homeserver, user, config=config)
        self.password = password
        self._way: URL | None = None

    def connect(self) -> None:
        """Open the session, unless it is open.

        Raises:
            PlatformRefused: the environment names a proxy that cannot be used.
        """
        if self.client_session is not None:
            return
        self._way = _proxy(URL(self.homeserver))
        connector = aiohttp.TCPConnector(
            limit=POOL, keepalive_timeout=KEEPALIVE, ssl=ssl.create_default_context()
        )
        self.client_session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def send(
        self,
        method: str,
        path: str,
        data: Any = None,
        headers: dict[str, str] | None = None,
        trace_context: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> aiohttp.ClientResponse:
        """One request, as nio makes it.

        Args:
            timeout: seconds; None: the usual; 0: as long as a file or the state of all rooms takes.

        Raises:
            Unreachable: there was no answer.
        """
        if self.client_session is None:
            raise Unreachable("the connection is closed")
        with _named():
            answer: aiohttp.ClientResponse = await self.client_session.request(
                method,
                self.homeserver + path,
                data=data,
                headers=headers,
                timeout=_timeout(path, timeout),
                proxy=self._way,
                allow_redirects=False,
            )
            return answer

    async def _send(self, *args: Any, **kwargs: Any) -> Any:
        with _named():  # the answer may also break off while nio reads it
            return await super()._send(*args, **kwargs)

    async def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One request of ours, to a path below the API's; its answer.

        Raises:
            Unreachable: there was no answer, or not now, or not one of Matrix.
            ServerRefused: the homeserver refused.
        """
        headers = {**_HEADERS, "Content-Type": "application/json"}
        if self.access_token:
            headers["Authorization"] = f"Bearer {self.access_token}"
        data = None if body is None else json.dumps(body)
        answer = await self.send(method, API + path, data, headers)
        with _named():
            content = await answer.read()
        return _read(answer.status, content)

    async def ask_as_owner(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """As `ask`, giving the password where the homeserver wants to be sure who asks.

        Raises:
            ServerRefused: also if there is no password, or it is not what is wanted.
        """
        try:
            return await self.ask(method, path, body)
        except ServerRefused as refused:
            proof = self._proof(refused)
            if proof is None:
                raise
        return await self.ask(method, path, {**body, "auth": proof})

    def _proof(self, refused: ServerRefused) -> dict[str, Any] | None:
        """The password, if that is what was missing."""
        flows = refused.body.get("flows", ())
        if refused.status != 401 or self.password is None:
            return None
        if not any(flow.get("stages") == ["m.login.password"] for flow in flows):
            return None
        return {
            "type": "m.login.password",
            "session": refused.body.get("session"),
            "identifier": {"type": "m.id.user", "user": self.user_id},
            "password": self.password,
        }


def _read(status: int, content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if status >= 500 or not isinstance(body, dict):
        raise Unreachable(f"HTTP status {status}" + ("" if status >= 500 else ", not of Matrix"))
    if status == 429:
        raise Unreachable("too many requests", _seconds(body.get("retry_after_ms")))
    if status >= 300:
        raise ServerRefused(status, body)
    return body


def _seconds(milliseconds: object) -> float:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else 0.0


def _timeout(path: str, timeout: float | None) -> aiohttp.ClientTimeout:
    """What nio gives as a timeout: it means other things than aiohttp does."""
    total = USUAL if timeout is None else timeout
    if timeout == 0:
        total = MEDIA if "/media/" in path else WHOLE
    return aiohttp.ClientTimeout(total=total, sock_connect=CONNECT)


@contextmanager
def _named() -> Iterator[None]:
    """Errors of the network, by the one name that callers know."""
    try:
        yield
    except Unreachable:
        raise
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(_said(error)) from None


def _said(error: Exception) -> str:
    """An error's kind and what the system says of it, without any address."""
    cause = error.__cause__ or error
    number = getattr(cause, "errno", None)
    said = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None)
    if number is not None and number > 0:  # of the system, and not of its resolver
        said = said if isinstance(cause, ssl.SSLError) else os.strerror(number)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _proxy(address: URL) -> URL | None:
    """What HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say for an address."""
    proxies = getproxies()
    written = proxies.get(address.scheme) or proxies.get("all")
    if not written or proxy_bypass(address.host or ""):
        return None
    proxy = URL(written if "://" in written else f"http://{written}")
    if proxy.scheme not in ("http", "https"):
        raise PlatformRefused(f"Matrix: a proxy of the kind {proxy.scheme} is not supported")
    return proxy
