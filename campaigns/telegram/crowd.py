"""The crowd: they tell, vote, press twice, change their minds, edit, and leave drafts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from campaigns.people import OPTIONS, STORY
from campaigns.telegram.someone import Someone

CORRECTED = " Je corrige : depuis lundi."
VOTE = "polls.vote:1:"


class Member(Someone):
    """One of the crowd.

    Attributes:
        told: the stories they sent, as they read at the end.
        draft: the story that they began and never send; None if they send all.
        votes: what their ballot may say: what they pressed last, of what they pressed at once.
    """

    def __init__(self, *given: Any, hesitates: bool) -> None:
        super().__init__(*given)
        self.told: list[str] = []
        self.draft: str | None = None
        self.votes: set[int] = set()
        self._hesitates = hesitates

    async def live(self, over: asyncio.Event) -> None:
        await self.think()
        if self._hesitates:
            self.draft = await self._begin()
        while not over.is_set():
            await self._some_act()()
            await self.think()

    def _some_act(self) -> Callable[[], Awaitable[None]]:
        acts = [self._vote, self._look_and_vote, self._edit_too_late, self._tell]
        weights = [6, 2, 0, 0] if self._hesitates else [6, 2, 1, 2]
        [act] = self.dice.choices(acts, weights)
        return act

    async def _begin(self) -> str:
        """Begin a report; perhaps edit what was said. The story as it reads then."""
        story = STORY.format(f"{self.name}-{len(self.told)}")
        await self.say("témoigner")
        await self.say(story)
        said = self.user.last
        await self.think()
        if self.dice.random() < 0.3:
            story += CORRECTED
            await self.edit(said, story)
        await self.say("1")
        return story

    async def _tell(self) -> None:
        before, first = self.last, not self.told
        story = await self._begin()
        await self.say("5")
        if first:
            await self.say("3")
            await self.say("Mayotte")
        await self.say("2")
        sends = ["form.send:report"] * self.dice.choice([1, 1, 2])
        await self.press(*sends, after=before)  # a second one is but told so for a moment
        self.told.append(story)

    async def _look_and_vote(self) -> None:
        """From the list, whose first line is the poll, or at once on its card."""
        before = self.last
        leaves = self._hesitates and not self.votes
        await self.say("votes", brings=2 if leaves else 1)
        shown = await self.offered(VOTE, "polls.show:", after=before)
        if not any(VOTE in (one.data or "") for row in shown.buttons for one in row):
            await self.press("polls.show:", after=before)
        await self._press(before)

    async def _vote(self) -> None:
        """On a card that is there already, if there is one."""
        if not self.votes:
            await self._look_and_vote()
        else:
            await self._press(0)

    async def _press(self, after: int) -> None:
        """Once, or the same twice, or two different ones at once."""
        options = [self.dice.randrange(OPTIONS)]
        options *= self.dice.choice([1, 1, 1, 2])
        if self.dice.random() < 0.1:
            options = self.dice.sample(range(OPTIONS), 2)
        actions = [f"{VOTE}{option}" for option in options]
        await self.press(*actions, after=after, brings=len(actions))
        self.votes = set(options)

    async def _edit_too_late(self) -> None:
        """What is no answer in an open form changes nothing."""
        await self.edit(self.user.last, "Rien.", brings=0)
