"""What a campaign does behind the scenes: straight in the database, beside the server."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from campaigns.server import SECRET
from storage import migrate
from storage.broadcasts import Broadcast, BroadcastState
from storage.database import Database
from storage.deliveries import Delivery, DeliveryState
from storage.grants import Role
from storage.meetings import Meeting, Reminder
from storage.people import Account
from storage.polls import Electorate
from storage.store import Store

GROUP = 1  # one of the six there are from the beginning
CLOSING = timedelta(seconds=2)
PATIENCE = 60.0  # seconds for what the server has to do by itself, over any number of restarts
BETWEEN = 0.02  # seconds between two looks
OPEN = (DeliveryState.waiting, DeliveryState.sending)


class Backstage:
    """The database of a campaign."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, [SECRET])
        if not migrate.is_current(self.database.engine):
            migrate.upgrade(self.database.engine)
        self.database.open()

    def close(self) -> None:
        self.database.close()

    async def prepare(self, readers: int, in_group: int) -> None:
        """Open a poll; let many people have a page that nobody looks at, some in the group."""

        def make(store: Store) -> None:
            now = datetime.now(UTC)
            store.polls.open(
                "Faut-il réparer le réseau ?",
                electorate=Electorate.public,
                closes_at=now + timedelta(days=1),
                now=now,
            )
            for number in range(readers):
                account, _ = store.people.arrive("web", f"reader {number}", "fr", now)
                store.people.chat("web", f"reader {number}", account_id=account.id)
                if number < in_group:
                    store.groups.join(GROUP, account.person_id, now, admitted=True)

        await self.database.write(make)

    async def invite(self) -> str:
        """An invitation to the secretariat."""
        now = datetime.now(UTC)
        expires_at = now + timedelta(days=1)
        return await self.database.write(
            lambda store: store.invitations.invite(
                role=Role.secretariat, now=now, expires_at=expires_at
            )
        )

    async def whose(self, token: str) -> tuple[int, int]:
        """The person and the chat of a session."""

        def look(store: Store) -> tuple[int, int]:
            [visitor] = store.sessions.visitors([token])
            assert visitor is not None
            [person] = store.session.scalars(
                select(Account.person_id).where(Account.id == visitor.account_id)
            )
            return person, visitor.chat_id

        return await self.database.read(look)

    async def enrol(self, person: int) -> None:
        now = datetime.now(UTC)
        await self.database.write(
            lambda store: store.groups.join(GROUP, person, now, admitted=True)
        )

    async def close_poll_soon(self) -> None:
        """Let the poll close while the server is being killed."""

        def bring_forward(store: Store) -> None:
            poll = store.polls.get(1)
            assert poll is not None
            poll.closes_at = datetime.now(UTC) + CLOSING

        await self.database.write(bring_forward)

    async def let_leave(self, broadcast: int) -> None:
        """Let the minute of a confirmed broadcast be over."""
        confirmed = (Broadcast.id == broadcast) & (Broadcast.state == BroadcastState.confirmed)
        early = update(Broadcast).where(confirmed).values(leaves_at=datetime.now(UTC))
        await self.database.write(lambda store: store.session.execute(early))

    async def let_remind(self, meeting: int) -> None:
        """Let all reminders of a meeting be due."""
        waits = (Reminder.meeting_id == meeting) & Reminder.notice_id.is_(None)
        early = update(Reminder).where(waits).values(due_at=datetime.now(UTC))
        await self.database.write(lambda store: store.session.execute(early))

    async def until(self, condition: Callable[[Store], bool], patience: float = PATIENCE) -> bool:
        """Wait for something; False if it did not come."""
        latest = time.monotonic() + patience
        while time.monotonic() < latest:
            if await self.database.read(condition):
                return True
            await asyncio.sleep(BETWEEN)
        return False


def is_leaving(store: Store) -> bool:
    """Whether something that is due has not left."""
    return store.deliveries.is_due(datetime.now(UTC))


def has_ended(broadcast: int) -> Callable[[Store], bool]:
    return lambda store: _get(store, broadcast).ended_at is not None


def is_half_way(broadcast: int) -> Callable[[Store], bool]:
    """Whether some of a broadcast has left; or all of it, so that nobody waits for ever."""

    def look(store: Store) -> bool:
        found = _get(store, broadcast)
        return found.ended_at is not None or (
            found.notice_id is not None
            and _count(store, [found.notice_id], DeliveryState.on_page) > 0
        )

    return look


def have_begun(meeting: int) -> Callable[[Store], bool]:
    """Whether some reminders of a meeting, as it is planned now, have reached somebody."""

    def look(store: Store) -> bool:
        notices = [one for one in _reminded(store, meeting) if one is not None]
        return _count(store, notices, DeliveryState.on_page) > 0

    return look


def have_left(meeting: int) -> Callable[[Store], bool]:
    """Whether all reminders of a meeting, as it is planned now, have left."""

    def look(store: Store) -> bool:
        notices = _reminded(store, meeting)
        made = [one for one in notices if one is not None]
        return made == notices and not _count(store, made, *OPEN)

    return look


def is_quiet(store: Store) -> bool:
    """Whether nothing is under way any more, and the poll's result has been announced."""
    now = datetime.now(UTC)
    deliveries = select(func.count()).where(Delivery.state.in_(OPEN))
    due = select(func.count()).where(Reminder.notice_id.is_(None), Reminder.due_at <= now)
    poll = store.polls.get(1)
    return (
        store.session.execute(deliveries).scalar_one() == 0
        and store.session.execute(due).scalar_one() == 0
        and not store.broadcasts.under_way()
        and store.following.withdrawn_since() is None
        and store.following.ending_since() is None
        and poll is not None
        and poll.chart_id is not None
    )


def _get(store: Store, broadcast: int) -> Broadcast:
    found = store.broadcasts.get(broadcast)
    assert found is not None
    return found


def _reminded(store: Store, meeting: int) -> list[int | None]:
    """The notices of a meeting's reminders, as it is planned now."""
    wanted = (
        select(Reminder.notice_id)
        .join(Meeting, Meeting.id == Reminder.meeting_id)
        .where(Meeting.id == meeting, Reminder.version == Meeting.version)
    )
    return list(store.session.scalars(wanted))


def _count(store: Store, notices: list[int], *states: DeliveryState) -> int:
    """How many deliveries of some notices are in some states."""
    wanted = select(func.count()).where(Delivery.notice_id.in_(notices), Delivery.state.in_(states))
    return int(store.session.execute(wanted).scalar_one())
