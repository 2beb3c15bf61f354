"""What a campaign left behind, compared with what was acknowledged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.markup import as_plain
from campaigns import telling
from campaigns.backstage import Backstage
from campaigns.people import OPTIONS, Contributor, Event, Person, Tally
from campaigns.records import Records
from campaigns.secretaries import Convener, Herald
from storage.broadcasts import BroadcastState
from storage.deliveries import Kind, Operation
from storage.reports import ReportState
from storage.store import Store

Pages = Mapping[int, list[Event]]
KINDS = {Operation.send: "message", Operation.edit: "edit", Operation.delete: "delete"}


@dataclass(frozen=True)
class Cast:
    """Everybody who has a page and looks at it."""

    crowd: list[Contributor]
    herald: Herald
    convener: Convener

    @property
    def everybody(self) -> list[Person]:
        return [*self.crowd, self.herald, self.convener]


async def count(backstage: Backstage, cast: Cast, pages: Pages, tally: Tally) -> None:
    """Add to the tally what was counted, and every promise that was broken.

    Reports are read as those who review them do, one after the other, which changes them.

    Args:
        pages: what each person's page showed at the end, by chat.
    """

    def look(store: Store) -> None:
        records = Records(store)
        said = [one for one in records.told if one.on_page and one.notice is not None]
        tally.broadcasts = sum(one.kind is Kind.broadcast for one in said)
        tally.reminders = sum(one.kind is Kind.reminder for one in said)
        tally.notices = sum(one.kind is Kind.notice for one in said)
        tally.problems += _problems(records, cast, pages)

    await backstage.database.write(look)


def _problems(records: Records, cast: Cast, pages: Pages) -> Iterator[str]:
    yield from telling.at_rest(records)
    yield from telling.numbered(records)
    yield from telling.notices_once(records)
    yield from telling.broadcasts(records, cast.herald)
    yield from telling.meetings(records, cast.convener, cast.crowd)
    yield from telling.in_order(records)
    yield from _answers(records, cast.crowd)
    yield from _result(records, cast)
    yield from _votes(records, cast.crowd)
    yield from _reports(records, cast.crowd)
    for person in cast.everybody:
        for problem in (
            *_page(records, person, pages[person.chat]),
            *_heard(records, person, pages[person.chat], cast.herald),
        ):
            yield f"{person.name}: {problem}"


def _answers(records: Records, crowd: list[Contributor]) -> Iterator[str]:
    """What counts is what each said last of the meeting as it is planned now."""
    expected = {
        (meeting, person.id): answer
        for person in crowd
        for (meeting, version), answer in person.answers.items()
        if records.meetings[meeting].version == version
    }
    if records.answers != expected:
        wrong = sorted(set(records.answers.items()) ^ set(expected.items()))
        yield f"answers {wrong[:10]} differ from those acknowledged"


def _result(records: Records, cast: Cast) -> Iterator[str]:
    """The poll has closed: who voted is told the result, and the secretariat."""
    expected = {person.id for person in cast.everybody if _hears_result(person)}
    told = [one for notice in records.named("polls.result") for one in records.by_notice[notice]]
    if sorted(one.person or 0 for one in told if one.on_page) != sorted(expected):
        yield f"{len(told)} told the result, {len(expected)} expected"


def _hears_result(person: Person) -> bool:
    return not isinstance(person, Contributor) or person.vote is not None


def _votes(records: Records, crowd: list[Contributor]) -> Iterator[str]:
    poll = records.store.polls.get(1)
    assert poll is not None
    votes = records.store.polls.tally(poll).persons
    cast = [person.vote for person in crowd if person.vote is not None]
    expected = tuple(cast.count(option) for option in range(OPTIONS))
    if votes != expected:
        yield f"votes {votes}, {expected} acknowledged"


def _reports(records: Records, crowd: list[Contributor]) -> Iterator[str]:
    stories, store = [], records.store
    while (report := store.reports.next_waiting()) is not None:
        stories.append(report.story)
        report.state = ReportState.kept
        store.session.flush()
    told = [story for person in crowd for story in person.told]
    if sorted(stories) != sorted(told):
        yield f"{len(stories)} reports kept, {len(told)} acknowledged"


def _page(records: Records, person: Person, page: list[Event]) -> Iterator[str]:
    """The page shows what the database says, and as many answers as there were messages.

    The card of a broadcast redraws itself, also after the page was read.
    """
    follows_cards = not isinstance(person, Contributor)
    kept = records.by_chat[person.chat]
    later = [one for one in kept[len(page) :] if follows_cards and one.operation is Operation.edit]
    shown = [(event["id"], event["kind"], event["text"]) for event in page]
    expected = [(one.event, KINDS[one.operation], as_plain(one.markup)) for one in kept]
    if shown != expected[: len(kept) - len(later)]:
        yield f"{len(page)} events on the page, {len(kept)} kept, or not the same"
    answers = [
        one
        for one in kept
        if one.notice is None and not (follows_cards and one.operation is Operation.edit)
    ]
    if len(answers) != person.brought:
        yield f"{len(answers)} answers, {person.brought} expected"


def _heard(records: Records, person: Person, page: list[Event], herald: Herald) -> Iterator[str]:
    """Each broadcast stands once on the page of whoever it was for; a cancelled one, at most."""
    if person is herald:  # who also read the previews
        return
    for number, text in herald.said.items():
        broadcast = records.broadcasts[number]
        times = sum(text in event["text"] for event in page)
        is_for = person.id in records.audience(broadcast.whom)
        least = is_for and broadcast.state is not BroadcastState.cancelled
        if not least <= times <= is_for:
            yield f"read broadcast {number} {times} times"
    results = sum("Résultat" in event["text"] for event in page)
    if results != _hears_result(person):
        yield f"read the result {results} times"
