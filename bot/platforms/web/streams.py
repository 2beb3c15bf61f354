"""Event streams: every page of a chat gets each event once, in order."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from storage.deliveries import PageEvent

PING = 15.0  # seconds of silence after which a page is told that the line is alive
WAITING = 200  # events that may wait for a slow page before it reads them from the database
AT_MOST = 8  # open pages of one chat


@dataclass(frozen=True)
class Toast:
    """Shown at once, kept nowhere."""

    text: str


CAUGHT_UP = Toast("")  # all that was there before is told; never shown


@dataclass(eq=False)
class _Page:
    session_id: int
    waiting: "asyncio.Queue[PageEvent | Toast]" = field(
        default_factory=lambda: asyncio.Queue(WAITING)
    )
    ended: bool = False

    def give(self, item: PageEvent | Toast) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # it will read the database instead
            self.waiting.put_nowait(item)

    def end(self) -> None:
        self.ended = True
        self.give(Toast(""))


Read = Callable[[int], Awaitable[list[PageEvent]]]


class Streams:
    """Who listens to which chat."""

    def __init__(self) -> None:
        self._pages: defaultdict[int, list[_Page]] = defaultdict(list)

    def publish(self, chat_id: int, events: tuple[PageEvent, ...]) -> None:
        for page in self._pages.get(chat_id, ()):
            for event in events:
                page.give(event)

    def toast(self, chat_id: int, text: str) -> None:
        for page in self._pages.get(chat_id, ()):
            page.give(Toast(text))

    def end(self, chat_id: int, session_id: int | None = None) -> None:
        """End a chat's streams, or only those of one session."""
        for page in self._pages.get(chat_id, ()):
            if session_id is None or page.session_id == session_id:
                page.end()

    def end_all(self) -> None:
        for chat_id in list(self._pages):
            self.end(chat_id)

    async def listen(
        self, chat_id: int, session_id: int, after: int, read: Read
    ) -> AsyncGenerator[PageEvent | Toast | None, None]:
        """The events after a number, then those to come; None when nothing came for a while.

        Args:
            read: reads the chat's next events after a number from the database.
        """
        page = _Page(session_id)
        pages = self._pages[chat_id]
        pages.append(page)
        if len(pages) > AT_MOST:
            pages[0].end()
        try:
            last, behind, told = after, True, False
            while not page.ended:
                while behind:
                    found = await read(last)
                    for event in found:
                        last = event.event
                        yield event
                    behind = bool(found)
                if not told:
                    told = True
                    yield CAUGHT_UP
                try:
                    item = await asyncio.wait_for(page.waiting.get(), PING)
                except TimeoutError:
                    yield None
                    behind = True
                    continue
                if page.ended:
                    return
                if isinstance(item, Toast):
                    yield item
                elif item.event == last + 1:
                    last = item.event
                    yield item
                else:
                    behind = item.event > last
        finally:
            pages.remove(page)
            if not pages:
                self._pages.pop(chat_id, None)
