"""What others send: nothing of it ends a sync, and a key that was asked for serves."""

from copy import deepcopy
from typing import Any

import pytest
from nio.events import MegolmEvent, ToDeviceEvent
from nio.exceptions import EncryptionError
from nio.responses import ToDeviceResponse

from bot.platforms.matrix.crypto import CryptoStore
from tests.bot.matrix.machines import ROOM, Machine

US, THEM = "@preau:example.org", "@zoulikha:example.org"
ALGORITHM = "m.megolm.v1.aes-sha2"


@pytest.fixture
def us() -> Machine:
    return Machine(CryptoStore(US, "OURS"))


@pytest.fixture
def them(us: Machine) -> Machine:
    other = Machine(CryptoStore(THEM, "THEIRS"))
    us.learn(THEM, {"THEIRS": other.upload()["device_keys"]})
    other.meet(US, us.upload())
    return other


def send(us: Machine, them: Machine, kind: str, content: dict[str, Any]) -> Any:
    """Have a message to our device come, over the session that they have; what it was to us."""
    [device] = them.olm.device_store
    [session] = them.olm.session_store
    sent = them.olm._olm_encrypt(session, device, kind, content)
    return us.olm.handle_to_device_event(_encrypted(sent))


def _encrypted(content: dict[str, Any]) -> ToDeviceEvent:
    event = {"type": "m.room.encrypted", "sender": THEM, "content": content}
    return ToDeviceEvent.parse_encrypted_event(event)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("body", ["", "AAAA", "é", "AwogY2FzdGxl"])
def test_garbage_to_our_device_is_nothing(
    us: Machine, them: Machine, number: int, body: str
) -> None:
    ours = us.olm.account.identity_keys["curve25519"]
    content = {
        "algorithm": "m.olm.v1.curve25519-aes-sha2",
        "sender_key": them.olm.account.identity_keys["curve25519"],
        "ciphertext": {ours: {"type": number, "body": body}},
    }
    assert us.olm.handle_to_device_event(_encrypted(content)) is None


def test_a_bad_key_of_a_room_is_nothing(us: Machine, them: Machine) -> None:
    content = {"algorithm": ALGORITHM, "room_id": ROOM, "session_id": "x", "session_key": "AAAA"}
    assert send(us, them, "m.room_key", content) is None
    assert list(us.olm.inbound_group_store) == []
    assert them.share(us)  # what follows is read


def test_a_key_that_we_have_no_more_makes_a_new_session(us: Machine) -> None:
    """The first device that wrote with it used it up; another is given it all the same."""
    keys = us.upload()
    name, one = keys["one_time_keys"].popitem()
    for device, understood in (("FIRST", True), ("SECOND", False)):
        other = Machine(CryptoStore(THEM, device))
        us.learn(THEM, {device: other.upload()["device_keys"]})
        other.meet(US, {**keys, "one_time_keys": {name: one}})
        assert other.share(us) is understood
    assert [one.device_id for one in us.olm.wedged_devices] == ["SECOND"]


def test_what_is_no_message_in_a_room_cannot_be_read(us: Machine, them: Machine) -> None:
    assert them.share(us)
    session = them.olm.outbound_group_sessions[ROOM]._session
    for content in (b"\xff", b"{", b"[]", b'"oui"', b"7", b"{}"):
        event = them.write("non")
        event.ciphertext = session.encrypt(content).to_base64()
        assert not hasattr(_read(us, event), "body")
    assert us.read(them.write("oui")) == "oui"


def _read(us: Machine, event: MegolmEvent) -> Any:
    try:
        return us.olm.decrypt_megolm_event(event, ROOM)
    except EncryptionError:
        return None


def test_a_key_that_was_asked_for_is_taken_from_its_device(us: Machine, them: Machine) -> None:
    them.olm.create_outbound_group_session(ROOM)
    them.olm.outbound_group_sessions[ROOM].mark_as_shared()
    event = them.write("en retard")
    content = again(them)
    assert send(us, them, "m.forwarded_room_key", content) is None  # nobody asked
    ask(us, event)
    for name in ("sender_key", "sender_claimed_ed25519_key", "room_id", "algorithm"):
        other = {**content, name: "!another"}
        assert send(us, them, "m.forwarded_room_key", other) is None
    assert send(us, them, "m.forwarded_room_key", content) is not None
    assert us.read(event) == "en retard"
    assert us.store.load_outgoing_key_requests() == {}


def ask(us: Machine, event: MegolmEvent) -> None:
    """Ask the device that wrote something for its key."""
    event.room_id = ROOM
    asked = event.as_key_request(event.sender, "OURS", None, event.device_id)
    us.olm.outgoing_to_device_messages.append(asked)
    us.olm.handle_response(ToDeviceResponse(asked))


def again(them: Machine) -> dict[str, Any]:
    """The key of what was written in the room, as its device gives it again."""
    identity = them.olm.account.identity_keys
    made = them.olm.outbound_group_sessions[ROOM].id
    session = them.olm.inbound_group_store.get(ROOM, identity["curve25519"], made)
    return {
        "algorithm": ALGORITHM,
        "room_id": ROOM,
        "session_id": session.id,
        "session_key": session.export_session(session.first_known_index),
        "sender_key": identity["curve25519"],
        "sender_claimed_ed25519_key": identity["ed25519"],
        "forwarding_curve25519_key_chain": [],
    }


def test_a_device_that_is_there_again_is_written_to(us: Machine) -> None:
    """A server that answers for somebody with no devices, for once, says that all are gone."""
    theirs, other = (Machine(CryptoStore(THEM, "THEIRS")).upload()["device_keys"] for _ in range(2))
    forged = {**theirs, "keys": other["keys"]}
    for told, there in (
        ({"THEIRS": theirs}, ["THEIRS"]),
        ({}, []),
        ({"THEIRS": forged}, []),
        ({"THEIRS": theirs}, ["THEIRS"]),
    ):
        us.learn(THEM, deepcopy(told))
        assert [one.id for one in us.olm.device_store.active_user_devices(THEM)] == there
