"""Updates a second on Telegram: through all of Préau, and through bare echoes on the same stub."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.bot_api import TOKEN, BotApi, Update, pressed, said, serving
from benchmarks.deliveries import opened
from benchmarks.server import process, start_and_memory
from storage.database import Database
from storage.polls import PERSONS, Elector, Electorate
from storage.store import Store

STOCK = Path(".venv-bench/bin/python")  # where what is only measured against is installed
ECHOED = 2000
FIRST_PERSON = 700_000_001
OPTIONS = 3
LANGUAGES = ("fr", "fr", "fr", "en")
TEXTS = 1_000_001  # from which their updates are numbered: a number is applied once
PATIENCE = 120  # seconds


def on_telegram(api_url: str, rate: int = 1000) -> dict[str, str]:
    """The settings of a process that is on Telegram."""
    return {
        "PREAU_TELEGRAM_TOKEN": TOKEN,
        "PREAU_TELEGRAM_API_URL": api_url,
        "PREAU_TELEGRAM_RATE": str(rate),
    }


def fill(url: str, people: Sequence[int]) -> None:
    """A poll, and its electors in their chats on Telegram, who came some days ago.

    They are its electors from the beginning, as those of a members' poll are.
    """

    def seed(store: Store) -> None:
        now = datetime.now(UTC)
        closes_at = now + timedelta(days=1)
        poll = store.polls.open(
            "Question ?", electorate=Electorate.public, closes_at=closes_at, now=now
        )
        for person in people:
            elector = arrived(store, person, now - timedelta(days=3), _language(person))
            store.session.add(
                Elector(poll_id=poll.id, person_id=elector, college=PERSONS, weight=1)
            )

    with opened(url) as database:
        database.write_now(seed)


def _language(person: int) -> str:
    return LANGUAGES[person % len(LANGUAGES)]


def arrived(store: Store, person: int, now: datetime, language: str = "fr") -> int:
    """Have somebody talk to us on Telegram; the person's id in the database."""
    account, _ = store.people.arrive("telegram", str(person), language, now)
    chat = store.people.chat("telegram", account.address, account_id=account.id)
    store.conversations.begin(chat, account, "", now)
    return account.person_id


async def start_and_memory_on_telegram(url: str) -> tuple[float, float]:
    """Seconds from start to ready, and MiB of memory when idle."""
    async with serving(BotApi([], [])) as address:
        return await start_and_memory(url, on_telegram(address))


async def presses_per_second(url: str, people: Sequence[int]) -> float:
    """Each person votes: committed, the card changed in place, the press acknowledged."""
    with opened(url) as database:
        before = _ballots(database)
    presses = [pressed(one, f"polls.vote:1:{one % OPTIONS}") for one in people]
    speed = await _answered(url, presses, ["editmessagetext", "answercallbackquery"])
    with opened(url) as database:
        assert _ballots(database) == before + len(people)
    return speed


async def texts_per_second(url: str, people: Sequence[int]) -> float:
    """Each person asks for help, and is answered in one message."""
    texts = [said(one, "aide") for one in people]
    return await _answered(url, texts, ["sendmessage"], first=TEXTS)


def _ballots(database: Database) -> int:
    return database.read_now(lambda store: store.polls.ballots(1))


async def _answered(
    url: str, updates: Sequence[Update], methods: Sequence[str], first: int = 1
) -> float:
    api = BotApi(updates, methods, first)
    async with serving(api) as address, process(url, on_telegram(address)):
        await asyncio.wait_for(api.done.wait(), PATIENCE)
    return api.updates_per_second


async def _echoes(command: Callable[[str], Sequence[str]]) -> float:
    api = BotApi([said(n % 50 + 1, "1") for n in range(ECHOED)], ["sendmessage"])
    async with serving(api) as address:
        echo = await asyncio.create_subprocess_exec(
            *command(address), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await asyncio.wait_for(api.done.wait(), PATIENCE)
        finally:
            echo.kill()
            await echo.wait()
    return api.updates_per_second


async def echoes_per_second(manner: str) -> float:
    """Updates answered a second by a stock python-telegram-bot echo: `sequential|concurrent`."""
    return await _echoes(lambda base: (sys.executable, "-m", "benchmarks.echo", base, manner))


async def aiogram_echoes_per_second() -> float:
    """The same by a stock aiogram 3 echo."""
    return await _echoes(lambda base: (str(STOCK), "-m", "benchmarks.echo_aiogram", base, TOKEN))
