"""A demo as a newcomer starts it, and the system's Chromium."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `preau demo`, shared: each test comes as a newcomer, or as its own persona."""
    folder = tmp_path_factory.mktemp("browser") / "demo"
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "demo", "--port", "0"],
        env={**os.environ, "PREAU_DEMO_DIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert line.startswith("ready http://"), line
            yield line.split()[1]
        finally:
            process.terminate()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(browser_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """A browser without a past: what a test opened is closed after it."""
    yield chromium
    for context in chromium.contexts:
        await context.close()
