"""Who was told what, by the database: each recipient once, nothing lost, nothing too late."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime

from bot.markup import as_plain
from campaigns.people import Contributor
from campaigns.records import Records, Told
from campaigns.secretaries import Convener, Herald
from storage.broadcasts import Broadcast, BroadcastState
from storage.deliveries import DeliveryState
from storage.meetings import REMINDED, Meeting

NEWS = ("meetings.called", "meetings.changed", "meetings.moved", "meetings.cancelled")
REMINDER, RECALLED, BROADCAST = "meetings.reminder", "meetings.reminded", "broadcasts.said"
DRAWN_OFTEN = ("broadcasts.card", "polls.group_card", "meetings.group_card")
OPEN = (DeliveryState.waiting, DeliveryState.sending)


def at_rest(records: Records) -> Iterator[str]:
    """Nothing waits or is in flight, and nothing failed."""
    states = Counter(one.state for one in records.told)
    for state in (*OPEN, DeliveryState.failed):
        if states[state]:
            yield f"{states[state]} deliveries are {state}"


def numbered(records: Records) -> Iterator[str]:
    """Every page has its events from 1 on, and as many as its counter says."""
    for chat, last in records.last_events.items():
        numbers = [one.event for one in records.by_chat.get(chat, [])]
        if numbers != list(range(1, last + 1)):
            yield f"chat {chat}: {last} events counted, but {numbers[:20]}… on the page"
    for one in records.told:
        if one.on_page != (one.event is not None) or (one.on_page and one.done_at is None):
            yield f"a delivery of notice {one.notice} is {one.state}, event {one.event}"


def notices_once(records: Records) -> Iterator[str]:
    """No notice was made twice: reminders are counted by their rows, and cards are drawn often."""
    same = Counter(
        (name, json.dumps(arguments, sort_keys=True))
        for name, arguments in records.notices.values()
        if name not in (REMINDER, *DRAWN_OFTEN)
    )
    for (name, arguments), times in same.items():
        if times > 1:
            yield f"{name} {arguments}: {times} notices"
    made = sorted(one.notice_id for one in records.reminders if one.notice_id is not None)
    if made != sorted(records.named(REMINDER)):
        yield f"{len(records.named(REMINDER))} notices of reminders, for {len(made)} reminders"


def broadcasts(records: Records, herald: Herald) -> Iterator[str]:
    """Those that were confirmed left, or were cancelled, and add up."""
    if len(records.broadcasts) != herald.composed:
        yield f"{len(records.broadcasts)} broadcasts, {herald.composed} composed"
    confirmed = {
        number
        for number, one in records.broadcasts.items()
        if one.state is not BroadcastState.composed
    }
    if confirmed != set(herald.said):
        yield f"broadcasts {confirmed} were confirmed, {set(herald.said)} acknowledged"
    for number in sorted(confirmed & set(herald.said)):
        for problem in _broadcast(records, records.broadcasts[number], herald):
            yield f"broadcast {number}: {problem}"


def _broadcast(records: Records, found: Broadcast, herald: Herald) -> Iterator[str]:
    told = [
        one
        for notice in records.named(BROADCAST, broadcast=found.id)
        for one in records.by_notice[notice]
    ]
    recipients, audience = [one.person for one in told], records.audience(found.whom)
    is_cancelled = found.state is BroadcastState.cancelled
    if found.ended_at is None or not (is_cancelled or found.state is BroadcastState.done):
        yield f"has not ended, but is {found.state}"
    if is_cancelled and found.id not in herald.stopped:
        yield "was cancelled by nobody"
    if len(set(recipients)) != len(recipients) or not set(recipients) <= audience:
        yield f"{len(recipients)} deliveries to {len(set(recipients) & audience)} recipients"
    if not is_cancelled:
        yield from _everybody(BROADCAST, told, audience)
    if any(herald.said[found.id] not in as_plain(one.markup) for one in told if one.on_page):
        yield "says something else"
    yield from _too_late(told, herald.stopped.get(found.id))
    if found.notice_id is not None:
        yield from _adds_up(records, found, told, len(audience))


def _adds_up(records: Records, found: Broadcast, told: list[Told], audience: int) -> Iterator[str]:
    """How it ended is what its deliveries say, and together they are its total."""
    ended, on_page = records.progress(found), sum(one.on_page for one in told)
    if found.counts is None or ended.total != audience or found.total != audience:
        yield f"total {found.total} and {ended.total} in {found.counts}, {audience} recipients"
    if ended.on_page != on_page or on_page + ended.cancelled != audience:
        yield f"{on_page} on pages of {audience}, but it says {ended}"
    if ended.cancelled and found.state is not BroadcastState.cancelled:
        yield f"{ended.cancelled} cancelled, though it is {found.state}"


def meetings(records: Records, convener: Convener, crowd: list[Contributor]) -> Iterator[str]:
    """Those that were called were told, moved and cancelled as often as was acknowledged."""
    moved = {number: one.version - 1 for number, one in records.meetings.items()}
    cancelled = [one.id for one in records.meetings.values() if one.cancelled_at is not None]
    if moved != convener.called:
        yield f"meetings moved {moved}, {convener.called} acknowledged"
    if sorted(cancelled) != sorted(convener.cancelled):
        yield f"meetings {cancelled} cancelled, {convener.cancelled} acknowledged"
    for number, one in records.meetings.items():
        for problem in (*_news(records, one), *_reminders(records, one, convener, crowd)):
            yield f"meeting {number}: {problem}"


def _news(records: Records, meeting: Meeting) -> Iterator[str]:
    """All members were told each time; only what newer news overtook may have expired."""
    happened = {name: records.named(name, meeting=meeting.id) for name in NEWS}
    counts = [len(happened[name]) for name in NEWS]
    if counts != [1, 0, meeting.version - 1, meeting.cancelled_at is not None]:
        yield f"news {dict(zip(NEWS, counts, strict=True))} at version {meeting.version}"
    last = max((number for numbers in happened.values() for number in numbers), default=0)
    for name, numbers in happened.items():
        for number in numbers:
            told = records.by_notice[number]
            yield from _everybody(name, told, records.members, overtaken=number != last)


def _reminders(
    records: Records, meeting: Meeting, convener: Convener, crowd: list[Contributor]
) -> Iterator[str]:
    """Each was for every member but those who said no, and none left once its hour was gone."""
    unsteady = {person.id for person in crowd if not person.steady}
    for version in range(1, meeting.version + 1):
        rows = [
            one
            for one in records.reminders
            if one.meeting_id == meeting.id and one.version == version
        ]
        is_over = version < meeting.version or meeting.cancelled_at is not None
        if not is_over and len([one for one in rows if one.notice_id]) != len(REMINDED):
            yield f"{len(rows)} reminders of version {version}"
        for name in (REMINDER, RECALLED):
            for notice in records.named(name, meeting=meeting.id, version=version):
                told = records.by_notice[notice]
                yield from _too_late(told, convener.stopped.get((meeting.id, version)))
                may_lack = unsteady if name == REMINDER else set()
                yield from _everybody(
                    name, told, records.members, may_lack=may_lack, overtaken=is_over
                )
    recalled = len(records.named(RECALLED, meeting=meeting.id))
    if recalled != convener.recalled.count(meeting.id):
        yield f"reminded by hand {recalled} times"


def in_order(records: Records) -> Iterator[str]:
    """On no page does a reminder of an hour come after the news that the hour is another."""
    for chat, events in records.by_chat.items():
        gone: set[tuple[int, int]] = set()
        for one in events:
            if one.notice is None:
                continue
            name, arguments = records.notices[one.notice]
            if name in ("meetings.moved", "meetings.cancelled"):
                meeting = records.meetings[arguments["meeting"]]
                last = arguments.get("sequence", meeting.version)  # each change moves it
                gone |= {(meeting.id, version) for version in range(1, last + 1)}
            if name in (REMINDER, RECALLED) and (
                (arguments["meeting"], arguments["version"]) in gone
            ):
                yield f"chat {chat}: a reminder of {arguments} came after its hour was gone"


def _everybody(
    name: str,
    told: list[Told],
    expected: Collection[int],
    *,
    may_lack: Collection[int] = (),
    overtaken: bool = False,
) -> Iterator[str]:
    """Each of some people has one delivery, and it is on their page.

    Args:
        may_lack: those of them who may not have been told.
        overtaken: it may have expired before it was said.
    """
    times = Counter(one.person for one in told)
    wrong = [person for person in times if person not in expected]
    wrong += [person for person in expected if times[person] != 1 and person not in may_lack]
    if wrong or any(number > 1 for number in times.values()):
        yield f"{name}: {len(told)} deliveries for {len(expected)}; wrong for {wrong[:10]}"
    lacking = [one for one in told if not one.on_page and one.person not in may_lack]
    if not overtaken and lacking:
        yield f"{name}: {len(lacking)} are {lacking[0].state}"


def _too_late(told: list[Told], stopped: datetime | None) -> Iterator[str]:
    """What left after the moment at which it had been stopped."""
    if stopped is None:
        return
    late = [one for one in told if one.on_page and one.done_at and one.done_at > stopped]
    if late:
        yield f"{len(late)} left after it was stopped"
