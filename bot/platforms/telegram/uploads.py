"""Files as Telegram takes them: by the id it gave them, or else by their content."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from telegram import InputFile, Message
from telegram.error import BadRequest

from bot.platforms.naming import file_name
from bot.platforms.telegram.failures import says

ReadFile = Callable[[int], Awaitable[tuple[str, bytes] | None]]

Source = str | InputFile  # the id that Telegram gave a file, or its content
Send = Callable[[list[Source]], Awaitable[Sequence[Message]]]

MOST_KNOWN = 2000  # files whose id is remembered
AT_ONCE = 4  # uploads: each holds a file in memory
_STALE = ("wrong file identifier", "wrong remote file identifier", "file_reference_", "file_id")


@dataclass(frozen=True)
class Attached:
    """A file that goes with a message.

    Attributes:
        number: under which it is kept.
        kind: how it is shown (`wording.kind_of`).
        name: what it is, in the reader's language; a document is called so.
    """

    number: int
    kind: str
    name: str = ""


class FileGone(Exception):
    """A file is no longer kept.

    Args:
        file_id: its number.
    """

    def __init__(self, file_id: int) -> None:
        super().__init__(file_id)
        self.file_id = file_id


class Uploads:
    """What was uploaded by this process is not uploaded again.

    Args:
        read_file: gives a file's media type and content by its number; None if it is gone.
    """

    def __init__(self, read_file: ReadFile) -> None:
        self.read_file = read_file
        self._known: dict[Attached, str] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def through(
        self, files: list[Attached], send: Send, *, attach: bool = False
    ) -> Sequence[Message]:
        """Give `send` what stands for these files, again if Telegram forgot the ids it gave.

        Args:
            attach: the files are parts of something, and are referred to from there.

        Raises:
            FileGone: one of the files is no longer kept; nothing was sent.
        """
        try:
            return await self._once(files, send, attach)
        except BadRequest as error:
            if not says(error, _STALE) or not any(file in self._known for file in files):
                raise
        for file in files:
            self._known.pop(file, None)
        return await self._once(files, send, attach)

    async def _once(self, files: list[Attached], send: Send, attach: bool) -> Sequence[Message]:
        if all(file in self._known for file in files):
            return await send([self._known[file] for file in files])
        async with self._turns:
            messages = await send([await self._source(file, attach) for file in files])
        for file, message in zip(files, messages, strict=False):
            self._remember(file, message)
        return messages

    async def _source(self, file: Attached, attach: bool) -> Source:
        known = self._known.get(file)  # perhaps since we waited for our turn
        if known is not None:
            return known
        found = await self.read_file(file.number)
        if found is None:
            raise FileGone(file.number)
        media_type, content = found
        return InputFile(content, filename=file_name(file.name, media_type), attach=attach)

    def _remember(self, file: Attached, message: Message) -> None:
        other = message.voice or message.document
        given = message.photo[-1].file_id if message.photo else other.file_id if other else None
        if given is None:
            return
        self._known[file] = given
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
