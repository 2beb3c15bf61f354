"""The keys that protect personal data in the database.

Random keys do the work and are kept in the database, wrapped by a key derived from the operator's
secret. Rotating the secret re-wraps them; nothing else has to be written again.
"""

import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12
_KEY = 32

DATA, INDEX, PSEUDONYM = "data", "index", "pseudonym"
PURPOSES = (DATA, INDEX, PSEUDONYM)


class KeyRefused(Exception):
    """The operator's secret does not open the keys kept in this database."""


@dataclass(frozen=True)
class WrappedKey:
    """One key as the database keeps it: what it is for, its version, and its sealed bytes."""

    purpose: str
    version: int
    sealed: bytes


def _wrapping(secret: str) -> AESGCM:
    derived = HKDF(hashes.SHA256(), _KEY, salt=None, info=b"preau key wrapping v1")
    return AESGCM(derived.derive(secret.encode()))


def _context(purpose: str, version: int) -> bytes:
    return f"{purpose}:{version}".encode()


def wrap(secret: str, purpose: str, version: int, key: bytes) -> WrappedKey:
    """Seal `key` under `secret`, bound to its purpose and version."""
    nonce = os.urandom(_NONCE)
    sealed = nonce + _wrapping(secret).encrypt(nonce, key, _context(purpose, version))
    return WrappedKey(purpose, version, sealed)


def unwrap(secrets: Iterable[str], wrapped: WrappedKey) -> bytes:
    """Open a wrapped key with the first secret that fits, or raise `KeyRefused`."""
    nonce, sealed = wrapped.sealed[:_NONCE], wrapped.sealed[_NONCE:]
    for secret in secrets:
        try:
            context = _context(wrapped.purpose, wrapped.version)
            return _wrapping(secret).decrypt(nonce, sealed, context)
        except InvalidTag:
            continue
    raise KeyRefused("SECRET_KEY does not open this database")


def new_keys(secret: str) -> list[WrappedKey]:
    """Make the first keys of a new database."""
    return [wrap(secret, purpose, 1, os.urandom(_KEY)) for purpose in PURPOSES]


class Keyring:
    """The open keys of one database.

    Args:
        data: the data keys by version; the highest one encrypts, all of them decrypt.
        index: the key of blind indexes and of the hashes of codes.
        pseudonym: the key of published pseudonyms; it is never replaced.
    """

    def __init__(self, data: Mapping[int, bytes], index: bytes, pseudonym: bytes) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in data.items()}
        self._newest = max(self._ciphers)
        self._index = index
        self._pseudonym = pseudonym

    @classmethod
    def open(cls, secrets: Iterable[str], kept: Iterable[WrappedKey]) -> "Keyring":
        """Open the keys kept in a database; raise `KeyRefused` if no secret fits."""
        candidates = list(secrets)
        opened: dict[str, dict[int, bytes]] = {purpose: {} for purpose in PURPOSES}
        for wrapped in kept:
            opened[wrapped.purpose][wrapped.version] = unwrap(candidates, wrapped)
        missing = [purpose for purpose, keys in opened.items() if not keys]
        if missing:
            raise KeyRefused(f"this database lacks its {missing[0]} key")
        index, pseudonym = opened[INDEX], opened[PSEUDONYM]
        return cls(opened[DATA], index[max(index)], pseudonym[max(pseudonym)])

    def encrypt(self, context: str, clear: bytes) -> bytes:
        """Encrypt `clear`; it opens again only under the same `context` (a column's name)."""
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self._newest].encrypt(nonce, clear, context.encode())
        return bytes([self._newest]) + nonce + sealed

    def decrypt(self, context: str, kept: bytes) -> bytes:
        """Open what `encrypt` made; raise `InvalidTag` if it was altered."""
        version, nonce, sealed = kept[0], kept[1 : 1 + _NONCE], kept[1 + _NONCE :]
        return self._ciphers[version].decrypt(nonce, sealed, context.encode())

    def blind(self, context: str, clear: str) -> bytes:
        """The keyed hash by which an encrypted value can be found again, and nothing else."""
        return _keyed_hash(self._index, context, clear)

    def pseudonym(self, context: str, clear: str) -> str:
        """A stable public pseudonym, unlinkable without the key."""
        return _keyed_hash(self._pseudonym, context, clear).hex()[:16]


def _keyed_hash(key: bytes, context: str, clear: str) -> bytes:
    # What was sent by a browser may hold half a surrogate pair: it is no reason to fail.
    message = f"{context}\0{clear}".encode("utf-8", "surrogatepass")
    return hmac.new(key, message, "sha256").digest()  # `hmac.digest` would yield to other threads
