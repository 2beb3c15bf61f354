"""What an operator wants to know at 3 a.m.: each setting, and whether `run` would work.

It looks and changes nothing: it makes no file, and opens the database for reading only.
"""

import os
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from bot.addresses import NoAddress, NotFree, check_free, on_this_machine
from bot.cli import why_not_opened
from bot.platforms.seen import Seen
from bot.settings import Settings, SettingsRefused, load_what_can_be
from storage import migrate
from storage.database import NotMigrated
from storage.erasures import FILE, ErasureList
from storage.keys import KeyRefused, Keyring, WrappedKey
from storage.store import Store

PATIENCE = 2  # seconds
NOT_OPENED = (NotMigrated, migrate.NewerDatabase, KeyRefused, DatabaseError)

T = TypeVar("T")


@dataclass(frozen=True)
class Findings:
    text: str
    well: bool


def examine() -> Findings:
    """Look at the settings, the database, the folders, the port, Telegram and Matrix.

    Nothing is changed.

    Raises:
        SettingsRefused: `.env` cannot be read at all.
    """
    settings, refused = load_what_can_be()
    problems = list(refused.values())
    notes = settings.warnings()
    problems += settings.contradictions()
    problems += _problems_of_folders(settings)
    if "database_url" not in refused:
        problems += _problems_of_database(settings)
        problems += _problems_of_erasures(settings)
    serving = False
    if not refused.keys() & {"web_host", "web_port"}:
        try:
            check_free(settings.web_host, settings.web_port)
        except NoAddress as error:
            problems.append(str(error))
        except NotFree as error:
            serving = _serves(settings)
            if serving:
                notes.append(f"preau serves port {settings.web_port} now")
            else:
                problems.append(str(error))
    for seen in _platforms(settings, refused, serving=serving):
        problems += seen.problems
        notes += seen.notes
    lines = ["Settings (PREAU_…):"]
    for name, field in Settings.model_fields.items():
        shown = "(refused)" if name in refused else _shown(getattr(settings, name))
        lines.append(f"  {name.upper():23} {shown:28} {field.description}")
    lines.append("")
    lines += [f"PROBLEM  {problem}" for problem in problems] or ["All is well."]
    lines += [f"NOTE     {note}" for note in notes]
    return Findings("\n".join(lines), well=not problems)


def _shown(value: object) -> str:
    """A setting's value; a secret is only said to be there, and an address hides its password."""
    if isinstance(value, SecretStr):
        return "(set)"
    if isinstance(value, list) and value and isinstance(value[0], SecretStr):
        return f"({len(value)} set)"
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    shown = str(value)
    if shown.startswith("postgresql://"):
        url = make_url(shown)
        host = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
        return f"postgresql://{host}/{url.database or ''}"
    return shown


def _problems_of_folders(settings: Settings) -> list[str]:
    """Folders in which `run` could not write."""
    wanted = {"PREAU_DATA_DIR": settings.data_dir}
    if settings.sqlite_path is not None:
        wanted["PREAU_DATABASE_URL"] = settings.sqlite_path.parent
    problems = []
    for name, folder in wanted.items():
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not nearest.is_dir():
            problems.append(f"{name}: {nearest} is no folder")
        elif not os.access(nearest, os.W_OK | os.X_OK):
            problems.append(f"{name}: {nearest} cannot be written to")
    path = settings.sqlite_path
    if path is not None and path.is_file() and not os.access(path, os.W_OK):
        problems.append(f"PREAU_DATABASE_URL: {path} cannot be written to")
    return problems


def _problems_of_database(settings: Settings) -> list[str]:
    """What keeps the secret and the database from fitting together."""
    try:
        secrets = settings.secrets()
    except SettingsRefused as error:
        problems, secrets = [str(error)], []
    else:
        problems = []
    try:
        with _looked_at(settings) as connection:
            if migrate.is_current(connection):
                _open_keys(connection, secrets)
            else:
                problems.append(why_not_opened(NotMigrated()))
    except NOT_OPENED as error:
        problems.append(why_not_opened(error))
    return problems


def _problems_of_erasures(settings: Settings) -> list[str]:
    """What keeps the list of erasures, which a restore goes by, from being whole."""
    file = ErasureList(settings.data_dir / FILE)
    try:
        listed = file.read() if file.path.exists() else {}
    except OSError as error:
        return [f"PREAU_DATA_DIR: {file.path} cannot be read: {error.strerror}"]
    problems = []
    if file.path.exists() and not os.access(file.path, os.W_OK):
        problems.append(f"PREAU_DATA_DIR: {file.path} cannot be written to")

    def missing(store: Store) -> int:
        return sum(one.mark not in listed for one in store.erasures.all())

    if lacking := _found(settings, missing, 0):
        problems.append(
            f"PREAU_DATA_DIR: {file.path} lacks {lacking} erasures: `preau run` adds them"
        )
    return problems


def _platforms(settings: Settings, refused: Collection[str], *, serving: bool) -> list[Seen]:
    """What those platforms say that are called."""
    seen = []
    if settings.serves_telegram:
        from bot.platforms.telegram.doctor import examine as examine_telegram

        seen.append(examine_telegram(settings, serving=serving))
    if settings.serves_matrix:
        from bot.platforms.matrix.doctor import examine as examine_matrix
        from bot.platforms.matrix.kept import Kept, kept_in

        kept = None if "database_url" in refused else _found(settings, kept_in, Kept())
        seen.append(examine_matrix(settings, kept, serving=serving))
    return seen


def _found(settings: Settings, work: Callable[[Store], T], nothing: T) -> T | None:
    """What `work` finds in the database.

    Returns:
        `nothing`, if the database was not served yet; None if it cannot be read, which is told
        elsewhere.
    """
    try:
        secrets = settings.secrets()
        with _looked_at(settings) as connection:
            if not migrate.is_current(connection):
                return None
            keyring = _open_keys(connection, secrets)
            if keyring is None:
                return nothing
            connection.dialect.preau_keyring = keyring  # type: ignore[attr-defined]
            with Session(connection) as session:
                return work(Store(session))
    except (SettingsRefused, *NOT_OPENED):
        return None


def _open_keys(connection: Connection, secrets: list[str]) -> Keyring | None:
    """The keys of the database; None if there are none yet, for they are made at the first start.

    Raises:
        KeyRefused: no secret opens them.
    """
    rows = connection.execute(text("SELECT purpose, version, sealed FROM keys"))
    kept = [WrappedKey(*row) for row in rows]
    return Keyring.open(secrets, kept) if secrets and kept else None


@contextmanager
def _looked_at(settings: Settings) -> Iterator[Connection]:
    """A connection that can only read.

    Raises:
        NotMigrated: there is no file yet.
    """
    path = settings.sqlite_path
    arguments: dict[str, Any]
    if path is None:
        url = make_url(settings.database_url).set(drivername="postgresql+psycopg")
        options = "-c default_transaction_read_only=on"
        arguments = {"options": options, "connect_timeout": PATIENCE}
    else:
        if not path.exists():
            raise NotMigrated
        # Without a log nobody is writing; to look at one with a log, SQLite needs its index beside.
        how = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
        url = make_url(f"sqlite:///{path.absolute().as_uri()}?{how}&uri=true")
        arguments = {}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _serves(settings: Settings) -> bool:
    """Whether it is Préau that answers at the port."""
    address = on_this_machine(settings.web_host, settings.web_port)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/readyz", timeout=PATIENCE) as answer:
            return bool(answer.read(100) == b"ready\n")
    except (OSError, ValueError):
        return False
