"""The crowd: they tell, change their words, and vote by number and by native polls."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from campaigns.matrix.patient import PATIENCE
from campaigns.matrix.someone import Someone, lines
from campaigns.people import OPTIONS, STORY
from tests.homeserver import Event
from tests.homeserver.client import POLL

CORRECTED = " Je corrige : depuis lundi."
FIRST_OPTION = "Pour"
COUNTED, WHICH = "Votre vote est compté", "Plusieurs messages attendent"
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
        """In reply to a card; perhaps again at once, by a number alone."""
        card = self._newest(lambda event: len(lines(event)) >= OPTIONS and _is_card(event))
        if card is None:
            await self._see_card()
            await self._vote_by_number()
            return
        option, before = self.dice.randrange(OPTIONS), len(self.heard)
        await self.reply(card, str(option + 1))
        self.vote = option
        await self._counted(option, before)
        if not self.is_called and self.dice.random() < 0.3:
            option = self.dice.choice(ONLY_OF_CARDS)
            await self.say(str(option + 1))
            self.vote = option

    async def _counted(self, option: int, before: int) -> None:
        """Wait until the vote counts: whoever is asked which message was meant says so."""
        await self._hears((COUNTED, WHICH), before)
        asked = next((one for one in self.heard[before:] if WHICH in one.text), None)
        if asked is not None:
            before = len(self.heard)
            numbers = [number for number, line in lines(asked) if not line.startswith(_OTHERS)]
            await self.reply(asked, numbers[0])
            await self._hears((COUNTED,), before)

    async def _hears(self, words: tuple[str, ...], before: int) -> None:
        def heard() -> bool:
            return any(word in one.text for one in self.heard[before:] for word in words)

        assert await self.client.came(heard, PATIENCE), f"{self.name}: never heard {words}"

    async def _vote_by_poll(self) -> None:
        """In any poll that stands in the chat; perhaps twice at once, and the last counts."""
        polls = [one for one in self.heard if one.type == f"{POLL}.start"]
        if not polls:
            await self._see_card()
            await self._vote_by_poll()
            return
        options = [self.dice.randrange(OPTIONS) for _ in range(self.dice.choice([1, 1, 1, 2]))]
        poll = self.dice.choice(polls[-3:])
        await self.ballot(poll, *(f"polls.vote:1:{option}" for option in options))
        self.vote = options[-1]

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


_OTHERS = ("Répondre au secrétariat", "Ne plus")


def _is_card(event: Event) -> bool:
    """Whether a message's first lines are the options of the poll."""
    return event.type == "m.room.message" and lines(event)[0][1].endswith(FIRST_OPTION)
