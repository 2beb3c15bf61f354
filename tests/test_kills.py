"""A few seeded kills; the full campaign is `make campaign`."""

from pathlib import Path

import pytest

from campaigns.kills import campaign
from campaigns.people import Tally
from campaigns.telegram import counting
from campaigns.telegram.campaign import campaign as on_telegram
from tests.servers import database


async def few_kills(url: str, seed: int) -> Tally:
    return await campaign(url, kills=3, seed=seed, people=4, readers=150, in_group=80)


def check(tally: Tally) -> None:
    """Nothing was lost or doubled, and there was something to lose."""
    assert tally.problems == []
    assert tally.kills == 3
    assert tally.acknowledged > 50
    assert tally.broadcasts > 150
    assert tally.reminders > 3 * 80
    assert tally.notices > 3 * 80


@pytest.mark.servers
async def test_nothing_acknowledged_is_lost_on_sqlite(tmp_path: Path) -> None:
    check(await few_kills(f"sqlite:///{tmp_path / 'preau.db'}", seed=1))


@pytest.mark.servers
async def test_nothing_acknowledged_is_lost_on_postgresql(postgresql_server: str) -> None:
    with database(postgresql_server) as url:
        check(await few_kills(url, seed=2))


def check_telegram(tally: counting.Tally) -> None:
    """Nothing was lost, and what came twice is explained."""
    assert tally.problems == []
    assert tally.kills.total() == 3
    assert tally.updates > 40
    assert tally.broadcasts + tally.in_doubt == 13


@pytest.mark.servers
async def test_nothing_is_lost_on_telegram_with_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'preau.db'}"
    check_telegram(await on_telegram(url, kills=3, seed=3, people=12, rounds=1))


@pytest.mark.servers
async def test_nothing_is_lost_on_telegram_with_postgresql(postgresql_server: str) -> None:
    with database(postgresql_server) as url:
        check_telegram(await on_telegram(url, kills=3, seed=4, people=12, rounds=1))
