"""nio's Olm machine, where nothing that somebody sends can end a sync, or be refused for ever."""

from collections.abc import Callable
from typing import Any

import structlog
from nio.crypto import InboundGroupSession, Olm
from nio.events import (
    BadEventType,
    Event,
    ForwardedRoomKeyEvent,
    MegolmEvent,
    RoomKeyEvent,
    ToDeviceEvent,
)
from nio.exceptions import EncryptionError
from nio.responses import KeysQueryResponse
from vodozemac import SessionCreationException

from bot.platforms.matrix.crypto import CryptoStore
from bot.platforms.matrix.fields import words
from bot.platforms.matrix.roomkeys import IsThere, RoomKeys

log = structlog.get_logger()


class OlmMachine(Olm):  # type: ignore[misc]
    """The encryption of one device of ours.

    nio lets errors of what cannot be read out of a sync, which would be given again for ever.
    """

    def __init__(self, user_id: str, device_id: str, store: CryptoStore) -> None:
        super().__init__(user_id, device_id, store)
        self._room_keys = RoomKeys(self._drop)

    def judge_keys(self, is_there: IsThere) -> None:
        """Let go of keys of rooms that were sent by who is not there; see `RoomKeys`."""
        self._room_keys.judge(is_there)

    def forget_rooms(self, is_ours: Callable[[str], bool]) -> None:
        """Let go of the keys of rooms that are none of ours any more."""
        for session in list(self.inbound_group_store):
            if not is_ours(session.room_id):
                self._drop(session)

    def _drop(self, session: InboundGroupSession) -> None:
        room = self.inbound_group_store[session.room_id]
        room[session.sender_key].pop(session.id, None)
        if not room[session.sender_key]:
            del room[session.sender_key]
        if not room:
            del self.inbound_group_store._entries[session.room_id]
        self.store.drop_inbound_group_session(session)

    def handle_to_device_event(self, event: ToDeviceEvent) -> ToDeviceEvent | None:
        """What was sent to this device, decrypted; None if it means nothing to it."""
        try:
            return super().handle_to_device_event(event)
        except Exception as error:
            log.warning("a message to this device made no sense", reason=type(error).__name__)
            return None

    def decrypt_megolm_event(self, event: MegolmEvent, room_id: str | None = None) -> Event:
        """What was written in a room.

        Raises:
            EncryptionError: it cannot be read.
        """
        try:
            return super().decrypt_megolm_event(event, room_id)
        except EncryptionError:
            raise
        except Exception as error:
            raise EncryptionError(f"a message made no sense: {type(error).__name__}") from error

    def decrypt(self, sender: str, sender_key: str, message: Any) -> ToDeviceEvent | None:
        """As nio's; if the other device wrote with a key that we have no more, begin anew."""
        try:
            return super().decrypt(sender, sender_key, message)
        except SessionCreationException:
            self._mark_device_for_unwedging(sender, sender_key)
            return None

    def _handle_key_query(self, response: KeysQueryResponse) -> None:
        """As nio's; a device that was gone and is there again is a new one, which nio overlooks."""
        for user_id, devices in response.device_keys.items():
            known = self.device_store[user_id]
            for device_id in known.keys() & devices.keys():
                if known[device_id].deleted:
                    del known[device_id]
        super()._handle_key_query(response)

    def _handle_room_key_event(
        self, sender: str, sender_key: str, payload: dict[str, Any]
    ) -> RoomKeyEvent | BadEventType | None:
        """As nio's, but of one sender not too many."""
        if not self._room_keys.may_come(sender, words(payload["content"].get("room_id"))):
            return None
        event = super()._handle_room_key_event(sender, sender_key, payload)
        if isinstance(event, RoomKeyEvent):
            sessions = self.inbound_group_store[event.room_id][sender_key]
            if event.session_id in sessions:
                self._room_keys.came(sender, sessions[event.session_id])
        return event

    def _should_accept_forward(
        self, sender: str, sender_key: str, event: ForwardedRoomKeyEvent
    ) -> bool:
        """Whether it is a key that we asked for, given again by the device that made it.

        nio takes one from a verified device of ours only, and there is none.
        """
        asked = self.outgoing_key_requests.get(event.session_id)
        device = self.device_store.device_from_sender_key(sender, sender_key)
        if asked is None or device is None:
            return False
        content = event.source["content"]
        return (
            (event.algorithm, event.room_id) == (asked.algorithm, asked.room_id)
            and content["sender_key"] == sender_key
            and content["sender_claimed_ed25519_key"] == device.ed25519
        )
