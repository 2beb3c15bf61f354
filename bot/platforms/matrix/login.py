"""How Préau logs in to its account: by a password once, or by a token that the operator gives.

What is kept of it is the row `login` of `store.matrix`.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote

import structlog

from bot.platforms.base import PlatformRefused
from bot.platforms.matrix.connection import Connection, ServerRefused, Unreachable
from bot.platforms.matrix.signing import SEEDS
from bot.settings import Settings
from storage.store import Store

log = structlog.get_logger()

DEVICE_NAME = "Préau"  # by which devices of earlier logins are known again
LOGIN = "login"  # the kind of its row
SYNC = "sync"  # that of the row which says how far was read
BY_PASSWORD = "m.login.password"  # noqa: S105 (a way to log in, as Matrix names it)
TOKEN_GONE = {"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"}
DEACTIVATED = "M_USER_DEACTIVATED"  # for good
MUTED = {  # our account may not write now, although it may still read
    "M_USER_SUSPENDED",
    "M_CONSENT_NOT_GIVEN",
    "M_RESOURCE_LIMIT_EXCEEDED",
}
WITHHELD = {  # our account is not served now; its administrator, or we by a link, may mend it
    *MUTED,
    "M_USER_LOCKED",
    "ORG_MATRIX_EXPIRED_ACCOUNT",  # as Tchap says it
}
REFUSED_WAIT = 60.0  # seconds after which a homeserver that refuses us is asked again


class Unusable(Exception):
    """A login cannot be gone on with: why, in one line. Another device can be made."""


class Withheld(Unreachable):
    """Our account is not served now: somebody has to mend it, and it may be tried again."""


@dataclass(frozen=True)
class Login:
    """One device of our account.

    Attributes:
        generation: how often a login was taken up; the account has the same number. A database
            that says less is an older copy, and its keys were used since.
        instead_of: the device of the operator's token, if that one could not be used.
        settled: whether what is done once for a new device was done.
    """

    homeserver: str
    user_id: str
    device_id: str
    access_token: str
    generation: int = 0
    instead_of: str = ""
    settled: bool = False

    def keep(self, store: Store) -> None:
        """Keep it; what was kept of another account is forgotten with that."""
        kept = kept_login(store)
        if kept is not None and kept.user_id != self.user_id:
            store.matrix.drop_kind(SYNC)
            store.matrix.drop_kind(SEEDS)
        store.matrix.put(LOGIN, "", asdict(self))


def kept_login(store: Store) -> Login | None:
    """The login of an earlier start."""
    content = store.matrix.get(LOGIN)
    return None if content is None else Login(**content)


def no_way_on(reason: str | None) -> str:
    """What an operator without a password has to do; `reason`: why no token can be gone on with."""
    if reason is None:
        return "PREAU_MATRIX_PASSWORD or PREAU_MATRIX_ACCESS_TOKEN: one is needed"
    return (
        f"Matrix: this device cannot be used, for {reason}: set PREAU_MATRIX_PASSWORD, "
        "or another PREAU_MATRIX_ACCESS_TOKEN with its PREAU_MATRIX_DEVICE_ID"
    )


def is_account(given: str, user_id: str) -> bool:
    """Whether an account is the one that the operator names, with its server or without."""
    name = given.strip().lower().removeprefix("@")
    whole = user_id.lower().removeprefix("@")
    return name == (whole if ":" in name else whole.partition(":")[0])


def given_login(settings: Settings, kept: Login | None) -> Login | None:
    """The login to go on with: the operator's token, or what is kept.

    A token that could not be used once is not tried again.
    """
    token, device = settings.matrix_access_token, settings.matrix_device_id
    if token is None or device is None:
        return kept
    if kept is not None and kept.instead_of == device:
        return kept
    if kept is not None and kept.device_id == device:
        return replace(kept, access_token=token.get_secret_value())
    return Login(settings.matrix_homeserver or "", "", device, token.get_secret_value())


async def by_password(connection: Connection, settings: Settings) -> Login:
    """A new device.

    Raises:
        PlatformRefused: the homeserver offers no such login, or does not take it, or knows our
            account by another name.
        ServerRefused: it does not serve our account now.
        Unreachable: it does not answer.
    """
    offered = [str(flow.get("type")) for flow in (await connection.ask("GET", "/login"))["flows"]]
    if BY_PASSWORD not in offered:
        raise PlatformRefused(
            f"Matrix: the homeserver offers no login by password, but {', '.join(offered)}: "
            "set PREAU_MATRIX_ACCESS_TOKEN and PREAU_MATRIX_DEVICE_ID"
        )
    body = {
        "type": BY_PASSWORD,
        "identifier": {"type": "m.id.user", "user": _as_asked(settings.matrix_user or "")},
        "password": connection.password,
        "initial_device_display_name": DEVICE_NAME,
    }
    try:
        made = await connection.ask("POST", "/login", body)
    except ServerRefused as refused:
        if refused.errcode in WITHHELD:
            raise
        raise PlatformRefused(_no_login(refused)) from None
    login = Login(connection.homeserver, made["user_id"], made["device_id"], made["access_token"])
    if not is_account(settings.matrix_user or "", login.user_id):
        connection.access_token = login.access_token
        await log_out(connection)
        raise PlatformRefused(f"PREAU_MATRIX_USER: the homeserver says {login.user_id}")
    return login


async def log_out(connection: Connection) -> None:
    """Leave no device behind, if that can be done now."""
    with suppress(ServerRefused, Unreachable):
        await connection.ask("POST", "/logout", {})
    connection.access_token = ""


def _as_asked(user: str) -> str:
    """An account as a homeserver takes it: its whole id, or its name alone."""
    name = user.strip().removeprefix("@")
    return f"@{name}" if ":" in name else name


def _no_login(refused: ServerRefused) -> str:
    if refused.errcode == "M_FORBIDDEN":
        return "PREAU_MATRIX_USER, PREAU_MATRIX_PASSWORD: the homeserver does not take them"
    return f"Matrix: the homeserver refuses our login: {refused.name}"


def for_now(refused: ServerRefused) -> Exception:
    """What a refusal means to who logs in: that no retry mends it, or when to try again."""
    if refused.errcode == DEACTIVATED:
        return PlatformRefused(f"Matrix: our account is closed: {refused.name}")
    reason = f"the homeserver refuses: {refused.name}"
    if refused.errcode in WITHHELD:
        return Withheld(reason, REFUSED_WAIT)
    # If it is our token that is gone since we asked, another time we log in anew.
    return Unreachable(reason, 0.0 if refused.errcode in TOKEN_GONE else REFUSED_WAIT)


async def checked(connection: Connection, settings: Settings, login: Login) -> Login:
    """A login with what the homeserver says of its token.

    Raises:
        Unusable: the homeserver does not know the token any more.
        PlatformRefused: it is another account, or another device.
        ServerRefused: the homeserver does not serve our account now.
        Unreachable: the homeserver does not answer.
    """
    connection.access_token = login.access_token
    try:
        found = await connection.ask("GET", "/account/whoami")
    except ServerRefused as refused:
        connection.access_token = ""
        if refused.errcode in TOKEN_GONE:
            raise Unusable("the homeserver does not know its access token") from None
        raise
    user, device = found["user_id"], found.get("device_id", login.device_id)
    if not is_account(settings.matrix_user or "", user):
        raise PlatformRefused(f"PREAU_MATRIX_USER: the access token is of {user}")
    if device != login.device_id:
        raise PlatformRefused(f"PREAU_MATRIX_DEVICE_ID: the access token is of {device}")
    return replace(login, user_id=user)


async def settle(connection: Connection) -> None:
    """What is done once for a new device: our name, and no devices of ours beside it.

    Raises:
        Unreachable: the homeserver does not answer; it may be done again.
    """
    for step in (_take_name, _drop_other_devices):
        try:
            await step(connection)
        except ServerRefused as refused:
            log.info("Matrix: not allowed", what=step.__name__.strip("_"), reason=refused.name)


async def _take_name(connection: Connection) -> None:
    """Call our account Préau, unless somebody gave it a name; servers give the one of its id."""
    path = f"/profile/{quote(connection.user_id)}/displayname"
    try:
        name = (await connection.ask("GET", path)).get("displayname")
    except ServerRefused as refused:
        if refused.status != 404:
            raise
        name = None
    if not name or is_account(name, connection.user_id):
        await connection.ask("PUT", path, {"displayname": DEVICE_NAME})


async def _drop_other_devices(connection: Connection) -> None:
    """Delete our earlier devices, which nobody can use any more."""
    devices: list[dict[str, Any]] = (await connection.ask("GET", "/devices"))["devices"]
    others = [
        device["device_id"]
        for device in devices
        if device.get("display_name") == DEVICE_NAME and device["device_id"] != connection.device_id
    ]
    if others and connection.password is not None:
        await connection.ask_as_owner("POST", "/delete_devices", {"devices": others})
