"""What a campaign on Matrix left behind, compared with what its people did."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, func, select

from campaigns import telling
from campaigns.backstage import Backstage
from campaigns.matrix.crowd import Member
from campaigns.matrix.lives import Killer
from campaigns.matrix.readers import Reader
from campaigns.matrix.rooms import Room, Standing, by_room
from campaigns.matrix.secretary import Secretary
from campaigns.matrix.someone import Someone
from campaigns.records import Records
from storage.broadcasts import BroadcastState
from storage.conversations import Update
from storage.deliveries import DeliveryState, Kind
from storage.people import Account, Chat
from storage.polls import chosen
from storage.reports import Report
from storage.store import Store

OPEN = (DeliveryState.waiting, DeliveryState.sending)


@dataclass
class Tally:
    """What was counted.

    Attributes:
        kills: of the bot, by how they came; `homeserver`: of its homeserver.
        updates: events that the homeserver acknowledged, and that were for the bot.
        struck: calls that went wrong, by how.
        rooms: where the bot is; `encrypted`: how many of them are.
        said: events of the bot in all rooms; `hints`: those that say that something cannot be
            read yet, which are kept nowhere.
        overtaken: replies that came after a newer one, since they were tried again too often.
    """

    kills: Counter[str] = field(default_factory=Counter)
    homeserver: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    updates: int = 0
    rooms: int = 0
    encrypted: int = 0
    said: int = 0
    replies: int = 0
    notices: int = 0
    reminders: int = 0
    broadcasts: int = 0
    overtaken: int = 0
    hints: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Cast:
    """Everybody.

    Attributes:
        groups: rooms of groups, into which the bot came as well.
    """

    crowd: list[Member]
    secretary: Secretary
    readers: list[Reader]
    groups: list[str]

    @property
    def everybody(self) -> list[Someone]:
        return [*self.crowd, self.secretary, *self.readers]


async def count(
    backstage: Backstage, cast: Cast, rooms: Sequence[Room], killer: Killer, tally: Tally
) -> None:
    """Add to the tally what was counted, and every promise that was broken.

    Args:
        rooms: all rooms of the bot.
    """

    def look(store: Store) -> None:
        found = _Findings(store, cast)
        standing = Standing(rooms, by_room(found.records.told, found.addresses, found.direct))
        tally.problems += [*found.problems(), *standing.problems()]
        tally.hints, tally.overtaken = standing.hints, standing.overtaken
        sent = [one for one in found.records.told if one.state is DeliveryState.sent]
        kinds = Counter(one.kind for one in sent)
        tally.replies, tally.notices = kinds[Kind.reply], kinds[Kind.notice]
        tally.reminders, tally.broadcasts = kinds[Kind.reminder], kinds[Kind.broadcast]

    tally.kills, tally.homeserver = killer.kills, killer.homeserver
    tally.struck = killer.gate.struck
    tally.updates = sum(len(one.given) for one in cast.everybody)
    tally.rooms, tally.encrypted = len(rooms), sum(room.is_encrypted for room in rooms)
    tally.said = sum(len(room.said) for room in rooms)
    await backstage.database.read(look)


class _Findings:
    """The database, read once, with each person's number and room."""

    def __init__(self, store: Store, cast: Cast) -> None:
        self.store = store
        self.cast = cast
        self.records = Records(store)
        accounts = {one.address: one.person_id for one in store.session.scalars(select(Account))}
        self.people = {one: accounts[one.client.user_id] for one in cast.everybody}
        self.direct = {person: one.room for one, person in self.people.items()}
        self.addresses = {one.id: one.address for one in store.session.scalars(select(Chat))}

    def problems(self) -> Iterator[str]:
        yield from self.cast.secretary.problems
        yield from self._updates()
        yield from self._at_rest()
        yield from self._answers()
        yield from self._reports()
        yield from self._votes()
        yield from telling.notices_once(self.records)
        yield from self._everybody()
        for number in self.cast.secretary.said:
            for problem in self._broadcast(number):
                yield f"broadcast {number}: {problem}"

    def _updates(self) -> Iterator[str]:
        """Each event was applied, and recorded, once; and so was each arrival in a room."""
        for one in self.cast.everybody:
            keys = [f"matrix:{room}:{event}" for room, event in one.given]
            lost = [key for key in keys if not self._count(Update.key == key)]
            if lost:
                yield f"{one.name}: {len(lost)} of {len(keys)} not applied: {lost[:3]}"
        given = sum(len(one.given) for one in self.cast.everybody)
        arrivals = len(self.cast.everybody) + len(self.cast.groups)
        kept, aside = self._count(), self._count(Update.failure.is_not(None))
        if (kept, aside) != (given + arrivals, 0):
            yield f"{given} events and {arrivals} arrivals, {kept} applied, {aside} set aside"
        held = self.store.inbox.waiting("matrix")
        if held:
            yield f"{len(held)} events could never be read"

    def _count(self, *which: ColumnElement[bool]) -> int:
        wanted = select(func.count()).select_from(Update).where(*which)
        return int(self.store.session.execute(wanted).scalar_one())

    def _at_rest(self) -> Iterator[str]:
        """Nothing waits, and nothing failed."""
        for one in self.records.told:
            if one.state in (*OPEN, DeliveryState.failed):
                yield f"delivery {one.id} ({one.kind}) is {one.state}: {one.failure}"

    def _answers(self) -> Iterator[str]:
        """As many answers as what was said must have brought."""
        replies = Counter(
            self.addresses[one.chat or 0] for one in self.records.told if one.kind is Kind.reply
        )
        for one in self.cast.everybody:
            if replies[one.room] != one.brought:
                yield f"{one.name}: {replies[one.room]} answers, {one.brought} expected"

    def _reports(self) -> Iterator[str]:
        kept = Counter(self.store.session.scalars(select(Report.story)))
        sent = Counter(story for member in self.cast.crowd for story in member.told)
        if kept != sent:
            yield f"reports differ: {list(((kept - sent) + (sent - kept)).items())[:5]}"

    def _votes(self) -> Iterator[str]:
        poll = self.store.polls.get(1)
        assert poll is not None
        ballots: Counter[int] = Counter()
        for member in self.cast.crowd:
            voices = self.store.polls.voices(1, self.people[member], poll.closes_at)
            cast = [option for one in voices for option in chosen(one.choices or 0)]
            ballots.update(cast)
            if cast != ([] if member.vote is None else [member.vote]):
                yield f"{member.name}: voted {cast}, chose {member.vote}"
        counted = self.store.polls.tally(poll).persons
        if counted != tuple(ballots[option] for option in range(poll.size)):
            yield f"{counted} counted, {dict(ballots)} cast"

    def _everybody(self) -> Iterator[str]:
        """Who voted was told the result; the members of the group, of each meeting."""
        voted = {self.people[one] for one in self.cast.crowd if one.vote is not None}
        voted.add(self.people[self.cast.secretary])
        [result] = self.records.named("polls.result") or [0]
        yield from self._told("polls.result", result, voted)
        for meeting in self.cast.secretary.called:
            for name in ("meetings.called", "meetings.reminder"):
                notices = self.records.named(name, meeting=meeting)
                for notice in notices:
                    yield from self._told(name, notice, self.records.members)
                if not notices:
                    yield f"{name} {meeting}: nobody was told"

    def _told(self, name: str, notice: int, expected: set[int]) -> Iterator[str]:
        """Each of some people was told, once."""
        told = self.records.by_notice.get(notice, ())
        people = [one.person or 0 for one in told if one.state is DeliveryState.sent]
        if sorted(people) != sorted(expected) or len(told) != len(expected):
            yield f"{name}: {len(people)} of {len(told)} told, {len(expected)} expected"

    def _broadcast(self, number: int) -> Iterator[str]:
        """Everybody has it once, and the counts say so."""
        found = self.records.broadcasts[number]
        if found.state is not BroadcastState.done:
            yield f"is {found.state}"
        everybody = set(self.people.values())
        yield from self._told("it", found.notice_id or 0, everybody)
        ended = self.records.progress(found)
        if (ended.total, ended.sent) != (len(everybody), len(everybody)):
            yield f"says {ended}"
        text = self.cast.secretary.said[number]
        for one in (*self.cast.crowd, *self.cast.readers):
            times = sum(text in event.text for event in one.heard)
            if times != 1:
                yield f"{one.name} read it {times} times"
