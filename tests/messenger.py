"""A platform that has to be called, as slow and as angry as it is told to be."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from bot.pace import Pace
from bot.platforms.base import Call, Receiver
from bot.sender import Sender
from storage.broadcasts import Broadcast, BroadcastKind, BroadcastState
from storage.database import Database
from storage.deliveries import Born, Delivery, Kind, Outgoing, PageEvent
from storage.people import Account, Chat, ChatKind, ChatState, Person
from storage.store import Store
from tests.conftest import NOW
from tests.people import StillClock

NAME = "messenger"


def fast() -> Pace:
    return Pace(2000, chat_seconds=0.001, group_minute=1000)


class Messenger:
    """It takes what it is given, or raises what it was told to.

    Attributes:
        calls: all that were made, each with the moment at which it began.
        failures: raised by the next calls, in order; None lets one through.
        slow: seconds that a call takes.
        answers: awaited in each call, if set, before it is taken.
    """

    name = NAME
    keeps_page = False
    shows_buttons = True
    knows_repeats = False

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace: Pace | None = pace or fast()
        self.calls: list[Call] = []
        self.moments: list[float] = []
        self.failures: list[Exception | None] = []
        self.slow = 0.0
        self.answers: Callable[[Call], Awaitable[None]] | None = None
        self.at_once = 0
        self.most_at_once = 0

    @property
    def said(self) -> list[tuple[str, str]]:
        """Where something was said, and what."""
        return [(call.chat, str(call.body.get("markup"))) for call in self.calls]

    async def run(self, receiver: Receiver) -> None: ...

    def parts(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """A message a paragraph; the choices with the last."""
        paragraphs = body["markup"].split("\n\n")
        parts = [{**body, "markup": one, "choices": []} for one in paragraphs]
        parts[-1]["choices"] = body["choices"]
        return parts

    async def call(self, call: Call) -> str:
        self.calls.append(call)
        self.moments.append(time.monotonic())
        number = len(self.calls)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.slow)
            if self.answers is not None:
                await self.answers(call)
        finally:
            self.at_once -= 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return f"message-{number}"

    def publish(self, chat_id: int, events: tuple[PageEvent, ...]) -> None: ...

    async def close(self) -> None: ...


def somebody(store: Store, address: str = "@somebody", platform: str = NAME) -> tuple[int, int]:
    """A person with a direct chat; their ids."""
    account, _ = store.people.arrive(platform, address, "fr", NOW)
    return account.person_id, store.people.chat(platform, address, account_id=account.id).id


def crowd(store: Store, count: int) -> None:
    """Many people at once, each with a direct chat."""
    people = [Person(language="fr", created_at=NOW) for _ in range(count)]
    store.session.add_all(people)
    store.session.flush()
    accounts = [
        Account(
            person_id=one.id,
            platform=NAME,
            address=f"@{one.id}",
            address_index=f"@{one.id}",
            created_at=NOW,
            last_seen_at=NOW,
        )
        for one in people
    ]
    store.session.add_all(accounts)
    store.session.flush()
    store.session.add_all(
        Chat(
            platform=NAME,
            address=one.address,
            address_index=one.address,
            kind=ChatKind.direct,
            state=ChatState.active,
            account_id=one.id,
        )
        for one in accounts
    )
    store.session.flush()


def broadcast(store: Store, notice: str = "tests.plain") -> int:
    """A broadcast to everybody that is leaving; the id of its notice."""
    notice_id = store.deliveries.notify(
        notice, {}, store.people.everybody(), NOW, kind=Kind.broadcast
    )
    made = Broadcast(
        kind=BroadcastKind.news,
        body="x",
        audience={},
        state=BroadcastState.leaving,
        composed_at=NOW,
        notice_id=notice_id,
    )
    store.session.add(made)
    store.session.flush()
    return notice_id


def answer(store: Store, chat_id: int, words: Sequence[str]) -> list[Born]:
    """Replies as a dispatcher leaves them in its transaction."""
    [chat] = store.session.scalars(select(Chat).where(Chat.id == chat_id))
    outgoing = [Outgoing({"markup": one, "choices": [], "files": []}) for one in words]
    ids = store.deliveries.queue(chat_id, "", outgoing, NOW)
    in_group = chat.kind is ChatKind.group
    return [
        Born(number, chat_id, chat.platform, chat.address, "", in_group, one)
        for number, one in zip(ids, outgoing, strict=True)
    ]


async def send(sending: Sender) -> int:
    """Send what is due, and see it arrive; how many were claimed."""
    count = await sending.send_due()
    await sending.settled(5)
    return count


def only(db: Database) -> Delivery:
    return db.read_now(lambda store: store.session.scalars(select(Delivery)).one())


def moved(sending: Sender, step: timedelta) -> datetime:
    assert isinstance(sending.clock, StillClock)
    sending.clock.advance_to(sending.clock.now() + step)
    return sending.clock.now()
