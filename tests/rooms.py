"""A messenger with private chats and a group, and people who say and press in both."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bot.markup import as_plain
from bot.messages import Incoming
from bot.pace import Pace
from bot.platforms.base import Call, Outcome, Receiver, SendFailed
from bot.service import Service
from bot.settings import Settings
from bot.texts import normalise
from scheduled import jobs, rooms
from storage.database import Database
from storage.deliveries import Delivery, Operation, PageEvent
from storage.grants import Role
from storage.people import Account
from storage.store import Store
from tests.stage import Stage

NAME = "messenger"
PATIENCE = 5.0
DAY = timedelta(days=1)


@dataclass(eq=False)
class Message:
    """What stands in a chat now, and how often it was edited."""

    body: dict[str, Any]
    edits: int = 0

    @property
    def text(self) -> str:
        return as_plain(self.body["markup"])

    @property
    def labels(self) -> list[str]:
        return [label for _, label in self.body["choices"]]

    def action(self, label: str) -> str:
        """What the first button that begins so does."""
        wanted = normalise(label)
        for action, name in self.body["choices"]:
            if normalise(name).startswith(wanted):
                return str(action)
        raise AssertionError(f"no button {label!r} among {self.labels}")


class Messenger:
    """A platform that has to be called: it keeps what stands in each chat.

    Attributes:
        has_polls: it puts a poll of its own under a ballot.
        polls: those polls, each with its chat and its message.
        ended: the polls that were ended.
        name_of: gives the id of the next message, or poll.
    """

    name = NAME
    keeps_page = False
    shows_buttons = True
    knows_repeats = False

    def __init__(self) -> None:
        self.pace = Pace(100_000, chat_seconds=0, group_minute=100_000)
        self.chats: dict[str, dict[str, Message]] = {}
        self.threads: dict[str, str] = {}
        self.failure: SendFailed | None = None
        self.has_polls = False
        self.polls: dict[str, tuple[str, str]] = {}
        self.ended: list[str] = []
        ids = itertools.count(1)
        self.name_of: Callable[[str], str] = lambda _: str(next(ids))

    async def run(self, receiver: Receiver) -> None:
        await asyncio.Event().wait()

    def parts(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return [body]

    async def call(self, call: Call) -> str:
        if self.failure is not None:
            raise self.failure
        chat = self.chats.setdefault(call.chat, {})
        if call.operation is Operation.send:
            number = self.name_of("message")
            chat[number] = Message(call.body)
            self.threads[number] = call.thread
            if self.has_polls and "ballot" in call.body:
                poll = self.name_of("poll")
                self.polls[poll] = (call.chat, number)
                return f"{number} {poll}"
            return number
        assert call.message is not None
        if call.operation is Operation.edit:
            chat[call.message] = Message(call.body, chat[call.message].edits + 1)
        elif call.operation is Operation.end:
            self.ended.append(call.message)
        else:
            chat.pop(call.message, None)
            self.polls.pop(call.message, None)
        return call.message

    def publish(self, chat_id: int, events: tuple[PageEvent, ...]) -> None: ...

    async def close(self) -> None: ...


@dataclass
class Square:
    """The whole service with that messenger, and the group in which everybody meets."""

    stage: Stage
    messenger: Messenger
    ids: "itertools.count[int]" = field(default_factory=itertools.count)

    @classmethod
    async def opened(cls, settings: Settings, db: Database, stage: Stage) -> "Square":
        messenger = Messenger()
        stage.service = Service(settings, db, stage.clock, [stage.web, messenger], jobs(settings))
        await stage.open()
        return cls(stage, messenger)

    async def receive(self, sender: str, chat: str, **more: Any) -> Outcome:
        """Have something said or pressed; when this returns, all that is due was sent."""
        named = {"update_id": str(next(self.ids)), **more}
        incoming = Incoming(
            platform=NAME,
            chat=chat,
            sender=sender,
            received_at=self.stage.clock.now(),
            **named,
        )
        outcome = await self.stage.service.dispatcher.receive(incoming)
        await self.settle()
        return outcome

    async def settle(self) -> None:
        await self.stage.settle()
        await self.stage.service.sender.settled(PATIENCE)
        await self.stage.settle()

    async def tick(self) -> None:
        """Redraw what changed, as the clock does every few seconds."""
        now = self.stage.clock.now()
        changed = await self.stage.db.read(lambda store: rooms.changed(store, now))
        if changed is not None:
            await self.stage.db.write(lambda store: rooms.redraw(store, now, changed))
        await self.settle()

    def person(self, name: str) -> "Talker":
        return Talker(self, name)

    async def met(self, name: str, *roles: Role, organisation: str | None = None) -> "Talker":
        """Somebody who has talked to us before, with some roles."""
        talker = self.person(name)
        await talker.say("/start")

        def give(store: Store) -> None:
            now, person = self.stage.clock.now(), self.person_id(store, name)
            for role in roles:
                code = store.invitations.invite(
                    role=role, organisation_id=organisation, expires_at=now + DAY, now=now
                )
                store.session.flush()
                invitation = store.invitations.redeem(code, now)
                assert invitation is not None
                store.invitations.apply(invitation, person, now)

        await self.stage.db.write(give)
        return talker

    def person_id(self, store: Store, name: str) -> int:
        account = store.people.account(NAME, f"@{name}")
        assert account is not None
        wanted = select(Account.person_id).where(Account.id == account.id)
        return store.session.scalars(wanted).one()

    def room(self, name: str = "room") -> list[Message]:
        """What stands in a group, oldest first."""
        return list(self.messenger.chats.get(f"#{name}", {}).values())

    async def redrawings(self) -> int:
        """How many times the clock had a card redrawn in any chat."""
        edits = select(Delivery.id).where(
            Delivery.operation == Operation.edit, Delivery.notice_id.is_not(None)
        )
        return await self.stage.db.read(lambda store: len(store.session.scalars(edits).all()))


@dataclass
class Talker:
    """A person on the messenger, in their own chat or among others."""

    square: Square
    name: str

    @property
    def address(self) -> str:
        return f"@{self.name}"

    @property
    def own(self) -> list[Message]:
        """What stands in their own chat, oldest first."""
        return list(self.square.messenger.chats.get(self.address, {}).values())

    async def say(self, text: str, **more: Any) -> Message:
        """Say something in private; the newest message after it."""
        await self.square.receive(self.address, self.address, text=text, **more)
        return self.own[-1]

    async def press(self, label: str) -> Message:
        await self.square.receive(self.address, self.address, choice=self.own[-1].action(label))
        return self.own[-1]

    async def say_among(self, text: str, room: str = "room", **more: Any) -> Outcome:
        return await self.square.receive(self.address, f"#{room}", text=text, in_group=True, **more)

    async def press_among(self, label: str, room: str = "room", which: int = -1) -> Outcome:
        """Press a button of a message of the group, the newest by default."""
        number, message = list(self.square.messenger.chats[f"#{room}"].items())[which]
        return await self.send_among(message.action(label), room, number)

    async def send_among(self, action: str, room: str = "room", message: str = "1") -> Outcome:
        """Send an action from a group, whatever stands there."""
        return await self.square.receive(
            self.address,
            f"#{room}",
            choice=action,
            message=message,
            thread=self.square.messenger.threads.get(message, ""),
            in_group=True,
        )
