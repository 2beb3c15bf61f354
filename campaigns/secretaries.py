"""Two secretaries at work: one tells many, one brings a working group together.

Each begins with an invitation, goes through every fate of what they do, in any order, and notes
when what was acknowledged must have stopped what was leaving.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from campaigns.backstage import (
    GROUP,
    has_ended,
    have_begun,
    have_left,
    is_half_way,
)
from campaigns.people import Person, action_of
from storage.store import Store

AHEAD = timedelta(days=20)  # all three reminders of a meeting are still to come


class Secretary(Person):
    """Somebody of the secretariat; `at_least` is how many rounds they make, whatever happens."""

    fates: tuple[str, ...] = ()
    at_least = 2
    over: asyncio.Event

    async def enter(self) -> None:
        await self.arrive(code=await self.backstage.invite())

    async def live(self, arrived: asyncio.Barrier, over: asyncio.Event) -> None:
        self.over = over
        await self.enter()
        await arrived.wait()  # from now on it is known who is to be told
        for number, fate in enumerate(self._fates()):
            if over.is_set() and number >= self.at_least:
                return
            await self.round(number, fate)

    async def round(self, number: int, fate: str) -> None:
        raise NotImplementedError

    def _fates(self) -> Iterator[str]:
        """All in the order in which they are declared, then again and again in any order."""
        yield from self.fates
        for _ in itertools.count():
            yield from self.dice.sample(self.fates, len(self.fates))

    def _number_in(self, action: str) -> int:
        """The number of what the newest button of an action is about."""
        return int(action_of(self.button(action)).split(":")[1])

    async def _expect(self, condition: Callable[[Store], bool], what: str) -> None:
        """Wait as long as the server is killed; once it is left alone, not for ever."""
        alone = self.over.is_set()
        while not await self.backstage.until(condition):
            if alone:
                self.tally.problems.append(f"{self.name}: {what} did not come")
                return
            alone = self.over.is_set()


class Herald(Secretary):
    """Broadcasts.

    Attributes:
        said: the text of each broadcast that was confirmed.
        composed: how many there are, confirmed or not.
        stopped: when a broadcast had been cancelled, at the latest.
    """

    fates = ("cancelled", "whole", "paused", "to the group", "at once", "only composed")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.said: dict[int, str] = {}
        self.composed = 0
        self.stopped: dict[int, datetime] = {}

    async def round(self, number: int, fate: str) -> None:
        text = f"Annonce {self.name}-{number} : une journée de partage aura lieu."
        await self._compose(text, "group" if fate == "to the group" else "everyone")
        if fate == "only composed":
            return
        broadcast = self._number_in("broadcasts.confirm:")
        await self.press("broadcasts.confirm:", brings=0)
        self.said[broadcast] = text
        if fate == "at once":
            await self._cancel(broadcast)
            return
        await self.backstage.let_leave(broadcast)
        if fate in ("cancelled", "paused"):
            await self._expect(is_half_way(broadcast), f"a delivery of broadcast {broadcast}")
        if fate == "cancelled":
            await self._cancel(broadcast)
        if fate == "paused":
            await self._pause_and_resume(broadcast)
        await self._expect(has_ended(broadcast), f"the end of broadcast {broadcast}")

    async def _compose(self, text: str, audience: str) -> None:
        await self.say("diffuser")
        await self.press("broadcasts.compose")
        await self.say(text)
        await self.press("form.answer:message:kind:")
        await self.press(f"form.answer:message:audience:{audience}")
        if audience == "group":
            await self.press(f"form.answer:message:group:{GROUP}")
        await self.press("form.send:message", brings=2)
        self.composed += 1

    async def _cancel(self, broadcast: int) -> None:
        await self.press(f"broadcasts.cancel_now:{broadcast}", brings=0)
        self.stopped[broadcast] = datetime.now(UTC)

    async def _pause_and_resume(self, broadcast: int) -> None:
        """On its card, drawn anew each time; one that has ended meanwhile offers neither."""
        for verb in ("pause", "resume"):
            await self.say("diffuser")
            shown = await self.press(f"broadcasts.follow:{broadcast}")
            offered = [action_of(one) for event in shown for one in event["choices"]]
            if f"broadcasts.{verb}:{broadcast}" in offered:
                await self.press(f"broadcasts.{verb}:{broadcast}", brings=0)


class Convener(Secretary):
    """Calls, moves and cancels meetings.

    Attributes:
        called: the meetings, with how often each was moved.
        recalled: those of which everybody was reminded by hand.
        stopped: when the reminders of a meeting's schedule had to stop, at the latest.
        cancelled: the meetings that were.
    """

    fates = ("cancelled", "moved", "kept", "recalled")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.called: dict[int, int] = {}
        self.recalled: list[int] = []
        self.stopped: dict[tuple[int, int], datetime] = {}
        self.cancelled: list[int] = []

    async def round(self, number: int, fate: str) -> None:
        meeting = await self._call(number)
        if fate == "cancelled":
            await self._manage(meeting, "cancel")
            await self._half_left(meeting)
            await self._cancel(meeting)
            return
        if fate == "moved":
            await self._plan_move(meeting, number)
            await self._half_left(meeting)
            await self._move(meeting)
        await self.backstage.let_remind(meeting)
        await self._expect(have_left(meeting), f"all reminders of meeting {meeting}")
        if fate == "recalled":
            await self._recall(meeting)

    async def _half_left(self, meeting: int) -> None:
        """What was only to be confirmed is confirmed while the reminders leave."""
        await self.backstage.let_remind(meeting)
        await self._expect(have_begun(meeting), f"the first reminder of meeting {meeting}")

    async def _call(self, number: int) -> int:
        await self.say("réunion")
        await self.press(f"meetings.call:{GROUP}")
        await self.say(_typed(AHEAD + timedelta(days=number), hour=14))
        await self.press(f"form.answer:meeting.{GROUP}:ends:")
        await self.press(f"form.answer:meeting.{GROUP}:where:place")
        await self.say(f"salle {number}")
        await self.press(f"form.send:meeting.{GROUP}", brings=2)
        meeting = self._number_in("meetings.manage:")
        self.called[meeting] = 0
        return meeting

    async def _plan_move(self, meeting: int, number: int) -> None:
        await self._manage(meeting, "move")
        await self.say(_typed(AHEAD + timedelta(days=number), hour=17))

    async def _move(self, meeting: int) -> None:
        await self.press(f"form.send:move.{meeting}", brings=2)
        self.called[meeting] += 1
        self.stopped[meeting, self.called[meeting]] = datetime.now(UTC)

    async def _manage(self, meeting: int, verb: str) -> None:
        await self.press(f"meetings.manage:{meeting}")
        await self.press(f"meetings.{verb}:{meeting}")

    async def _recall(self, meeting: int) -> None:
        await self._manage(meeting, "remind")
        await self.press(f"meetings.remind_now:{meeting}:all")
        self.recalled.append(meeting)

    async def _cancel(self, meeting: int) -> None:
        await self.press(f"meetings.cancel_now:{meeting}")
        self.cancelled.append(meeting)
        self.stopped[meeting, self.called[meeting] + 1] = datetime.now(UTC)


def _typed(ahead: timedelta, hour: int) -> str:
    day: date = (datetime.now(UTC) + ahead).date()
    return f"{day.isoformat()} {hour}:00"
