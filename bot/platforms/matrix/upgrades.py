"""Rooms that go on in another room: we go there too, and so does the chat."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import structlog
from nio import AsyncClient

from bot.clock import Clock
from bot.platforms.base import SendFailed
from bot.platforms.matrix.chores import Chore, Chores
from bot.platforms.matrix.doors import join
from bot.platforms.matrix.standing import CREATE, TOMBSTONE, Source, of_type, predecessor
from storage.database import Database

log = structlog.get_logger()

KIND = "upgrade"
LONGEST_TRIED = timedelta(days=1)  # we may have to be invited first
AGAIN = 30.0  # seconds, where we are not let in yet


@dataclass(frozen=True)
class Upgrade:
    """A room says that it goes on elsewhere.

    Attributes:
        room_id, to: the room, and the one that takes its place.
        sender: who says so.
        event_id: of the event that says so.
        at: when it came.
    """

    room_id: str
    to: str
    sender: str
    event_id: str
    at: datetime


def read(room_id: str, given: list[Source], at: datetime) -> Upgrade | None:
    """The upgrade that the state of a room tells of."""
    for one in of_type(given, TOMBSTONE):
        to, event_id = one["content"].get("replacement_room"), one.get("event_id")
        if not isinstance(to, str) or not to.startswith("!") or to == room_id or not event_id:
            return None
        return Upgrade(room_id, to, one["sender"], event_id, at)
    return None


class Upgrades:
    """Follows rooms to where they go on.

    Args:
        is_allowed: whether what somebody asks of us about rooms is done.
    """

    def __init__(
        self,
        client: AsyncClient,
        database: Database,
        clock: Clock,
        chores: Chores,
        is_allowed: Callable[[str], bool],
    ) -> None:
        self._client = client
        self._database = database
        self._clock = clock
        self._chores = chores
        self._is_allowed = is_allowed
        self._kept: dict[str, Upgrade] = {}
        self._heard: dict[str, Upgrade] = {}  # of people who are not allowed
        self._predecessors: dict[str, str | None] = {}

    async def load(self) -> None:
        """Go on with those that another run kept."""
        kept = await self._database.read(lambda store: store.matrix.all(KIND))
        for one in kept:
            self._follow(Upgrade(**{**one, "at": datetime.fromisoformat(one["at"])}))

    def is_leaving(self, room_id: str) -> bool:
        """Whether a room is followed to another."""
        return room_id in self._kept

    def leads_to(self, room_id: str) -> bool:
        """Whether a room is the one to which another is followed."""
        return any(one.to == room_id for one in self._kept.values())

    def look(self, room_id: str, given: list[Source]) -> None:
        """See what a room continues."""
        if any(of_type(given, CREATE)):
            self._predecessors[room_id] = predecessor(given)

    async def keep(self, given: Mapping[str, list[Source]], at: datetime) -> None:
        """Have rooms followed whose state says so; when this returns it cannot be lost."""
        found = [read(room_id, states, at) for room_id, states in given.items()]
        news = [one for one in found if one is not None and self._is_news(one)]
        for one in news:
            if not self._is_allowed(one.sender):
                self._note(one)
        news = [one for one in news if self._is_allowed(one.sender)]
        if not news:
            return
        rows = {one.room_id: {**asdict(one), "at": one.at.isoformat()} for one in news}
        await self._database.write(lambda store: store.matrix.put_all(KIND, rows))
        for one in news:
            self._follow(one)

    def _is_news(self, upgrade: Upgrade) -> bool:
        known = self._kept.get(upgrade.room_id) or self._heard.get(upgrade.room_id)
        return known is None or known.event_id != upgrade.event_id

    def _note(self, upgrade: Upgrade) -> None:
        """Go nowhere, but know the room again if somebody who is allowed invites us there.

        Each start hears of it again.
        """
        self._heard[upgrade.room_id] = upgrade
        log.warning(
            "a room goes on elsewhere, says somebody who is not allowed: it is not followed",
            room=upgrade.room_id,
        )

    def arrived(self) -> list[Upgrade]:
        """Those whose new room we are in."""
        found = (*self._kept.values(), *self._heard.values())
        return [one for one in found if one.to in self._client.rooms]

    def is_true(self, upgrade: Upgrade) -> bool:
        """Whether the new room says that it continues the other.

        If not, somebody may only want its place.
        """
        return self._predecessors.get(upgrade.to) == upgrade.room_id

    async def drop(self, room_id: str) -> None:
        """Follow a room no more."""
        self._heard.pop(room_id, None)
        if room_id in self._kept:
            await self._database.write(lambda store: store.matrix.drop(KIND, [room_id]))
            self._kept.pop(room_id, None)

    def _follow(self, upgrade: Upgrade) -> None:
        self._kept[upgrade.room_id] = upgrade
        chore = Chore(upgrade.to, upgrade.sender, lambda: self._go(upgrade))
        self._chores.put(chore)

    async def _go(self, upgrade: Upgrade) -> None:
        """Join the new room; it stays kept until a sync shows it."""
        if self._kept.get(upgrade.room_id) is not upgrade or upgrade.to in self._client.rooms:
            return
        try:
            await join(self._client, upgrade.to, upgrade.sender)
        except SendFailed as failed:
            if self._clock.now() - upgrade.at > LONGEST_TRIED:
                log.warning("a room cannot be followed", room=upgrade.room_id)
                await self.drop(upgrade.room_id)
            elif failed.final:
                raise SendFailed(failed.reason, wait=AGAIN) from None
            else:
                raise
