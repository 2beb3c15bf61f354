"""The demo: a believable committee, in a folder of its own, with a clock that can be moved."""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from bot.addresses import on_network
from bot.cli import Failed, why_not_opened
from bot.clock import MovableClock
from bot.demo.seed import PERSONAS, address_of, seed
from bot.service import Service
from bot.settings import Settings, SettingsRefused, own_secret
from storage import migrate
from storage.database import Database, Unavailable
from storage.erasures import FILE
from storage.keys import KeyRefused

DEMO_DIR = ".demo"
DATABASE, SECRET, _CLOCK = "preau.db", "secret", "clock.json"


@dataclass
class Prepared:
    """A demo that is ready to serve."""

    settings: Settings
    database: Database
    clock: MovableClock
    accounts: Mapping[str, str]
    service: Service | None = field(default=None)

    def attach(self, service: Service) -> None:
        self.service = service

    async def advance(self, step: timedelta | None) -> datetime:
        """Move the clock by a step, or to the next event; what falls due on the way is done."""
        assert self.service is not None
        to = None if step is None else self.clock.now() + step
        now = await self.service.ticker.advance(self.clock, to)
        ahead = {"ahead": self.clock.ahead.total_seconds()}
        (self.settings.data_dir / _CLOCK).write_text(json.dumps(ahead))
        return now


def prepare(settings: Settings, *, fresh: bool) -> Prepared:
    """Open the demo's database, seeded on first use; `fresh` begins anew.

    Raises:
        Failed: what is there cannot be opened.
    """
    folder = settings.data_dir
    if fresh:
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", SECRET, FILE, _CLOCK):
            (folder / name).unlink(missing_ok=True)
    own_secret(folder / SECRET)
    clock = MovableClock(_ahead(folder / _CLOCK))
    try:
        database = _seeded(settings, clock.now())
    except SettingsRefused as error:
        raise Failed(f"{error}; `preau demo --fresh` begins anew") from None
    except (migrate.NewerDatabase, KeyRefused, Unavailable, DatabaseError, sqlite3.Error) as error:
        why = why_not_opened(error)
        raise Failed(f"the demo in {folder}: {why}; `preau demo --fresh` begins anew") from None
    accounts = {persona: address_of(key) for persona, key in PERSONAS.items()}
    return Prepared(settings, database, clock, accounts)


def _seeded(settings: Settings, now: datetime) -> Database:
    database = Database(settings.database_url, settings.secrets())
    try:
        if not migrate.is_current(database.engine):
            migrate.upgrade(database.engine)
        database.open()
        database.write_now(lambda store: seed(store, settings, now))
    except BaseException:
        database.close()
        raise
    return database


def _ahead(path: Path) -> timedelta:
    try:
        return timedelta(seconds=float(json.loads(path.read_text())["ahead"]))
    except (OSError, ValueError, KeyError, TypeError):
        return timedelta()


def tell_about(address: str, key: str | None, prepared: Prepared, public_url: str | None) -> None:
    """What a newcomer needs to know, on the terminal.

    Args:
        key: what others on the network must bring, if they may come.
        public_url: the address at which they come, if it is not this machine's own.
    """
    width = min(shutil.get_terminal_size().columns, 80)
    print("-" * width)
    print(f"Préau, the demo: open {address} and choose who you are.")
    print(f"All four side by side: {address}/demo")
    if key is not None:
        from bot.documents.qr import qr_terminal

        port = int(address.rpartition(":")[2])
        entrance = f"{public_url or on_network(prepared.settings.web_host, port)}/?key={key}"
        print(f"On a phone of the same network: {entrance}")
        print(qr_terminal(entrance))
    print(f"Its data is in {prepared.settings.data_dir}/ and stays there; --fresh begins anew.")
    print("Stop it with Ctrl+C. To go to production: docs/operators.md", flush=True)
