"""Files that people send: fetched once a place is known for them, and written anew."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

import structlog

from bot.attachments import Attachments, FileKind, kind_of, largest, too_heavy
from bot.messages import Incoming
from bot.platforms.base import Outcome, Receiver
from bot.references import new_reference
from storage.conversations import Seen
from storage.database import Unavailable

log = structlog.get_logger()

AT_ONCE = 4  # files that are fetched, each of another person
WHOLE = 60.0  # seconds for all the files of one answer to come, however slowly
IN_VAIN = 5.0  # seconds for which, after a file that did not come, its sender's next are not tried


class NotFetched(Exception):
    """A file did not come, or not whole: why, in a few words for the operator."""


class DidNotCome(NotFetched):
    """A file was waited for, in vain: so would be those behind it."""


class Sent(Protocol):
    """A file that came with a message, not fetched yet; its size in bytes as its sender says."""

    @property
    def kind(self) -> FileKind: ...

    @property
    def size(self) -> int: ...


S = TypeVar("S", bound=Sent)
S_co = TypeVar("S_co", bound=Sent, covariant=True)


class Arrival(Protocol[S_co]):
    """What was said in one message, and the file that came with it."""

    @property
    def incoming(self) -> Incoming | None: ...

    @property
    def sent(self) -> S_co | None: ...


@dataclass
class _Patience:
    """How many seconds are left for the files of one answer."""

    left: float


class Fetching(Generic[S]):
    """Fetches files, one at a time of one person: who sends slow ones holds up few others.

    Args:
        fetch: gives a file, or None if it is larger than so many bytes; raises `NotFetched`. It is
            broken off when it takes too long.
    """

    def __init__(self, fetch: Callable[[S, int], Awaitable[bytes | None]]) -> None:
        self._fetch = fetch
        self._attachments = Attachments()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._turn_of: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._in_vain: dict[str, float] = {}  # by sender, until when nothing is tried

    async def fetched(self, arrivals: Sequence[Arrival[S]], receiver: Receiver) -> list[Incoming]:
        """What was said, with the files or the problems with them; not what was applied already.

        Args:
            arrivals: what was said in one message, or in several that belong together.

        Raises:
            Unavailable: the database is away.
        """
        said: list[Incoming] = []
        patience = _Patience(WHOLE)
        for one in arrivals:
            files = sum(len(two.photos + two.documents + two.voices) for two in said)
            incoming = await self._fetched(one, receiver, files, patience)
            if incoming is not None:
                said.append(incoming)
        return said

    async def _fetched(
        self, arrival: Arrival[S], receiver: Receiver, others: int, patience: _Patience
    ) -> Incoming | None:
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
            async with self._turn_of.setdefault(incoming.sender, asyncio.Lock()), self._turns:
                return await self._looked_at(incoming, sent, receiver, others, patience)
        except Unavailable:
            raise
        except Exception:
            reference = new_reference()
            log.exception("a file could not be looked at", reference=reference)
            return replace(incoming, problem="people.failed", about={"reference": reference})

    async def _looked_at(
        self,
        incoming: Incoming,
        sent: S,
        receiver: Receiver,
        others: int,
        patience: _Patience,
    ) -> Incoming | None:
        try:
            data = await self._given(sent, incoming.sender, patience)
        except NotFetched as error:
            log.warning("a file could not be fetched", reason=str(error))
            return replace(incoming, problem="forms.file_not_fetched")
        if data is None:
            return replace(incoming, problem=too_heavy(sent.kind))
        if kind_of(data) is not sent.kind:  # it is not what its sender says
            known = await receiver.wants(incoming, kind_of(data), others)
            if known is not None:
                return _unwanted(incoming, known)
        digest = hashlib.sha256(data).hexdigest()
        return await self._attachments.taken(replace(incoming, digest=digest), data)

    async def _given(self, sent: S, sender: str, patience: _Patience) -> bytes | None:
        """A file, within the time that there is for it.

        Raises:
            NotFetched: it did not come, or another of the same person did not a moment ago.
        """
        began = time.monotonic()
        if self._in_vain.get(sender, began) > began:
            raise NotFetched("one before it did not come")
        try:
            async with asyncio.timeout(patience.left):
                return await self._fetch(sent, largest(sent.kind))
        except TimeoutError:
            self._tried_in_vain(sender)
            raise DidNotCome("it comes too slowly") from None
        except DidNotCome:
            self._tried_in_vain(sender)
            raise
        finally:
            patience.left -= time.monotonic() - began

    def _tried_in_vain(self, sender: str) -> None:
        now = time.monotonic()
        self._in_vain = {one: until for one, until in self._in_vain.items() if until > now}
        self._in_vain[sender] = now + IN_VAIN


def _unwanted(incoming: Incoming, known: Outcome) -> Incoming | None:
    """What is left of an update whose file is not looked at; None if it was applied already."""
    if known.problem is not None:
        return replace(incoming, problem=known.problem, about=known.about)
    return None if known.seen is not Seen.new else incoming
