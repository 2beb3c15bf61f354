"""The crowd: they tell, change their words, and vote by number and by native polls."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from campaigns.matrix.someone import Someone, lines
from campaigns.people import OPTIONS, STORY
from tests.homeserver import Event
from tests.homeserver.client import POLL

CORRECTED = " Je corrige : depuis lundi."
LABELS = ("Pour", "Pour, avec réserve", "Contre", "Abstention")
COUNTED = re.compile(r"Votre vote est compté\s*: (.+)\.")
CHOSEN = "✓ "  # what stands before it then
WHICH = "Plusieurs messages attendent"
ONLY_OF_CARDS = (2, 3)  # options whose numbers a broadcast does not offer
CHATTER = 55  # messages: more than a sync gives at once


class Member(Someone):
    """One of the crowd.

    Attributes:
        told: the stories they sent, as they read at the end.
        vote: what they chose last; None if they did not vote.
        group: the room of a group where they are, too; empty if they are in none.
        is_called: they are called to meetings, by messages whose numbers are those of options too.
    """

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.told: list[str] = []
        self.vote: int | None = None
        self.group = ""
        self.is_called = False
        self._heard_before = 0  # what had been heard when they voted last

    async def live(self, over: asyncio.Event) -> None:
        await self.think()
        while not over.is_set():
            await self._some_act()()
            await self.think()

    async def chatter(self) -> None:
        """Say something to the bot in the group, and then much that is not for it."""
        await self.say_in(self.group, "!aide")
        for number in range(CHATTER):
            await self.client.say(self.group, f"Entre nous, {number}.")

    def _some_act(self) -> Callable[[], Awaitable[None]]:
        acts = [self._vote_by_number, self._vote_by_poll, self._tell, self._edit_too_late]
        weights = [3, 4, 2, 1]
        if self.group:
            acts.append(self._ask_among)
            weights.append(1)
        [act] = self.dice.choices(acts, weights)
        return act

    async def _tell(self) -> None:
        story, first = STORY.format(f"{self.name}-{len(self.told)}"), not self.told
        await self.say("témoigner")
        await self.say(story)
        said = self.last
        if self.dice.random() < 0.3:
            story += CORRECTED
            await self.edit(said, story)
        await self.say("1")
        await self.say("5")
        if first:
            await self.say("3")
            await self.say("Mayotte")
        await self.say("2")
        await self.say("1")
        self.told.append(story)

    async def _edit_too_late(self) -> None:
        """What is no answer in an open form changes nothing."""
        if self.last:
            await self.edit(self.last, "Rien.", brings=0)

    async def _ask_among(self) -> None:
        await self.say_in(self.group, self.dice.choice(["!votes", "!aide"]))

    async def _vote_by_number(self) -> None:
        """In reply to a card; perhaps again, by a number alone."""
        card = self._newest(lambda event: len(lines(event)) >= OPTIONS and _is_card(event))
        if card is None:
            await self._see_card()
            await self._vote_by_number()
            return
        await self.client.until(self._is_counted, "earlier vote")
        await self._choose(range(OPTIONS), partial(self.reply, card))
        if not self.is_called and self.dice.random() < 0.3:
            await self._choose(ONLY_OF_CARDS, self.say)
            self.last = ""  # who edits what counted is told so: that is no answer too many

    async def _choose(self, options: Sequence[int], say: Callable[[str], Awaitable[None]]) -> None:
        """Change the vote by a number, and wait until it counts.

        Where it is asked which message was meant, that is said: one that was not known to be sent
        yet cannot be replied to, and several may offer the same number.
        """
        self._chose(self.dice.choice([one for one in options if one != self.vote]))
        what = f"vote for {LABELS[self.vote or 0]}"
        await say(str((self.vote or 0) + 1))
        await self.client.until(lambda: self._is_counted() or bool(self._asked()), what)
        if not self._is_counted():
            for asked, number in self._asked():
                await self.reply(asked, number)
            await self.client.until(self._is_counted, what)

    def _chose(self, option: int) -> None:
        self.vote, self._heard_before = option, len(self.heard)

    def _is_counted(self) -> bool:
        """Whether they heard that what they chose last counts."""
        found = [COUNTED.search(one.text) for one in self.heard[self._heard_before :]]
        counted = {one[1] for one in found if one is not None}
        return self.vote is None or LABELS[self.vote] in counted

    def _asked(self) -> list[tuple[Event, str]]:
        """The question which message was meant, with the number of what they chose last."""
        begins = f"{LABELS[self.vote or 0]} ("
        return [
            (event, number)
            for event in self.heard[self._heard_before :]
            for number, line in lines(event)
            if WHICH in event.text and line.removeprefix(CHOSEN).startswith(begins)
        ][:1]

    async def _vote_by_poll(self) -> None:
        """In any poll that stands in the chat; perhaps twice at once, and the last counts."""
        polls = [one for one in self.heard if one.type == f"{POLL}.start"]
        if not polls:
            await self._see_card()
            await self._vote_by_poll()
            return
        options = [self.dice.randrange(OPTIONS) for _ in range(self.dice.choice([1, 1, 1, 2]))]
        poll = self.dice.choice(polls[-3:])
        self._chose(options[-1])
        await self.ballot(poll, *(f"polls.vote:1:{option}" for option in options))

    async def _see_card(self) -> None:
        """From the list, whose first line is the poll, or at once; with its native poll."""
        before = len(self.heard)
        await self.say("votes")
        if self.vote is not None:
            await self.press("Faut-il", after=before)
        await self.client.until(lambda: self._has_poll(before), "card with a poll")

    def _has_poll(self, before: int) -> bool:
        return any(one.type == f"{POLL}.start" for one in self.heard[before:])

    def _newest(self, wanted: Callable[[Event], bool]) -> Event | None:
        return next((one for one in reversed(self.heard) if wanted(one)), None)


def _is_card(event: Event) -> bool:
    """Whether a message's first lines are the options of the poll."""
    return event.type == "m.room.message" and lines(event)[0][1].removeprefix(CHOSEN) == LABELS[0]
