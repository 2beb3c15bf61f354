"""The demo: a believable committee, in a folder of its own, with a clock that can be moved."""

import json
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from bot.clock import MovableClock
from bot.demo.seed import PERSONAS, address_of, seed
from bot.service import Service
from bot.settings import Settings
from storage import migrate
from storage.database import Database

DEMO_DIR = ".demo"
_CLOCK = "clock.json"


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
    """Open the demo's database, seeded on first use; `fresh` begins anew."""
    folder = settings.data_dir
    if fresh:
        for path in (*folder.glob("preau.db*"), folder / _CLOCK):
            path.unlink(missing_ok=True)
    clock = MovableClock(_ahead(folder / _CLOCK))
    database = Database(settings.database_url, settings.secrets())
    if not migrate.is_current(database.engine):
        migrate.upgrade(database.engine)
    database.open()
    database.write_now(lambda store: seed(store, settings, clock.now()))
    accounts = {persona: address_of(key) for persona, key in PERSONAS.items()}
    return Prepared(settings, database, clock, accounts)


def _ahead(path: Path) -> timedelta:
    try:
        return timedelta(seconds=float(json.loads(path.read_text())["ahead"]))
    except (OSError, ValueError, KeyError, TypeError):
        return timedelta()


def local_address() -> str:
    """This machine's address on its local network. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def tell_about(address: str, key: str | None, prepared: Prepared) -> None:
    """What a newcomer needs to know, on the terminal."""
    width = min(shutil.get_terminal_size().columns, 80)
    print("-" * width)
    print(f"Préau, the demo: open {address} and choose who you are.")
    print(f"All four side by side: {address}/demo")
    if key is not None:
        from bot.documents.qr import qr_terminal

        port = address.rpartition(":")[2]
        entrance = f"http://{local_address()}:{port}/?key={key}"
        print(f"On a phone of the same network: {entrance}")
        print(qr_terminal(entrance))
    print(f"Its data is in {prepared.settings.data_dir}/ and stays there; --fresh begins anew.")
    print("Stop it with Ctrl+C. To go to production: docs/operators.md", flush=True)
