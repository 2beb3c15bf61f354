"""Cross-signing: others see a device that its account answers for; what is missing is mended."""

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.platforms.matrix.signing import (
    MASTER,
    SELF_SIGNING,
    USAGES,
    Identity,
    is_signed,
    new_seeds,
    sign_device,
)
from storage.database import Database
from tests.bot.matrix.accounts import V3, Account

NewDatabase = Callable[[], Database]
US = "@preau:example.org"
REPLACED = "Matrix: our account had other signing keys, which are replaced"


def check(what: dict[str, Any], user_id: str, name: str, public: str) -> None:
    """Check a signature as the specification says, with nothing of ours.

    Raises:
        InvalidSignature, KeyError: it is not there, or not good.
    """
    bare = {key: value for key, value in what.items() if key not in ("signatures", "unsigned")}
    said = json.dumps(bare, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    signature = what["signatures"][user_id][f"ed25519:{name}"]
    Ed25519PublicKey.from_public_bytes(_bytes(public)).verify(_bytes(signature), said)


def _bytes(unpadded: str) -> bytes:
    return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4))


def check_strictly(seen: dict[str, Any], user_id: str, device_id: str) -> str:
    """Check, as a strict client does, that an account answers for a device; its master key."""
    master, own = seen["master_keys"][user_id], seen["self_signing_keys"][user_id]
    assert (master["usage"], own["usage"]) == (["master"], ["self_signing"])
    assert master["user_id"] == own["user_id"] == user_id
    [master_key], [own_key] = master["keys"].values(), own["keys"].values()
    check(own, user_id, master_key, master_key)
    device = seen["device_keys"][user_id][device_id]
    assert (device["user_id"], device["device_id"]) == (user_id, device_id)
    check(device, user_id, own_key, own_key)
    fingerprint = device["keys"][f"ed25519:{device_id}"]
    check(device, user_id, device_id, fingerprint)
    return str(master_key)


async def test_others_see_a_signed_device(account: Account) -> None:
    client = await account.open()
    assert client.is_signed
    seen = account.seen_by(account.server.register("zoe"))
    check_strictly(seen, client.user_id, client.device_id)


async def test_our_device_signs_our_account(account: Account) -> None:
    """Which a server shows to ourselves alone: to our other devices."""
    client = await account.open()
    seen = account.seen_by(account.member)
    ours = seen["device_keys"][client.user_id][client.device_id]
    fingerprint = ours["keys"][f"ed25519:{client.device_id}"]
    check(seen["master_keys"][client.user_id], client.user_id, client.device_id, fingerprint)


async def test_the_strict_check_is_strict(account: Account) -> None:
    client = await account.open()
    seen = account.seen_by(account.server.register("zoe"))
    own = seen["self_signing_keys"][client.user_id]["keys"].popitem()
    other = Identity(client.user_id, new_seeds(client.user_id)).key(SELF_SIGNING)
    seen["self_signing_keys"][client.user_id]["keys"] = other["keys"]
    with pytest.raises(InvalidSignature):
        check_strictly(seen, client.user_id, client.device_id)
    assert own not in other["keys"].items()


async def test_what_is_there_is_not_sent_again(account: Account) -> None:
    await account.open()
    with structlog.testing.capture_logs() as logged:
        again = await account.open()
    assert not logged
    assert again.is_signed
    assert again.count("/keys/device_signing/upload") == again.count("/keys/signatures/upload") == 0


async def test_a_new_device_is_signed_by_the_keys_that_are_kept(account: Account) -> None:
    first = await account.open()
    zoe = account.server.register("zoe")
    before = check_strictly(account.seen_by(zoe), first.user_id, first.device_id)
    account.log_out(first.access_token)
    second = await account.open()
    assert check_strictly(account.seen_by(zoe), second.user_id, second.device_id) == before


async def test_keys_of_a_lost_database_are_replaced(
    account: Account, new_database: NewDatabase
) -> None:
    first = await account.open()
    zoe = account.server.register("zoe")
    before = check_strictly(account.seen_by(zoe), first.user_id, first.device_id)
    with structlog.testing.capture_logs() as logged:
        second = await account.open(new_database())
    assert [one["event"] for one in logged].count(REPLACED) == 1
    assert second.is_signed
    assert check_strictly(account.seen_by(zoe), second.user_id, second.device_id) != before


async def test_without_the_password_other_keys_stay(
    account: Account, new_database: NewDatabase
) -> None:
    first = await account.open(new_database())
    zoe = account.server.register("zoe")
    token, device = account.log_in("by hand")
    with structlog.testing.capture_logs() as logged:
        client = await account.open(
            matrix_password=None, matrix_access_token=token, matrix_device_id=device
        )
    assert not client.is_signed
    [line] = [one for one in logged if one["log_level"] == "warning"]
    assert line["reason"] == "it wants the password"
    check_strictly(account.seen_by(zoe), first.user_id, first.device_id)
    with pytest.raises(KeyError):
        check_strictly(account.seen_by(zoe), client.user_id, client.device_id)
    again = await account.open(matrix_access_token=token, matrix_device_id=device)
    assert again.is_signed  # once the password is set
    assert again.device_id == device


async def test_a_server_that_shows_other_keys_has_nothing_signed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is signed is our own device, whatever a server says that it is."""
    client = await account.open()
    identity = Identity(client.user_id, _seeds(account))
    real, shown = client.ask, new_seeds(client.user_id)["master"].rstrip("=")

    async def lying(method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await real(method, path, body)
        if path == "/keys/query":
            ours = answer["device_keys"][client.user_id][client.device_id]
            ours["keys"] = dict.fromkeys(ours["keys"], shown)
        if path == "/keys/signatures/upload":
            uploaded.append(deepcopy(body))
        return answer

    uploaded: list[dict[str, Any]] = []
    monkeypatch.setattr(client, "ask", lying)
    await sign_device(client, account.database)
    [signed] = [body[client.user_id][client.device_id] for body in uploaded]
    assert shown not in signed["keys"].values()
    assert identity.has_signed(signed, SELF_SIGNING)


def _seeds(account: Account) -> dict[str, str]:
    found = account.database.read_now(lambda store: store.matrix.get("seeds"))
    assert found is not None
    return found


async def test_seeds_are_kept_before_the_server_hears_of_them(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = account.client()
    real = client.send

    async def looking(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        if path.startswith(f"{V3}/keys/device_signing/upload"):
            kept.append(_seeds(account))
        return await real(method, path, *args, **kwargs)

    kept: list[dict[str, str]] = []
    monkeypatch.setattr(client, "send", looking)
    await client.open()
    assert kept == [_seeds(account)]


def test_each_key_is_another() -> None:
    first, second = (Identity(US, new_seeds(US)) for _ in range(2))
    assert len({one.public(usage) for one in (first, second) for usage in USAGES}) == 6


def test_a_signature_stands_beside_others() -> None:
    identity = Identity(US, new_seeds(US))
    signed = identity.signed({"a": "é", "signatures": {US: {"ed25519:D": "sig"}}}, SELF_SIGNING)
    assert signed["signatures"][US]["ed25519:D"] == "sig"
    check(signed, US, identity.public(SELF_SIGNING), identity.public(SELF_SIGNING))


@pytest.mark.parametrize(
    "signatures",
    [
        None,
        {},
        {US: {}},
        {US: "no"},
        {US: {"ed25519:D": 1}},
        {US: {"ed25519:D": "é"}},
        {US: {"ed25519:D": "c2lnbg"}},
    ],
)
def test_what_is_no_signature(signatures: Any) -> None:
    public = Identity(US, new_seeds(US)).public(MASTER)
    assert not is_signed({"signatures": signatures}, US, "D", public)
    assert not is_signed({}, US, "D", public)
