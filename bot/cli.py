"""What every command shares: one clear line per error, exit codes, and the log."""

import logging
import sys
from collections.abc import Callable

import structlog
import typer
from sqlalchemy.exc import DatabaseError, IntegrityError, ProgrammingError

from bot.addresses import NoAddress, NotFree
from bot.settings import SettingsRefused
from storage.database import NotMigrated, Unavailable
from storage.keys import KeyRefused
from storage.lock import AlreadyServed
from storage.migrate import BrokenReferences, NewerDatabase

WELL, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


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
        if isinstance(error, IntegrityError | ProgrammingError):
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
            return f"{error}: was it made with another SECRET_KEY?"
        case _:
            cause = getattr(error, "orig", None) or error
            return f"the database does not answer: {' '.join(str(cause).split())}"


def log_to_stderr(least: int = logging.INFO) -> None:
    """One JSON object a line, of this level and above."""
    logging.basicConfig(level=max(least, logging.WARNING), stream=sys.stderr)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a tick skipped is no news
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


def _say(line: str, code: int) -> int:
    print(f"preau: {' '.join(line.split())}", file=sys.stderr)
    return code
