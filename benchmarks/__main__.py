"""`make bench`: a table, and `build/bench.json`."""

import asyncio
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bot_api import echoes_per_second
from benchmarks.server import SECRET, start_and_memory
from benchmarks.votes import (
    Voter,
    fill,
    raw_postgresql,
    raw_sqlite,
    statements_of_votes,
    votes_per_second,
)
from storage import migrate
from storage.database import Database
from tests.servers import NoServer, database, postgresql


@dataclass(frozen=True)
class Row:
    """One comparison: `ratio` is ours to the baseline, `ok` whether it reaches the aim."""

    name: str
    ours: float
    baseline: float
    unit: str
    better: str
    ratio: float
    aim: float
    ok: bool


def higher(name: str, ours: float, baseline: float, aim: float) -> Row:
    ratio = ours / baseline
    return Row(name, ours, baseline, "votes/s", "higher", ratio, aim, ratio >= aim)


def lower(name: str, ours: float, most: float, unit: str) -> Row:
    ratio = ours / most
    return Row(name, ours, most, unit, "lower", ratio, 1.0, ratio <= 1.0)


def _migrated(url: str) -> None:
    made = Database(url, [SECRET])
    migrate.upgrade(made.engine)
    made.open()
    made.close()


def _votes_beside_echoes(url: str, voters: list[Voter]) -> tuple[float, float]:
    """Votes a second, and the sequential echoes just before and after: a machine's speed drifts."""
    before = asyncio.run(echoes_per_second("sequential"))
    votes = asyncio.run(votes_per_second(url, voters))
    after = asyncio.run(echoes_per_second("sequential"))
    return votes, (before + after) / 2


def sqlite_rows(folder: Path, concurrent: float) -> list[Row]:
    path = folder / "preau.db"
    url = f"sqlite:///{path}"
    _migrated(url)
    seconds, memory = asyncio.run(start_and_memory(url))
    voters = fill(url)
    copies = [folder / "recorded.db", folder / "replayed.db"]
    for copy in copies:
        shutil.copy(path, copy)
    votes = statements_of_votes(f"sqlite:///{copies[0]}", voters)
    raw = raw_sqlite(str(copies[1]), votes)
    ours, sequential = _votes_beside_echoes(url, voters)
    return [
        higher("vote, SQLite, against sqlite3", ours, raw, 0.3),
        higher("vote, SQLite, against an echo, sequential", ours, sequential, 1.0),
        higher("vote, SQLite, against an echo, concurrent", ours, concurrent, 1.0),
        lower("start to ready, against 1.5 s", seconds, 1.5, "s"),
        lower("idle memory, against 120 MiB", memory, 120, "MiB"),
    ]


def postgresql_rows(concurrent: float) -> list[Row]:
    with postgresql() as server, database(server) as url:
        _migrated(url)
        voters = fill(url)
        with database(server, template=url) as recorded, database(server, template=url) as replayed:
            votes = statements_of_votes(recorded, voters)
            raw = raw_postgresql(replayed, votes)
        ours, sequential = _votes_beside_echoes(url, voters)
    return [
        higher("vote, PostgreSQL, against psycopg", ours, raw, 0.4),
        higher("vote, PostgreSQL, against an echo, sequential", ours, sequential, 1.0),
        higher("vote, PostgreSQL, against an echo, concurrent", ours, concurrent, 1.0),
    ]


def main() -> int:
    """Measure all and print it; 1 if an aim is missed."""
    concurrent = asyncio.run(echoes_per_second("concurrent"))
    with tempfile.TemporaryDirectory() as folder:
        rows = sqlite_rows(Path(folder), concurrent)
    try:
        rows += postgresql_rows(concurrent)
    except NoServer:
        print("PostgreSQL is not installed: its rows are missing", file=sys.stderr)
    print(f"{'':46} {'ours':>9} {'baseline':>9} {'ratio':>7} {'aim':>6}")
    for row in rows:
        said = "" if row.ok else "  missed"
        line = f"{row.name:46} {row.ours:9.1f} {row.baseline:9.1f} {row.ratio:7.2f} {row.aim:6.2f}"
        print(line + said)
    build = Path("build")
    build.mkdir(exist_ok=True)
    (build / "bench.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
