"""The client of one account: logs in, keeps its keys, signs its device, encrypts for its rooms."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp
import structlog
from nio import ShareGroupSessionResponse

from bot.platforms.base import PlatformRefused
from bot.platforms.matrix.connection import Connection, ServerRefused, Unreachable
from bot.platforms.matrix.counting import Count, TakenOver
from bot.platforms.matrix.crypto import CryptoStore
from bot.platforms.matrix.keys import DeviceLost, Keys, is_device_of
from bot.platforms.matrix.login import (
    TOKEN_GONE,
    WITHHELD,
    Login,
    Unusable,
    by_password,
    checked,
    for_now,
    given_login,
    is_account,
    kept_login,
    log_out,
    no_way_on,
    settle,
)
from bot.platforms.matrix.machine import OlmMachine
from bot.platforms.matrix.muted import Muted
from bot.platforms.matrix.sharing import Sharing
from bot.platforms.matrix.signing import keys_of, sign_device
from bot.settings import Settings
from storage.database import Database, Unavailable

__all__ = ["Client", "DeviceLost", "ServerRefused", "TakenOver", "Unreachable"]

log = structlog.get_logger()

PAUSE, LONG_PAUSE = 5.0, 60.0  # seconds before keys are tended again: it could not, it refused
LAST = 2.0  # seconds for our account to count on for the last time

# What others can only answer to if it is kept: it is committed before it is sent.
_KEPT_FIRST = re.compile(r"/(keys/|sendToDevice/|rooms/[^/]+/send/m\.room\.encrypted/)")


class Client(Connection):
    """A client of nio with a store and a signed device of its own.

    Args:
        settings: those of Matrix are there (`serves_matrix`).
        database: where its login and its keys are kept.

    Attributes:
        crypto: what is kept of its keys; flushed before anything that depends on it is sent.
        is_signed: whether its account answers for its device.
        has_login: whether the database had a login when we began: Matrix was served with it.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        password = settings.matrix_password
        super().__init__(
            settings.matrix_homeserver or "",
            settings.matrix_user or "",
            password.get_secret_value() if password else None,
        )
        self.settings = settings
        self.database = database
        self.crypto = CryptoStore("", "")
        self.is_signed = self.has_login = False
        self._keys = Keys(self)
        self._sharing = Sharing(self, self._keys)
        self._count = Count(self)
        self._muted = Muted()
        self._login: Login | None = None
        self._counted = 0  # how often keys had been written when we last counted on
        self._tended_from = float("-inf")

    # Beginning

    async def open(self) -> None:
        """Log in or go on as before, have our keys on the server, and our device signed.

        It may be called again after an error, and after the homeserver or `maintain` said that
        this login cannot go on.

        Raises:
            PlatformRefused: no retry mends it.
            DeviceLost, Unreachable: it may be tried again.
            TakenOver: likewise, but later.
            Unavailable: the database does not.
        """
        kept = await self.database.read(kept_login)
        self.has_login = kept is not None
        self.connect()
        try:
            await self._log_in(kept)
            await self._upload()
            self.is_signed = await sign_device(self, self.database)
            await self._settle()
        except ServerRefused as refused:
            raise for_now(refused) from None
        except (KeyError, TypeError) as error:
            raise Unreachable(f"an odd answer: {type(error).__name__}") from error

    async def _log_in(self, kept: Login | None) -> None:
        if kept is not None and not is_account(self.user, kept.user_id):
            kept = None  # it stays there until this account is logged in to
        login = given_login(self.settings, kept)
        reason = None
        if login is not None:
            try:
                await self._go_on(login, kept)
            except Unusable as unusable:
                reason = str(unusable)
            else:
                return
        await self._begin(kept, reason)

    async def _go_on(self, login: Login, kept: Login | None) -> None:
        """Take up a device that is there: ours, or that of the operator's token.

        Raises:
            Unusable: it cannot be, and why.
        """
        login = await checked(self, self.settings, login)
        self.user_id, self.device_id = login.user_id, login.device_id
        is_ours = kept is not None and kept.device_id == login.device_id
        count = await self._count.look()
        if is_ours and count > login.generation:
            raise Unusable("this database is an older copy: its keys were used since")
        crypto = await CryptoStore.load(self.database, login.user_id, login.device_id)
        account = crypto.load_account()
        found = await keys_of(self, login.user_id)
        theirs = found["device_keys"].get(login.user_id, {}).get(login.device_id)
        if account is not None and theirs is None:
            account.shared = False
        if theirs is not None and not is_device_of(account, login.device_id, theirs):
            raise Unusable("its keys are elsewhere")
        if account is None:
            crypto = await self._in_place_of(kept, login)
        await self._take_up(login, crypto, count)

    async def _begin(self, kept: Login | None, reason: str | None) -> None:
        """Make a new device, by the password."""
        token_device = self.settings.matrix_device_id or ""
        if self.password is None:
            raise PlatformRefused(no_way_on(reason))
        self.access_token = ""
        login = replace(await by_password(self, self.settings), instead_of=token_device)
        self.user_id, self.device_id = login.user_id, login.device_id
        self.access_token = login.access_token
        try:
            count = await self._count.look()
        except TakenOver:
            await log_out(self)
            raise
        await self._take_up(login, await self._in_place_of(kept, login), count)
        if reason is None and count:
            reason = "this database knows no earlier one"
        if reason is not None:
            log.warning("Matrix: a new device was made", device=login.device_id, reason=reason)

    async def _in_place_of(self, kept: Login | None, login: Login) -> CryptoStore:
        """An empty store; what was read with an earlier one can still be read."""
        if kept is None or kept.user_id != login.user_id:
            return CryptoStore(login.user_id, login.device_id)
        earlier = await CryptoStore.load(self.database, kept.user_id, kept.device_id)
        return earlier.renewed(login.device_id)

    async def _take_up(self, login: Login, crypto: CryptoStore, count: int) -> None:
        """Be this device from now on; no copy that was made before can be."""
        self.crypto = self.store = crypto
        self.olm = OlmMachine(login.user_id, login.device_id, crypto)
        self.encrypted_rooms = crypto.load_encrypted_rooms()
        self._keys = Keys(self)
        self._sharing = Sharing(self, self._keys)
        self._login = replace(login, generation=max(login.generation, count))
        await self._renew()

    async def _renew(self) -> None:
        """Count on: in the database first, so that it never says less than the account."""
        assert self._login is not None
        self._login = replace(self._login, generation=self._login.generation + 1)
        await self.crypto.flush(self.database, self._login.keep)
        writes = self.crypto.writes
        await self._count.set(self._login.generation)
        self._counted = writes

    async def _upload(self) -> None:
        try:
            await self._keys.upload()
        except DeviceLost:  # the next `open` makes another
            assert self._login is not None
            await self.database.write(replace(self._login, generation=0).keep)
            raise

    async def _settle(self) -> None:
        assert self._login is not None
        if not self._login.settled:
            await settle(self)
            self._login = replace(self._login, settled=True)
            await self.database.write(self._login.keep)

    # Going on

    async def send(
        self,
        method: str,
        path: str,
        data: Any = None,
        headers: dict[str, str] | None = None,
        trace_context: Any = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> aiohttp.ClientResponse:
        """As `Connection.send`, once all is kept that it depends on.

        Raises:
            Unreachable: there was no answer.
            Unavailable: it cannot be kept; nothing was sent.
        """
        if self.crypto.dirty and _KEPT_FIRST.search(path):
            await self.crypto.flush(self.database)
        return await super().send(method, path, data, headers, trace_context, timeout)

    async def maintain(self) -> None:
        """Tend the keys: to be called after each sync. What cannot be done now is done later.

        Raises:
            DeviceLost: this device cannot go on; `open` makes another.
            TakenOver: another process serves our account.
        """
        if time.monotonic() < self._tended_from:
            return
        keys = self._keys
        await self._try(self._upload)
        for some in keys.changed():
            if not await self._try(partial(keys.query, some)):
                break
            await self._try(self._upload)  # ours do not run out while we ask for those of many
        await self._try(keys.claim_waiting)
        await self._try(keys.send_waiting)
        if self._count.is_due(used=self.crypto.writes > self._counted):
            await self._try(self._count_on)

    async def finish(self) -> None:
        """Count on for the last time: a copy of the database that was made before is an older one.

        It is done if it can be done at once; to be called while we serve, and by who stops.
        """
        with suppress(TakenOver, Unavailable, Unreachable, ServerRefused, TimeoutError):
            async with asyncio.timeout(LAST):
                await self._count_on()

    async def _count_on(self) -> None:
        await self._count.look()
        await self._renew()

    async def _try(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Whether it could be done; if not, nothing is tended for a while."""
        try:
            await step()
            return True
        except Unavailable:
            self._tended_from = time.monotonic() + PAUSE
        except Unreachable as error:
            self._tended_from = time.monotonic() + max(error.wait, PAUSE)
        except ServerRefused as refused:
            self._tended_from = time.monotonic() + LONG_PAUSE
            if refused.errcode not in TOKEN_GONE | WITHHELD:  # which the reading tells
                log.warning("Matrix: our keys could not be tended", reason=refused.name)
        return False

    async def ready(self, room_id: str) -> None:
        """Prepare to write in a room: see `Sharing.ready`."""
        await self._sharing.ready(room_id)

    async def share_group_session(
        self, room_id: str, ignore_unverified_devices: bool = False
    ) -> ShareGroupSessionResponse:
        """What nio does before it encrypts: the same as `ready`, whose failures block nothing."""
        await self._sharing.ready(room_id)
        return ShareGroupSessionResponse(room_id, set())

    async def parse_body(self, transport_response: aiohttp.ClientResponse) -> Any:
        """As nio's, which overlooks it when the last of our keys are given away."""
        body = await super().parse_body(transport_response)
        if isinstance(body, dict):
            self._keys.hear(body)
            self._muted.hear(transport_response, body)
        return body
