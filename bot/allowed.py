"""Whom Préau talks to on Matrix: those whom the operator allows; else its own server's accounts."""

import re
from collections.abc import Sequence

LONGEST_ID = 255  # characters (https://spec.matrix.org/latest/appendices/#user-identifiers)
_NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_SERVER = rf"({_NAME}(\.{_NAME})*|\[[0-9a-f:.]+\])(:[0-9]{{1,5}})?"
_USER_ID = re.compile(rf"@[a-z0-9._=/+-]+:{_SERVER}")


def is_user_id(text: str) -> bool:
    """Whether a text is the id of an account, in small letters: `@user:server`."""
    return len(text) <= LONGEST_ID and _USER_ID.fullmatch(text) is not None


def allows(allowed: Sequence[str], own_server: str, user_id: str) -> bool:
    """Whether an account may invite Préau, and be invited by it.

    Where nobody is named, its own server's accounts may. A port is part of a server's name.

    Args:
        allowed: names of servers, suffixes that begin with a dot, and whole `@user:server`, all in
            small letters, as `Settings.matrix_allowed_servers` has them.
        user_id: `@user:server`; anything else is not allowed.
    """
    user, separator, server = user_id.lower().partition(":")
    if not (user.startswith("@") and separator and server):
        return False
    entries = allowed or [own_server.lower()]
    return any(_matches(entry, server, f"{user}:{server}") for entry in entries)


def _matches(entry: str, server: str, user_id: str) -> bool:
    if entry.startswith("."):
        return server.endswith(entry) and server != entry
    return entry in (server, user_id)
