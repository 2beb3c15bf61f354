"""HTTP to the Bot API, on one aiohttp session.

The address of a call holds the token, and errors of aiohttp hold the address: none of them gets out
of here, not even as the cause of another.
"""

import json
import ssl
from functools import cache
from io import BytesIO
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.request import BaseRequest, RequestData
from yarl import URL

from bot.platforms.telegram.slimming import slim

_UNSET = BaseRequest.DEFAULT_NONE
_HEADERS = {"User-Agent": BaseRequest.USER_AGENT}
_FORM_HEADERS = {**_HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
_NOWHERE = URL("http://127.0.0.1/")  # its query is a form, written six times as fast as by urllib
# The edited message that Telegram sends back is of no use, and slow to read: it is taken as a yes,
# which is also what Telegram may say (https://core.telegram.org/bots/api#editmessagetext).
_ANSWERED_AT_LENGTH = "/editMessageText"
_WELL, _YES = b'{"ok":true', b'{"ok":true,"result":true}'
_TOO_HEAVY = 413  # said by the server in front of the Bot API, not in JSON
# What aiohttp raises before it writes anything to the server.
_BEFORE = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)


class NotSent(NetworkError):
    """No connection: nothing was written, so it may be tried again without fear."""


class Cut(NetworkError):
    """The connection broke after something was written: perhaps it was taken."""


class Away(NetworkError):
    """The server failed (5xx), or what answered was not the Bot API."""


class AiohttpRequest(BaseRequest):
    """What a `telegram.Bot` calls through.

    Args:
        pool_size: most connections at once; further calls wait for one, within `pool_timeout`.
        read_timeout: seconds for the answer to come once all was written, and between its pieces.
        write_timeout: seconds for a call to be written; `media_write_timeout` if it holds files.
        connect_timeout: seconds to connect.
        pool_timeout: seconds to wait for a connection to be free.
        keepalive: seconds that an idle connection is kept.
        proxy: address of an HTTP proxy; by default what the usual variables say.
        ssl_context: for connections over TLS; by default the system's, or SSL_CERT_FILE.

    A timeout of None is no limit.
    """

    def __init__(
        self,
        pool_size: int = 64,
        *,
        read_timeout: float | None = 10,
        write_timeout: float | None = 10,
        media_write_timeout: float | None = 40,
        connect_timeout: float | None = 5,
        pool_timeout: float | None = 5,
        keepalive: float = 30,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._pool_size = pool_size
        self._read_timeout = read_timeout
        self._write_timeout = write_timeout
        self._media_write_timeout = media_write_timeout
        self._connect_timeout = connect_timeout
        self._pool_timeout = pool_timeout
        self._keepalive = keepalive
        self._proxy = proxy
        self._ssl_context = ssl_context
        self._proxies: dict[tuple[str, str | None], URL | None] = {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float | None:
        return self._read_timeout

    async def initialize(self) -> None:
        """Open the session, unless it is open."""
        if self._session is not None:
            return
        self._proxies.clear()
        connector = aiohttp.TCPConnector(
            limit=self._pool_size,
            keepalive_timeout=self._keepalive,
            ssl=self._ssl_context or ssl.create_default_context(),
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def shutdown(self) -> None:
        """Close the session, unless it is closed."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = _UNSET,
        write_timeout: Any = _UNSET,
        connect_timeout: Any = _UNSET,
        pool_timeout: Any = _UNSET,
    ) -> tuple[int, bytes]:
        """Make one call; return the status and the body of the answer.

        Raises:
            NotSent, Cut, TimedOut, Away: as they say; only `NotSent` was surely not taken.
        """
        if self._session is None:
            raise NotSent("the transport is closed")
        data: bytes | aiohttp.FormData | None = None
        headers, usual_write_timeout = _HEADERS, self._write_timeout
        if request_data is not None and request_data.contains_files:
            data, usual_write_timeout = _form(request_data), self._media_write_timeout
        elif request_data is not None:
            data = _NOWHERE.with_query(request_data.json_parameters).raw_query_string.encode()
            headers = _FORM_HEADERS
        timeout = _timeout(
            connect=_given(connect_timeout, self._connect_timeout),
            pool=_given(pool_timeout, self._pool_timeout),
            write=_given(write_timeout, usual_write_timeout),
            read=_given(read_timeout, self._read_timeout),
            whole=method != "GET",  # a file comes as slowly as it comes
        )
        failed: TelegramError
        try:
            address = URL(url, encoded=True)
            async with self._session.request(
                method,
                address,
                data=data,
                headers=headers,
                timeout=timeout,
                proxy=self._proxy_for(address),
                allow_redirects=False,
            ) as response:
                status, content = response.status, await response.read()
                is_json = response.content_type == "application/json"
        except Exception as error:
            failed = _failed(error)
        else:
            strange = status >= 300 and status != _TOO_HEAVY and not is_json
            if url.endswith(_ANSWERED_AT_LENGTH) and content.startswith(_WELL):
                content = _YES
            if status < 500 and not strange:
                return status, content
            failed = Away(f"HTTP status {status}")
        raise failed  # out of the `except`, so that it carries no other error

    async def fetch(self, url: str, at_most: int) -> bytes | None:
        """The content of a file, however slowly it comes; None if it has over `at_most` bytes.

        Raises:
            NotSent, Cut, TimedOut, Away: as they say.
        """
        if self._session is None:
            raise NotSent("the transport is closed")
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._connect_timeout, sock_read=self._read_timeout
        )
        failed: TelegramError
        try:
            address = URL(url, encoded=True)
            async with self._session.get(
                address,
                headers=_HEADERS,
                timeout=timeout,
                proxy=self._proxy_for(address),
                allow_redirects=False,
            ) as response:
                if response.status == 200:
                    return await _content(response, at_most)
                failed = Away(f"HTTP status {response.status}")
        except Exception as error:
            failed = _failed(error)
        raise failed  # as above

    @staticmethod
    def parse_json_payload(payload: bytes) -> Any:
        """As the parent does it, without what nobody reads, and without a word in the log."""
        try:
            answer = json.loads(payload)
        except ValueError:
            pass
        else:
            if isinstance(answer, dict):
                slim(answer.get("result"))
            return answer
        raise TelegramError("Invalid server response")

    def _proxy_for(self, address: URL) -> URL | None:
        """The proxy for an address. The environment is read once: it takes longer than a call."""
        key = (address.scheme, address.host)
        if key not in self._proxies:
            self._proxies[key] = _proxy(self._proxy or _usual_proxy(address))
        return self._proxies[key]


def _usual_proxy(address: URL) -> str | None:
    """What HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say for an address."""
    if proxy_bypass(address.host or ""):
        return None
    proxies = getproxies()
    return proxies.get(address.scheme) or proxies.get("all")


def _proxy(written: str | None) -> URL | None:
    if not written:
        return None
    proxy = URL(written if "://" in written else f"http://{written}")
    if proxy.scheme not in ("http", "https"):
        raise NotSent(f"a proxy of the kind {proxy.scheme} is not supported")
    return proxy


def _given(timeout: Any, usual: float | None) -> float | None:
    """A timeout as this call sets it, or else the usual one."""
    if timeout is _UNSET:
        return usual
    return None if timeout is None else float(timeout)


@cache  # a few, of many calls
def _timeout(
    *,
    connect: float | None,
    pool: float | None,
    write: float | None,
    read: float | None,
    whole: bool,
) -> aiohttp.ClientTimeout:
    """aiohttp counts no time for writing: that is within what all takes together."""
    until_connected = None if connect is None or pool is None else connect + pool
    total = None
    if whole and until_connected is not None and write is not None and read is not None:
        total = until_connected + write + read
    return aiohttp.ClientTimeout(
        total=total, connect=until_connected, sock_connect=connect, sock_read=read
    )


def _form(request_data: RequestData) -> aiohttp.FormData:
    """Parameters and files as multipart; contents are not copied, and are written in pieces."""
    form = aiohttp.FormData(quote_fields=False)  # names as they are read
    for name, value in request_data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, content, media_type) in request_data.multipart_data.items():
        stream = BytesIO(content) if isinstance(content, bytes) else content
        form.add_field(name, stream, filename=filename, content_type=media_type)
    return form


async def _content(response: aiohttp.ClientResponse, at_most: int) -> bytes | None:
    """What comes, read once; None if it is more than so many bytes."""
    if (response.content_length or 0) > at_most:
        return None
    chunks, length = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        length += len(chunk)
        if length > at_most:
            return None
    return b"".join(chunks)


def _failed(error: Exception) -> TelegramError:
    """What an error means for what was asked."""
    if isinstance(error, NotSent):
        return error
    if isinstance(error, _BEFORE):
        return NotSent(_named(error))
    return TimedOut() if isinstance(error, TimeoutError) else Cut(_named(error))


def _named(error: BaseException) -> str:
    """An error's kind and what the system says of it, without any address."""
    said = getattr(error.__cause__, "strerror", None)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
