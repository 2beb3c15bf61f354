"""Which rooms we are in, with whom, and whose they are.

A direct chat is a room where we are alone with the person whose it is. It is one no more once
somebody else comes in, or is invited, or once anybody may read it; and it stays a group then.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime

import structlog
from nio import AsyncClient, MatrixRoom, RoomInfo, SyncResponse

from bot.clock import Clock
from bot.messages import Incoming
from bot.pace import Pace
from bot.platforms.base import Receiver, SendFailed
from bot.platforms.matrix.chores import Chore, Chores
from bot.platforms.matrix.directs import Directs
from bot.platforms.matrix.doors import forget, leave
from bot.platforms.matrix.invitations import Invitation, Invitations
from bot.platforms.matrix.roomkeys import KeySorting
from bot.platforms.matrix.standing import (
    HERE,
    OF_STANDING,
    SPACE,
    Source,
    changed,
    creator,
    membership_event,
    mend,
    other_in,
    states,
)
from bot.platforms.matrix.upgrades import Upgrades
from bot.platforms.matrix.whose import PLATFORM, Kept, kept_of, whose
from bot.settings import Settings
from storage.database import Database, Unavailable
from storage.deliveries import Failure
from storage.people import ChatKind

log = structlog.get_logger()

AGAIN = 30.0  # seconds after which a room that we made is looked at again
# Seconds after which somebody is looked for who is invited, should it be missed that they came.
SOON, SELDOM = 5.0, 3600.0

Take = Callable[[Incoming], Awaitable[object]]


class Rooms:
    """What becomes of rooms.

    Args:
        pace: how fast the homeserver may be called.
        take: has it applied that we arrived in a room, so that something is said there.
    """

    def __init__(
        self,
        client: AsyncClient,
        database: Database,
        settings: Settings,
        clock: Clock,
        pace: Pace,
        receiver: Receiver,
        take: Take,
    ) -> None:
        self._client = client
        self._database = database
        self._receiver = receiver
        self._take = take
        self._chores = Chores(pace)
        self._directs = Directs(client, self._room_of)
        self._invitations = Invitations(
            client, database, settings, clock, self._chores, lambda to: self._upgrades.leads_to(to)
        )
        self._upgrades = Upgrades(client, database, clock, self._chores, self.is_allowed)
        self._keys = KeySorting(client, self._is_expected)
        self._people: dict[str, str] = {}  # whose direct chat a room is
        self._settled: set[str] = set()
        self._absent: set[str] = set()  # rooms whose person is invited, and not there
        self._creators: dict[str, str] = {}  # who made a room
        self._over: set[str] = set()  # rooms that go on elsewhere, or are not what was said

    async def begin(self) -> None:
        """Go on with what another run left.

        Raises:
            Unavailable: the database is away.
        """
        await self._upgrades.load()
        await self._invitations.load()

    async def run(self) -> None:
        """Join, decline and leave until cancelled, at the pace."""
        await self._chores.run()

    def person_in(self, room_id: str) -> str | None:
        """The person whose direct chat a room is: nobody else is there, or is invited.

        It is known once `heed` was told of the room.
        """
        room, person = self._client.rooms.get(room_id), self._people.get(room_id)
        if room is None or person is None or other_in(room, self._me) != person:
            return None
        return person

    def is_direct(self, room_id: str) -> bool:
        return self.person_in(room_id) is not None

    def absence(self, room_id: str) -> float:
        """Seconds after which to look again whether the person of a direct chat came; 0: they are.

        Who is only invited may have no device yet, or one that never heard of ours, and could not
        read what we encrypt now.
        """
        person = self.person_in(room_id)
        if person is None or not self._client.rooms[room_id].users[person].invited:
            return 0.0
        return SOON if self._directs.is_young(room_id) else SELDOM

    def is_allowed(self, user_id: str) -> bool:
        """Whether somebody is heeded: they, or their server, are admitted."""
        return self._invitations.is_allowed(user_id)

    def is_known_group(self, room_id: str) -> bool:
        """Whether a room is none for certain: a sync may have said what `heed` was not told yet."""
        return room_id in self._settled and room_id not in self._people

    async def open_direct(self, user_id: str) -> str:
        """The room that is a person's direct chat; if there is none, it is made.

        Raises:
            SendFailed: there is none, and none can be made, now or ever.
        """
        return await self._directs.open(user_id)

    async def heed(self, response: SyncResponse, at: datetime) -> None:
        """Take what a sync says of rooms, before what was said in them is read.

        When this returns it cannot be lost; heeded again, the same sync changes nothing.

        Args:
            response: as nio took it.
            at: when it came.

        Raises:
            Unavailable: the database is away.
        """
        joined = {room_id: states(info) for room_id, info in response.rooms.join.items()}
        for room_id, given in joined.items():
            mend(self._client, self._client.rooms[room_id], given)
            self._upgrades.look(room_id, given)
            if (made_by := creator(given)) is not None:
                self._creators[room_id] = made_by
        for room_id, info in response.rooms.leave.items():
            if room_id not in joined:
                await self._left(room_id, info, response, at)
        await self._upgrades.keep(joined, at)
        await self._invitations.keep(response.rooms.invite, at)
        moved = await self._move(at)
        news = {
            room_id: given for room_id, given in joined.items() if self._is_news(room_id, given)
        }
        await self._settle_all({room_id: joined.get(room_id, []) for room_id in moved} | news, at)
        self._keys.sort()
        self._directs.look()

    @property
    def _me(self) -> str:
        return str(self._client.user_id)

    def _is_expected(self, room_id: str) -> bool:
        """Whether we are about to come into a room."""
        return self._invitations.get(room_id) is not None or self._upgrades.leads_to(room_id)

    def _is_news(self, room_id: str, given: Sequence[Source]) -> bool:
        return room_id not in self._settled or any(one.get("type") in OF_STANDING for one in given)

    async def _left(
        self, room_id: str, info: RoomInfo, response: SyncResponse, at: datetime
    ) -> None:
        """We left a room, or were put out, or an invitation was withdrawn."""
        if not self._upgrades.is_leaving(room_id):
            event = changed(states(info), self._me)
            update_id = event["event_id"] if event else f"left {response.next_batch}"
            await self._receiver.lost(PLATFORM, room_id, Failure.removed, update_id, at)
        await self._invitations.drop(room_id)
        self._client.invited_rooms.pop(room_id, None)
        self._client.rooms.pop(room_id, None)  # nio would keep it, and who was there
        self._keys.left()
        self._people.pop(room_id, None)
        self._settled.discard(room_id)
        self._absent.discard(room_id)
        self._over.discard(room_id)
        self._creators.pop(room_id, None)

    async def _move(self, at: datetime) -> list[str]:
        """Have chats follow their rooms; the rooms to which they came."""
        moved = []
        for one in self._upgrades.arrived():
            if self._upgrades.is_true(one):
                await self._receiver.moved(PLATFORM, one.room_id, one.to, one.event_id, at)
                await self._invitations.drop(one.to)  # they know us there
                self._over.add(one.room_id)
                self._depart(one.room_id)
                moved.append(one.to)
            elif await self._is_unasked(one.to):
                self._over.add(one.to)
            await self._upgrades.drop(one.room_id)
        return moved

    async def _is_unasked(self, room_id: str) -> bool:
        """Whether nobody who may asked us into a room: all we did was to follow another."""
        one = self._invitations.get(room_id)
        is_asked = one is not None and self.is_allowed(one.inviter)
        is_known = is_asked or room_id in self._settled
        return not is_known and not await kept_of(self._database, [room_id])

    async def _settle_all(self, news: dict[str, list[Source]], at: datetime) -> None:
        """See whose these rooms are, and whether who was invited came."""
        kept = await kept_of(self._database, list(news))
        awaited = [room_id for room_id in news if self._may_be_awaited(room_id)]
        for room_id, given in news.items():
            try:
                await self._settle(room_id, given, kept.get(room_id), at)
            except Unavailable:
                raise
            except Exception:  # no room keeps the others from being read
                log.exception("a room could not be looked at", room=room_id)
        self._absent |= {room_id for room_id in news if self.absence(room_id)}
        came = {room_id for room_id in awaited if not self.absence(room_id)}
        if came:
            await self._receiver.came(PLATFORM, sorted(came))
            self._absent -= came

    async def _settle(
        self, room_id: str, given: list[Source], kept: Kept | None, at: datetime
    ) -> None:
        room, invitation = self._client.rooms[room_id], self._invitations.get(room_id)
        person = whose(
            room,
            self._me,
            kept,
            invitation=invitation,
            creator=self._creators.get(room_id),
            is_allowed=self.is_allowed,
        )
        if person is None:
            self._people.pop(room_id, None)
            if kept is not None and kept.kind is ChatKind.direct:
                await self._ended(room, given, kept, at)
        else:
            self._people[room_id] = person
        if invitation is not None:
            await self._arrived(room, given, invitation, at)
        if self._is_useless(room):
            self._depart(room_id)
        self._settled.add(room_id)

    async def _ended(self, room: MatrixRoom, given: list[Source], kept: Kept, at: datetime) -> None:
        """What was a direct chat is none any more: others are there, or nobody."""
        if room.users.keys() != {self._me}:
            event_id = membership_event(given, lambda one: one["content"].get("membership") in HERE)
            update_id = f"opened up {event_id or ''}"  # who came may be whose arrival was told
            await self._receiver.opened_up(PLATFORM, room.room_id, update_id, at)
        elif not self._is_awaited(room.room_id):
            event_id = membership_event(given, lambda one: one["state_key"] == kept.person)
            update_id = event_id or f"alone {at.isoformat()}"
            await self._receiver.lost(PLATFORM, room.room_id, Failure.removed, update_id, at)

    async def _arrived(
        self, room: MatrixRoom, given: list[Source], invitation: Invitation, at: datetime
    ) -> None:
        """We came where we were invited: we say what we do."""
        if not self._is_useless(room):
            person, event = self.person_in(room.room_id), changed(given, self._me)
            incoming = Incoming(
                platform=PLATFORM,
                chat=room.room_id,
                sender=person or invitation.inviter,
                update_id=event["event_id"] if event else f"joined {invitation.at.isoformat()}",
                received_at=at,
                in_group=person is None,
                joined=True,
            )
            await self._take(incoming)
        await self._invitations.drop(room.room_id)

    def _is_useless(self, room: MatrixRoom) -> bool:
        """Whether nobody talks in a room: we are alone, or it is a space."""
        is_over = room.room_id in self._over or room.room_type == SPACE
        is_alone = room.users.keys() <= {self._me} and not self._upgrades.is_leaving(room.room_id)
        return is_over or is_alone

    def _may_be_awaited(self, room_id: str) -> bool:
        """Whether something may wait for who is invited into a room, as far as was known."""
        is_unknown = room_id not in self._settled and self._creators.get(room_id) == self._me
        return is_unknown or room_id in self._absent

    def _is_awaited(self, room_id: str) -> bool:
        """Whether we are alone in a room for a while only."""
        return self._upgrades.is_leaving(room_id) or self._directs.is_young(room_id)

    def _depart(self, room_id: str) -> None:
        self._chores.put(Chore(room_id, room_id, lambda: self._leave(room_id)))

    async def _leave(self, room_id: str) -> None:
        """Leave a room that is of no use, unless somebody came into it meanwhile."""
        room = self._client.rooms.get(room_id)
        if room is None or not self._is_useless(room):
            return
        if self._directs.is_young(room_id):
            raise SendFailed(Failure.refused, wait=AGAIN)
        await leave(self._client, room_id)
        with suppress(SendFailed):
            await forget(self._client, room_id)

    def _room_of(self, user_id: str) -> str | None:
        """The room that is a person's direct chat; where they are, rather than are invited to."""
        rooms = [room for room in self._client.rooms.values() if not room.replacement_room]
        theirs = [room for room in rooms if self.person_in(room.room_id) == user_id]
        theirs.sort(key=lambda room: (room.users[user_id].invited, room.room_id))
        return str(theirs[0].room_id) if theirs else None
