"""`make bench`: a table, and `build/bench.json`."""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks import broadcasts, deliveries, load, matrix, telegram
from benchmarks.rows import Row, higher, lower
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
from tests.homeserver import NotInstalled
from tests.servers import NoServer, database, postgresql

PEOPLE = 100_000
ROUNDS = 5
PRESSED = 10_000
WRITTEN_TO, WRITTEN_TO_QUICKLY = 3000, 600


def _migrated(url: str) -> None:
    made = Database(url, [SECRET])
    migrate.upgrade(made.engine)
    made.open()
    made.close()


def _votes_beside_echoes(url: str, voters: list[Voter]) -> tuple[float, float]:
    """Votes a second, and the sequential echoes just before and after: a machine's speed drifts."""
    before = asyncio.run(telegram.echoes_per_second("sequential"))
    votes = asyncio.run(votes_per_second(url, voters))
    after = asyncio.run(telegram.echoes_per_second("sequential"))
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


def million_rows(
    name: str, url: str, copied: Callable[[], AbstractContextManager[str]]
) -> list[Row]:
    """A million recipients on one database, beside the raw driver on a copy of it."""
    _migrated(url)
    nobody_yet = deliveries.populate(url)
    with copied() as raw_url:
        raw = deliveries.Raw(raw_url)
        raw_seconds = raw.fan_out(nobody_yet)
        raw_claims = raw.claims_per_second(nobody_yet)
        raw.close()
    seconds, memory, notice = deliveries.fan_out(url)
    first = deliveries.claims_per_second(url)
    deliveries.send_all_but_the_last(url, notice)
    last = deliveries.claims_per_second(url)
    return [
        lower(f"fan-out to {deliveries.RECIPIENTS:,}, {name}, raw", seconds, raw_seconds, "s", 1.5),
        lower(f"fan-out, {name}, memory it took, 32 MiB", memory, 32, "MiB"),
        higher(f"claims, {name}, against raw", first, raw_claims, 0.3, "rows/s"),
        higher(f"claims, {name}, last against first", last, first, 0.8, "rows/s"),
    ]


def load_rows(name: str, small: str, full: str) -> list[Row]:
    """What an update costs when tables are full, and for how long much that is due holds up."""
    _migrated(small)
    few = fill(small)
    _migrated(full)
    deliveries.populate(full, PEOPLE)
    for _ in range(deliveries.RECIPIENTS // PEOPLE):
        deliveries.fan_out(full)
    many = fill(full)
    rounds = [(few[n::ROUNDS], many[n::ROUNDS]) for n in range(ROUNDS)]
    alone = [load.seconds_an_update(small, voters) for voters, _ in rounds]
    beside = [load.seconds_an_update(full, voters) for _, voters in rounds]
    late, vote = load.while_all_are_reminded(full, many)
    return [
        lower(f"an update, {name}, full tables", median(beside), median(alone), "s", 1.3),
        lower(f"100,000 reminded, {name}, loop late, 50 ms", late, 0.05, "s"),
        lower(f"100,000 reminded, {name}, a vote, 250 ms", vote, 0.25, "s"),
    ]


def sqlite_deliveries(folder: Path) -> Iterator[list[Row]]:
    @contextmanager
    def copied() -> Iterator[str]:
        copy = folder / "raw.db"
        shutil.copy(folder / "million.db", copy)
        yield f"sqlite:///{copy}"
        copy.unlink()

    yield million_rows("SQLite", f"sqlite:///{folder}/million.db", copied)
    yield load_rows("SQLite", f"sqlite:///{folder}/few.db", f"sqlite:///{folder}/full.db")


def postgresql_deliveries() -> Iterator[list[Row]]:
    with postgresql() as server:
        with database(server) as url:
            yield million_rows("PostgreSQL", url, lambda: database(server, template=url))
        with database(server) as small, database(server) as full:
            yield load_rows("PostgreSQL", small, full)


def telegram_rows(folder: Path) -> list[Row]:
    """Updates a second through all of Préau, and through echoes, on one stub."""
    url = f"sqlite:///{folder}/pressed.db"
    people = range(telegram.FIRST_PERSON, telegram.FIRST_PERSON + PRESSED)
    _migrated(url)
    telegram.fill(url, people)
    seconds, memory = asyncio.run(telegram.start_and_memory_on_telegram(url))
    pressed, written, sequential = _rounds_of_telegram(url, people)
    concurrent = asyncio.run(telegram.echoes_per_second("concurrent"))
    rows = [
        lower("start to ready, with Telegram, against 1.5 s", seconds, 1.5, "s"),
        lower("idle memory, with Telegram, against 180 MiB", memory, 180, "MiB"),
        higher("press, Telegram, PTB echo, concurrent", pressed, concurrent, 1.0, "/s"),
        higher("press, Telegram, PTB echo, sequential", pressed, sequential, 1.0, "/s"),
        higher("text, Telegram, PTB echo, concurrent", written, concurrent, 1.0, "/s"),
        higher("text, Telegram, PTB echo, sequential", written, sequential, 1.0, "/s"),
    ]
    if not telegram.STOCK.exists():
        print("aiogram 3 is not set up: its rows are missing", file=sys.stderr)
        return rows
    aiogram = asyncio.run(telegram.aiogram_echoes_per_second())
    return [
        *rows,
        higher("press, its two calls, aiogram 3 echo", 2 * pressed, aiogram, 0.4, "calls/s"),
        higher("press, aiogram 3 echo", pressed, aiogram, 0.2, "/s"),
        higher("text, aiogram 3 echo", written, aiogram, 0.4, "/s"),
    ]


def _rounds_of_telegram(url: str, people: Sequence[int]) -> tuple[float, float, float]:
    """Presses, texts and sequential echoes a second: the medians of rounds.

    They take turns: a machine's speed drifts.
    """
    rounds = []
    for number in range(ROUNDS):
        some = people[number::ROUNDS]
        rounds.append(
            (
                asyncio.run(telegram.presses_per_second(url, some)),
                asyncio.run(telegram.texts_per_second(url, some)),
                asyncio.run(telegram.echoes_per_second("sequential")),
            )
        )
    pressed, written, sequential = zip(*rounds, strict=True)
    return median(pressed), median(written), median(sequential)


def broadcast_rows(folder: Path, people: int) -> Iterator[list[Row]]:
    """A broadcast as fast as each kind of server allows, and a person's answer meanwhile."""
    for number, name in enumerate(broadcasts.SERVERS):
        url = f"sqlite:///{folder}/broadcast{number}.db"
        _migrated(url)
        sent = asyncio.run(broadcasts.broadcast(url, name, people))
        title = f"broadcast, {name}"
        rows = [
            higher(f"{title}, against 30/s", sent.rate, broadcasts.RATE, 0.97, "messages/s"),
            lower(f"{title}, refusals", sent.refusals, 1, "refusals", 0.0),
            lower(f"{title}, an answer, p95, 1 s", sent.late, 1, "s"),
        ]
        if sent.stock is not None:
            aim = 0.9  # where bursts are forgiven its limiter is above the rate: by the burst
            row = higher(f"{title}, AIORateLimiter", sent.rate, sent.stock, aim, "messages/s")
            rows.insert(1, row)
        yield rows


def _rows_of_telegram(quick: bool) -> Iterator[list[Row]]:
    with tempfile.TemporaryDirectory() as folder:
        yield telegram_rows(Path(folder))
        yield from broadcast_rows(Path(folder), WRITTEN_TO_QUICKLY if quick else WRITTEN_TO)


def _rows_of_matrix(quick: bool) -> Iterator[list[Row]]:
    size = matrix.QUICK if quick else matrix.Size()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        url = f"sqlite:///{folder}/preau.db"
        _migrated(url)
        rows = matrix.rows(url, Path(folder), size)
        try:
            while measured := runner.run(_next(rows)):
                yield measured
        except NotInstalled:
            print("Synapse is not installed: the rows of Matrix are missing", file=sys.stderr)


async def _next(rows: AsyncIterator[list[Row]]) -> list[Row]:
    """The next rows; none after the last."""
    return await anext(rows, [])


def _all_rows(quick: bool) -> Iterator[list[Row]]:
    yield from _rows_of_telegram(quick)
    yield from _rows_of_matrix(quick)
    concurrent = asyncio.run(telegram.echoes_per_second("concurrent"))
    with tempfile.TemporaryDirectory() as folder:
        yield sqlite_rows(Path(folder), concurrent)
        yield from sqlite_deliveries(Path(folder))
    try:
        yield postgresql_rows(concurrent)
        yield from postgresql_deliveries()
    except NoServer:
        print("PostgreSQL is not installed: its rows are missing", file=sys.stderr)


def _wanted(asked: argparse.Namespace) -> Callable[[bool], Iterator[list[Row]]]:
    if asked.telegram:
        return _rows_of_telegram
    return _rows_of_matrix if asked.matrix else _all_rows


def _line(row: Row) -> str:
    missed = "" if row.ok else "  missed"
    return (
        f"{row.name:46} {row.ours:10.4g} {row.baseline:10.4g} {row.ratio:7.2f} {row.aim:6.2f}"
        + missed
    )


def main() -> int:
    """Measure all and print it; 1 if an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="broadcasts and rooms of a few only")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--telegram", action="store_true", help="the rows of Telegram only")
    only.add_argument("--matrix", action="store_true", help="the rows of Matrix only")
    asked = parser.parse_args()
    rows = []
    print(f"{'':46} {'ours':>10} {'baseline':>10} {'ratio':>7} {'aim':>6}")
    for measured in _wanted(asked)(asked.quick):
        rows += measured
        for row in measured:
            print(_line(row), flush=True)
    build = Path("build")
    build.mkdir(exist_ok=True)
    (build / "bench.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
