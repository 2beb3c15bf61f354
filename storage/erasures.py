"""What people had erased or took back, listed outside the database too, for a restore to do again.

The list says what was done and when, and of whom only a keyed hash: alone it tells nothing.
"""

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Index,
    LargeBinary,
    delete,
    literal_column,
    select,
    text,
    true,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import Instant, Named, keyring_of

FILE = "erasures"  # its name, in the folder of what is kept beside the database
AT_ONCE = 500  # ids in one statement
UNLISTED = "NOT listed"
_LINE = re.compile(rb"([0-9T:.+-]{20,40}) (person|writings|report|publication) ([0-9a-f]{64})")


class ErasureKind(StrEnum):
    """What is erased, or taken back.

    `writings`: all that a person wrote, but not who they are and how they voted. `publication`: a
    report is the committee's alone from then on.
    """

    person = "person"
    writings = "writings"
    report = "report"
    publication = "publication"


class Erasure(Base):
    """One erasure. `listed`: it stands in the file as well."""

    __tablename__ = "erasures"
    __table_args__ = (
        Index(
            "ix_erasures_unlisted",
            "id",
            sqlite_where=text(UNLISTED),
            postgresql_where=text(UNLISTED),
        ),
        Index(None, "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[ErasureKind] = mapped_column(Named(ErasureKind))
    mark: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime] = mapped_column(Instant)
    listed: Mapped[bool] = mapped_column(default=False)


@dataclass(frozen=True)
class Line:
    """An erasure as it is listed, and its number if it is in a database."""

    kind: ErasureKind
    mark: bytes
    at: datetime
    id: int = 0

    def __bytes__(self) -> bytes:
        return f"{self.at.isoformat()} {self.kind} {self.mark.hex()}\n".encode()


Listed = dict[bytes, Line]


class Erasures:
    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, kind: ErasureKind, number: int, since: datetime, now: datetime) -> None:
        """Note an erasure, in the transaction that does it.

        Args:
            number: the id of the person or the report.
            since: when the person came, or the report was submitted.
        """
        mark = self.mark(kind, number, since)
        self.session.add(Erasure(kind=kind, mark=mark, at=now))

    def mark(self, kind: ErasureKind, number: int, since: datetime) -> bytes:
        """By what an erasure is listed.

        An id that is given again after a restore is of somebody who came at another moment.
        """
        keyring = keyring_of(self.session.get_bind().dialect)
        return keyring.mark("erasures", f"{kind}:{number}:{since.astimezone(UTC).isoformat()}")

    def unlisted(self) -> list[Line]:
        """Those that do not stand in the file yet, as far as is known."""
        return self._lines(literal_column(UNLISTED, Boolean()))

    def all(self) -> list[Line]:
        return self._lines(true())

    def note_listed(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), AT_ONCE):
            some = Erasure.id.in_(ids[start : start + AT_ONCE])
            self.session.execute(update(Erasure).where(some).values(listed=True))

    def compare(self, listed: Collection[bytes]) -> None:
        """Note anew which of them stand in the file."""
        self.session.execute(update(Erasure).values(listed=False))
        self.note_listed([one.id for one in self.all() if one.mark in listed])

    def forget(self, before: datetime) -> None:
        """Drop those of before a moment that are listed."""
        old = delete(Erasure).where(Erasure.at < before, Erasure.listed.is_(True))
        self.session.execute(old)

    def _lines(self, which: ColumnElement[bool]) -> list[Line]:
        columns = Erasure.kind, Erasure.mark, Erasure.at, Erasure.id
        wanted = select(*columns).where(which).order_by(Erasure.id)
        return [Line(*row) for row in self.session.execute(wanted)]


class ErasureList:
    """The file. It is only added to; a line may stand there twice, and the last one be cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, lines: Iterable[Line]) -> None:
        """Add lines, and wait until they are on the disk; the file is made if it is not there.

        Raises:
            OSError: they may not be there.
        """
        is_new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            if file.seek(0, os.SEEK_END) and _last(file.fileno()) != b"\n":
                file.write(b"\n")  # after a line that was cut off
            for line in lines:
                file.write(bytes(line))
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self.path.parent)

    def read(self) -> Listed:
        """What is listed, by its marks; a line that was cut off is passed over.

        Raises:
            OSError: the file cannot be read.
        """
        listed = {}
        with self.path.open("rb") as file:
            for written in file:
                if found := _LINE.fullmatch(written.rstrip(b"\n")):
                    at, kind, mark = (part.decode() for part in found.groups())
                    hashed = bytes.fromhex(mark)
                    listed[hashed] = Line(ErasureKind(kind), hashed, datetime.fromisoformat(at))
        return listed


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _last(descriptor: int) -> bytes:
    """The last byte of a file that has some."""
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1)
