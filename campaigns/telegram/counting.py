"""What a campaign on Telegram left behind, compared with what its people did."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import func, select

from campaigns import telling
from campaigns.backstage import Backstage
from campaigns.records import Records, Told
from campaigns.telegram.api import WatchedApi
from campaigns.telegram.chats import Chats
from campaigns.telegram.crowd import Member
from campaigns.telegram.lives import Life
from campaigns.telegram.secretary import Secretary
from storage.broadcasts import BroadcastState
from storage.conversations import Update
from storage.deliveries import DeliveryState, Failure, Kind
from storage.people import Account, Chat
from storage.polls import chosen
from storage.reports import Report
from storage.store import Store

OPEN = (DeliveryState.waiting, DeliveryState.sending)


@dataclass
class Tally:
    """What was counted.

    Attributes:
        kills: by how they came.
        updates: that people gave; `repeated`: how many of them once more.
        doubles: messages that came more than once, by what explains it.
        overtaken: replies that came after a newer one, since they were tried again too often.
    """

    kills: Counter[str] = field(default_factory=Counter)
    updates: int = 0
    repeated: int = 0
    refused: int = 0
    replies: int = 0
    notices: int = 0
    reminders: int = 0
    broadcasts: int = 0
    in_doubt: int = 0
    overtaken: int = 0
    doubles: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Cast:
    """Everybody."""

    crowd: list[Member]
    secretary: Secretary


async def count(
    backstage: Backstage, api: WatchedApi, cast: Cast, kills: list[Life], tally: Tally
) -> None:
    """Add to the tally what was counted, and every promise that was broken."""

    def look(store: Store) -> None:
        found = _Findings(store, api, cast)
        chats = Chats(api, found.told, kills)
        tally.problems += [*found.problems(), *chats.problems()]
        tally.doubles, tally.overtaken = chats.doubles, chats.overtaken
        sent = [one for one in found.records.told if one.state is DeliveryState.sent]
        kinds = Counter(one.kind for one in sent)
        tally.replies, tally.notices = kinds[Kind.reply], kinds[Kind.notice]
        tally.reminders, tally.broadcasts = kinds[Kind.reminder], kinds[Kind.broadcast]
        tally.in_doubt = sum(one.failure is Failure.in_doubt for one in found.records.told)

    tally.kills = Counter(life.how for life in kills)
    tally.updates = sum(one.given for one in (*cast.crowd, cast.secretary))
    tally.repeated, tally.refused = api.faults.struck["duplicate"], sum(api.refusals.values())
    await backstage.database.read(look)


class _Findings:
    """The database, read once, with each member's number and chat."""

    def __init__(self, store: Store, api: WatchedApi, cast: Cast) -> None:
        self.store = store
        self.api = api
        self.cast = cast
        self.records = Records(store)
        self.people = {
            int(one.address): one.person_id for one in store.session.scalars(select(Account))
        }
        addresses = {one.id: int(one.address) for one in store.session.scalars(select(Chat))}
        accounts = {person: address for address, person in self.people.items()}
        self.told: dict[int, list[Told]] = defaultdict(list)
        for one in sorted(self.records.told, key=lambda one: one.id):
            # What has not been sent to a person was not for any of their chats yet.
            chat = accounts[one.person or 0] if one.chat is None else addresses[one.chat]
            self.told[chat].append(one)

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
        """Each update was applied, and recorded, once."""
        given = sum(one.given for one in (*self.cast.crowd, self.cast.secretary))
        kept = self.store.session.scalar(select(func.count()).select_from(Update))
        aside = self.store.session.scalar(select(func.count(Update.failure)))
        if (kept, aside) != (given, 0):
            yield f"{given} updates given, {kept} applied, {aside} set aside"

    def _at_rest(self) -> Iterator[str]:
        """Nothing waits, and nothing failed but what is in doubt of a broadcast."""
        for one in self.records.told:
            doubtful = one.kind is Kind.broadcast and one.failure is Failure.in_doubt
            if one.state in OPEN or (one.state is DeliveryState.failed and not doubtful):
                yield f"delivery {one.id} ({one.kind}) is {one.state}: {one.failure}"

    def _answers(self) -> Iterator[str]:
        """As many answers as what was said must have brought."""
        for member in self.cast.crowd:
            replies = [one for one in self.told[member.user.id] if one.kind is Kind.reply]
            if len(replies) != member.brought:
                yield f"{member.name}: {len(replies)} answers, {member.brought} expected"

    def _reports(self) -> Iterator[str]:
        kept = Counter(self.store.session.scalars(select(Report.story)))
        sent = Counter(story for member in self.cast.crowd for story in member.told)
        if kept != sent:
            yield f"reports differ: {list(((kept - sent) + (sent - kept)).items())[:5]}"
        for member in self.cast.crowd:
            person = self.people[member.user.id]
            draft = self.store.conversations.draft(person, "report") or {"answers": {}}
            if draft["answers"].get("story") != member.draft:
                yield f"{member.name}: the draft says {draft['answers'].get('story')!r}"

    def _votes(self) -> Iterator[str]:
        poll = self.store.polls.get(1)
        assert poll is not None
        ballots: Counter[int] = Counter()
        for member in self.cast.crowd:
            person = self.people[member.user.id]
            voices = self.store.polls.voices(1, person, poll.closes_at)
            cast = {option for one in voices for option in chosen(one.choices or 0)}
            ballots.update(cast)
            if len(cast) != bool(member.votes) or not cast <= member.votes:
                yield f"{member.name}: voted {cast}, pressed {member.votes}"
        counted = self.store.polls.tally(poll).persons
        if counted != tuple(ballots[option] for option in range(poll.size)):
            yield f"{counted} counted, {dict(ballots)} cast"

    def _everybody(self) -> Iterator[str]:
        """Who voted was told the result; the members of the group, of each meeting."""
        voted = {self.people[one.user.id] for one in self.cast.crowd if one.votes}
        voted.add(self.people[self.cast.secretary.user.id])
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
        people = [one.person or 0 for one in self.records.by_notice.get(notice, ())]
        if sorted(people) != sorted(expected):
            yield f"{name}: {len(people)} told, {len(expected)} expected"

    def _broadcast(self, number: int) -> Iterator[str]:
        """Everybody has it once, or the report says that nobody knows; the counts add up."""
        found, text = self.records.broadcasts[number], self.cast.secretary.said[number]
        told = self.records.by_notice[found.notice_id or 0]
        states = Counter(one.state for one in told)
        people = [one.person or 0 for one in told]
        if found.state is not BroadcastState.done or sorted(people) != sorted(self.people.values()):
            yield f"is {found.state}, with {len(people)} deliveries for {len(self.people)}"
        ended = self.records.progress(found)
        failed = {"in_doubt": states[DeliveryState.failed]} if states[DeliveryState.failed] else {}
        if (ended.total, ended.sent, dict(ended.failed)) != (
            len(told),
            states[DeliveryState.sent],
            failed,
        ):
            yield f"says {ended}, but its deliveries are {dict(states)}"
        by_person = {one.person: one for one in told}
        for member in self.cast.crowd:
            delivery = by_person.get(self.people[member.user.id])
            times = sum(text in one.text for one in member.user.chat.from_bot)
            sure = delivery is not None and delivery.state is DeliveryState.sent
            if not sure <= times <= 1:
                yield f"{member.name} read it {times} times"
