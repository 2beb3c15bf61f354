"""Column types: encrypted values, blind indexes, instants in UTC, enums kept by value."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import DateTime, LargeBinary, String
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import TypeDecorator

from storage.keys import Keyring

E = TypeVar("E", bound=StrEnum)


def keyring_of(dialect: Dialect) -> Keyring:
    """The keys of the database that `dialect` speaks to.

    A dialect belongs to one engine and is all that a column type is given, so the keys hang there
    (set by `storage.database.Database`) and two databases in one process never share them.
    """
    keyring: Keyring = dialect.preau_keyring  # type: ignore[attr-defined]
    return keyring


class Encrypted(TypeDecorator[str]):
    """Text that is encrypted in its column. `context` is the column's full name."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        return keyring_of(dialect).encrypt(self.context, value.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return keyring_of(dialect).decrypt(self.context, value).decode()


class EncryptedBytes(TypeDecorator[bytes]):
    """Bytes that are encrypted in their column, such as photos."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring_of(dialect).encrypt(self.context, value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring_of(dialect).decrypt(self.context, value)


class EncryptedJSON(TypeDecorator[Any]):
    """Plain JSON data that is encrypted in its column."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        return keyring_of(dialect).encrypt(self.context, json.dumps(value).encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return json.loads(keyring_of(dialect).decrypt(self.context, value))


class BlindIndex(TypeDecorator[str]):
    """The keyed hash of a value: written and compared as the value, read back as `blind` gives it.

    Columns that hold the hash of the same thing must share a `context` to be compared.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, context: str) -> None:
        super().__init__(32)
        self.context = context

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else keyring_of(dialect).blind(self.context, value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else value.hex()


def blind(session: Session, column: InstrumentedAttribute[str], value: str) -> str:
    """What a `BlindIndex` column gives back for a value."""
    kept = column.type.process_bind_param(value, session.get_bind().dialect)
    return str(kept.hex())


class Instant(TypeDecorator[datetime]):
    """A moment, aware and in UTC on both sides; naive ones are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Named(TypeDecorator[E], Generic[E]):
    """A `StrEnum`, kept as its value so that it reads in any tool."""

    impl = String(40)
    cache_ok = True

    def __init__(self, kind: type[E]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: E | str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(self.kind(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        return None if value is None else self.kind(value)
