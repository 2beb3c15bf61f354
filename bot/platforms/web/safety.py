"""What keeps the web chat safe: who asks, from where, how often, and what a page may load."""

import ipaddress
from collections.abc import Sequence
from functools import cache
from urllib.parse import urlsplit

from aiohttp import web

COOKIE = "preau_session"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-src 'self'; frame-ancestors {ancestors}"
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
    host = urlsplit(origin).netloc
    own = {request.host} | ({urlsplit(public_url).netloc} if public_url else set())
    if not host or host not in own:
        raise Denied("bad_origin", 403)


def client_address(request: web.Request, trusted: Sequence[str]) -> str:
    """Who asks: the peer, or what a trusted proxy says of it."""
    address = request.remote or ""
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    while address in trusted and forwarded and forwarded[-1].strip():
        address = forwarded.pop().strip()
    return address


def is_loopback(request: web.Request) -> bool:
    """Whether the request was made on this machine, and not passed on by a proxy."""
    if any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP")):
        return False
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def set_cookie(
    response: web.StreamResponse, name: str, value: str, *, secure: bool, days: int
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=days * 86_400,
        httponly=True,
        samesite="Strict",
        secure=secure,
        path="/",
    )
