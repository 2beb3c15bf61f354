"""The composition root, and the `preau` command."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from bot.clock import Clock
from bot.platforms.web.demo import Demo
from bot.platforms.web.platform import WebChat
from bot.service import Service
from bot.settings import Settings, SettingsRefused, own_secret
from storage import migrate as migrations
from storage.database import Database, NotMigrated
from storage.grants import Role
from storage.keys import KeyRefused

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
log = structlog.get_logger()

SWITCH = 0.0005  # seconds for which a thread may keep others from running


class Failed(Exception):
    """What went wrong, in one line for the operator."""


@contextmanager
def _one_line() -> Iterator[None]:
    """One clear line per error: exit 1 when it failed, 2 when it was misused."""
    try:
        yield
    except (SettingsRefused, ValidationError, ValueError) as error:
        _say(_first_line(error), 2)
    except NotMigrated:
        _say("the database is not at this version: run `preau migrate`", 1)
    except KeyRefused:
        _say("SECRET_KEY does not open this database: it was made with another one", 1)
    except (Failed, OSError) as error:
        _say(str(error), 1)
    except SQLAlchemyError as error:
        _say(f"the database does not answer: {_first_line(error.__cause__ or error)}", 1)


def _first_line(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"PREAU_{'_'.join(map(str, first['loc'])).upper()}: {first['msg']}"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _say(line: str, code: int) -> NoReturn:
    print(f"preau: {line}", file=sys.stderr)
    raise typer.Exit(code)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a tick skipped is no news
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _database(settings: Settings) -> Database:
    """The database, migrated and open."""
    database = Database(settings.database_url, settings.secrets())
    if not migrations.is_current(database.engine):
        raise NotMigrated
    database.open()
    return database


@app.command()
def run() -> None:
    """Serve every platform whose settings are there."""
    _log_to_stderr()
    with _one_line():
        settings = Settings()
        database = _database(settings)
        if not settings.collects:
            log.warning("PREAU_CONTROLLER and PREAU_DPO_CONTACT are not set: nothing is collected")
        clock = Clock()
        web = WebChat(settings, database, clock)
        _serve(settings, database, clock, web, lambda port: f"http://{settings.web_host}:{port}")


def _serve(
    settings: Settings,
    database: Database,
    clock: Clock,
    web: WebChat,
    address: Callable[[int], str],
    tell: Callable[[str], None] = lambda _: None,
    demo: Callable[[Service], None] = lambda _: None,
) -> None:
    """Run until stopped by a signal; say `ready` once `/readyz` answers 200."""
    import handlers  # noqa: F401 (declares every command)
    from scheduled import jobs

    # A writer lets go of the interpreter at each statement and would wait 5 ms to have it back
    # from a busy event loop: votes then take three times as long.
    sys.setswitchinterval(SWITCH)

    async def main() -> None:
        service = Service(settings, database, clock, [web], jobs(settings))
        demo(service)
        stopped = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
        await service.start()
        running = asyncio.create_task(service.wait())
        listening = asyncio.create_task(web.listening.wait())
        await asyncio.wait([running, listening], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        assert web.port is not None
        print(f"ready {address(web.port)}", flush=True)
        tell(address(web.port))
        gc.collect()
        gc.freeze()  # what was loaded at start stays: the collector need not look at it again
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        failed = running.done() and not stopped.is_set()
        await service.stop()
        for task in (running, listening, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if failed:
            raise Failed("a platform ended by itself; see the log")

    try:
        asyncio.run(main())
    finally:
        database.close()


@app.command()
def demo(
    lan: Annotated[bool, typer.Option(help="Serve the local network, behind a key.")] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    fresh: Annotated[bool, typer.Option(help="Begin anew.")] = False,
) -> None:
    """Show everything on a believable committee, with nothing to configure."""
    from bot.demo import DEMO_DIR, prepare, tell_about

    _log_to_stderr()
    with _one_line():
        base = Settings()
        folder = Path(os.environ.get("PREAU_DEMO_DIR", DEMO_DIR))
        settings = Settings(
            database_url=f"sqlite:///{folder / 'preau.db'}",
            secret_key=None,
            secret_key_file=own_secret(folder / "secret"),
            data_dir=folder,
            controller="Démonstration",
            dpo_contact="demonstration@example.org",
            web_host="0.0.0.0" if lan else base.web_host,  # noqa: S104 (asked for, behind a key)
            web_port=base.web_port if port is None else port,
            web_chat=True,
            public_url=None,
        )
        prepared = prepare(settings, fresh=fresh)
        key = secrets.token_urlsafe(12) if lan else None
        database, clock = prepared.database, prepared.clock
        demo_web = Demo(prepared.accounts, prepared.advance, key)
        web = WebChat(settings, database, clock, demo_web)
        _serve(
            settings,
            database,
            clock,
            web,
            lambda port: f"http://{'127.0.0.1' if lan else settings.web_host}:{port}",
            lambda address: tell_about(address, key, prepared),
            prepared.attach,
        )


@app.command()
def migrate() -> None:
    """Bring the database to the tables of this version."""
    with _one_line():
        settings = Settings()
        database = Database(settings.database_url, settings.secrets())
        migrations.upgrade(database.engine)
        database.open()
        database.close()
        print("the database is at this version")


@app.command()
def invite(
    role: Annotated[Role | None, typer.Option(help="Role that the invitation gives.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Organisation to speak for.")] = None,
    group: Annotated[str | None, typer.Option(help="Working group.")] = None,
    uses: Annotated[int, typer.Option(min=1, help="How often it serves.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=90, help="How long it serves.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make an invitation and print its code, once."""
    with _one_line():
        settings = Settings()
        database = _database(settings)
        now = Clock().now()
        expires_at = now + timedelta(days=days)

        def make(store: Any) -> str:
            if organisation is not None and store.organisations.get(organisation) is None:
                known = ", ".join(sorted(store.organisations.names(now.date()))) or "none yet"
                raise ValueError(f"no organisation {organisation} (known: {known})")
            return str(
                store.invitations.invite(
                    role=role,
                    expires_at=expires_at,
                    now=now,
                    organisation_id=organisation,
                    scope=f"group:{group}" if group else "",
                    uses=uses,
                )
            )

        try:
            code = database.write_now(make)
        finally:
            database.close()
        base = settings.public_url or f"http://{settings.web_host}:{settings.web_port}"
        links = {"web": f"{base.rstrip('/')}/#code={code}"}
        if as_json:
            print(json.dumps({"code": code, "links": links, "expires": expires_at.isoformat()}))
        else:
            print(f"{code}\n{links['web']}\nuntil {expires_at:%Y-%m-%d %H:%M} UTC")


@app.command()
def doctor() -> None:
    """Explain each setting, and say what would keep `run` from working."""
    from bot.doctor import examine

    with _one_line():
        report = examine()
        print(report.text)
        if not report.well:
            raise typer.Exit(1)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
