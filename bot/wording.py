"""How things that several folders speak of are worded."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bot.documents.calendar import Entry, calendar_file
from bot.messages import Label, Said, Words
from bot.texts import Texts, normalise
from storage.groups import WorkingGroup
from storage.meetings import Meeting
from storage.people import Person, Profile
from storage.polls import ORGANISATIONS, Electorate, Poll, Vote
from storage.recommendations import Draft
from storage.store import Store


def group_name(group: WorkingGroup) -> Label:
    """A group's own name, or that of its theme."""
    if group.name:
        return Said(group.name)
    return Words(f"recommendations.theme_{group.theme}")


def person_name(person: Person) -> Label:
    """What others see of a person: the name they gave, or else their profile."""
    if person.name:
        return Said(person.name)
    return Words(f"people.profile_{person.profile or Profile.other}")


def numbered(person: Person) -> Label:
    """As `person_name`, with the number by which the audit log says them: a name is one's own."""
    return Words("audit.person", {"name": person_name(person), "number": person.id})


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

    @property
    def options(self) -> list[Label]:
        return [self.option(position) for position in range(self.poll.size)]


@dataclass(frozen=True)
class CollegeCount:
    """The votes of the organisations of a college: per option, and how many voted and could."""

    name: str
    voices: list[int]
    voted: int
    electors: int


@dataclass(frozen=True)
class Count:
    """What a poll came to, once and for all: plain data, that a notice can keep.

    Attributes:
        persons, organisations: voices per option.
        voted, electors: how many voted and could vote, (persons, organisations).
        named: per option, the organisations that chose it.
        absent: the organisations that did not vote.
        colleges: the organisations' votes by college, where there are several.
        reasons: how many reasons were given.
    """

    persons: list[int]
    organisations: list[int]
    voted: list[int]
    electors: list[int]
    named: list[list[str]]
    absent: list[str]
    colleges: list[CollegeCount]
    reasons: int

    @classmethod
    def of(cls, poll: Poll, store: Store, now: datetime) -> "Count":
        tally = store.polls.tally(poll)
        names = store.organisations.names(now.date(), short=True) if tally.electors[1] else {}
        colleges = [
            CollegeCount(name, list(one.voices), one.voted, one.electors)
            for name, one in tally.colleges.items()
            if name != ORGANISATIONS
        ]
        return cls(
            persons=list(tally.persons),
            organisations=list(tally.organisations),
            voted=list(tally.voted),
            electors=list(tally.electors),
            named=[
                listed([names.get(one, one) for one, held in tally.named.items() if option in held])
                for option in range(poll.size)
            ],
            absent=listed([names.get(one, one) for one in tally.absent]),
            colleges=colleges if len(colleges) > 1 else [],
            reasons=store.polls.count_reasons(poll.id),
        )

    def kept(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "Count":
        colleges = [CollegeCount(**one) for one in kept["colleges"]]
        return cls(**{**kept, "colleges": colleges})


def listed(names: list[str]) -> list[str]:
    """Names in the order of a French dictionary, which sees no accents."""
    return sorted(names, key=normalise)


def calendar_of(meeting: Meeting, group: WorkingGroup, texts: Texts) -> bytes:
    """A meeting's calendar file: the same for everybody, in the language of the committee."""
    named = {"group": group_name(group)}
    entry = Entry(
        uid=meeting.uid,
        sequence=meeting.sequence,
        made_at=meeting.called_at,
        changed_at=meeting.changed_at,
        starts_at=meeting.starts_at,
        ends_at=meeting.ends_at,
        title=texts.plain("meetings.calendar_title", named),
        organizer=texts.plain("meetings.calendar_organizer", named),
        place=meeting.place,
        link=meeting.link,
        description=meeting.agenda,
        cancelled=meeting.cancelled_at is not None,
    )
    return calendar_file(entry)


def chart_of(subject: Subject, count: Count, texts: Texts) -> bytes:
    """The picture of a result."""
    from bot.documents.charts import Bar, bar_chart  # matplotlib: only when a poll ends

    electorate = subject.poll.electorate
    counts = []
    if electorate is not Electorate.organisations:
        counts.append((texts.plain("polls.persons"), count.persons))
    if electorate in (Electorate.organisations, Electorate.both):
        counts.append((texts.plain("polls.organisations"), count.organisations))
    bars = [
        Bar(texts.label(option), tuple(voices[position] for _, voices in counts))
        for position, option in enumerate(subject.options)
    ]
    return bar_chart(
        texts.label(subject.question),
        bars,
        [series for series, _ in counts],
        texts.plain("polls.chart_footer", {"subject": subject}),
    )
