"""The command that copies a database to a file, beside whoever serves it."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Annotated

import typer

from bot.cli import Failed
from bot.clock import Clock
from bot.settings import Settings, load
from storage.backup import Manifest, back_up
from storage.erasures import sync_folder

STANDARD_OUTPUT = Path("-")


def backup(
    file: Annotated[Path, typer.Argument(help="File to make, or - for standard output.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Copy all that the database holds to one file, which `restore` takes."""
    settings = load()
    if settings.sqlite_path is not None and not settings.sqlite_path.exists():
        raise Failed(f"there is no database to back up: {settings.sqlite_path}")
    began = time.monotonic()
    try:
        if file == STANDARD_OUTPUT:
            said, size = sys.stderr, None
            manifest = _made(settings, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            said = sys.stdout
            with _new_file(file) as to:
                manifest = _made(settings, to)
                size = to.tell()
    except OSError as error:
        raise Failed(f"{error.strerror}: {file}") from None
    seconds = time.monotonic() - began
    if as_json:
        told = {"file": str(file), "rows": manifest.rows, "bytes": size, "seconds": seconds}
        print(json.dumps(told | {"revision": manifest.revision}), file=said)
    else:
        shown = f", {size:,} bytes" if size is not None else ""
        print(f"backed up: {manifest.rows:,} rows{shown}, in {seconds:.1f} s", file=said)


def _made(settings: Settings, to: IO[bytes]) -> Manifest:
    return back_up(settings.database_url, to, Clock().now(), version("preau"))


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that its owner only can read, and that has its name once it is whole.

    Raises:
        Failed: there is one of that name.
        OSError: it cannot be written.
    """
    _check_new(path)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        _check_new(path)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _check_new(path: Path) -> None:
    if path.exists():
        raise Failed(f"{path} is there already: give another name")
