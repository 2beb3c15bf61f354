"""`make campaign`: at least 50 kills on each database."""

import asyncio
import sys
import tempfile
from pathlib import Path

from campaigns.kills import campaign
from tests.servers import NoServer, database, postgresql

KILLS = 50
SEED = 20261123
SHOWN = 40  # problems: one that repeats itself on every page says no more each time


def main() -> int:
    """Run the campaigns and say what was counted; 1 if a promise was broken."""
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        broken += _one("SQLite", f"sqlite:///{Path(folder) / 'preau.db'}")
    try:
        with postgresql() as server, database(server) as url:
            broken += _one("PostgreSQL", url)
    except NoServer:
        print("PostgreSQL: not installed, nothing was shown")
        broken += 1
    return 1 if broken else 0


def _one(name: str, url: str) -> int:
    tally = asyncio.run(campaign(url, KILLS, SEED))
    print(
        f"{name}: {tally.kills} kills, {tally.amid} of them while something was leaving; "
        f"{tally.acknowledged} messages acknowledged, {tally.retried} tries repeated; "
        f"{tally.broadcasts} deliveries of broadcasts, {tally.reminders} of reminders, "
        f"{tally.notices} of notices counted; {len(tally.problems)} problems",
        flush=True,
    )
    for problem in tally.problems[:SHOWN]:
        print(f"  {problem}", flush=True)
    return len(tally.problems)


if __name__ == "__main__":
    sys.exit(main())
