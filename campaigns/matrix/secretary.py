"""The secretariat, on Matrix too: it broadcasts, and calls a meeting of which it reminds."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute

from campaigns.backstage import Backstage, has_ended, have_left
from campaigns.matrix.someone import Someone
from storage.broadcasts import Broadcast, BroadcastState
from storage.meetings import Meeting
from storage.store import Store
from tests.homeserver import Synapse

TEXT = "Annonce {}, une journée de partage aura lieu."
FIRST_GROUP = "Les usages en classe"
AT_LEAST = 2  # rounds
AHEAD = timedelta(days=20)  # all reminders of a meeting are still to come
PATIENCE = 300.0  # seconds


class Secretary(Someone):
    """Somebody of the secretariat.

    Args:
        rounds: how often at most something is broadcast, or a meeting called.

    Attributes:
        said: the text of each broadcast that left.
        called: the meetings of which all were reminded.
        problems: what did not come.
    """

    def __init__(self, server: Synapse, seed: str, backstage: Backstage, rounds: int) -> None:
        super().__init__(server, "secretary", seed)
        self.backstage = backstage
        self.rounds = rounds
        self.said: dict[int, str] = {}
        self.called: list[int] = []
        self.problems: list[str] = []

    async def arrive(self, bot: str) -> None:
        await self.meet(bot)
        await self.say(await self.backstage.invite())

    async def show_poll(self, room: str) -> None:
        """Let a card stand in a group, which is drawn anew as people vote."""
        before = len(self.client.heard[room])
        await self.say_in(room, "!votes")
        await self.client.until(lambda: len(self.client.heard[room]) > before, "offer of polls")
        await self.say_in(room, "!1")

    async def live(self, over: asyncio.Event) -> None:
        """Broadcast and call a meeting in turn; once each, whatever happens."""
        for number in range(self.rounds):
            if number >= AT_LEAST and over.is_set():
                return
            await (self._call if number % 2 else self._broadcast)(number)

    async def _broadcast(self, number: int) -> None:
        text, before = TEXT.format(number), len(self.heard)
        await self.say("diffuser")
        await self.press("Écrire un nouveau message", before)
        await self.say(text)
        await self.press("Une nouvelle", before)
        await self.press("Tout le monde", before)
        await self.press("Voir l'aperçu", before, brings=2)
        await self.press("Envoyer", before)
        broadcast = await self._last(Broadcast.id)
        self.said[broadcast] = text
        await self.backstage.until(_is_confirmed(broadcast), PATIENCE)
        await self.backstage.let_leave(broadcast)
        if not await self.backstage.until(has_ended(broadcast), PATIENCE):
            self.problems.append(f"broadcast {broadcast} has not ended")

    async def _call(self, number: int) -> None:
        before = len(self.heard)
        day = (datetime.now(UTC) + AHEAD + timedelta(days=number)).date()
        await self.say("réunion")
        await self.press(FIRST_GROUP, before)
        await self.say(f"{day.isoformat()} 14:00")
        await self.say("1")
        await self.press("Sur place", before)
        await self.say(f"salle {number}")
        await self.press("Convoquer", before, brings=3)
        await self.client.until(lambda: self.offered("Gérer", before) is not None, "meeting")
        meeting = await self._last(Meeting.id)
        self.called.append(meeting)
        await self.backstage.let_remind(meeting)
        if not await self.backstage.until(have_left(meeting), PATIENCE):
            self.problems.append(f"the reminders of meeting {meeting} have not left")

    async def _last(self, column: InstrumentedAttribute[int]) -> int:
        newest = select(func.max(column))
        return await self.backstage.database.read(
            lambda store: int(store.session.execute(newest).scalar_one())
        )


def _is_confirmed(broadcast: int) -> Callable[[Store], bool]:
    def look(store: Store) -> bool:
        found = store.broadcasts.get(broadcast)
        return found is not None and found.state is not BroadcastState.composed

    return look
