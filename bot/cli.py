"""What commands share: one clear line per error, exit codes, the log, the database."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog
import typer
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, ProgrammingError

from bot.addresses import NoAddress, NotFree
from bot.settings import Settings, SettingsRefused
from storage.database import Database, NotMigrated, Unavailable
from storage.keys import KeyRefused
from storage.lock import AlreadyServed, only_server, only_server_on
from storage.migrate import BrokenReferences, NewerDatabase, is_current

WELL, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
INSUFFICIENT_PRIVILEGE = "42501"  # of PostgreSQL


class Failed(Exception):
    """What went wrong, in one line for the operator."""


class Misused(Exception):
    """What was asked that cannot be, in one line for the operator."""


def exit_code(command: Callable[[], int | None]) -> int:
    """Do a command; say what went wrong in one line. A bug keeps its traceback.

    Returns:
        0 well, 1 failed, 2 misused, 130 interrupted.
    """
    try:
        return command() or WELL
    except typer.TyperException as error:
        return _say(f"{error.format_message()} (see: preau --help)", error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except SettingsRefused as error:
        others = len(error.problems) - 1
        more = f" (and {others} more: see `preau doctor`)" if others else ""
        return _say(f"{error}{more}", MISUSED)
    except (Misused, NoAddress) as error:
        return _say(str(error), MISUSED)
    except (Failed, NotFree, AlreadyServed, BrokenReferences) as error:
        return _say(str(error), FAILED)
    except (NotMigrated, NewerDatabase, KeyRefused, Unavailable, DatabaseError) as error:
        if _is_bug(error):
            raise
        return _say(why_not_opened(error), FAILED)


def why_not_opened(error: Exception) -> str:
    """Why a database cannot be used, in one line. It repeats no address, thus no password."""
    match error:
        case NotMigrated():
            return "the database is not at this version: run `preau migrate`"
        case NewerDatabase():
            return "the database was made by a newer version of preau: install that version"
        case KeyRefused():
            return str(error)
        case _:
            cause = getattr(error, "orig", None) or error
            return f"the database does not answer: {' '.join(str(cause).split())}"


def _is_bug(error: Exception) -> bool:
    """Whether a statement of ours is wrong; rights that the operator did not give are theirs."""
    if not isinstance(error, DataError | IntegrityError | ProgrammingError):
        return False
    return getattr(error.orig, "sqlstate", None) != INSUFFICIENT_PRIVILEGE


class Rarely(logging.Filter):
    """Lets each line of a library pass once in a while: a flood of them would fill the disk."""

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self.seconds = seconds
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line = str(record.msg).partition("\n")[0]  # what follows names one socket or task
        if record.created < self._last.get(line, -self.seconds) + self.seconds:
            return False
        self._last[line] = record.created
        return True


def log_to_stderr(least: int = logging.INFO) -> None:
    """One JSON object a line, of this level and above."""
    logging.basicConfig(level=max(least, logging.WARNING), stream=sys.stderr)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a tick skipped is no news
    # They would log what was said: what cannot be read, even as critical.
    for name in ("telegram", "nio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name in ("asyncio", "aiohttp.server"):
        logging.getLogger(name).addFilter(Rarely())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@contextmanager
def reached(settings: Settings) -> Iterator[Database]:
    """The database as it is, closed afterwards."""
    try:
        database = Database(settings.database_url, settings.secrets(), settings.secrets)
    except OSError as error:
        raise Failed(f"PREAU_DATABASE_URL: {error.strerror}: {error.filename}") from None
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The database, at this version and open; closed afterwards.

    Raises:
        NotMigrated, NewerDatabase, KeyRefused, SettingsRefused, Failed: it is not.
    """
    settings.secrets()
    if settings.sqlite_path is not None and not settings.sqlite_path.exists():
        raise NotMigrated  # and nothing is made: the path may be wrong
    with reached(settings) as database:
        if not is_current(database.engine):
            raise NotMigrated
        database.open()
        yield database


@contextmanager
def alone(path: Path | None, database: Database | None = None) -> Iterator[None]:
    """The only server of an SQLite file, or else of a PostgreSQL database; see `storage.lock`."""
    with ExitStack() as held:
        try:
            held.enter_context(only_server(path))
        except OSError as error:
            raise Failed(f"{error.strerror}: {error.filename}") from None
        if database is not None and not database.is_sqlite:
            held.enter_context(only_server_on(database.engine))
        yield


@contextmanager
def ended_in(seconds: float) -> Iterator[Callable[[], None]]:
    """What is given, once called, has the process end within so many seconds, whatever waits.

    What is committed is committed, and who stops us would kill us: better before that.
    """

    def end() -> None:
        print("preau: something did not end in time: stopped all the same", file=sys.stderr)
        os._exit(FAILED)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    try:
        yield timer.start
    finally:
        timer.cancel()


def _say(line: str, code: int) -> int:
    print(f"preau: {' '.join(line.split())}", file=sys.stderr)
    return code
