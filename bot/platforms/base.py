"""What a chat platform is: four functions and a few declared abilities."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bot.messages import Incoming
from storage.conversations import Seen
from storage.deliveries import Failure, Operation, PageEvent
from storage.store import Store


@dataclass(frozen=True)
class Outcome:
    """What became of an update, once committed.

    Attributes:
        seen: whether it was new, already applied, or its id was reused for something else.
        wait: seconds to wait before trying again, if there were too many; then nothing was done.
        toast: what to show at once and keep nowhere.
        chat_id, events: what was put on the page of a web chat.
        left: the session that asked has ended.
        queued: something waits for the sender.
        problem: the message that says why a photo is not looked at.
        gone: the account was erased meanwhile; nothing was applied.
    """

    seen: Seen
    wait: int = 0
    toast: str | None = None
    chat_id: int | None = None
    events: tuple[PageEvent, ...] = ()
    left: bool = False
    queued: bool = False
    problem: str | None = None
    gone: bool = False


class Receiver(Protocol):
    """What a platform gives its updates to; see `bot.dispatcher.Dispatcher`."""

    async def receive(self, incoming: Incoming) -> Outcome: ...

    def in_hand(self, received_at: datetime) -> AbstractContextManager[None]: ...

    async def wants_photo(
        self, incoming: Incoming, *, document: bool = False
    ) -> Outcome | None: ...

    def apply(self, store: Store, incoming: Incoming) -> Outcome: ...


class SendFailed(Exception):
    """A platform did not take a message.

    Args:
        reason: one of the named failures.
        final: whether trying again is useless.
        wait: seconds after which it may be tried again.
    """

    def __init__(self, reason: Failure, *, final: bool, wait: float = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.wait = wait


class Platform(Protocol):
    """One chat platform.

    `run` serves until it is cancelled, giving each update to the receiver, in order within a chat.
    `call` must not touch the database. Bodies are those of `bot.rendering.render`.

    Attributes:
        name: as in `accounts.platform`.
        keeps_page: its messages are read from the database, so they are delivered by the commit
            itself; `publish` is told of them and `call` is never used.
    """

    name: str
    keeps_page: bool

    async def run(self, receiver: Receiver) -> None: ...

    async def call(
        self,
        operation: Operation,
        chat: str,
        thread: str,
        body: dict[str, Any],
        message: str | None,
    ) -> str:
        """Send, edit or delete; return the message's id, or raise `SendFailed`."""
        ...

    def publish(self, chat_id: int, events: tuple[PageEvent, ...]) -> None:
        """New events stand on the page of a chat."""
        ...

    async def close(self) -> None: ...
