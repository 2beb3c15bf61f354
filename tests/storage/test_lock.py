"""One server for one PostgreSQL database: a second is refused, a dead one holds nothing."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from storage import lock
from storage.database import Database
from storage.lock import AlreadyServed, only_server_on
from tests.conftest import SECRET

pytestmark = pytest.mark.servers


@pytest.fixture
def two(postgresql_url: str) -> Iterator[tuple[Database, Database]]:
    """What two processes have of one database."""
    made = Database(postgresql_url, [SECRET]), Database(postgresql_url, [SECRET])
    yield made
    for one in made:
        one.close()


def test_a_second_is_refused_as_long_as_the_first_is_there(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    monkeypatch.setattr(lock, "PATIENCE", 0.3)
    with only_server_on(first.engine):
        for _ in range(20):  # connections that come from the pool and go back
            with first.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        with pytest.raises(AlreadyServed, match="already served"), only_server_on(second.engine):
            pass
    with only_server_on(second.engine):
        pass


def test_who_is_killed_holds_nothing(two: tuple[Database, Database], postgresql_url: str) -> None:
    code = (
        "import sys; from storage.database import Database; from storage.lock import *\n"
        "with only_server_on(Database(sys.argv[1], ['x' * 40]).engine):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()"
    )
    root = Path(lock.__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", code, postgresql_url],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        held.kill()
    began = time.monotonic()
    with only_server_on(two[0].engine):
        assert time.monotonic() - began < lock.PATIENCE


def test_it_is_no_error_that_the_database_went_away_meanwhile(
    two: tuple[Database, Database],
) -> None:
    ended = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    with only_server_on(two[0].engine), two[1].engine.connect() as connection:
        assert connection.execute(ended).scalar_one() >= 1
