"""A demo as a newcomer starts it, and the system's Chromium."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from bot.demo import DATABASE, SECRET

expect.set_options(timeout=15_000)  # milliseconds: the clock draws cards anew every five seconds

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser") / "demo"


@pytest.fixture(scope="session")
def demo(demo_folder: Path) -> Iterator[str]:
    """The address of `preau demo`, shared: each test comes as a newcomer, or as its own persona."""
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "demo", "--port", "0"],
        env={**os.environ, "PREAU_DEMO_DIR": str(demo_folder)},
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


@pytest.fixture
def invite(demo: str, demo_folder: Path) -> Callable[..., str]:
    """`preau invite` beside the demo, which may be days ahead; its arguments give the code."""
    environment = {
        **os.environ,
        "PREAU_DATABASE_URL": f"sqlite:///{demo_folder / DATABASE}",
        "PREAU_SECRET_KEY_FILE": str(demo_folder / SECRET),
    }

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "bot", "invite", "--json", "--days", "90", *arguments]
        said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        code: str = json.loads(said.stdout)["code"]
        return code

    return run


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
