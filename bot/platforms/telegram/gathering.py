"""What is applied one after the other: files, the pieces of a paste or album, what follows."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from bot.messages import Incoming
from bot.platforms.telegram.updates import LONG, Arrival
from storage.database import Unavailable

log = structlog.get_logger()

PATIENCE = 1.0  # seconds for the next piece
MOST = 10  # pieces
AGAIN = 1.0  # seconds before something is tried again that could not be applied
LAST = 2.0  # seconds for what is being applied when we stop

Prepare = Callable[[list[Arrival]], Awaitable[list[Incoming]]]
Apply = Callable[[list[Arrival], list[Incoming]], Awaitable[None]]
Key = tuple[str, str, str]


@dataclass
class _Bundle:
    """The pieces that came so far, and the one task that waits for the others and applies them."""

    pieces: list[Arrival]
    task: "asyncio.Task[bool] | None" = None
    closed: bool = False
    applying: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def may_grow(self) -> bool:
        return not self.closed and len(self.pieces) < MOST and grows(self.pieces[-1])

    def takes(self, arrival: Arrival) -> bool:
        if not self.may_grow:
            return False
        album = self.pieces[-1].album
        return arrival.album == album if album else _goes_on(arrival)

    def add(self, arrival: Arrival) -> None:
        self.pieces.append(arrival)
        self.news.set()

    def close(self) -> None:
        """Nothing is added any more."""
        self.closed = True
        self.news.set()

    async def complete(self) -> None:
        """Wait for pieces as long as they come; then it is closed."""
        while self.may_grow:
            self.news.clear()
            try:
                async with asyncio.timeout(PATIENCE):
                    await self.news.wait()
            except TimeoutError:
                break
        self.closed = True


class Gathering:
    """Gives `apply` what belongs together, and each person's messages in order.

    Args:
        prepare: makes of some updates what is to be applied; it may take long, and is broken off
            when we stop.
        apply: applies it.
    """

    def __init__(self, prepare: Prepare, apply: Apply) -> None:
        self._prepare = prepare
        self._apply = apply
        self._last: dict[Key, _Bundle] = {}
        self._bundles: dict[str, _Bundle] = {}  # by the ids of their updates
        self.closed = False

    def is_needed(self, arrival: Arrival) -> bool:
        """Whether an update takes long, or must wait for one of the same person that does."""
        return arrival.sent is not None or grows(arrival) or _key(arrival) in self._last

    def put(self, arrival: Arrival) -> "asyncio.Task[bool]":
        """Take one update, in its turn from now on; the task says whether it was applied.

        It was not if we stop. While the database is away it is tried again.

        Raises:
            Unavailable: we stop.
        """
        if self.closed:
            raise Unavailable
        assert arrival.incoming is not None
        key, number = _key(arrival), arrival.incoming.update_id
        last, bundle = self._last.get(key), self._bundles.get(number)
        if bundle is not None:  # Telegram gave it twice
            pass
        elif last is not None and last.takes(arrival):
            last.add(arrival)
            bundle = last
        else:
            if last is not None:
                last.close()
            self._last[key] = bundle = _Bundle([arrival])
            bundle.task = asyncio.create_task(self._run(key, bundle, last.task if last else None))
        self._bundles[number] = bundle
        assert bundle.task is not None
        return bundle.task

    async def close(self) -> None:
        """Apply no more than is being applied: what is left is given to the next run."""
        self.closed = True
        tasks = {bundle.task for bundle in self._bundles.values() if bundle.task is not None}
        for bundle in self._bundles.values():
            if bundle.task is not None and not bundle.applying:
                bundle.task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LAST)
        for task in tasks:
            task.cancel()

    async def _run(self, key: Key, bundle: _Bundle, before: "asyncio.Task[bool] | None") -> bool:
        try:
            await bundle.complete()
            if before is not None:
                await asyncio.wait([before])
            while not await self._applied(bundle):
                if self.closed:
                    return False
                await asyncio.sleep(AGAIN)
        finally:
            for piece in bundle.pieces:
                if piece.incoming is not None:
                    self._bundles.pop(piece.incoming.update_id, None)
            if self._last.get(key) is bundle:
                del self._last[key]
        return True

    async def _applied(self, bundle: _Bundle) -> bool:
        try:
            said = await self._prepare(bundle.pieces)
            bundle.applying = True
            await self._apply(bundle.pieces, said)
        except Unavailable:
            return False
        except Exception:  # nor could it be applied the next time
            log.exception("an update could not be taken")
        finally:
            bundle.applying = False
        return True


def grows(arrival: Arrival) -> bool:
    """Whether an update may be followed by others of the same message."""
    return bool(arrival.album) or _is_long(arrival)


def _key(arrival: Arrival) -> Key:
    incoming = arrival.incoming
    assert incoming is not None
    return incoming.chat, incoming.thread, incoming.sender


def _is_long(arrival: Arrival) -> bool:
    incoming = arrival.incoming
    if incoming is None or arrival.sent is not None or incoming.edits is not None:
        return False
    return len(incoming.text or "") >= LONG


def _goes_on(arrival: Arrival) -> bool:
    """Whether it may be the next piece of a paste."""
    incoming = arrival.incoming
    return (
        incoming is not None
        and incoming.choice is None
        and incoming.edits is None
        and arrival.sent is None
        and bool(incoming.text)
        and not (incoming.text or "").startswith("/")
    )
