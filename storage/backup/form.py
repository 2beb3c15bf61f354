"""The form of a backup: a zip of a part for each table, and a manifest that says what they hold.

A part has one row a line: a JSON array of its columns, in the manifest's order, as the database
keeps them. Bytes are in base64; instants are in UTC, and these and dates as ISO 8601 says.
"""

import base64
import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST = 2**63 - 1  # number in a column
# What reading JSON raises of what is none, or not of the shape that is wanted.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


class NoBackup(Exception):
    """The file is none of ours, or it was damaged."""


class NewerBackup(Exception):
    """It was made by a newer version of the program."""


class Kind(StrEnum):
    """What a column holds, whatever the engine calls it."""

    text = "text"
    integer = "integer"
    boolean = "boolean"
    instant = "instant"
    date = "date"
    bytes = "bytes"


_TYPES: dict[Kind, sa.types.TypeEngine[Any]] = {
    Kind.boolean: sa.Boolean(),
    Kind.integer: sa.BigInteger(),
    Kind.instant: sa.DateTime(timezone=True),
    Kind.date: sa.Date(),
    Kind.bytes: sa.LargeBinary(),
    Kind.text: sa.Text(),
}
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_FAMILIES: dict[Kind, type[sa.types.TypeEngine[Any]]] = {
    Kind.boolean: sa.Boolean,
    Kind.integer: sa.Integer,
    Kind.instant: sa.DateTime,
    Kind.date: sa.Date,
    Kind.bytes: sa.LargeBinary,
    Kind.text: sa.String,
}


@dataclass(frozen=True)
class Part:
    """One table.

    Attributes:
        columns: what each holds, by name.
        sha256: of all its lines.
        last_id: the last id that was given, if it gives any: it is not given again.
    """

    table: str
    columns: dict[str, Kind]
    rows: int
    sha256: str
    last_id: int | None

    @property
    def name(self) -> str:
        return f"{self.table}.jsonl"


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    Attributes:
        revision: of which version the tables are.
        made_by: the program's version.
    """

    format: int
    revision: str
    made_by: str
    made_at: datetime
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def written(self) -> str:
        return json.dumps(asdict(self) | {"made_at": self.made_at.isoformat()}, indent=1)

    @classmethod
    def read(cls, written: bytes) -> "Manifest":
        """What `written` wrote.

        Raises:
            NewerBackup: it is of another format.
            NoBackup: it says nothing that can be used.
        """
        try:
            given = json.loads(written)
            if given["format"] != FORMAT:
                raise NewerBackup
            parts = tuple(_part(one) for one in given.pop("parts"))
            made_at = datetime.fromisoformat(given.pop("made_at")).astimezone(UTC)
            return cls(**given, made_at=made_at, parts=parts)
        except _UNREADABLE as error:
            raise NoBackup("its manifest cannot be read") from error


def _part(given: dict[str, Any]) -> Part:
    columns = {name: Kind(kind) for name, kind in given.pop("columns").items()}
    part = Part(**given, columns=columns)
    if not 0 <= (part.last_id or 0) <= LARGEST:
        raise ValueError(part.last_id)
    return part


def columns_of(inspector: sa.Inspector, table: str) -> dict[str, Kind]:
    """What the columns of a table hold, by name."""
    return {one["name"]: _kind(one["type"]) for one in inspector.get_columns(table)}


def _kind(of: sa.types.TypeEngine[Any]) -> Kind:
    return next(kind for kind, family in _FAMILIES.items() if isinstance(of, family))


def as_table(name: str, columns: dict[str, Kind]) -> sa.Table:
    """A table as it is read and written here: without the types that encrypt."""
    made = [sa.Column(column, _TYPES[kind]) for column, kind in columns.items()]
    return sa.Table(name, sa.MetaData(), *made)


def line_of(row: sa.Row[Any]) -> bytes:
    """A row as a line."""
    return _compact.encode([_plain(value) for value in row]).encode() + b"\n"


def row_of(line: bytes, columns: dict[str, Kind]) -> dict[str, Any]:
    """The row of a line.

    Raises:
        NoBackup: it is none of these columns.
    """
    try:
        given = zip(columns.items(), json.loads(line), strict=True)
        return {name: _value(kind, value) for (name, kind), value in given}
    except _UNREADABLE as error:
        raise NoBackup("a row cannot be read") from error


def _plain(value: Any) -> Any:
    match value:
        case bytes() | memoryview():
            return base64.b64encode(value).decode()
        case datetime():
            return (value.replace(tzinfo=UTC) if value.tzinfo is None else value).isoformat()
        case date():
            return value.isoformat()
        case _:
            return value


def _value(kind: Kind, plain: Any) -> Any:
    if plain is None:
        return None
    match kind:
        case Kind.bytes:
            return base64.b64decode(plain, validate=True)
        case Kind.instant:
            return datetime.fromisoformat(plain).astimezone(UTC)
        case Kind.date:
            return date.fromisoformat(plain)
        case Kind.integer if type(plain) is int and abs(plain) <= LARGEST:
            return plain
        case Kind.boolean if isinstance(plain, bool):
            return plain
        case Kind.text if isinstance(plain, str):
            return plain
        case _:
            raise ValueError(kind)
