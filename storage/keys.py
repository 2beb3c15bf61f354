"""The keys that protect personal data in the database.

Random keys do the work and are kept in the database, wrapped by a key derived from the operator's
secret. Rotating the secret re-wraps them; nothing else has to be written again.
"""

import hmac
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import LargeBinary, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base

_NONCE = 12
_KEY = 32
_MOST_VERSIONS = 255  # the version is one byte of what was encrypted

DATA, INDEX, PSEUDONYM = "data", "index", "pseudonym"
PURPOSES = (DATA, INDEX, PSEUDONYM)


class KeyRefused(Exception):
    """The operator's secret does not open the keys kept in this database."""


class TooManyKeys(Exception):
    """There is no version left for another data key."""


class KeyRow(Base):
    """A key of this database, wrapped by the operator's secret."""

    __tablename__ = "keys"

    purpose: Mapped[str] = mapped_column(String(20), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


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
        except (InvalidTag, ValueError):  # the latter if it is too short
            continue
    raise KeyRefused("SECRET_KEY does not open this database")


def new_keys(secret: str) -> list[WrappedKey]:
    """Make the first keys of a new database."""
    return [wrap(secret, purpose, 1, os.urandom(_KEY)) for purpose in PURPOSES]


def opened(secrets: Iterable[str], kept: Iterable[WrappedKey]) -> dict[str, dict[int, bytes]]:
    """The keys kept in a database, by purpose and version.

    Raises:
        KeyRefused: no secret fits, or there is none of a purpose.
    """
    candidates = list(secrets)
    found: dict[str, dict[int, bytes]] = {purpose: {} for purpose in PURPOSES}
    for wrapped in kept:
        found[wrapped.purpose][wrapped.version] = unwrap(candidates, wrapped)
    missing = [purpose for purpose, keys in found.items() if not keys]
    if missing:
        raise KeyRefused(f"this database lacks its {missing[0]} key")
    return found


class Keyring:
    """The open keys of one database.

    Args:
        data: the data keys by version; the highest one encrypts, all of them decrypt.
        index: the key of blind indexes and of the hashes of codes.
        pseudonym: the key of published pseudonyms; it is never replaced.
        reread: gives the data keys as they are by now: another process may have made one.
    """

    def __init__(
        self,
        data: Mapping[int, bytes],
        index: bytes,
        pseudonym: bytes,
        reread: Callable[[], Mapping[int, bytes]] | None = None,
    ) -> None:
        self._index = index
        self._pseudonym = pseudonym
        self._reread = reread
        self._one_rereads = threading.Lock()
        self._take(data)

    @classmethod
    def open(
        cls,
        secrets: Iterable[str],
        kept: Iterable[WrappedKey],
        reread: Callable[[], Mapping[int, bytes]] | None = None,
    ) -> "Keyring":
        """Open the keys kept in a database; raise `KeyRefused` if no secret fits."""
        keys = opened(secrets, kept)
        index, pseudonym = keys[INDEX], keys[PSEUDONYM]
        return cls(keys[DATA], index[max(index)], pseudonym[max(pseudonym)], reread)

    @property
    def newest(self) -> int:
        """The version of the data key that encrypts."""
        return self._newest

    def encrypt(self, context: str, clear: bytes) -> bytes:
        """Encrypt `clear`; it opens again only under the same `context` (a column's name)."""
        nonce, version = os.urandom(_NONCE), self._newest
        sealed = self._ciphers[version].encrypt(nonce, clear, context.encode())
        return bytes([version]) + nonce + sealed

    def decrypt(self, context: str, kept: bytes) -> bytes:
        """Open what `encrypt` made.

        Raises:
            InvalidTag: it was altered.
            KeyRefused: its key is not there, or no secret of this process opens it.
        """
        if len(kept) <= _NONCE:
            raise InvalidTag
        version, nonce, sealed = kept[0], kept[1 : 1 + _NONCE], kept[1 + _NONCE :]
        if version not in self._ciphers:
            self.take_up(version)
        return self._ciphers[version].decrypt(nonce, sealed, context.encode())

    def take_up(self, version: int) -> None:
        """Read the data keys again, for one that another process made.

        Raises:
            KeyRefused: it is not there, or no secret of this process opens it.
        """
        with self._one_rereads:
            if version not in self._ciphers and self._reread is not None:
                self._take(self._reread())
        if version not in self._ciphers:
            raise KeyRefused(f"this database lacks its data key {version}")

    def blind(self, context: str, clear: str) -> bytes:
        """The keyed hash by which an encrypted value can be found again, and nothing else."""
        return _keyed_hash(self._index, context, clear)

    def pseudonym(self, context: str, clear: str) -> str:
        """A stable public pseudonym, unlinkable without the key."""
        return self.mark(context, clear).hex()[:16]

    def mark(self, context: str, clear: str) -> bytes:
        """By what a thing is known outside the database, for as long as there are backups of it."""
        return _keyed_hash(self._pseudonym, context, clear)

    def _take(self, data: Mapping[int, bytes]) -> None:
        # In this order: another thread may encrypt meanwhile.
        self._ciphers = {version: AESGCM(key) for version, key in data.items()}
        self._newest = max(self._ciphers)


def _keyed_hash(key: bytes, context: str, clear: str) -> bytes:
    # What was sent by a browser may hold half a surrogate pair: it is no reason to fail.
    message = f"{context}\0{clear}".encode("utf-8", "surrogatepass")
    return hmac.new(key, message, "sha256").digest()  # `hmac.digest` would yield to other threads


class Keys:
    """The keys as the database keeps them."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def kept(self) -> list[WrappedKey]:
        return [WrappedKey(row.purpose, row.version, row.sealed) for row in self._rows()]

    def newest(self) -> int:
        """The version of the newest data key; 0 if there is none."""
        wanted = select(func.max(KeyRow.version)).where(KeyRow.purpose == DATA)
        return self.session.execute(wanted).scalar() or 0

    def make(self, secret: str) -> list[WrappedKey]:
        """Keep the first keys of a new database."""
        made = new_keys(secret)
        self.session.add_all(KeyRow(**vars(key)) for key in made)
        self.session.flush()
        return made

    def rewrap(self, secrets: Sequence[str]) -> int:
        """Wrap by the first secret every key that an earlier one wraps; say how many.

        Raises:
            KeyRefused: no secret opens one of them; nothing was changed.
        """
        current = secrets[0]
        rewrapped = 0
        for row in self._rows(lock=True):
            wrapped = WrappedKey(row.purpose, row.version, row.sealed)
            if _opens(current, wrapped):
                continue
            key = unwrap(secrets[1:], wrapped)
            row.sealed = wrap(current, row.purpose, row.version, key).sealed
            rewrapped += 1
        self.session.flush()
        return rewrapped

    def add_data_key(self, secret: str) -> int:
        """Keep a new data key, for what is encrypted from now on; its version.

        Raises:
            TooManyKeys: there are 255 of them.
        """
        version = max(row.version for row in self._rows(lock=True) if row.purpose == DATA) + 1
        if version > _MOST_VERSIONS:
            raise TooManyKeys(f"there are {_MOST_VERSIONS} data keys already, and no more can be")
        made = wrap(secret, DATA, version, os.urandom(_KEY))
        self.session.add(KeyRow(**vars(made)))
        self.session.flush()
        return version

    def _rows(self, *, lock: bool = False) -> list[KeyRow]:
        wanted = select(KeyRow).order_by(KeyRow.purpose, KeyRow.version)
        return list(self.session.scalars(wanted.with_for_update() if lock else wanted))


def _opens(secret: str, wrapped: WrappedKey) -> bool:
    try:
        unwrap([secret], wrapped)
    except KeyRefused:
        return False
    return True
