"""The command that fills an empty database from a backup."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import NullPool, create_engine

from bot.cli import Failed, Misused, alone
from bot.clock import Clock
from bot.settings import Settings, load
from storage.audit import BY_COMMAND_LINE
from storage.backup import Backup, NewerBackup, NoBackup, Occupied, check_empty, restore_into
from storage.backup.settling import Replayed, replay, settle
from storage.database import with_driver
from storage.erasures import FILE, ErasureList, Listed
from storage.keys import KeyRefused, Keyring
from storage.lock import only_server_on
from storage.store import Store


def restore(
    file: Annotated[Path, typer.Argument(help="File that `backup` made.")],
    erasures: Annotated[
        Path | None, typer.Option(help="List of erasures, if it is not in PREAU_DATA_DIR.")
    ] = None,
    without_erasures: Annotated[
        bool, typer.Option("--without-erasures", help="Go on although that list is lost.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fill an empty database from a backup; what was erased since is erased again."""
    if erasures is not None and without_erasures:
        raise Misused("say --erasures or --without-erasures, not both")
    settings = load()
    secrets = settings.secrets()
    began = time.monotonic()
    with _refusals(file), Backup(file) as backup:
        check_empty(settings.database_url)
        backup.check()
        keyring = Keyring.open(secrets, backup.keys())
        listed = {} if without_erasures else _listed(settings, erasures, backup)
        with _alone(settings):  # which leaves a file: nothing that was refused does
            check_empty(settings.database_url)
            replayed = _restored(settings, backup, keyring, listed)
        manifest = backup.manifest
    seconds = time.monotonic() - began
    if as_json:
        told = {"rows": manifest.rows, "made_at": manifest.made_at.isoformat()}
        print(json.dumps(told | {"erased_again": asdict(replayed), "seconds": seconds}))
    else:
        print(
            f"restored: {manifest.rows:,} rows of {manifest.made_at:%Y-%m-%d %H:%M} UTC, "
            f"in {seconds:.1f} s; erased again: {replayed.people} people, "
            f"{replayed.reports} reports"
        )


@contextmanager
def _refusals(file: Path) -> Iterator[None]:
    """What cannot be restored, in one line; nothing was changed then."""
    try:
        yield
    except NoBackup as error:
        raise Failed(f"{file} cannot be restored: {error}") from None
    except NewerBackup:
        raise Failed(f"{file} was made by a newer version of preau: install that version") from None
    except Occupied as error:
        raise Failed(
            f"the database is not empty: {error}. Give an empty one in PREAU_DATABASE_URL"
        ) from None
    except KeyRefused as error:
        raise Failed(f"{file}: {error}; give the secret of when the backup was made") from None
    except OSError as error:
        raise Failed(f"{error.strerror}: {error.filename or file}") from None


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Nobody serves the database meanwhile."""
    with alone(settings.sqlite_path):
        if settings.sqlite_path is not None:
            yield
            return
        engine = create_engine(with_driver(settings.database_url), poolclass=NullPool)
        with only_server_on(engine):
            yield


def _listed(settings: Settings, given: Path | None, backup: Backup) -> Listed:
    """What was erased, as it is listed outside the database.

    Raises:
        Failed: there is no list, or it is not the one of this database.
    """
    own = settings.data_dir / FILE
    paths = [path for path in (own, given) if path is not None and (path == given or path.exists())]
    if not paths:
        raise Failed(
            f"no list of erasures at {own}: give it by --erasures FILE, "
            "or say --without-erasures if it is lost: who was erased since would be back"
        )
    listed: Listed = {}
    for path in paths:
        for mark, line in ErasureList(path).read().items():
            if mark not in listed or line.at > listed[mark].at:
                listed[mark] = line
    missing = len(backup.erasures() - listed.keys())
    if missing:
        raise Failed(
            f"{paths[-1]} lacks {missing} erasures that the backup knows: it is another's, or "
            "incomplete. Give the right one by --erasures FILE, or say --without-erasures"
        )
    return listed


def _restored(settings: Settings, backup: Backup, keyring: Keyring, listed: Listed) -> Replayed:
    now, made_at = Clock().now(), backup.manifest.made_at
    replayed = Replayed(0, 0)

    def finish(store: Store) -> None:
        nonlocal replayed
        settle(store, made_at, now)
        _forget_device(store)
        replayed = replay(store, listed, made_at, now)
        store.audit.add(
            "backups.restored",
            now,
            via=BY_COMMAND_LINE,
            details={"made_at": made_at.isoformat(), **asdict(replayed)},
        )
        _keep_list(settings, listed)

    restore_into(settings.database_url, backup, keyring, finish)
    return replayed


def _forget_device(store: Store) -> None:
    """Have Matrix make a new device in any case: the keys of this one were used since."""
    from bot.platforms.matrix.login import kept_login

    login = kept_login(store)
    if login is not None:
        replace(login, generation=0).keep(store)


def _keep_list(settings: Settings, listed: Listed) -> None:
    """Have the list beside this database hold all that was given."""
    own = ErasureList(settings.data_dir / FILE)
    there = own.read() if own.path.exists() else {}
    own.append(line for mark, line in listed.items() if mark not in there)
