"""Addresses of this machine: how they are written, who reaches them, and whether they are free."""

import errno
import ipaddress
import socket
from typing import Any

from bot.settings import Settings


class NoAddress(Exception):
    """A name that has no address."""


class NotFree(Exception):
    """An address on which nothing can listen now."""


def of_page(settings: Settings) -> str:
    """The address at which people reach the web chat."""
    return settings.public_url or on_network(settings.web_host, settings.web_port)


def where_roles_count(settings: Settings) -> dict[str, Any]:
    """The places where members act, as messages name them: Matrix, and the address of the page."""
    page = of_page(settings) if settings.web_chat else None
    return {"matrix": settings.serves_matrix, "page": page}


def is_loopback_host(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def on_network(host: str, port: int) -> str:
    """The address at which the network reaches what listens on `host`, as a browser takes it."""
    return written(_local_address(host) if _is_every(host) else host, port)


def on_this_machine(host: str, port: int) -> str:
    """The address at which this machine itself reaches what listens on `host`."""
    if _is_every(host):
        host = "::1" if ":" in host else "127.0.0.1"
    return written(host, port)


def written(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_free(host: str, port: int) -> None:
    """Listen there for an instant.

    Raises:
        NoAddress: `host` has no address.
        NotFree: it has one, on which nothing can listen at this port.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NoAddress(f"PREAU_WEB_HOST: {host!r} has no address") from None
    family, kind, protocol, _, address = found[0]
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        raise NotFree(_why(error, host, port)) from None


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is taken by another program: "
            "choose one with PREAU_WEB_PORT (or --port in the demo)"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"PREAU_WEB_HOST: {host} is no address of this machine"
    return f"nothing can listen on {host}, port {port}: {error.strerror}"


def _local_address(host: str) -> str:
    """This machine's address on its local network, of the kind of `host`. Nothing is sent."""
    if ":" in host:
        family, elsewhere, itself = socket.AF_INET6, "2001:db8::1", "::1"
    else:
        family, elsewhere, itself = socket.AF_INET, "192.0.2.1", "127.0.0.1"
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return itself


def _is_every(host: str) -> bool:
    """Whether it stands for every address of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host
