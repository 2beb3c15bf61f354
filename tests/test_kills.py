"""A few seeded kills; the full campaign is `make campaign`."""

from pathlib import Path

import pytest

from campaigns.kills import campaign
from tests.servers import database


@pytest.mark.servers
async def test_nothing_acknowledged_is_lost_on_sqlite(tmp_path: Path) -> None:
    tally = await campaign(f"sqlite:///{tmp_path / 'preau.db'}", kills=3, seed=1)
    assert tally.problems == []
    assert tally.kills == 3
    assert tally.acknowledged > 20


@pytest.mark.servers
async def test_nothing_acknowledged_is_lost_on_postgresql(postgresql_server: str) -> None:
    with database(postgresql_server) as url:
        tally = await campaign(url, kills=3, seed=2)
    assert tally.problems == []
    assert tally.acknowledged > 20
