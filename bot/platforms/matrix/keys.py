"""The keys of encryption that go between devices by way of the server: ours, and those of others.

What nio does here has traps: its one-time keys, once drained to none, are never made again, and are
not kept before they go out; one person's odd keys fail the query of everybody's.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import structlog
from nio import (
    ErrorResponse,
    KeysClaimResponse,
    KeysQueryResponse,
    KeysUploadResponse,
    Response,
    ToDeviceResponse,
)
from nio.crypto import Olm, OlmAccount

from bot.platforms.matrix.connection import Connection, ServerRefused

log = structlog.get_logger()

SIGNED = "signed_curve25519"
ASKED_AT_ONCE = 100  # people in one query
PATIENCE = 5_000  # milliseconds that our server waits for those of others
AGAIN = 600.0  # seconds after which another server, which did not answer, is asked again


class DeviceLost(Exception):
    """The keys of this device were used elsewhere: `open` again makes another device."""


class Keys:
    """The keys of one client."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._fallback_used = False  # the one that serves when there are no others
        self._asked_again_at: dict[str, float] = {}  # by person
        self._querying = asyncio.Lock()

    @property
    def _olm(self) -> Olm:
        return self._connection.olm

    # Ours

    def hear(self, sync: Mapping[str, Any]) -> None:
        """Hear of our keys in what a sync answers, even if nothing else happened."""
        counts = sync.get("device_one_time_keys_count")
        unused = sync.get("device_unused_fallback_key_types")
        if isinstance(counts, dict) and self._olm is not None:
            self._olm.uploaded_key_count = counts.get(SIGNED, 0)
        if isinstance(unused, list):
            self._fallback_used = SIGNED not in unused

    async def upload(self) -> None:
        """Have the server hold all the keys that it can, with which others begin to write to us.

        They are kept before they go out: keys that the server has and we have not read nothing.

        Raises:
            DeviceLost: the server has others, of which we know nothing.
        """
        content = self._to_upload()
        if not content:
            return
        self._olm.save_account()  # `Client.send` writes it before anything is sent
        try:
            answer = await self._connection.ask("POST", "/keys/upload", content)
        except ServerRefused as refused:
            if "already exists" in str(refused):
                raise DeviceLost("the server has one-time keys that are not ours") from None
            raise
        count = answer["one_time_key_counts"].get(SIGNED, 0)
        self._fallback_used = False
        await self._connection.receive_response(KeysUploadResponse(0, count))

    def _to_upload(self) -> dict[str, Any]:
        """What the server lacks. What it was given, but did not confirm, is given again."""
        account, content = self._olm.account, {}
        is_new = not account.shared
        if is_new:
            content["device_keys"] = device_keys(self._olm)
        count = 0 if is_new else self._olm.uploaded_key_count
        if count is not None:  # else the next sync will tell
            unpublished = len(account.one_time_keys["curve25519"])
            account.generate_one_time_keys(max(account.max_one_time_keys - count - unpublished, 0))
            content["one_time_keys"] = self._signed(account.one_time_keys["curve25519"])
        fallback = account._account  # which nio knows nothing of
        if (is_new or self._fallback_used) and not fallback.fallback_key:
            fallback.generate_fallback_key()
        public = {name: key.to_base64() for name, key in fallback.fallback_key.items()}
        content["fallback_keys"] = self._signed(public, fallback=True)
        return {name: keys for name, keys in content.items() if keys}

    def _signed(self, keys: Mapping[str, str], **also: bool) -> dict[str, Any]:
        return {
            f"{SIGNED}:{name}": _with_signature(self._olm, {"key": key, **also})
            for name, key in keys.items()
        }

    # Those of others

    def changed(self) -> Iterable[list[str]]:
        """Those who changed some device, or are new to us; so many at once as one query takes."""
        return _batches(list(self._olm.users_for_key_query), ASKED_AT_ONCE)

    async def query(self, people: Iterable[str]) -> None:
        """Learn the devices of those people who changed some, or are new to us."""
        rest = dict.fromkeys(people)
        while rest:
            async with self._querying:  # for each: who waits does not wait for all of another's
                some = list(islice(filter(self._is_wanted, rest), ASKED_AT_ONCE))
                if not some:
                    return
                await self._learn(some)
            for one in some:
                del rest[one]

    def _is_wanted(self, one: str) -> bool:
        """Whether somebody is to be asked for now."""
        again_at = self._asked_again_at.get(one, float("-inf"))
        return one in self._olm.users_for_key_query and again_at <= time.monotonic()

    async def _learn(self, people: Collection[str]) -> None:
        wanted = self._olm.users_for_key_query
        wanted.difference_update(people)
        try:
            await self._query(people)
        except BaseException:
            wanted.update(people)
            raise

    async def _query(self, people: Collection[str]) -> None:
        body = {"device_keys": {one: [] for one in people}, "timeout": PATIENCE}
        answer = await self._connection.ask("POST", "/keys/query", body)
        # Who changes meanwhile is to be asked for again, but nio strikes off whom it hears of.
        changed = set(self._olm.users_for_key_query)
        for one in people:
            devices = answer["device_keys"].get(one)
            if devices is None:
                self._asked_again_at[one] = time.monotonic() + AGAIN
                changed.add(one)
            else:
                self._asked_again_at.pop(one, None)
                await self._take(KeysQueryResponse.from_dict({"device_keys": {one: devices}}))
        self._olm.users_for_key_query.update(changed)

    async def claim(self, devices: Mapping[str, Iterable[str]]) -> None:
        """Begin to be able to write to devices; some may have no key left to give."""
        wanted = {one: dict.fromkeys(some, SIGNED) for one, some in devices.items()}
        body = {"one_time_keys": wanted, "timeout": PATIENCE}
        answer = await self._connection.ask("POST", "/keys/claim", body)
        for one, some in answer["one_time_keys"].items():
            for device, key in some.items():
                given = {"one_time_keys": {one: {device: key}}}
                await self._take(KeysClaimResponse.from_dict(given))

    async def _take(self, response: Response) -> None:
        """Have nio take what somebody says of their keys, which may be anything."""
        if isinstance(response, ErrorResponse):  # it is no keys at all
            log.warning("keys of somebody cannot be used")
            return
        try:
            await self._connection.receive_response(response)
        except Exception as error:
            log.warning("keys of somebody cannot be used", reason=type(error).__name__)

    # What waits

    async def claim_waiting(self) -> None:
        """Begin anew with devices whose messages we cannot read, once for each time we see it."""
        if not self._connection.should_claim_keys:
            return
        olm = self._olm
        tried = [*olm.wedged_devices, *olm.key_request_devices_no_session]
        await self.claim(self._connection.get_users_for_key_claiming())
        for waiting in (olm.wedged_devices, olm.key_request_devices_no_session):
            waiting[:] = [device for device in waiting if device not in tried]

    async def send_waiting(self) -> None:
        """Send what nio has to say to devices; what the server refuses is not said again."""
        waiting = self._olm.outgoing_to_device_messages
        for message in list(waiting):
            try:
                await self.to_device(message.type, message.as_dict())
            except ServerRefused as refused:
                log.warning("a message to a device was refused", reason=refused.name)
                waiting.remove(message)
            else:
                await self._connection.receive_response(ToDeviceResponse(message))

    async def to_device(self, kind: str, content: Mapping[str, Any]) -> None:
        """Send to devices. The same content is sent once, however often we try."""
        number = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        await self._connection.ask("PUT", f"/sendToDevice/{kind}/{number}", content)


def device_keys(olm: Olm) -> dict[str, Any]:
    """What others must know of our device, signed by itself."""
    made = {
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "device_id": olm.device_id,
        "user_id": olm.user_id,
        "keys": {f"{name}:{olm.device_id}": key for name, key in olm.account.identity_keys.items()},
    }
    return _with_signature(olm, made)


def is_device_of(account: OlmAccount | None, device_id: str, theirs: Mapping[str, Any]) -> bool:
    """Whether the keys that a server has of a device are those of an account."""
    if account is None:
        return False
    ours = {f"{name}:{device_id}": key for name, key in account.identity_keys.items()}
    return bool(theirs.get("keys") == ours)


def _with_signature(olm: Olm, what: Mapping[str, Any]) -> dict[str, Any]:
    signature = olm.sign_json(dict(what))
    return {**what, "signatures": {olm.user_id: {f"ed25519:{olm.device_id}": signature}}}


def _batches(people: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(people)
    while some := list(islice(rest, size)):
        yield some
