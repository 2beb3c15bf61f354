"""What keeps the web chat safe: who asks, from where, how often, and what a page may load."""

import hmac
import ipaddress
from collections.abc import Sequence
from functools import cache
from typing import Literal
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from bot.settings import Network, Settings

log = structlog.get_logger()

COOKIE = "preau_session"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-src 'self'; frame-ancestors {ancestors}"
)


class Denied(Exception):
    """A request refused before it did anything: its name and its HTTP status."""

    def __init__(self, name: str, status: int, *, retry_after: int = 0) -> None:
        super().__init__(name)
        self.name = name
        self.status = status
        self.retry_after = retry_after


@cache
def headers(framed: bool) -> dict[str, str]:
    """The headers of every answer."""
    return {
        "Content-Security-Policy": _POLICY.format(ancestors="'self'" if framed else "'none'"),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "geolocation=(), microphone=(), camera=(self)",
    }


def check_origin(request: web.Request, public_url: str | None) -> None:
    """Refuse a post that another site makes a browser send."""
    origin = request.headers.get("Origin")
    if origin is None:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Denied("bad_origin", 403)
        return
    host, own = _host_of(origin), request.host.lower()
    if host and host in (own, _host_of(public_url or "")):
        return
    if host:
        _warn_once("bad_origin", "a post was refused: is PUBLIC_URL right?", origin=host, host=own)
    raise Denied("bad_origin", 403)


def client_address(request: web.Request, trusted: Sequence[Network]) -> str:
    """Who asks: the peer, or what a trusted proxy says of it.

    An IPv6 address is reduced to its network of 64 bits, all of which one subscriber may use.
    """
    address = read_address(request.remote)
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    if forwarded != [""] and not _is_trusted(address, trusted):
        _warn_once(
            "untrusted_proxy",
            "X-Forwarded-For came from an address that is not in TRUSTED_PROXIES",
            peer=str(address),
        )
    while forwarded and _is_trusted(address, trusted):
        before = read_address(forwarded.pop())
        if before is None:
            break
        address = before
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address or "")


def is_secure(request: web.Request, settings: Settings) -> bool:
    """Whether the browser speaks HTTPS: to us, to a trusted proxy, or at the public address."""
    if request.secure or (settings.public_url or "").startswith("https:"):
        return True
    said = request.headers.get("X-Forwarded-Proto", "").strip().lower()
    return said == "https" and _is_trusted(read_address(request.remote), settings.trusted_proxies)


def is_loopback(request: web.Request) -> bool:
    """Whether the request was made on this machine, and not passed on by a proxy."""
    if any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP")):
        return False
    address = read_address(request.remote)
    return address is not None and address.is_loopback


def is_same(given: str, expected: str) -> bool:
    """Compare secrets in constant time; what was given may be anything, even no text."""
    return hmac.compare_digest(given.encode(errors="backslashreplace"), expected.encode())


def set_cookie(
    response: web.StreamResponse,
    name: str,
    value: str,
    *,
    secure: bool,
    days: int,
    samesite: Literal["Strict", "Lax"] = "Strict",
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=days * 86_400,
        httponly=True,
        samesite=samesite,
        secure=secure,
        path="/",
    )


def _host_of(url: str) -> str:
    """Host and port of an address; empty if it has none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:  # such as `http://[`
        return ""


def read_address(said: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, also written `[…]:port`, or as IPv6 what is IPv4; None if it is none."""
    said = (said or "").strip()
    if said.startswith("["):
        said = said[1:].partition("]")[0]
    elif said.count(":") == 1:
        said = said.partition(":")[0]
    try:
        address = ipaddress.ip_address(said)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, trusted: Sequence[Network]
) -> bool:
    return address is not None and any(address in network for network in trusted)


_warned: set[str] = set()


def _warn_once(name: str, event: str, **said: str) -> None:
    """Tell the operator once a process: whoever asks could otherwise fill the log."""
    if name not in _warned:
        _warned.add(name)
        log.warning(event, **{key: value[:100] for key, value in said.items()})
