"""Files that people send on Telegram."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from telegram import Bot
from telegram.error import TelegramError, TimedOut
from yarl import URL

from bot.messages import Incoming
from bot.platforms.base import Receiver
from bot.platforms.fetching import AT_ONCE, DidNotCome, Fetching, NotFetched
from bot.platforms.telegram.transport import AiohttpRequest
from bot.platforms.telegram.updates import Arrival, Sent


class Files:
    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._request = AiohttpRequest(pool_size=AT_ONCE)  # messages wait for no file
        self._fetching = Fetching[Sent](self._fetch)

    async def fetched(self, arrivals: Sequence[Arrival], receiver: Receiver) -> list[Incoming]:
        """See `Fetching.fetched`."""
        return await self._fetching.fetched(arrivals, receiver)

    async def close(self) -> None:
        await self._request.shutdown()

    async def _fetch(self, sent: Sent, at_most: int) -> bytes | None:
        try:
            file = await self._bot.get_file(sent.file_id)
            path = file.file_path or ""
            if not path.startswith(("http://", "https://")):  # a Bot API server on this machine
                return await asyncio.to_thread(_read, path, at_most)
            await self._request.initialize()
            return await self._request.fetch(str(URL(path)), at_most)
        except TimedOut as error:
            raise DidNotCome(type(error).__name__) from None
        except TelegramError as error:
            raise NotFetched(type(error).__name__) from None


def _read(path: str, at_most: int) -> bytes | None:
    with Path(path).open("rb") as file:
        data = file.read(at_most + 1)
    return data if len(data) <= at_most else None
