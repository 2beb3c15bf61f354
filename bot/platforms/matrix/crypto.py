"""What nio's encryption remembers: in memory, and in the database by `flush`.

nio tells its store of each change as it makes it, on the event loop. Here that only notes what has
to be written: `flush` makes it into plain data, and a worker writes all of it in one transaction.
Until that is committed, nothing may be sent that others could only answer to what is not kept.

No device is ever verified, and none is refused: whoever may write to us is known by their account.
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from functools import partial

from nio.crypto import (
    DeviceStore,
    GroupSessionStore,
    InboundGroupSession,
    OlmAccount,
    OlmDevice,
    OutgoingKeyRequest,
    Session,
    SessionStore,
    TrustState,
)

from bot.platforms.matrix.rows import (
    account_in,
    account_row,
    device_in,
    device_row,
    group_in,
    group_row,
    session_in,
    session_row,
)
from bot.platforms.matrix.unwritten import Also, Content, Unwritten
from storage.database import Database
from storage.store import Store

ACCOUNT, SESSION, GROUP, DEVICE, ROOM, REQUEST = KINDS = (
    "account",
    "session",
    "group",
    "device",
    "room",
    "request",
)
FORGOTTEN = timedelta(days=90)  # after which the key of a room is kept no more


class CryptoStore:
    """The store of one device of ours: what nio calls on a `MatrixStore`, held in memory.

    One that is made, and not loaded, is of a new device: when it is first flushed it takes the
    place of all that was kept of another.

    Args:
        user_id: the account.
        device_id: the device that the server gave us.
    """

    def __init__(self, user_id: str, device_id: str) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self._pickle_key = secrets.token_urlsafe(32)
        self._account: OlmAccount | None = None
        self._sessions: dict[str, tuple[str, Session]] = {}
        self._groups: dict[str, tuple[InboundGroupSession, date]] = {}  # and when it came
        self._devices: dict[str, OlmDevice] = {}
        self._rooms: set[str] = set()
        self._requests: dict[str, OutgoingKeyRequest] = {}
        self._unwritten = Unwritten(KINDS, anew=True)

    @classmethod
    async def load(cls, database: Database, user_id: str, device_id: str) -> "CryptoStore":
        """The store of a device as it was last flushed; a new one if there is none of this device.

        What serves no more is left out, and is forgotten with the first flush.

        Raises:
            Unavailable: the database cannot be read.
        """

        def read(store: Store) -> CryptoStore:  # all in a worker thread: it may be a second's work
            kept = {kind: store.matrix.all(kind) for kind in KINDS}
            made = cls(user_id, device_id)
            for account in kept[ACCOUNT]:
                if (account["user"], account["device"]) == (user_id, device_id):
                    made._restore(account, kept)
                    made._forget(_today() - FORGOTTEN)
            return made

        return await database.read(read)

    def renewed(self, device_id: str) -> "CryptoStore":
        """The store of a new device in place of this one; it still reads what this one could."""
        made = CryptoStore(self.user_id, device_id)
        for session, came in self._groups.values():
            made._keep_group(session, came)
        return made

    @property
    def dirty(self) -> bool:
        """Whether something changed that is not committed."""
        return bool(self._unwritten)

    @property
    def writes(self) -> int:
        """How often something that changed was committed."""
        return self._unwritten.writes

    async def flush(self, database: Database, also: Also | None = None) -> None:
        """Write what changed, in one transaction; when this returns it is committed.

        Nothing is written if nothing changed, but for what `also` writes. One flush at a time: a
        ratchet that is written must not be followed by an older one. A caller that is cancelled
        leaves the flush to go on.

        Args:
            also: written in the same transaction; it may be called more than once.

        Raises:
            Unavailable: nothing was written, and all is still to be.
        """
        await self._unwritten.flush(database, also)

    def _restore(self, account: Content, kept: Mapping[str, Iterable[Content]]) -> None:
        self._unwritten = Unwritten(KINDS, anew=False)
        self._pickle_key = key = account["pickle_key"]
        self._account = account_in(account)
        for one in kept[SESSION]:
            session = session_in(one, key)
            self._sessions[_key(one["sender_key"], session.id)] = one["sender_key"], session
        for one in kept[GROUP]:
            group = group_in(one, key)
            self._groups[_group_key(group)] = group, date.fromisoformat(one["came"])
        for one in kept[DEVICE]:
            device = device_in(one)
            self._devices[_key(device.user_id, device.id)] = device
        self._rooms = {one["room"] for one in kept[ROOM]}
        self._requests = {one["request_id"]: OutgoingKeyRequest(**one) for one in kept[REQUEST]}

    def _forget(self, before: date) -> None:
        """Let go of keys of rooms that came before a day: those who write make new ones each week.

        And of devices that are gone, with what was agreed with them, unless it served since then.
        """
        for key, (_, came) in list(self._groups.items()):
            if came < before:
                del self._groups[key]
                self._unwritten.drop(GROUP, key)
        for key, device in list(self._devices.items()):
            if device.deleted:
                del self._devices[key]
                self._unwritten.drop(DEVICE, key)
        there = {device.curve25519 for device in self._devices.values()}
        for key, (sender_key, session) in list(self._sessions.items()):
            if sender_key not in there and session.use_time.date() < before:
                del self._sessions[key]
                self._unwritten.drop(SESSION, key)

    # What nio calls. Its collections are made anew, of the same things: it changes its own first.

    def load_account(self) -> OlmAccount | None:
        return self._account

    def save_account(self, account: OlmAccount) -> None:
        self._account = account
        self._unwritten.put(
            ACCOUNT,
            "",
            lambda: account_row(account, self.user_id, self.device_id, self._pickle_key),
        )

    def load_sessions(self) -> SessionStore:
        made = SessionStore()
        for sender_key, session in self._sessions.values():
            made.add(sender_key, session)
        return made

    def save_session(self, sender_key: str, session: Session) -> None:
        key = _key(sender_key, session.id)
        self._sessions[key] = sender_key, session
        row = partial(session_row, sender_key, session, self._pickle_key)
        self._unwritten.put(SESSION, key, row)

    def load_inbound_group_sessions(self) -> GroupSessionStore:
        made = GroupSessionStore()
        for session, _ in self._groups.values():
            made.add(session)
        return made

    def save_inbound_group_session(self, session: InboundGroupSession) -> None:
        """Keep what reads a room. One that reads no more than what is held changes nothing."""
        self._keep_group(session, _today())

    def _keep_group(self, session: InboundGroupSession, came: date) -> None:
        key = _group_key(session)
        held, _ = self._groups.get(key, (None, came))
        if held is not None and held.first_known_index <= session.first_known_index:
            return
        self._groups[key] = session, came
        self._unwritten.put(GROUP, key, partial(group_row, session, came, self._pickle_key))

    def drop_inbound_group_session(self, session: InboundGroupSession) -> None:
        """Keep a key of a room no more; nio never asks for that."""
        key = _group_key(session)
        if self._groups.pop(key, None) is not None:
            self._unwritten.drop(GROUP, key)

    def load_device_keys(self) -> DeviceStore:
        made = DeviceStore()
        for device in self._devices.values():
            made[device.user_id][device.id] = device  # `add` looks through all that are there
        return made

    def save_device_keys(self, device_keys: Mapping[str, Mapping[str, OlmDevice]]) -> None:
        for devices in device_keys.values():
            for device in devices.values():
                self._save_device(device)

    def _save_device(self, device: OlmDevice) -> None:
        key = _key(device.user_id, device.id)
        device.trust_state = TrustState.ignored
        self._devices[key] = device
        self._unwritten.put(DEVICE, key, partial(device_row, device))

    def load_encrypted_rooms(self) -> set[str]:
        return set(self._rooms)

    def save_encrypted_rooms(self, rooms: Iterable[str]) -> None:
        for room in set(rooms) - self._rooms:
            self._rooms.add(room)
            self._unwritten.put(ROOM, room, partial(dict, room=room))

    def delete_encrypted_room(self, room: str) -> None:
        self._rooms.discard(room)
        self._unwritten.drop(ROOM, room)

    def load_outgoing_key_requests(self) -> dict[str, OutgoingKeyRequest]:
        return dict(self._requests)

    def add_outgoing_key_request(self, key_request: OutgoingKeyRequest) -> None:
        self._requests[key_request.request_id] = key_request
        self._unwritten.put(REQUEST, key_request.request_id, lambda: asdict(key_request))

    def remove_outgoing_key_request(self, key_request: OutgoingKeyRequest) -> None:
        self._requests.pop(key_request.request_id, None)
        self._unwritten.drop(REQUEST, key_request.request_id)

    def ignore_device(self, device: OlmDevice) -> bool:
        device.trust_state = TrustState.ignored
        return True

    def ignore_devices(self, devices: Iterable[OlmDevice]) -> None:
        for device in devices:
            self.ignore_device(device)

    def is_device_ignored(self, device: OlmDevice) -> bool:
        return True

    def is_device_verified(self, device: OlmDevice) -> bool:
        return False

    def is_device_blacklisted(self, device: OlmDevice) -> bool:
        return False


def _key(*parts: str) -> str:
    """One key of several parts, whatever is in them: some are chosen by others."""
    return json.dumps(parts)


def _group_key(session: InboundGroupSession) -> str:
    return _key(session.room_id, session.sender_key, session.id)


def _today() -> date:
    """The day by the servers' time: keys do not age by the business clock."""
    return datetime.now(UTC).date()
