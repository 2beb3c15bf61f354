"""Files that people send on Telegram: fetched once a place is known for them, then written anew."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog
from telegram import Bot
from telegram.error import TelegramError
from yarl import URL

from bot.attachments import Attachments, kind_of, largest, too_heavy
from bot.messages import Incoming
from bot.platforms.base import Outcome, Receiver
from bot.platforms.telegram.transport import AiohttpRequest
from bot.platforms.telegram.updates import Arrival, Sent
from bot.references import new_reference
from storage.conversations import Seen
from storage.database import Unavailable

log = structlog.get_logger()

AT_ONCE = 4  # files that are fetched, each of another person
PATIENCE = 60.0  # seconds for a file to come, however slowly


class Files:
    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._request = AiohttpRequest(pool_size=AT_ONCE)  # messages wait for no file
        self._attachments = Attachments()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def fetched(self, arrivals: Sequence[Arrival], receiver: Receiver) -> list[Incoming]:
        """What was said, with the files or the problems with them; not what was applied already.

        Args:
            arrivals: what was said in one message, or in several that belong together.

        Raises:
            Unavailable: the database is away.
        """
        said: list[Incoming] = []
        for one in arrivals:
            files = sum(len(two.photos + two.documents + two.voices) for two in said)
            incoming = await self._fetched(one, receiver, files)
            if incoming is not None:
                said.append(incoming)
        return said

    async def close(self) -> None:
        await self._request.shutdown()

    async def _fetched(self, arrival: Arrival, receiver: Receiver, others: int) -> Incoming | None:
        """One of them; None if it was applied already.

        Args:
            others: how many files came before it in the same message.
        """
        incoming, sent = arrival.incoming, arrival.sent
        assert incoming is not None
        if sent is None:
            return incoming
        try:
            known = await receiver.wants(incoming, sent.kind, others)
            if known is not None:
                return _unwanted(incoming, known)
            problem = too_heavy(sent.kind, sent.size)
            if problem is not None:
                return replace(incoming, problem=problem)
            async with self._turns:
                return await self._looked_at(incoming, sent, receiver, others)
        except Unavailable:
            raise
        except Exception:
            reference = new_reference()
            log.exception("a file could not be looked at", reference=reference)
            return replace(incoming, problem="people.failed", about={"reference": reference})

    async def _looked_at(
        self, incoming: Incoming, sent: Sent, receiver: Receiver, others: int
    ) -> Incoming | None:
        try:
            data = await self._fetch(sent.file_id, largest(sent.kind))
        except TelegramError as error:
            log.warning("a file could not be fetched", reason=type(error).__name__)
            return replace(incoming, problem="forms.file_not_fetched")
        if data is None:
            return replace(incoming, problem=too_heavy(sent.kind))
        if kind_of(data) is not sent.kind:  # it is not what its sender says
            known = await receiver.wants(incoming, kind_of(data), others)
            if known is not None:
                return _unwanted(incoming, known)
        digest = hashlib.sha256(data).hexdigest()
        return await self._attachments.taken(replace(incoming, digest=digest), data)

    async def _fetch(self, file_id: str, at_most: int) -> bytes | None:
        """A file; None if it is larger than so many bytes."""
        try:
            async with asyncio.timeout(PATIENCE):
                file = await self._bot.get_file(file_id)
                path = file.file_path or ""
                if not path.startswith(("http://", "https://")):  # a Bot API server on this machine
                    return await asyncio.to_thread(_read, path, at_most)
                await self._request.initialize()
                return await self._request.fetch(str(URL(path)), at_most)
        except TimeoutError:
            raise TelegramError("a file came too slowly") from None


def _read(path: str, at_most: int) -> bytes | None:
    with Path(path).open("rb") as file:
        data = file.read(at_most + 1)
    return data if len(data) <= at_most else None


def _unwanted(incoming: Incoming, known: Outcome) -> Incoming | None:
    """What is left of an update whose file is not looked at; None if it was applied already."""
    if known.problem is not None:
        return replace(incoming, problem=known.problem, about=known.about)
    return None if known.seen is not Seen.new else incoming
