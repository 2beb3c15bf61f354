"""Managing a meeting, reminding people of it now, cancelling it: for who leads the group."""

from datetime import timedelta

from sqlalchemy import Select

from bot.messages import Refused, Reply, Request, Words
from bot.quiet import leaves_at
from bot.rights import chair
from bot.routing import choice, number
from bot.wording import group_name
from handlers.meetings.calling import count, keep_calendar, tell
from handlers.meetings.cards import Choices, View, calendar_in, found, leads
from handlers.people import do
from storage.broadcasts import Unasked
from storage.deliveries import Kind
from storage.meetings import Meeting, Over
from storage.store import Store

ONCE = timedelta(minutes=10)
EVERYBODY, SILENT = "all", "silent"


@choice("meetings.manage", number, who=chair)
def manage(request: Request, store: Store, meeting_id: int) -> Reply:
    """What else may be done than answer: apart, so that nobody cancels who only wants to come."""
    meeting = _led(request, store, meeting_id)
    choices: Choices = [
        (f"meetings.{verb}:{meeting_id}", f"meetings.{verb}")
        for verb in ("remind", "move", "edit", "cancel")
    ]
    choices.append((f"meetings.show:{meeting_id}", "meetings.back"))
    view = View.of(meeting, store, request.person)
    return Reply("meetings.managed", view=view, choices=choices)


@choice("meetings.remind", number, who=chair)
def remind(request: Request, store: Store, meeting_id: int) -> Reply:
    """Whom to remind: how many people that is stands on the button that does it."""
    meeting = _to_come(request, store, meeting_id)
    everybody = count(store.groups.members(meeting.group_id), store)
    silent = count(store.meetings.silent(meeting), store)
    choices: Choices = []
    if silent and silent < everybody:
        label = Words("meetings.remind_silent", {"count": silent})
        choices.append((f"meetings.remind_now:{meeting_id}:{SILENT}", label))
    if everybody:
        label = Words("meetings.remind_all", {"count": everybody})
        choices.append((f"meetings.remind_now:{meeting_id}:{EVERYBODY}", label))
    choices.append((f"meetings.show:{meeting_id}", "meetings.remind_nobody"))
    view = View.of(meeting, store, request.person)
    return Reply("meetings.remind_whom", view=view, count=everybody, choices=choices)


def _whom(text: str) -> str:
    if text not in (EVERYBODY, SILENT):
        raise ValueError(text)
    return text


@choice("meetings.remind_now", number, _whom, who=chair)
def remind_now(request: Request, store: Store, meeting_id: int, whom: str) -> Reply:
    meeting = _to_come(request, store, meeting_id)
    onward: Choices = [(f"meetings.show:{meeting_id}", "meetings.see"), do("menu")]
    if not store.rates.once(f"meetings.remind:{meeting_id}", ONCE, request.now):
        raise Refused("meetings.reminded_already", choices=onward)
    people: Select[int] = (
        store.meetings.silent(meeting) if whom == SILENT else store.groups.members(meeting.group_id)
    )
    people = store.broadcasts.unmuted(people, Unasked.reminder)
    store.deliveries.notify(
        "meetings.reminded",
        {"meeting": meeting_id, "version": meeting.version},
        people,
        request.now,
        due_at=leaves_at(request.now),
        expires_at=meeting.starts_at,
        kind=Kind.reminder,
    )
    request.note("meetings.reminded", f"meeting:{meeting_id}")
    return Reply("meetings.reminded", count=count(people, store), choices=onward)


@choice("meetings.cancel", number, who=chair)
def cancel(request: Request, store: Store, meeting_id: int) -> Reply:
    meeting = _led(request, store, meeting_id)
    choices: Choices = [
        (f"meetings.show:{meeting_id}", "meetings.keep"),
        (f"meetings.cancel_now:{meeting_id}", "meetings.cancel_now"),
    ]
    view = View.of(meeting, store, request.person)
    told = count(store.groups.members(meeting.group_id), store)
    return Reply("meetings.confirm_cancel", view=view, told=told, choices=choices)


@choice("meetings.cancel_now", number, who=chair)
def cancel_now(request: Request, store: Store, meeting_id: int) -> Reply:
    _led(request, store, meeting_id)
    try:
        meeting = call_off(meeting_id, request, store)
    except Over:
        raise _over() from None
    view = View.of(meeting, store, request.person)
    choices = [do("meetings"), do("menu")]
    return Reply("meetings.is_cancelled", view=view, files=calendar_in(view), choices=choices)


def call_off(meeting_id: int, request: Request, store: Store) -> Meeting:
    """Cancel; the group is told, with the file that takes the meeting out of a calendar.

    Raises:
        Over: it was cancelled before, or has ended.
    """
    meeting = store.meetings.cancel(meeting_id, request.now)
    group = store.groups.get(meeting.group_id)
    assert group is not None
    request.note("meetings.cancelled", f"meeting:{meeting_id}")
    keep_calendar(meeting, group, request, store)
    tell(meeting, "meetings.cancelled", {}, request, store)
    return meeting


def _led(request: Request, store: Store, meeting_id: int) -> Meeting:
    """A meeting that holds, of a group that one leads. A closed group's can still be cancelled."""
    meeting = found(store, meeting_id)
    if not leads(meeting.group_id, request, store):
        group = store.groups.get(meeting.group_id)
        assert group is not None
        raise Refused("meetings.not_leading", group=group_name(group), choices=[do("menu")])
    if meeting.cancelled_at is not None or meeting.ends_at <= request.now:
        raise _over()
    return meeting


def _to_come(request: Request, store: Store, meeting_id: int) -> Meeting:
    """A meeting that people can still be reminded of."""
    meeting = _led(request, store, meeting_id)
    group = store.groups.get(meeting.group_id)
    assert group is not None
    if group.closed_at is not None:
        raise Refused("meetings.group_closed", group=group_name(group), choices=[do("menu")])
    if meeting.starts_at <= request.now:
        raise Refused("meetings.begun", choices=[do("meetings"), do("menu")])
    return meeting


def _over() -> Refused:
    return Refused("meetings.nothing_to_change", choices=[do("meetings"), do("menu")])
