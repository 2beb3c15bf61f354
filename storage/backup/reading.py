"""A backup that is read: first to see whether it is whole, then to fill a database."""

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from storage import migrate
from storage.backup.form import MANIFEST, Manifest, NewerBackup, NoBackup, Part, row_of
from storage.keys import WrappedKey

LONGEST = 2**26  # bytes of the manifest
LONGEST_ROW = 2**28  # bytes; what is kept is far shorter
WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What `zipfile` raises of what is none, or is damaged.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error)


class Backup:
    """An open backup.

    Raises:
        OSError: the file cannot be read.
        NoBackup, NewerBackup
    """

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except _DAMAGED as error:
            raise NoBackup("it is none, or its end is missing") from error
        try:
            self.manifest = self._manifest()
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> "Backup":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._archive.close()

    def check(self) -> None:
        """Read all of it, and compare.

        Raises:
            NoBackup: a part is missing, or is not what the manifest says.
        """
        for part in self.manifest.parts:
            for _ in self._lines(part):
                pass

    def rows(self, part: Part) -> Iterator[dict[str, Any]]:
        """The rows of a part.

        Raises:
            NoBackup: it is not what the manifest says.
        """
        for line in self._lines(part):
            yield row_of(line, part.columns)

    def keys(self) -> list[WrappedKey]:
        """The wrapped keys."""
        parts = [one for one in self.manifest.parts if one.table == "keys"]
        return [WrappedKey(**row) for part in parts for row in self.rows(part)]

    def erasures(self) -> set[bytes]:
        """The marks of those erasures that it knows to be listed outside the database."""
        parts = [one for one in self.manifest.parts if one.table == "erasures"]
        return {row["mark"] for part in parts for row in self.rows(part) if row["listed"]}

    def _manifest(self) -> Manifest:
        with self._opened(MANIFEST) as file:
            written = file.read(LONGEST)
        manifest = Manifest.read(written)
        if manifest.revision not in migrate.REVISIONS:
            raise NewerBackup
        return manifest

    def _lines(self, part: Part) -> Iterator[bytes]:
        digest, count = hashlib.sha256(), 0
        with self._opened(part.name) as file:
            buffered = io.BufferedReader(cast(io.RawIOBase, file))
            while line := buffered.readline(LONGEST_ROW):
                if len(line) == LONGEST_ROW:
                    raise NoBackup(f"{part.name} has a row without an end")
                digest.update(line)
                count += 1
                yield line
        if (digest.hexdigest(), count) != (part.sha256, part.rows):
            raise NoBackup(f"{part.name} is not what the manifest says")

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        """Something in it, while it is read."""
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            raise NoBackup(f"it lacks {name}") from None
        if info.compress_type not in WAYS:
            raise NoBackup(f"{name} is damaged")
        try:
            with self._archive.open(info) as file:
                yield file
        except _DAMAGED as error:
            raise NoBackup(f"{name} is damaged") from error
