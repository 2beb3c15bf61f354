"""`make campaign`: on each database, 50 kills for the web, 24 for Telegram and 30 for Matrix.

`make campaign ARGS="--only telegram --seed 7"` runs one of the three.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from campaigns import kills as web
from campaigns.matrix import campaign as matrix
from campaigns.telegram import campaign as telegram
from tests.homeserver import NotInstalled
from tests.servers import NoServer, database, postgresql

KILLS = {"web": 50, "telegram": 24, "matrix": 30}
SEED = 20261123
SHOWN = 40  # problems: one that repeats itself on every page says no more each time


def main() -> int:
    """Run the campaigns and say what was counted; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m campaigns", description=__doc__)
    parser.add_argument("--only", choices=list(KILLS), help="all by default")
    parser.add_argument("--kills", type=int, help="on each database")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    logging.getLogger("nio").setLevel(logging.CRITICAL)  # of people's clients
    broken = 0
    for which in [asked.only] if asked.only else KILLS:
        one = {"web": _web, "telegram": _telegram, "matrix": _matrix}[which]
        count = KILLS[which] if asked.kills is None else asked.kills
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'preau.db'}"
            broken += _told("SQLite", partial(one, url, count, asked.seed))
        try:
            with postgresql() as server, database(server) as url:
                broken += _told("PostgreSQL", partial(one, url, count, asked.seed))
        except NoServer:
            print("PostgreSQL: not installed, nothing was shown")
            broken += 1
    return 1 if broken else 0


def _told(name: str, run: Callable[[], tuple[str, Sequence[str]]]) -> int:
    """Say what was counted, and which promises were broken; how many."""
    began = time.monotonic()
    try:
        counted, problems = run()
    except NotInstalled:
        counted, problems = "Matrix", ["Synapse is not installed: nothing was shown"]
    print(f"{name}: {counted}; {len(problems)} problems, {time.monotonic() - began:.0f} s")
    for problem in problems[:SHOWN]:
        print(f"  {problem}")
    sys.stdout.flush()
    return len(problems)


def _web(url: str, kills: int, seed: int) -> tuple[str, Sequence[str]]:
    tally = asyncio.run(web.campaign(url, kills, seed))
    counted = (
        f"web, seed {seed}: {tally.kills} kills, {tally.amid} of them while something was leaving; "
        f"{tally.acknowledged} messages acknowledged, {tally.retried} tries repeated; "
        f"{tally.broadcasts} deliveries of broadcasts, {tally.reminders} of reminders, "
        f"{tally.notices} of notices counted"
    )
    return counted, tally.problems


def _telegram(url: str, kills: int, seed: int) -> tuple[str, Sequence[str]]:
    tally = asyncio.run(telegram.campaign(url, kills, seed))
    ways = ", ".join(f"{times} {how}" for how, times in sorted(tally.kills.items()))
    doubles = ", ".join(f"{count} by {why}" for why, count in tally.doubles.items() if count)
    counted = (
        f"Telegram, seed {seed}: {tally.kills.total()} kills ({ways}); "
        f"{tally.updates} updates applied once, {tally.repeated} of them given again; "
        f"{tally.replies} replies, {tally.notices} notices, {tally.reminders} reminders, "
        f"{tally.broadcasts} of broadcasts sent and {tally.in_doubt} in doubt; "
        f"{tally.doubles.total()} doubles ({doubles or 'none'}), "
        f"{tally.overtaken} replies overtaken; {tally.refused} calls over the rates"
    )
    return counted, tally.problems


def _matrix(url: str, kills: int, seed: int) -> tuple[str, Sequence[str]]:
    tally = asyncio.run(matrix.campaign(url, kills, seed))
    ways = ", ".join(f"{times} {how}" for how, times in sorted(tally.kills.items()))
    away = ", ".join(f"{times} {how}" for how, times in sorted(tally.homeserver.items()))
    counted = (
        f"Matrix, seed {seed}: {tally.kills.total()} kills ({ways}), "
        f"{tally.homeserver.total()} of the homeserver ({away}), "
        f"{tally.struck.total()} calls struck; {tally.updates} events applied once; "
        f"{tally.replies} replies, {tally.notices} notices, {tally.reminders} reminders and "
        f"{tally.broadcasts} of broadcasts said once, in {tally.said} events in "
        f"{tally.rooms} rooms ({tally.encrypted} encrypted), which all there can read; "
        f"{tally.hints} hints, {tally.overtaken} replies overtaken"
    )
    return counted, tally.problems


if __name__ == "__main__":
    sys.exit(main())
