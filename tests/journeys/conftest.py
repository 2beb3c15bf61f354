"""Every journey is made on each platform: at the page on SQLite, on Telegram with PostgreSQL.

What is of the page alone is made with both. On Matrix a journey takes seconds, so `make test` makes
there only those that are marked `everywhere`: for each noun, what a platform could break. `make
test-matrix` makes all of them.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bot.settings import Settings
from storage.database import Database
from tests.bot_api import BotApi
from tests.conftest import NOW
from tests.homeserver import JsCorrespondent
from tests.stage import Homeserver, Stage

PAGE = pytest.param(("sqlite", "web"), id="sqlite")
ITS_OTHER = pytest.param(("postgresql", "web"), id="postgresql", marks=pytest.mark.servers)
TELEGRAM = pytest.param(("postgresql", "telegram"), id="telegram", marks=pytest.mark.servers)
MATRIX = pytest.param(
    ("sqlite", "matrix"), id="matrix", marks=[pytest.mark.servers, pytest.mark.matrix]
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" not in metafunc.fixturenames:
        return
    marks = {one.name for one in metafunc.definition.iter_markers()}
    on_matrix = "everywhere" in marks or metafunc.config.getoption("--matrix-all")
    places = [PAGE, TELEGRAM]
    if "matrix" in marks:
        places = [MATRIX]
    elif "web" in marks:
        places = [PAGE, ITS_OTHER]
    elif on_matrix and "buttons" not in marks:
        places.append(MATRIX)
    metafunc.parametrize("place", places, indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A database and a platform."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def database_url(place: tuple[str, str], request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{place[0]}_url")
    return url


@pytest.fixture
async def stage(
    place: tuple[str, str], settings: Settings, db: Database, request: pytest.FixtureRequest
) -> AsyncIterator[Stage]:
    """A service that runs, at a clock that stands still until it is moved."""
    async with AsyncExitStack() as stack:
        where: dict[str, Any] = {}
        if place[1] == "telegram":
            where["api"] = await stack.enter_async_context(BotApi())
        elif place[1] == "matrix":
            where["homeserver"] = homeserver(request)
        made = Stage(settings, db, NOW, **where)
        await made.open()
        yield made
        await made.close()


def homeserver(request: pytest.FixtureRequest) -> Homeserver:
    """People there have clients of another library than ours, which heed only signed devices."""
    server, node = request.getfixturevalue("synapse"), request.getfixturevalue("node")
    return Homeserver(
        server, server.register("preau"), lambda: JsCorrespondent(node, server, strict=True)
    )
