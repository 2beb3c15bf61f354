"""The demo's working life: groups, their meetings, a broadcast under way, threads that wait."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.documents.calendar import MEDIA_TYPE
from bot.messages import Reply
from bot.rendering import render
from bot.routing import NOTICES, Recipient
from bot.texts import Texts
from bot.wording import calendar_of
from storage.broadcasts import Audience, AudienceKind, BroadcastKind
from storage.deliveries import Kind, Outgoing, Placed, numbered
from storage.meetings import Attendance, Meeting, Plan
from storage.recommendations import Theme
from storage.store import Store

Rows = Iterable[dict[str, Any]]
Tell = Callable[[datetime, str, dict[str, Any], Iterable[int]], None]


def seed_groups(store: Store, rows: Rows, people: dict[str, int], since: datetime) -> None:
    """Who sits in the groups that the tables come with; the first of each leads it."""
    groups = {group.theme: group.id for group in store.groups.all_open()}
    for row in rows:
        group_id = groups[Theme(row["theme"])]
        for key in row["people"]:
            store.groups.join(group_id, people[key], since)
        chair = people[row["people"][0]]
        store.groups.appoint(group_id, chair, people["s1"], since)


def seed_meetings(
    store: Store, rows: Rows, people: dict[str, int], now: datetime, texts: Texts, tell: Tell
) -> None:
    """Meetings to come, as they were called and answered."""
    groups = {group.theme: group for group in store.groups.all_open()}
    for row in rows:
        group = groups[Theme(row["theme"])]
        called_at = now - timedelta(days=row["called_days_ago"])
        [chair, *_] = store.session.scalars(store.groups.chairs(group.id, called_at))
        meeting = store.meetings.call(group.id, _plan(row, now, texts.zone), chair, called_at)
        file = calendar_of(meeting, group, texts)
        store.meetings.attach(meeting, store.files.add(file, MEDIA_TYPE, called_at))
        _answer(store, meeting, row, people, called_at)
        arguments = {"meeting": meeting.id, "sequence": meeting.sequence}
        members = store.session.scalars(store.groups.members(group.id))
        tell(called_at, "meetings.called", arguments, members)


def _plan(row: dict[str, Any], now: datetime, zone: ZoneInfo) -> Plan:
    day = now.astimezone(zone) + timedelta(days=row["in_days"])
    starts_at = day.replace(hour=row["hour"], minute=0, second=0, microsecond=0)
    return Plan(
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=row["minutes"]),
        zone=zone.key,
        place=row.get("place"),
        link=row.get("link"),
        agenda=row.get("agenda"),
    )


def _answer(
    store: Store, meeting: Meeting, row: dict[str, Any], people: dict[str, int], at: datetime
) -> None:
    for answer in Attendance:
        for key in row.get(answer, ()):
            later = at + timedelta(hours=3)
            store.meetings.answer(meeting.id, meeting.version, people[key], answer, later)


def seed_threads(
    store: Store, rows: Rows, people: dict[str, int], now: datetime, tell: Tell
) -> None:
    """What people wrote to the secretariat, and what it answered."""
    for row in rows:
        at = now - timedelta(hours=row["hours_ago"])
        thread = None
        for said in row["said"]:
            thread, _ = store.threads.write(people[row["author"]], said, at)
        if thread is None or "answer" not in row:
            continue
        secretary, answered_at = people[row["by"]], at + timedelta(hours=2)
        store.threads.take(thread, secretary, answered_at)
        store.threads.mark_read(thread, secretary, store.threads.last_message(thread.id))
        message = store.threads.answer(thread, secretary, row["answer"], answered_at)
        store.threads.close(thread, secretary, answered_at)
        tell(answered_at, "threads.answered", {"message": message.id}, [people[row["author"]]])


def seed_broadcasts(
    store: Store, rows: Rows, people: dict[str, int], now: datetime, texts: Texts
) -> None:
    """Broadcasts under way: some have it, the others wait until it is resumed."""
    for row in rows:
        at = now - timedelta(minutes=row["minutes_ago"])
        kind, everyone = BroadcastKind(row["kind"]), Audience(AudienceKind.everyone)
        author = people[row["by"]]
        broadcast = store.broadcasts.compose(
            row["body"].strip(), kind, everyone, at, composed_by=author
        )
        count = store.broadcasts.count(everyone, kind, at)
        store.broadcasts.confirm(broadcast.id, author, count, at)
        store.broadcasts.start(broadcast.id, at)
        recipients = store.broadcasts.recipients(everyone, kind, at)
        notice = store.deliveries.notify(
            "broadcasts.said", {"broadcast": broadcast.id}, recipients, at, kind=Kind.broadcast
        )
        store.following.begin(broadcast, notice)
        store.following.spread(broadcast, count + 1)
        _deliver(store, at, texts, row["left"])
        store.broadcasts.pause(broadcast.id)


def _deliver(store: Store, at: datetime, texts: Texts, count: int) -> None:
    """Put what is due on the pages of the first who are to have it."""
    claimed = store.deliveries.claim(at, count)
    direct = store.people.direct_chats([one.person_id for one in claimed if one.person_id])
    chats = store.people.lock_chats(set(direct.values()))
    placed = []
    for one in claimed:
        assert one.notice is not None
        assert one.person_id is not None
        chat = chats[direct[one.person_id]]
        reply = NOTICES[one.notice](Recipient(one.person_id, chat.id, at), store, **one.arguments)
        assert isinstance(reply, Reply)
        [event] = numbered(chat, [Outgoing(render(reply, texts))], at)
        placed.append(Placed(one.id, chat.id, event))
    store.session.flush()
    store.deliveries.place_on_pages(placed)
