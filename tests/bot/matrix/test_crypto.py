"""nio's encryption over our store: all of it survives what was flushed, and nothing is lost."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from nio.crypto import InboundGroupSession, OutboundGroupSession, OutgoingKeyRequest
from nio.exceptions import EncryptionError
from sqlalchemy import text

from bot.platforms.matrix import crypto
from bot.platforms.matrix.crypto import KINDS, CryptoStore
from storage.database import Database
from storage.store import Store
from tests.bot.matrix.machines import ROOM, Machine

US, THEM = "@preau:example.org", "@zoulikha:example.org"
OURS, THEIRS = "OURDEVICE", "THEIRDEVICE"


@pytest.fixture
def us() -> Machine:
    return Machine(CryptoStore(US, OURS))


@pytest.fixture
def them(us: Machine) -> Machine:
    """Somebody's device, that wrote to ours."""
    other = Machine(CryptoStore(THEM, THEIRS))
    ours, theirs = us.upload(), other.upload()
    us.learn(THEM, {THEIRS: theirs["device_keys"]})
    other.meet(US, ours)
    assert other.share(us)
    return other


async def again(db: Database, device: str = OURS) -> Machine:
    """Our device, after a new start."""
    return Machine(await CryptoStore.load(db, US, device))


async def test_what_was_flushed_survives(us: Machine, them: Machine, db: Database) -> None:
    before = them.write("avant")
    assert us.store.dirty
    await us.store.flush(db)
    assert not us.store.dirty
    after = await again(db)
    assert not after.store.dirty
    [ours], [kept] = us.olm.session_store, after.olm.session_store
    assert (kept.creation_time, kept.use_time) == (ours.creation_time, ours.use_time)
    assert after.olm.account.identity_keys == us.olm.account.identity_keys
    assert after.olm.account.shared
    assert after.read(before) == "avant"
    assert after.share(them)  # over the session that was kept
    assert them.read(after.write("réponse")) == "réponse"


async def test_sessions_go_on_where_they_were(us: Machine, them: Machine, db: Database) -> None:
    for room in ("!1", "!2", "!3"):
        assert us.share(them, room)
        await us.store.flush(db)
        us = await again(db)
        assert them.share(us, room)
        assert us.read(them.write(f"dans {room}", room), room) == f"dans {room}"
        await us.store.flush(db)
    assert len(list((await again(db)).olm.session_store)) == 1


async def test_a_key_opens_one_session_also_after_a_new_start(us: Machine, db: Database) -> None:
    keys = us.upload()
    name, one = keys["one_time_keys"].popitem()
    await us.store.flush(db)
    for device, understood in ((THEIRS, True), ("ANOTHER", False)):
        other = Machine(CryptoStore(THEM, device))
        other.meet(US, {**keys, "one_time_keys": {name: one}})
        us = await again(db)
        assert other.share(us) is understood
        await us.store.flush(db)


async def test_a_failed_transaction_leaves_all_to_be_written(
    us: Machine, them: Machine, db: Database
) -> None:
    def fail(store: Store) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await us.store.flush(db, fail)
    assert us.store.dirty
    assert (await CryptoStore.load(db, US, OURS)).load_account() is None
    await us.store.flush(db)
    assert (await again(db)).read(them.write("oui")) == "oui"


async def test_what_changes_meanwhile_is_written_next(
    us: Machine, them: Machine, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And in order, even if who asked for the first flush is gone."""
    begun, may_end = threading.Event(), threading.Event()
    write = Mock(side_effect=db.write)
    monkeypatch.setattr(db, "write", write)

    def wait(store: Store) -> None:
        begun.set()
        assert may_end.wait(10)

    first = asyncio.create_task(us.store.flush(db, wait))
    await asyncio.to_thread(begun.wait, 10)
    us.olm.device_store[THEM][THEIRS].display_name = "Téléphone"
    us.store.save_device_keys({THEM: us.olm.device_store[THEM]})
    first.cancel()
    second = asyncio.create_task(us.store.flush(db))
    await asyncio.sleep(0.02)
    assert us.store.dirty
    assert write.call_count == 1
    may_end.set()
    await second
    assert not us.store.dirty
    assert (await again(db)).olm.device_store[THEM][THEIRS].display_name == "Téléphone"


async def test_another_writes_in_the_same_transaction(us: Machine, db: Database) -> None:
    def checkpoint(store: Store) -> None:
        store.matrix.put("sync", "", {"next_batch": "s1"})

    await us.store.flush(db)
    await us.store.flush(db, checkpoint)
    assert db.read_now(lambda store: store.matrix.get("sync")) == {"next_batch": "s1"}


async def test_nothing_is_written_when_nothing_changed(
    us: Machine, them: Machine, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await us.store.flush(db)
    us = await again(db)
    us.read(them.write("un"))
    [session] = us.olm.inbound_group_store
    us.store.save_inbound_group_session(session)
    assert not us.store.dirty
    us.store.save_encrypted_rooms({ROOM})
    await us.store.flush(db)
    us.store.save_encrypted_rooms({ROOM})
    assert not us.store.dirty
    monkeypatch.setattr(db, "write", None)
    await us.store.flush(db)


async def test_of_a_group_session_what_reads_most_is_kept(us: Machine, db: Database) -> None:
    outbound = OutboundGroupSession()
    outbound.mark_as_shared()
    keys = []
    for _ in range(3):
        keys.append(outbound.session_key)
        outbound.encrypt("…")
    for place in (1, 0, 2):
        session = InboundGroupSession(keys[place], "ed25519", "curve25519", ROOM, ["chain"])
        us.store.save_inbound_group_session(session)
    us.store.save_inbound_group_session(InboundGroupSession(keys[2], "", "another", ROOM))
    await us.store.flush(db)
    kept = {one.sender_key: one for one in (await again(db)).olm.inbound_group_store}
    assert {name: one.first_known_index for name, one in kept.items()} == {
        "curve25519": 0,
        "another": 2,
    }
    assert (kept["curve25519"].ed25519, kept["curve25519"].forwarding_chain) == (
        "ed25519",
        ["chain"],
    )


async def test_devices_are_kept_until_they_are_gone(
    us: Machine, them: Machine, db: Database
) -> None:
    await us.store.flush(db)
    us = await again(db)
    assert us.olm.device_store[THEM][THEIRS].keys == them.olm.account.identity_keys
    another = Machine(CryptoStore(THEM, "ANOTHER")).upload()["device_keys"]
    another["unsigned"] = {"device_display_name": "Téléphone"}
    us.learn(THEM, {"ANOTHER": another})
    await us.store.flush(db)
    assert len(kept(db, "device")) == 2
    us = await again(db)
    [device] = us.olm.device_store
    assert (device.id, device.display_name, device.deleted) == ("ANOTHER", "Téléphone", False)
    await us.store.flush(db)
    assert len(kept(db, "device")) == 1


def kept(db: Database, kind: str) -> list[dict[str, Any]]:
    return db.read_now(lambda store: store.matrix.all(kind))


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Have it be so many days later."""
    today = datetime.now(UTC).date()
    monkeypatch.setattr(crypto, "_today", lambda: today + timedelta(days=days))


async def test_keys_of_rooms_are_kept_for_so_long(
    us: Machine, them: Machine, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the day they came: a new start, or a new device, does not count."""
    old = them.write("ancien")
    await us.store.flush(db)
    later(monkeypatch, 89)
    us = await again(db)
    assert not us.store.dirty
    assert them.share(us)
    new = them.write("nouveau")
    await us.store.flush(db)
    renewed = Machine((await again(db)).store.renewed("NEWDEVICE"))
    assert renewed.read(old) == "ancien"
    await renewed.store.flush(db)
    later(monkeypatch, 91)
    us = await again(db, "NEWDEVICE")
    assert us.read(new) == "nouveau"
    with pytest.raises(EncryptionError):
        us.read(old)
    await us.store.flush(db)
    assert len(kept(db, "group")) == 1


@pytest.mark.parametrize("is_gone", [True, False])
async def test_what_was_agreed_with_a_device_is_kept_while_it_may_serve(
    us: Machine, them: Machine, db: Database, monkeypatch: pytest.MonkeyPatch, *, is_gone: bool
) -> None:
    if is_gone:
        us.learn(THEM, {})
    await us.store.flush(db)
    for days, left in ((89, 1), (91, 0 if is_gone else 1)):
        later(monkeypatch, days)
        us = await again(db)
        assert len(list(us.olm.session_store)) == left
        await us.store.flush(db)
        assert len(kept(db, "session")) == left


async def test_no_device_is_verified_and_none_refused(us: Machine, them: Machine) -> None:
    [device] = us.olm.device_store
    assert device.ignored
    assert us.olm.is_device_ignored(device)
    assert us.olm.ignore_device(device)
    assert not us.olm.is_device_verified(device)
    assert not us.olm.is_device_blacklisted(device)


async def test_rooms_and_key_requests_come_and_go(us: Machine, db: Database) -> None:
    requests = [OutgoingKeyRequest(str(n), f"session{n}", ROOM, "m.megolm") for n in range(2)]
    for one in requests:
        us.store.add_outgoing_key_request(one)
    us.store.save_encrypted_rooms({"!1", "!2"})
    await us.store.flush(db)
    store = (await again(db)).store
    assert store.load_outgoing_key_requests() == {"0": requests[0], "1": requests[1]}
    assert store.load_encrypted_rooms() == {"!1", "!2"}
    store.remove_outgoing_key_request(requests[0])
    store.delete_encrypted_room("!1")
    await store.flush(db)
    store = (await again(db)).store
    assert store.load_outgoing_key_requests() == {"1": requests[1]}
    assert store.load_encrypted_rooms() == {"!2"}


async def test_a_new_device_takes_the_place_of_the_old_one(
    us: Machine, them: Machine, db: Database
) -> None:
    """It reads what the old one could read, and that is all that is left of it."""
    old, unread = us.olm.account.identity_keys, them.write("en chemin")
    us.store.save_encrypted_rooms({ROOM})
    await us.store.flush(db)
    assert (await CryptoStore.load(db, US, "NEWDEVICE")).load_account() is None
    assert (await CryptoStore.load(db, THEM, OURS)).load_account() is None
    Machine((await again(db)).store.renewed("NEWDEVICE"))
    assert (await again(db)).olm.account.identity_keys == old  # nothing was flushed
    renewed = Machine((await again(db)).store.renewed("NEWDEVICE"))
    await renewed.store.flush(db)
    assert (await CryptoStore.load(db, US, OURS)).load_account() is None
    after = await again(db, "NEWDEVICE")
    assert after.olm.account.identity_keys == renewed.olm.account.identity_keys != old
    assert after.read(unread) == "en chemin"
    assert list(after.olm.session_store) == list(after.olm.device_store) == []
    assert after.store.load_encrypted_rooms() == set()


async def test_nothing_of_it_can_be_read_in_the_file(
    us: Machine, them: Machine, db: Database
) -> None:
    us.store.save_encrypted_rooms({ROOM})
    us.store.add_outgoing_key_request(OutgoingKeyRequest("1", "session", ROOM, "m.megolm"))
    await us.store.flush(db)

    def pickles_in(store: Store) -> list[str]:
        kinds = ("account", "session", "group")
        return [one["pickle"] for kind in kinds for one in store.matrix.all(kind)]

    pickles = db.read_now(pickles_in)
    assert len(pickles) == 3
    with db.engine.connect() as connection:
        rows = list(connection.execute(text("SELECT * FROM matrix_kept")))
    assert {row.kind for row in rows} == set(KINDS)
    keys = them.olm.account.identity_keys.values()
    for secret in (US, THEM, OURS, THEIRS, ROOM, *keys, *pickles):
        assert secret not in repr(rows)
