"""The secretariat, on Telegram too: it broadcasts, and calls a meeting of which it reminds."""

import asyncio
from datetime import UTC, datetime, timedelta

from campaigns.backstage import GROUP, Backstage, has_ended, have_left
from campaigns.telegram.api import WatchedApi
from campaigns.telegram.someone import Someone

TEXT = "Annonce {}, une journée de partage aura lieu."
AT_LEAST = 2  # rounds
AHEAD = timedelta(days=20)  # all reminders of a meeting are still to come


class Secretary(Someone):
    """Somebody of the secretariat.

    Args:
        rounds: how often at most something is broadcast, or a meeting called.

    Attributes:
        said: the text of each broadcast that left.
        called: the meetings of which all were reminded.
        problems: what did not come.
    """

    def __init__(self, api: WatchedApi, seed: str, backstage: Backstage, rounds: int) -> None:
        super().__init__(api, "secretary", seed)
        self.backstage = backstage
        self.rounds = rounds
        self.said: dict[int, str] = {}
        self.called: list[int] = []
        self.problems: list[str] = []

    async def arrive(self) -> None:
        await self.start(f"invitation-{await self.backstage.invite()}")

    async def live(self, over: asyncio.Event) -> None:
        """Broadcast and call a meeting in turn; once each, whatever happens."""
        for number in range(self.rounds):
            if number >= AT_LEAST and over.is_set():
                return
            await (self._call if number % 2 else self._broadcast)(number)

    async def _broadcast(self, number: int) -> None:
        text, before = TEXT.format(number), self.last
        await self.say("diffuser")
        await self.press("broadcasts.compose", after=before)
        await self.say(text)
        await self.press("form.answer:message:kind:", after=before)
        await self.press("form.answer:message:audience:everyone", after=before)
        await self.press("form.send:message", after=before)
        shown = await self.offered("broadcasts.confirm:", after=before)
        broadcast = self.number_in(shown, "broadcasts.confirm:")
        self.said[broadcast] = text
        await self.press(f"broadcasts.confirm:{broadcast}", after=before)
        await self.backstage.let_leave(broadcast)
        if not await self.backstage.until(has_ended(broadcast), 300):
            self.problems.append(f"broadcast {broadcast} has not ended")

    async def _call(self, number: int) -> None:
        before, form = self.last, f"meeting.{GROUP}"
        day = (datetime.now(UTC) + AHEAD + timedelta(days=number)).date()
        await self.say("réunion")
        await self.press(f"meetings.call:{GROUP}", after=before)
        await self.say(f"{day.isoformat()} 14:00")
        await self.press(f"form.answer:{form}:ends:", after=before)
        await self.press(f"form.answer:{form}:where:place", after=before)
        await self.say(f"salle {number}")
        await self.press(f"form.send:{form}", after=before)
        shown = await self.offered("meetings.manage:", after=before)
        meeting = self.number_in(shown, "meetings.manage:")
        self.called.append(meeting)
        await self.backstage.let_remind(meeting)
        if not await self.backstage.until(have_left(meeting), 300):
            self.problems.append(f"the reminders of meeting {meeting} have not left")
