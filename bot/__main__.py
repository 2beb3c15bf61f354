"""The composition root, and the `preau` command."""

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn
from urllib.parse import urlsplit

import aiohttp
import structlog
import typer

from bot.addresses import check_free, is_loopback_host, on_network, on_this_machine
from bot.backing_up import backup
from bot.cli import (
    FAILED,
    MISUSED,
    Failed,
    Misused,
    alone,
    ended_in,
    exit_code,
    log_to_stderr,
    opened,
    reached,
)
from bot.clock import Clock
from bot.documenting import documents
from bot.importing import exports, imports
from bot.inviting import invite
from bot.platforms.base import Platform, PlatformRefused
from bot.platforms.web.demo import Demo
from bot.platforms.web.health import prove_write
from bot.platforms.web.platform import WebChat
from bot.restoring import restore
from bot.rotating import rotate_key
from bot.service import Service
from bot.settings import Settings, load
from bot.sweeping import retention
from bot.verifying import verify
from storage import migrate as migrations
from storage.database import Database, NotMigrated

if TYPE_CHECKING:  # each loads a library of its own, which only some need
    from bot.platforms.matrix.platform import Matrix
    from bot.platforms.telegram.platform import Telegram
    from bot.platforms.web.routes import WebRoute

    Called = Telegram | Matrix

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
log = structlog.get_logger()

GARBAGE = 20_000  # objects after which the collector looks: an update makes thousands
LAST = 9.0  # seconds for a stop: a container's is over after ten
SWITCH = 0.002  # seconds for which a thread may keep others from running


def _version() -> str:
    from importlib.metadata import version

    return version("preau")


@app.callback(invoke_without_command=True)
def preau(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """The chat assistant of a committee's partners."""
    log_to_stderr(logging.CRITICAL)  # one line says what went wrong; `run` and `demo` log
    if version:
        print(f"preau {_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(MISUSED)


@app.command()
def run() -> None:
    """Serve every platform whose settings are there."""
    log_to_stderr()
    settings = load()
    for problem in settings.contradictions():
        raise Misused(problem)
    with (
        ended_in(LAST) as stopping,
        opened(settings) as database,
        alone(settings.sqlite_path, database),
    ):
        check_free(settings.web_host, settings.web_port)
        for line in settings.warnings():
            log.warning(line)
        clock = Clock()
        called = _called(settings, database, clock)
        _serve(
            settings,
            database,
            clock,
            WebChat(settings, database, clock, more=_routes(called)),
            called,
            lambda port: on_network(settings.web_host, port),
            lambda address: log.info(
                "started", version=_version(), address=address, database=settings.database_kind
            ),
            stopping,
        )
    log.info("stopped")


def tune() -> None:
    """Have the interpreter let nobody wait, once all is loaded.

    A writer lets go of it at each statement and would wait 5 ms to have it back from a busy event
    loop: votes then take three times as long.
    """
    sys.setswitchinterval(SWITCH)
    gc.collect()
    gc.freeze()  # what was loaded at start stays: the collector need not look at it again
    gc.set_threshold(GARBAGE, 20, 20)


def _serve(
    settings: Settings,
    database: Database,
    clock: Clock,
    web: WebChat,
    called: Sequence[Platform],
    address: Callable[[int], str],
    tell: Callable[[str], None],
    stopping: Callable[[], None],
    attach: Callable[[Service], None] = lambda _: None,
) -> None:
    """Run until stopped by a signal; say `ready` once `/readyz` answers 200.

    Args:
        stopping: called when it begins to stop.
    """
    import handlers  # noqa: F401 (declares every command)
    from scheduled import jobs

    now = clock.now()
    database.write_now(lambda store: prove_write(store, now))

    async def main() -> None:
        service = Service(settings, database, clock, [web, *called], jobs(settings))
        attach(service)
        stopped = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
        await service.start()
        running = asyncio.create_task(service.wait())
        ready = asyncio.create_task(_ready(web))
        signalled = asyncio.create_task(stopped.wait())
        await asyncio.wait([running, ready, signalled], return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            print(f"ready {address(ready.result())}", flush=True)
            tell(address(ready.result()))
            tune()
            await asyncio.wait([running, signalled], return_when=asyncio.FIRST_COMPLETED)
        failed = running.done() and not stopped.is_set()
        stopping()
        await service.stop()
        for task in (running, ready, signalled):
            task.cancel()
        await asyncio.gather(running, ready, signalled, return_exceptions=True)
        if failed:
            error = running.exception()
            if isinstance(error, PlatformRefused):
                raise (Failed if error.for_now else Misused)(str(error))
            check_free(settings.web_host, settings.web_port)  # says it, if that is why
            log.error("a platform ended", exc_info=error)
            raise Failed("a platform ended by itself; see the log")

    asyncio.run(main())


def _called(settings: Settings, database: Database, clock: Clock) -> "list[Called]":
    """The platforms that have to be called, and whose settings are there."""
    called: list[Called] = []
    if settings.serves_telegram:
        from bot.platforms.telegram.platform import Telegram

        called.append(Telegram(settings, database, clock))
    if settings.serves_matrix:
        from bot.platforms.matrix.platform import Matrix

        called.append(Matrix(settings, database, clock))
    return called


def _routes(called: "Sequence[Called]") -> "list[WebRoute]":
    """What platforms post to, on our own HTTP server."""
    return [route for platform in called for route in platform.routes()]


async def _ready(web: WebChat) -> int:
    """Wait until `/readyz` answers 200; return the port."""
    await web.listening.wait()
    assert web.port is not None
    address = f"{on_this_machine(web.settings.web_host, web.port)}/readyz"
    async with aiohttp.ClientSession() as http:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(address) as response:
                    if response.status == 200:
                        return web.port
            await asyncio.sleep(0.5)


@app.command()
def demo(
    lan: Annotated[bool, typer.Option(help="Serve the local network, behind a key.")] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    fresh: Annotated[bool, typer.Option(help="Begin anew.")] = False,
    telegram: Annotated[
        str | None, typer.Option(help="Address of a Bot API server for tests, to be served too.")
    ] = None,
) -> None:
    """Show everything on a believable committee, with nothing to configure."""
    import handlers  # noqa: F401 (declares the notices that the seeded pages show)
    from bot.demo import DATABASE, DEMO_DIR, SECRET, prepare, tell_about

    log_to_stderr(logging.WARNING)
    folder = Path(os.environ.get("PREAU_DEMO_DIR") or DEMO_DIR)
    base = load()
    host = "0.0.0.0" if lan else base.web_host  # noqa: S104 (asked for, behind a key)
    port = base.web_port if port is None else port
    settings = load(
        database_url=f"sqlite:///{folder / DATABASE}",
        secret_key=None,
        secret_key_file=folder / SECRET,
        previous_secret_keys=[],
        data_dir=folder,
        controller="Démonstration",
        dpo_contact="demonstration@example.org",
        web_host=host,
        web_port=port,
        web_chat=True,
        public_url=on_network(host, port) if port else None,
        telegram=telegram is not None,  # never the bot that `run` serves
        telegram_token="1:demo",  # noqa: S106 (of a server for tests)
        telegram_webhook_url=None,
        matrix=False,
        **({} if telegram is None else {"telegram_api_url": telegram}),
    )
    key = None if is_loopback_host(settings.web_host) else secrets.token_urlsafe(12)
    public_host = urlsplit(base.public_url or "").hostname
    with ended_in(LAST) as stopping, alone(folder / DATABASE):
        check_free(settings.web_host, settings.web_port)
        prepared = prepare(settings, fresh=fresh)
        web_demo = Demo(
            settings,
            prepared.accounts,
            prepared.advance,
            key,
            hosts=[public_host] if public_host else [],
        )
        with contextlib.closing(prepared.database) as database:
            _serve(
                settings,
                database,
                prepared.clock,
                WebChat(settings, database, prepared.clock, web_demo),
                _called(settings, database, prepared.clock),
                lambda port: on_this_machine(settings.web_host, port),
                lambda address: tell_about(address, key, prepared, base.public_url),
                stopping,
                prepared.attach,
            )


@app.command()
def migrate() -> None:
    """Bring the database to the tables of this version."""
    with reached(load()) as database:
        migrations.is_current(database.engine)  # or made by a newer version
        try:
            database.open()  # the secret is looked at before anything is changed
        except NotMigrated:
            migrations.upgrade(database.engine)
            database.open()
            done = True
        else:
            done = migrations.upgrade(database.engine)
    if done:
        print(f"migrated: the database is at this version ({migrations.HEAD})")
    else:
        print(f"nothing to do: the database is at this version ({migrations.HEAD})")


app.command()(invite)
app.command()(backup)
app.command()(restore)
app.command()(rotate_key)
app.add_typer(imports, name="import")
app.add_typer(exports, name="export")
app.command()(verify)
app.command()(retention)
app.command()(documents)


@app.command()
def doctor() -> None:
    """Explain each setting, and say what would keep `run` from working."""
    from bot.doctor import examine

    findings = examine()
    print(findings.text)
    if not findings.well:
        raise typer.Exit(FAILED)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    sys.exit(exit_code(lambda: app(arguments, prog_name="preau", standalone_mode=False)))


if __name__ == "__main__":
    main()
