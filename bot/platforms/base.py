"""What a chat platform is: four functions and a few declared abilities."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.attachments import FileKind
from bot.messages import Incoming
from bot.pace import Pace
from storage.conversations import Seen
from storage.deliveries import Born, Failure, Kind, Operation, PageEvent
from storage.store import Store


@dataclass(frozen=True)
class Outcome:
    """What became of an update, once committed.

    Attributes:
        seen: whether it was new, already applied, or its id was reused for something else.
        wait: seconds to wait before trying again, if there were too many; then nothing was done.
        told: this was said already.
        language: of who is told.
        rest: seconds for which the chat rests before its next update is taken.
        newcomer: somebody new said it; `begun`: for the first time.
        toast: what to show at once and keep nowhere.
        chat_id, events: what was put on the page of a web chat.
        left: the session that asked has ended.
        born: replies for the sender.
        queued: something else waits for the sender.
        problem, about: the message that says why a photo is not looked at, with its arguments.
        gone: the account was erased meanwhile; nothing was applied.
        stranger: it was somebody in a group who never talked to us; nothing was applied.
    """

    seen: Seen
    wait: int = 0
    told: bool = False
    language: str | None = None
    rest: float = 0.0
    newcomer: bool = False
    begun: bool = False
    toast: str | None = None
    chat_id: int | None = None
    events: tuple[PageEvent, ...] = ()
    left: bool = False
    born: tuple[Born, ...] = ()
    queued: bool = False
    problem: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    gone: bool = False
    stranger: bool = False


class PlatformRefused(Exception):
    """A platform cannot be served as it is set: one line for the operator.

    Args:
        for_now: it may be later, although nobody sets anything else.
    """

    def __init__(self, line: str, *, for_now: bool = False) -> None:
        super().__init__(line)
        self.for_now = for_now


class Receiver(Protocol):
    """What a platform gives its updates to; see `bot.dispatcher.Dispatcher`."""

    async def receive(self, incoming: Incoming) -> Outcome: ...

    async def lost(
        self, platform: str, chat: str, reason: Failure, update_id: str, received_at: datetime
    ) -> None: ...

    async def moved(
        self, platform: str, chat: str, address: str, update_id: str, received_at: datetime
    ) -> None: ...

    async def opened_up(
        self, platform: str, chat: str, update_id: str, received_at: datetime
    ) -> None: ...

    async def came(self, platform: str, chats: Sequence[str]) -> None: ...

    def in_hand(self, received_at: datetime) -> AbstractContextManager[None]: ...

    async def wants(
        self, incoming: Incoming, kind: FileKind, others: int = 0
    ) -> Outcome | None: ...

    def waits(self, incoming: Incoming) -> bool: ...

    def apply(self, store: Store, incoming: Incoming) -> Outcome: ...


class SendFailed(Exception):
    """A platform did not take a message, or perhaps did.

    Args:
        reason: one of the named failures; `in_doubt` if it may have been taken all the same.
        final: whether trying again is useless.
        wait: seconds after which it may be tried again.
        for_all: nothing at all is taken meanwhile; this message was not tried.
        absent: who it is for has not come into the chat yet; it was not tried, and is tried once
            `Receiver.came` tells that they did, or after `wait`.
        moved_to: the chat has this address now.
    """

    def __init__(
        self,
        reason: Failure,
        *,
        final: bool = False,
        wait: float = 0,
        for_all: bool = False,
        absent: bool = False,
        moved_to: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.wait = wait
        self.for_all = for_all
        self.absent = absent
        self.moved_to = moved_to


@dataclass(frozen=True)
class Call:
    """One thing to do in a chat: send, edit or delete a message, or end a native poll.

    Attributes:
        chat, thread: where, as the platform knows them.
        body: one of the bodies that `Platform.parts` made.
        message: the one to edit or delete, as an earlier call returned it, or the poll to end.
        kind: what it is for: what nobody asked for need not make a sound, or be said at all.
        silent: another message follows at once, and makes the sound.
    """

    operation: Operation
    chat: str
    thread: str
    in_group: bool
    body: dict[str, Any]
    message: str | None
    kind: Kind = Kind.reply
    silent: bool = False

    @property
    def messages(self) -> int:
        """How many messages it makes: an album is as many as its pictures."""
        return max(len(self.body.get("files", ())), 1)

    @property
    def asks(self) -> bool:
        """Whether a platform that has native polls puts one under it."""
        sends = self.operation is Operation.send
        return sends and "ballot" in self.body and not self.body.get("files")


class Platform(Protocol):
    """One chat platform.

    `run` serves until it is cancelled, giving each update to the receiver, in order within a chat.
    Bodies are those of `bot.rendering.render`.

    Attributes:
        name: as in `accounts.platform`.
        keeps_page: its messages are read from the database, so they are delivered by the commit
            itself; `publish` is told of them, and `parts` and `call` are never used.
        shows_buttons: choices are buttons; else numbered lines, and all is typed.
        knows_repeats: what was perhaps done is simply done again, and is then done once; else it is
            in doubt, and nobody is told twice of what they did not ask for.
        pace: how fast it may be called; None if it keeps a page.
    """

    name: str
    keeps_page: bool
    shows_buttons: bool
    knows_repeats: bool

    @property
    def pace(self) -> Pace | None: ...

    async def run(self, receiver: Receiver) -> None: ...

    def parts(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """A body as the messages that this platform makes of it, in order: one at least.

        The choices go with the last.
        """
        ...

    async def call(self, call: Call) -> str:
        """Do it; return the message's id as it now stands, or raise `SendFailed`.

        If it put a native poll under a message, that poll's id follows, after a space.
        It is never called while a transaction is held.
        """
        ...

    def publish(self, chat_id: int, events: tuple[PageEvent, ...]) -> None:
        """New events stand on the page of a chat."""
        ...

    async def close(self) -> None: ...
