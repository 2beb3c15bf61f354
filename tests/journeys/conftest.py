"""Every journey is made on each platform: at the page with both databases, and on Telegram."""

from collections.abc import AsyncIterator

import pytest

from bot.settings import Settings
from storage.database import Database
from tests.bot_api import BotApi
from tests.conftest import NOW
from tests.stage import Stage

PLACES = [
    pytest.param(("sqlite", "web"), id="sqlite"),
    pytest.param(("postgresql", "web"), id="postgresql", marks=pytest.mark.servers),
    pytest.param(("sqlite", "telegram"), id="telegram", marks=pytest.mark.servers),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        only_web = metafunc.definition.get_closest_marker("web") is not None
        metafunc.parametrize("place", PLACES[:2] if only_web else PLACES, indirect=True)


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
async def stage(place: tuple[str, str], settings: Settings, db: Database) -> AsyncIterator[Stage]:
    """A service that runs, at a clock that stands still until it is moved."""
    if place[1] == "web":
        made = Stage(settings, db, NOW)
        await made.open()
        yield made
        await made.close()
        return
    async with BotApi() as api:
        made = Stage(settings, db, NOW, api)
        await made.open()
        yield made
        await made.close()
