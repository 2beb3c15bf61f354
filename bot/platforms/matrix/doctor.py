"""What an operator wants to know of Matrix: what the homeserver offers, our login, our device.

It only asks. It never logs in, which would make a device, and reads no sync, which would take from
`run` what was sent to our device.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import aiohttp

from bot.allowed import allows
from bot.platforms.base import PlatformRefused
from bot.platforms.matrix.connection import Connection, ServerRefused, Unreachable
from bot.platforms.matrix.counting import generation
from bot.platforms.matrix.kept import Kept
from bot.platforms.matrix.keys import SIGNED
from bot.platforms.matrix.login import (
    BY_PASSWORD,
    Login,
    Unusable,
    checked,
    given_login,
    is_account,
    no_way_on,
)
from bot.platforms.matrix.signing import MASTER, SELF_SIGNING, is_signed, keys_of
from bot.platforms.seen import Seen
from bot.settings import Settings

AWAY = "PREAU_MATRIX_HOMESERVER: the homeserver"
PATIENCE = 5.0  # seconds for all of it
VERSIONS = "/_matrix/client/versions"
LONGEST_NAME = 40  # characters of what a server calls itself
_VERSION = re.compile(r"v1\.(\d+)")


def examine(settings: Settings, kept: Kept | None, *, serving: bool) -> Seen:
    """Ask the homeserver about our account; change nothing.

    Args:
        settings: those of Matrix are there (`serves_matrix`).
        kept: None if the database cannot be read: then only what is public is looked at.
        serving: whether `run` serves now, beside us.
    """
    return asyncio.run(look(settings, kept, serving=serving))


async def look(settings: Settings, kept: Kept | None, *, serving: bool) -> Seen:
    """As `examine`, in an event loop."""
    seen = Seen()
    connection = Connection(settings.matrix_homeserver or "", settings.matrix_user or "", None)
    try:
        async with asyncio.timeout(PATIENCE):
            connection.connect()
            await _tell_server(seen, connection)
            offered = await _tell_logins(seen, connection, settings, kept)
            if kept is not None:
                await _Account(seen, connection, settings, offered, serving=serving).tell(kept)
    except PlatformRefused as refused:
        seen.problems.append(str(refused))
    except TimeoutError:
        seen.problems.append(f"{AWAY} did not answer within {PATIENCE:g} s")
    except Unreachable as error:
        seen.problems.append(f"{AWAY} does not answer: {error}")
    except ServerRefused as refused:
        seen.problems.append(f"Matrix: the homeserver refuses: {refused}")
    finally:
        await connection.close()
    return seen


async def _tell_server(seen: Seen, connection: Connection) -> None:
    async with await connection.send("GET", VERSIONS) as answer:
        name = answer.headers.get("Server", "").partition(" ")[0][:LONGEST_NAME]
        try:
            found = [_VERSION.fullmatch(one) for one in (await answer.json())["versions"]]
        except (aiohttp.ClientError, ValueError, KeyError, TypeError):
            raise Unreachable(f"HTTP status {answer.status}, not of Matrix") from None
    newest = max((int(version[1]) for version in found if version), default=0)
    called = f" calls itself {name} and" if name else ""
    seen.notes.append(f"Matrix: {connection.homeserver}{called} speaks versions up to 1.{newest}")


async def _tell_logins(
    seen: Seen, connection: Connection, settings: Settings, kept: Kept | None
) -> list[str]:
    """The ways to log in that the homeserver offers, with ours."""
    flows = (await connection.ask("GET", "/login")).get("flows", [])
    offered = [str(flow.get("type")) for flow in flows]
    ours = _our_way(settings, None if kept is None else kept.login)
    if settings.matrix_password and BY_PASSWORD not in offered:
        ours += "; a password makes no new device there"
    seen.notes.append(f"Matrix: logins offered: {', '.join(offered) or 'none'}; ours: {ours}")
    return offered


def _our_way(settings: Settings, kept: Login | None) -> str:
    """How `run` logs in, or goes on with an earlier login."""
    if kept is not None and not is_account(settings.matrix_user or "", kept.user_id):
        kept = None
    login = given_login(settings, kept)
    token = settings.matrix_access_token
    if login is not None and token is not None and login.access_token == token.get_secret_value():
        return "by the token of the settings"
    if login is not None:
        return "by the login that the database keeps"
    return "by the password" if settings.matrix_password else "none"


class _Account:
    """Looks at our account.

    Args:
        offered: the ways to log in.
    """

    def __init__(
        self,
        seen: Seen,
        connection: Connection,
        settings: Settings,
        offered: list[str],
        *,
        serving: bool,
    ) -> None:
        self.seen = seen
        self.connection = connection
        self.settings = settings
        self.serving = serving
        self.makes_devices = settings.matrix_password is not None and BY_PASSWORD in offered

    async def tell(self, kept: Kept) -> None:
        if kept.login and not is_account(self.settings.matrix_user or "", kept.login.user_id):
            self.seen.notes.append(
                f"Matrix: {kept.login.user_id} was served before: `preau run` forgets it "
                "once this one is logged in"
            )
            kept = Kept(refused=kept.refused)
        login = given_login(self.settings, kept.login)
        if login is None:
            self._tell_nobody()
            return
        try:
            login = await checked(self.connection, self.settings, login)
        except Unusable as unusable:
            self._tell_unusable(login, str(unusable))
            return
        self.connection.user_id = login.user_id
        await self._tell_device(login, kept)
        await self._tell_rooms(login, kept)

    def _tell_nobody(self) -> None:
        if self.makes_devices:
            self.seen.notes.append(
                "Matrix: not logged in yet: `preau run` does it (the password is not tried here)"
            )
        elif self.settings.matrix_password:
            self.seen.problems.append(
                "Matrix: the homeserver takes no password: set PREAU_MATRIX_ACCESS_TOKEN "
                "and PREAU_MATRIX_DEVICE_ID"
            )
        else:
            self.seen.problems.append(no_way_on(None))

    def _tell_unusable(self, login: Login, reason: str) -> None:
        line = f"Matrix: the device {login.device_id} cannot be used, for {reason}"
        if not self.makes_devices:
            self.seen.problems.append(
                f"{line}: set PREAU_MATRIX_PASSWORD, or another PREAU_MATRIX_ACCESS_TOKEN "
                "with its PREAU_MATRIX_DEVICE_ID"
            )
        elif self.serving:
            self.seen.problems.append(
                f"{line}: `preau run` makes another by itself; if this stays, its log says why not"
            )
        else:
            self.seen.notes.append(f"{line}: `preau run` makes another")

    async def _tell_device(self, login: Login, kept: Kept) -> None:
        """Whether `run` can go on with a device, and what the homeserver has of it."""
        is_ours = kept.login is not None and kept.login.device_id == login.device_id
        count = await generation(self.connection)
        found = await keys_of(self.connection, login.user_id)
        device = found["device_keys"].get(login.user_id, {}).get(login.device_id)
        keys = kept.keys_of(login.device_id)
        if self.serving:
            count -= 1  # `run` may have counted on since the database was read
        if is_ours and count > login.generation:
            self._tell_unusable(login, "this database is an older copy: its keys were used since")
        elif device is None:
            self._tell_undone(login, "has no keys at the homeserver", "gives them")
        elif keys is None:
            self._tell_unusable(login, "its keys are not in this database")
        elif not is_signed(device, login.user_id, login.device_id, keys.identity_keys["ed25519"]):
            self._tell_unusable(login, "the homeserver has other keys of it than this database")
        elif not _is_signed_by_account(found, login.user_id, device):
            self._tell_undone(
                login, "is not signed, and some clients will not read it", self._signs
            )
        else:
            await self._tell_keys(login)

    @property
    def _signs(self) -> str:
        if self.settings.matrix_password:
            return "signs it"
        return "signs it, but needs PREAU_MATRIX_PASSWORD if the account has other signing keys"

    def _tell_undone(self, login: Login, what: str, does: str) -> None:
        """Tell what `run` does when it starts, and did not if it serves already."""
        line = f"the device {login.device_id} {what}"
        if self.serving:
            self.seen.problems.append(f"Matrix: {line}: restart `preau run`, which {does}")
        else:
            self.seen.notes.append(f"{line}: `preau run` {does}")

    async def _tell_keys(self, login: Login) -> None:
        # Without any keys to upload this only counts, and it is the one way to have them counted.
        counted = await self.connection.ask("POST", "/keys/upload", {})
        count = counted["one_time_key_counts"].get(SIGNED, 0)
        self.seen.notes.append(
            f"the device {login.device_id} is signed by {login.user_id}; "
            f"one-time keys at the homeserver: {count}"
        )

    async def _tell_rooms(self, login: Login, kept: Kept) -> None:
        rooms = (await self.connection.ask("GET", "/joined_rooms"))["joined_rooms"]
        self.seen.notes.append(f"Matrix: rooms that the account is in: {len(rooms)}")
        if kept.refused:
            self.seen.notes.append(
                f"people with whom the homeserver lets the account open no room: {kept.refused}; "
                "outsiders of Tchap may open none, and have to be written to first"
            )
        else:
            self.seen.notes.append(
                "whether the account may open rooms cannot be seen without opening one (outsiders "
                "of Tchap may not)"
            )
        self.seen.notes.append(
            "whether the account is suspended cannot be seen without writing: `preau run` logs "
            "`our account may not write for now`"
        )
        self._tell_allowed(login)

    def _tell_allowed(self, login: Login) -> None:
        allowed, server = self.settings.matrix_allowed_servers, login.user_id.partition(":")[2]
        if not allowed:
            self.seen.notes.append(
                f"PREAU_MATRIX_ALLOWED_SERVERS is empty: only accounts of {server} may invite us"
            )
        elif not allows(allowed, server, login.user_id):
            self.seen.notes.append(
                f"PREAU_MATRIX_ALLOWED_SERVERS leaves out {server}, which is our own: its accounts "
                "may not invite us"
            )


def _is_signed_by_account(found: Mapping[str, Any], user_id: str, device: dict[str, Any]) -> bool:
    """Whether an account's master key answers for a device, by way of its self-signing key."""
    keys = {usage: found.get(f"{usage}_keys", {}).get(user_id) for usage in (MASTER, SELF_SIGNING)}
    try:
        [master], [signing] = (keys[usage]["keys"].values() for usage in (MASTER, SELF_SIGNING))
    except (KeyError, TypeError, ValueError):
        return False
    return is_signed(keys[SELF_SIGNING], user_id, master, master) and is_signed(
        device, user_id, signing, signing
    )
