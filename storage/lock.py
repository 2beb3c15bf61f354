"""One server for one database: two would each think that they alone write, and send."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

SERVER = 0x5052454155  # the number of the advisory lock: PREAU in ASCII
PATIENCE = 3.0  # seconds until PostgreSQL knows that who held it is dead
AGAIN = 0.2  # seconds between two looks


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


@contextmanager
def only_server_on(engine: Engine) -> Iterator[None]:
    """Hold the lock of a PostgreSQL database, on a connection that no pool gets back.

    It is there so that nobody starts a second server by mistake, whose first act would be to send
    again what the first has in flight. It is no lease: a process that is frozen keeps it, one that
    is killed lets go of it at once, and if PostgreSQL restarts it is lost, until the next start.
    A pooler between us must give a session to one client at a time.

    Raises:
        AlreadyServed: another process holds it.
    """
    connection = engine.connect()
    connection.detach()
    try:
        _lock(connection)
        yield
    finally:
        with contextlib.suppress(DBAPIError):
            connection.close()


def _lock(connection: Connection) -> None:
    until = time.monotonic() + PATIENCE
    wanted = text("SELECT pg_try_advisory_lock(:number)")
    while not connection.execute(wanted, {"number": SERVER}).scalar_one():
        connection.commit()
        if time.monotonic() > until:
            raise AlreadyServed("this PostgreSQL database is already served by another process")
        time.sleep(AGAIN)
    connection.commit()  # the lock is the session's, and stays
