"""How things that several folders speak of are worded."""

from dataclasses import dataclass

from bot.messages import Label, Said, Words
from storage.polls import Poll, Vote
from storage.recommendations import Draft
from storage.store import Store


@dataclass(frozen=True)
class Subject:
    """A poll and the text it is on, as messages and pictures say them."""

    poll: Poll
    draft: Draft | None

    @classmethod
    def of(cls, poll: Poll, store: Store) -> "Subject":
        version = poll.text_version_id
        return cls(poll, store.recommendations.version(version) if version else None)

    @property
    def question(self) -> Label:
        if self.poll.question:
            return Said(self.poll.question)
        assert self.draft is not None
        return Words("polls.question_on", {"draft": self.draft})

    def option(self, position: int) -> Label:
        """The name of an option, counted from 0."""
        if self.poll.options:
            return Said(self.poll.options[position])
        return Words(f"polls.vote_{tuple(Vote)[position]}")
