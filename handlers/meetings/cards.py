"""A meeting as its group sees it: when, where, and whether one comes, said in one tap."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.documents.calendar import MEDIA_TYPE
from bot.messages import Attachment, Label, Refused, Reply, Request, Words
from bot.rights import belonging, chair, secretariat
from bot.routing import Recipient, choice, link, notice, number
from bot.wording import group_name
from handlers import academies
from handlers.people import do
from storage.deliveries import subject
from storage.meetings import Attendance, Meeting
from storage.store import Store

Choices = list[tuple[str, Label | str]]


@dataclass(frozen=True)
class View:
    """A meeting as one person sees it.

    Attributes:
        zones: the time zones that matter to them, besides that of the committee.
        answer: what they said about coming.
        counts: how many members gave each answer, for those who lead.
    """

    meeting: Meeting
    group: Label
    zones: list[str]
    answer: Attendance | None = None
    counts: Mapping[Attendance | None, int] | None = None

    @classmethod
    def of(cls, meeting: Meeting, store: Store, person: int, *, leads: bool = False) -> "View":
        group = store.groups.get(meeting.group_id)
        assert group is not None
        own = academies.zones().get(store.people.get(person).academie or "")
        return cls(
            meeting=meeting,
            group=group_name(group),
            zones=[meeting.zone, *([own] if own else [])],
            answer=store.meetings.answer_of(meeting.id, person),
            counts=store.meetings.counts(meeting) if leads else None,
        )


@link("meeting", number, who=belonging)
@choice("meetings.show", number, who=belonging)
def show(request: Request, store: Store, meeting_id: int) -> Reply:
    return shown(found(store, meeting_id), request, store)


def shown(meeting: Meeting, request: Request, store: Store) -> Reply:
    """A meeting with what can be done about it, for whoever may see it."""
    leads = may_see(meeting, request, store)
    gives = lacks_calendar(meeting, request.context.chat_id, store)
    return card(meeting, store, request.person, request.now, leads=leads, gives=gives)


def may_see(meeting: Meeting, request: Request, store: Store) -> bool:
    """Refuse who has nothing to do with a meeting; say whether they lead its group."""
    if leads(meeting.group_id, request, store):
        return True
    if not store.groups.is_member(meeting.group_id, request.person):
        raise Refused("meetings.not_member", choices=[do("meetings"), do("menu")])
    return False


def card(
    meeting: Meeting,
    store: Store,
    person: int,
    now: datetime,
    name: str = "meetings.card",
    *,
    gives: bool,
    leads: bool = False,
    replace: bool = False,
    acknowledge: Words | None = None,
    **arguments: Any,
) -> Reply:
    """A meeting, one tap an answer; who leads also counts and manages.

    Args:
        gives: its calendar file comes with it.
    """
    view = View.of(meeting, store, person, leads=leads)
    holds = meeting.cancelled_at is None and meeting.ends_at > now
    choices: Choices = []
    if holds and store.groups.is_member(meeting.group_id, person):
        choices += [
            (f"meetings.answer:{meeting.id}:{meeting.version}:{one}", _answer_label(one, view))
            for one in ways_to_come(meeting)
        ]
    if holds and leads:
        choices.append((f"meetings.manage:{meeting.id}", "meetings.manage"))
    return Reply(
        name,
        view=view,
        **arguments,
        files=calendar_in(view) if gives else [],
        shows=calendar_of(meeting) if gives else None,
        choices=choices or [do("meetings"), do("menu")],
        replace=replace,
        acknowledge=acknowledge,
    )


def ways_to_come(meeting: Meeting) -> list[Attendance]:
    """What may be answered: to come where there is a place, or nothing is said of where it is."""
    ways = list(Attendance)
    if meeting.link is None:
        ways.remove(Attendance.remotely)
    elif meeting.place is None:
        ways.remove(Attendance.coming)
    return ways


def calendar_in(view: View) -> list[Attachment]:
    """The file that puts a meeting into one's own calendar, or takes it out."""
    if view.meeting.file_id is None:
        return []
    label = Words("meetings.calendar", {"view": view})
    return [Attachment(view.meeting.file_id, label, MEDIA_TYPE)]


def calendar_of(meeting: Meeting) -> str | None:
    """The subject of what gives the calendar file of a meeting as it is planned now."""
    return subject("calendar", meeting.file_id) if meeting.file_id is not None else None


def lacks_calendar(meeting: Meeting, chat_id: int, store: Store) -> bool:
    """Whether that file was not given in a chat yet: it comes once, and again with a new plan."""
    file = calendar_of(meeting)
    return file is not None and not store.deliveries.shows(chat_id, file)


def _answer_label(answer: Attendance, view: View) -> Label:
    label = Words(f"meetings.{answer}")
    return Words("meetings.chosen", {"answer": label}) if answer is view.answer else label


def _attendance(text: str) -> Attendance:
    return Attendance(text)


@choice(
    "meetings.answer",
    number,
    number,
    _attendance,
    who=belonging,
    in_groups=True,
    leads="meeting",
    counts=True,
)
def answer(
    request: Request, store: Store, meeting_id: int, version: int, said: Attendance
) -> Reply:
    """Keep what one says about coming; the card takes it up in place.

    Who comes is given the calendar file, unless they have it; a card changed in place keeps it.
    """
    received = request.incoming.received_at
    kept = store.meetings.answer(meeting_id, version, request.person, said, received)
    meeting = found(store, meeting_id)
    if not kept:
        raise _not_kept(meeting, version, request, store)
    noted = Words("meetings.noted", {"answer": Words(f"meetings.{said}")})
    if request.in_group:
        return Reply(acknowledge=noted)
    in_place = request.incoming.message is not None
    comes = said is not Attendance.not_coming
    return card(
        meeting,
        store,
        request.person,
        request.now,
        gives=comes and (in_place or lacks_calendar(meeting, request.context.chat_id, store)),
        leads=leads(meeting.group_id, request, store),
        replace=True,
        acknowledge=noted,
    )


def _not_kept(meeting: Meeting, version: int, request: Request, store: Store) -> Refused:
    """Why an answer was not kept, and what can be done instead."""
    if request.in_group:  # in the few words that a toast holds
        is_member = store.groups.is_member(meeting.group_id, request.person)
        return Refused("meetings.room_changed" if is_member else "meetings.room_members")
    onward = [do("meetings"), do("menu")]
    view = View.of(meeting, store, request.person)
    group = store.groups.get(meeting.group_id)
    if not store.groups.is_member(meeting.group_id, request.person):
        return Refused("meetings.not_member", answered=True, choices=onward)
    if meeting.cancelled_at is not None:
        return Refused("meetings.is_cancelled", view=view, choices=onward)
    if meeting.ends_at <= request.incoming.received_at:
        return Refused("meetings.is_over", view=view, choices=onward)
    if group is not None and group.closed_at is not None:
        return Refused("meetings.group_closed", group=view.group, choices=onward)
    again = (f"meetings.show:{meeting.id}", "meetings.see")
    if version != meeting.version:
        return Refused("meetings.moved_since", view=view, choices=[again, *onward])
    return Refused("meetings.no_link", choices=[again, *onward])


def found(store: Store, meeting_id: int) -> Meeting:
    meeting = store.meetings.get(meeting_id)
    if meeting is None:
        raise Refused("people.stale_choice", choices=[do("meetings"), do("menu")])
    return meeting


def leads(group_id: int, request: Request, store: Store) -> bool:
    """Whether one may call, move and cancel the meetings of a group, here and now."""
    if secretariat(request):
        return True
    return chair(request) and store.groups.leads(group_id, request.person, request.now)


def _for_member(
    meeting: Meeting | None,
    name: str,
    recipient: Recipient,
    store: Store,
    *,
    recalls: bool = False,
    **arguments: Any,
) -> Reply | None:
    """News of a meeting for a member of its group, as long as they can be of use.

    Args:
        recalls: it is known already; what is new comes with its calendar file.
    """
    if meeting is None or meeting.ends_at <= recipient.now:
        return None
    if not store.groups.is_member(meeting.group_id, recipient.person_id):
        return None
    person, now = recipient.person_id, recipient.now
    leads = store.groups.leads(meeting.group_id, person, now)
    gives = not recalls or lacks_calendar(meeting, recipient.chat_id, store)
    return card(meeting, store, person, now, name, leads=leads, gives=gives, **arguments)


def _of_sequence(store: Store, meeting_id: int, sequence: int) -> Meeting | None:
    """A meeting, if it was not changed since: else newer news follow."""
    meeting = store.meetings.get(meeting_id)
    return meeting if meeting is not None and meeting.sequence == sequence else None


@notice("meetings.called")
def told_called(recipient: Recipient, store: Store, meeting: int, sequence: int) -> Reply | None:
    as_called = _of_sequence(store, meeting, sequence)
    return _for_member(as_called, "meetings.called", recipient, store)


@notice("meetings.changed")
def told_changed(recipient: Recipient, store: Store, meeting: int, sequence: int) -> Reply | None:
    as_changed = _of_sequence(store, meeting, sequence)
    return _for_member(as_changed, "meetings.changed", recipient, store)


@notice("meetings.moved")
def told_moved(
    recipient: Recipient, store: Store, meeting: int, sequence: int, was: str
) -> Reply | None:
    as_moved, before = _of_sequence(store, meeting, sequence), datetime.fromisoformat(was)
    return _for_member(as_moved, "meetings.moved", recipient, store, was=before)


@notice("meetings.cancelled")
def told_cancelled(recipient: Recipient, store: Store, meeting: int) -> Reply | None:
    return _for_member(store.meetings.get(meeting), "meetings.is_cancelled", recipient, store)


@notice("meetings.reminder")
def told_reminder(recipient: Recipient, store: Store, meeting: int, version: int) -> Reply | None:
    """A reminder of that schedule and no other, and not for who is not coming."""
    if store.meetings.answer_of(meeting, recipient.person_id) is Attendance.not_coming:
        return None
    return told_reminded(recipient, store, meeting, version)


@notice("meetings.reminded")
def told_reminded(recipient: Recipient, store: Store, meeting: int, version: int) -> Reply | None:
    """What somebody who leads wanted to be recalled: also to who said no."""
    found = store.meetings.get(meeting)
    if found is None or found.version != version or found.cancelled_at is not None:
        return None
    group = store.groups.get(found.group_id)
    if group is None or group.closed_at is not None or found.starts_at <= recipient.now:
        return None
    return _for_member(found, "meetings.reminder", recipient, store, recalls=True)
