"""The keys by which our account answers for its device; some clients read nothing of others.

Three Ed25519 keys: the master key signs the self-signing key, which signs our device, and the
user-signing key, with which we sign nobody. Their seeds are the row `seeds` of `store.matrix`.
See https://spec.matrix.org/latest/client-server-api/#cross-signing.
"""

import base64
import secrets
from collections.abc import Mapping
from typing import Any

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nio.api import Api

from bot.platforms.matrix.connection import Connection, ServerRefused
from bot.platforms.matrix.keys import device_keys
from storage.database import Database
from storage.store import Store

log = structlog.get_logger()

SEEDS = "seeds"  # the kind of their row
MASTER, SELF_SIGNING, USER_SIGNING = USAGES = ("master", "self_signing", "user_signing")

Signed = dict[str, Any]  # an object of Matrix, with its signatures


class Identity:
    """The three keys of an account."""

    def __init__(self, user_id: str, seeds: Mapping[str, str]) -> None:
        self.user_id = user_id
        self._keys = {
            usage: Ed25519PrivateKey.from_private_bytes(base64.b64decode(seeds[usage]))
            for usage in USAGES
        }

    def public(self, usage: str) -> str:
        return _unpadded(self._keys[usage].public_key().public_bytes_raw())

    def key(self, usage: str) -> Signed:
        """A public key as it is uploaded."""
        public = self.public(usage)
        made = {"user_id": self.user_id, "usage": [usage], "keys": {f"ed25519:{public}": public}}
        return made if usage == MASTER else self.signed(made, MASTER)

    def signed(self, what: Signed, usage: str) -> Signed:
        """Something of this account, with our signature beside those that it has."""
        signature = _unpadded(self._keys[usage].sign(_canonical(what)))
        return _with(what, self.user_id, f"ed25519:{self.public(usage)}", signature)

    def has_signed(self, what: Signed, usage: str) -> bool:
        return is_signed(what, self.user_id, self.public(usage), self.public(usage))

    def is_in(self, found: Mapping[str, Any]) -> bool:
        """Whether the server has these keys, and no others."""
        return all(
            self.public(usage)
            in found.get(f"{usage}_keys", {}).get(self.user_id, {}).get("keys", {}).values()
            for usage in USAGES
        )


def new_seeds(user_id: str) -> dict[str, str]:
    made = {usage: base64.b64encode(secrets.token_bytes(32)).decode() for usage in USAGES}
    return {"user_id": user_id, **made}


def is_signed(what: Signed, user_id: str, name: str, public: str) -> bool:
    """Whether something bears the signature of a user's Ed25519 key, of which this is the name."""
    try:
        signature = what["signatures"][user_id][f"ed25519:{name}"]
        key = Ed25519PublicKey.from_public_bytes(_padded(public))
        key.verify(_padded(signature), _canonical(what))
    except (KeyError, TypeError, ValueError, InvalidSignature):
        return False
    return True


async def sign_device(connection: Connection, database: Database) -> bool:
    """Have our account sign this device, and this device our account; what is there stays.

    Returns:
        Whether it is signed now; if not, a line of the log says why.

    Raises:
        Unreachable: the homeserver does not answer.
        Unavailable: the database does not.
    """
    user = connection.user_id
    identity = Identity(user, await database.write(lambda store: _kept_seeds(store, user)))
    try:
        found = await keys_of(connection, user)
        if not identity.is_in(found):
            has_others = any(found.get(f"{usage}_keys", {}).get(user) for usage in USAGES)
            if has_others:
                # Ours were replaced, or only some came there: a server takes no key twice.
                seeds = new_seeds(user)
                await database.write(lambda store: store.matrix.put(SEEDS, "", seeds))
                identity = Identity(user, seeds)
            uploaded = {f"{usage}_key": identity.key(usage) for usage in USAGES}
            await connection.ask_as_owner("POST", "/keys/device_signing/upload", uploaded)
            if has_others:
                log.warning("Matrix: our account had other signing keys, which are replaced")
        lacking = _lacking(identity, connection, await keys_of(connection, user))
        answer = lacking and await connection.ask(
            "POST", "/keys/signatures/upload", {user: lacking}
        )
    except ServerRefused as refused:
        _warn("it wants the password" if "flows" in refused.body else refused.name)
        return False
    if answer and answer.get("failures"):
        _warn("it does not take our signatures")
        return False
    return True


def _warn(reason: str) -> None:
    log.warning(
        "Matrix: our device is not signed, and some clients will not read it", reason=reason
    )


def _kept_seeds(store: Store, user_id: str) -> dict[str, str]:
    """The seeds that are kept, or new ones, kept before anybody hears of them."""
    seeds = store.matrix.get(SEEDS)
    if seeds is None or seeds["user_id"] != user_id:
        seeds = new_seeds(user_id)
        store.matrix.put(SEEDS, "", seeds)
    return seeds


async def keys_of(connection: Connection, user_id: str) -> dict[str, Any]:
    """What a server says of somebody's devices and signing keys."""
    return await connection.ask("POST", "/keys/query", {"device_keys": {user_id: []}})


def _lacking(identity: Identity, connection: Connection, found: Mapping[str, Any]) -> Signed:
    """The signatures that the server has not, with what they are on.

    What we sign is what we know ourselves, never what a server shows us.
    """
    user, device, account = connection.user_id, connection.device_id, connection.olm.account
    made: Signed = {}
    if not identity.has_signed(found["device_keys"][user][device], SELF_SIGNING):
        made[device] = identity.signed(device_keys(connection.olm), SELF_SIGNING)
    if not is_signed(found["master_keys"][user], user, device, account.identity_keys["ed25519"]):
        master = identity.key(MASTER)
        signature = account.sign(_canonical(master).decode())
        made[identity.public(MASTER)] = _with(master, user, f"ed25519:{device}", signature)
    return made


def _with(what: Signed, user_id: str, name: str, signature: str) -> Signed:
    others = what.get("signatures", {}).get(user_id, {})
    return {**what, "signatures": {user_id: {**others, name: signature}}}


def _canonical(what: Signed) -> bytes:
    """The bytes of which a signature is made."""
    bare = {name: part for name, part in what.items() if name not in ("signatures", "unsigned")}
    return str(Api.to_canonical_json(bare)).encode()


def _unpadded(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")


def _padded(value: str) -> bytes:
    return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
