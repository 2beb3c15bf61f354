"""Préau's database on Matrix: people in their chats, broadcasts to them, and polls they vote in."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from benchmarks.homeserver import Account, Card, World
from storage.broadcasts import DELAY, Audience, AudienceKind, Broadcast, BroadcastKind
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState, Kind
from storage.groups import Joining
from storage.people import Chat, Person
from storage.polls import PERSONS, Ballot, Elector, Electorate
from storage.store import Store

PATIENCE = 300.0  # seconds, on a machine that is busy
LOOK, GLANCE = 0.05, 0.25  # seconds between two looks; where rows say when it was
UNDER_WAY = (DeliveryState.waiting, DeliveryState.sending)
BODY = "Bonjour ! " + 5 * "La consultation sur le numérique à l'école est ouverte. "


class Committee:
    """What is kept, and looked at beside the process that works with it.

    Args:
        database: empty yet.
        polls: how many the writers are told of, as soon as that process begins.
    """

    def __init__(self, database: Database, world: World, polls: int) -> None:
        self._database = database
        self._world = world
        self._writers, self._readers = 0, 0  # the working groups of either
        database.write_now(lambda store: self._fill(store, polls))

    def _fill(self, store: Store, polls: int) -> None:
        now = datetime.now(UTC)
        writers = [self._arrived(store, one.account, now) for one in self._world.writers]
        readers = [self._arrived(store, one, now) for one in self._world.readers]
        self._writers = _group(store, "Écrivent", writers, now)
        self._readers = _group(store, "Lisent", readers, now)
        for number in range(polls):
            _open_poll(store, f"Question {number} ?", writers, now)

    def _arrived(self, store: Store, one: Account, now: datetime) -> int:
        account, _ = store.people.arrive("matrix", one.user_id, "fr", now)
        room = one.direct[self._world.preau.user_id]
        chat = store.people.chat("matrix", room, account_id=account.id)
        store.conversations.begin(chat, account, "", now)
        return account.person_id

    async def until(self, settled: Callable[[Store], bool], every: float = LOOK) -> float:
        """Wait until something is so; when that was seen, by time.monotonic."""
        async with asyncio.timeout(PATIENCE):
            while not self._database.read_now(settled):  # noqa: ASYNC110 (of the database)
                await asyncio.sleep(every)
        return time.monotonic()

    async def told(self) -> None:
        """Wait until nothing is to be sent any more."""
        under_way = select(Delivery.id).where(Delivery.state.in_(UNDER_WAY)).limit(1)
        await self.until(lambda store: store.session.execute(under_way).first() is None)

    async def answered(self, count: int) -> None:
        """Wait until so many people at least were answered, and all is sent."""
        replies = select(func.count()).where(Delivery.kind == Kind.reply)
        await self.until(lambda store: (store.session.scalar(replies) or 0) >= count)
        await self.told()

    async def broadcasts_per_second(self, count: int, *, to_writers: bool) -> float:
        """Messages a second of several broadcasts at once, from when they leave to the last."""
        before = self._database.read_now(_last_delivery)
        people, ids = self._database.write_now(
            lambda store: self._broadcast(store, count, to_writers)
        )
        sent = (
            (Delivery.kind == Kind.broadcast)
            & (Delivery.state == DeliveryState.sent)
            & (Delivery.id > before)
        )
        counted = select(func.count()).where(sent)
        await self.until(lambda store: store.session.scalar(counted) == count * people, GLANCE)
        left = select(func.min(Broadcast.started_at)).where(Broadcast.id.in_(ids))
        last = select(func.max(Delivery.done_at)).where(sent)
        left_at, ended_at = self._database.read_now(
            lambda store: (store.session.scalars(left).one(), store.session.scalars(last).one())
        )
        assert left_at is not None
        assert ended_at is not None
        return count * people / (ended_at - left_at).total_seconds()

    def _broadcast(self, store: Store, count: int, to_writers: bool) -> tuple[int, list[int]]:
        """Have broadcasts leave now; to how many people each goes, and their ids."""
        group = self._writers if to_writers else self._readers
        audience, now = Audience(AudienceKind.group, str(group)), datetime.now(UTC)
        people = store.broadcasts.count(audience, BroadcastKind.news, now)
        ids = []
        for _ in range(count):
            made = store.broadcasts.compose(BODY, BroadcastKind.news, audience, now)
            store.broadcasts.confirm(made.id, 1, people, now - DELAY)
            ids.append(made.id)
        return people, ids

    def cards(self) -> list[tuple[str, Card]]:
        """The polls that were shown, and in which rooms."""

        def found(store: Store) -> list[tuple[str, Card]]:
            wanted = select(Chat.address, Delivery.message, Delivery.poll, Delivery.subject)
            shown = store.session.execute(wanted.join(Chat).where(Delivery.poll.is_not(None)))
            return [
                (room, Card(str(text), str(poll), f"polls.vote:{str(subject).split(':')[1]}:0"))
                for room, text, poll, subject in shown
            ]

        return self._database.read_now(found)

    def votes(self) -> int:
        """How many ballots were cast."""
        return self._database.read_now(_ballots)

    async def voted(self, count: int) -> float:
        """Wait for so many ballots; when that was seen, by time.monotonic."""
        return await self.until(lambda store: _ballots(store) == count)


def _group(store: Store, name: str, people: list[int], now: datetime) -> int:
    group = store.groups.make(name, Joining.open, None, now)
    for person in people:
        store.groups.join(group.id, person, now, admitted=True)
    return group.id


def _open_poll(store: Store, question: str, people: list[int], now: datetime) -> None:
    closes_at = now + timedelta(days=1)
    poll = store.polls.open(question, electorate=Electorate.public, closes_at=closes_at, now=now)
    store.session.add_all(
        Elector(poll_id=poll.id, person_id=one, college=PERSONS, weight=1) for one in people
    )
    store.session.flush()
    told = select(Person.id).where(Person.id.in_(people))
    store.deliveries.notify("polls.opened", {"poll": poll.id}, told, now, expires_at=closes_at)


def _last_delivery(store: Store) -> int:
    return store.session.scalar(select(func.max(Delivery.id))) or 0


def _ballots(store: Store) -> int:
    return store.session.scalar(select(func.count()).select_from(Ballot)) or 0
