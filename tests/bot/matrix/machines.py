"""Devices that write to each other in encryption, without any server between them."""

from typing import Any

from nio.events import Event, MegolmEvent, ToDeviceEvent
from nio.responses import KeysClaimResponse, KeysQueryResponse, KeysUploadResponse

from bot.platforms.matrix.crypto import CryptoStore
from bot.platforms.matrix.machine import OlmMachine

ROOM = "!room"


class Machine:
    """One device, as its store remembers it."""

    def __init__(self, store: CryptoStore) -> None:
        self.store = store
        self.olm = OlmMachine(store.user_id, store.device_id, store)
        self._sent = 0

    def upload(self) -> dict[str, Any]:
        """Its keys, of which the server has all from now on."""
        keys: dict[str, Any] = self.olm.share_keys()
        self.olm.handle_response(KeysUploadResponse(0, len(keys["one_time_keys"])))
        return keys

    def meet(self, user_id: str, keys: dict[str, Any]) -> None:
        """Learn of another device, by its keys, and be able to write to it."""
        device = keys["device_keys"]["device_id"]
        self.learn(user_id, {device: keys["device_keys"]})
        name, one = keys["one_time_keys"].popitem()
        self.olm.handle_response(KeysClaimResponse({user_id: {device: {name: one}}}, {}))

    def learn(self, user_id: str, devices: dict[str, Any]) -> None:
        """Be told of all the devices that somebody has."""
        self.olm.handle_response(KeysQueryResponse({user_id: devices}, {}))

    def share(self, other: "Machine", room: str = ROOM) -> bool:
        """Give another device the key of what will be written in a room; whether it got it."""
        user, device = other.store.user_id, other.store.device_id
        if room in self.olm.outbound_group_sessions:
            self.olm.rotate_outbound_group_session(room)
        _, sent = self.olm.share_group_session(room, [user], ignore_unverified_devices=True)
        self.olm.outbound_group_sessions[room].mark_as_shared()
        content = sent["messages"][user][device]
        event = {"type": "m.room.encrypted", "sender": self.store.user_id, "content": content}
        got = other.olm.handle_to_device_event(ToDeviceEvent.parse_encrypted_event(event))
        return got is not None

    def write(self, words: str, room: str = ROOM) -> MegolmEvent:
        """What is written in a room, as its members are given it."""
        self._sent += 1
        content = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": words}}
        source = {
            "type": "m.room.encrypted",
            "sender": self.store.user_id,
            "event_id": f"${self.store.device_id}-{self._sent}",
            "origin_server_ts": 1_800_000_000_000,
            "content": self.olm.group_encrypt(room, content),
        }
        return Event.parse_encrypted_event(source)

    def read(self, event: MegolmEvent, room: str = ROOM) -> str:
        """The words of what was written in a room."""
        words: str = self.olm.decrypt_megolm_event(event, room).body
        return words
