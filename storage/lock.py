"""One server for one SQLite file: two would each think that they alone write."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyServed(Exception):
    """Another process serves this database."""


@contextmanager
def only_server(path: Path | None) -> Iterator[None]:
    """Hold the lock beside an SQLite file; the system lets go of it however the process ends.

    The lock file stays: whoever removed it would let two in.

    Args:
        path: of the database; None (it is on a server that many may use) locks nothing.

    Raises:
        AlreadyServed: another process holds it.
        OSError: the lock file cannot be made.
    """
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyServed(f"{path} is already served by another process") from None
    try:
        yield
    finally:
        os.close(descriptor)
