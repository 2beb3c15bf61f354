"""A few seeded kills; the full campaign is `make campaign`."""

from pathlib import Path

import pytest

from campaigns.kills import campaign
from campaigns.matrix.campaign import campaign as on_matrix
from campaigns.matrix.counting import Tally as OnMatrix
from campaigns.people import Tally
from campaigns.telegram import counting
from campaigns.telegram.campaign import campaign as on_telegram
from tests.homeserver import NotInstalled
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
async def test_nothing_is_lost_on_telegram(postgresql_server: str) -> None:
    with database(postgresql_server) as url:
        check_telegram(await on_telegram(url, kills=3, seed=4, people=12, rounds=1))


def check_matrix(tally: OnMatrix) -> None:
    """Nothing was lost or doubled, though the homeserver was killed as well."""
    assert tally.problems == []
    assert tally.kills.total() == 2
    assert tally.homeserver.total() == 1
    assert tally.updates > 10
    assert tally.broadcasts == 10


async def few_kills_on_matrix(url: str, seed: int) -> OnMatrix:
    """The first amid a broadcast, the other soon after the homeserver came back."""
    try:
        return await on_matrix(url, kills=2, seed=seed, people=3, readers=6, rounds=1)
    except NotInstalled:
        pytest.skip("run: make homeserver")


@pytest.mark.servers
async def test_nothing_is_lost_on_matrix(tmp_path: Path) -> None:
    check_matrix(await few_kills_on_matrix(f"sqlite:///{tmp_path / 'preau.db'}", seed=20))
