"""One person in a browser, on Telegram and on Matrix: one ballot, wherever it is changed."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, expect

from bot.settings import Settings
from storage.database import Database
from tests.bot_api import BotApi
from tests.browser.people import heard, newcomer, picture, press, say
from tests.conftest import NOW
from tests.homeserver import Synapse
from tests.journeys.conftest import homeserver
from tests.journeys.test_linking_everywhere import QUESTION, changed, opened, voices
from tests.people import Someone
from tests.stage import Stage

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="session")]
CODE = re.compile(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{4}\b")
YES = "Oui, c'est bien moi"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


async def linked(page: Page, someone: Someone) -> None:
    """The page shows a code, which is typed elsewhere; both say yes."""
    codes = page.locator(".bubble:not(.mine)", has_text="Ne donnez ce code à personne")
    before = await codes.count()
    await say(page, "lier")
    await expect(codes).to_have_count(before + 1)
    code = CODE.search(await codes.last.inner_text())
    assert code is not None
    assert "Est-ce bien vous" in await someone.say(code[0])
    await someone.press(YES)
    await expect(page.locator(".bubble:not(.mine)").last).to_contain_text("Est-ce bien vous")
    await press(page, YES)
    await expect(page.locator(".bubble:not(.mine)").last).to_contain_text("une seule personne")
    await someone.look()


@asynccontextmanager
async def town(
    settings: Settings, db: Database, request: pytest.FixtureRequest
) -> AsyncIterator[Stage]:
    """A service with the page, Telegram and Matrix, in the loop of the browser."""
    async with BotApi() as api:
        made = Stage(settings, db, NOW, api, homeserver=homeserver(request))
        await made.open()
        try:
            yield made
        finally:
            await made.close()


async def test_one_ballot_in_a_browser_on_telegram_and_on_matrix(
    browser: Browser,
    settings: Settings,
    db: Database,
    synapse: Synapse,
    request: pytest.FixtureRequest,
) -> None:
    async with town(settings, db, request) as stage:
        page = await newcomer(browser, stage.base)
        poll = await opened(stage)
        await stage.service.deliver()
        await heard(page, QUESTION)
        await press(page, "Contre")
        await heard(page, "Votre vote est compté : Contre.")
        chatter = stage.chatter()
        await chatter.start()
        await linked(page, chatter)
        await picture(page, "linking")
        await changed(chatter, "Abstention")
        assert await voices(stage, poll) == [0, 0, 0, 1]
        correspondent = await stage.correspondent()
        await linked(page, correspondent)
        await changed(correspondent, "Pour")
        assert await voices(stage, poll) == [1, 0, 0, 0]
        await say(page, "votes")
        await press(page, QUESTION)
        await heard(page, "Votre choix : Pour.")
        votes = page.locator(".bubble:not(.mine)", has_text="Votre vote est compté : Contre.")
        before = await votes.count()
        await press(page, "Contre")
        await expect(votes).to_have_count(before + 1)
        assert await voices(stage, poll) == [0, 0, 1, 0]
