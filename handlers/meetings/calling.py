"""Calling a meeting, and giving it another hour or place: for who leads the group."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select

from bot import routing
from bot.dates import NoSuchMoment
from bot.documents.calendar import MEDIA_TYPE
from bot.forms import Choose, Form, LongText, Open, ShortText
from bot.forms.filling import Filling
from bot.messages import Refused, Reply, Request, Words
from bot.quiet import leaves_at
from bot.rendering import texts_for
from bot.restricting import check_gives
from bot.rights import chair, secretariat
from bot.routing import choice, command, form_action, number
from bot.wording import calendar_of, group_name
from handlers import academies
from handlers.meetings.cards import Choices, card, found, lacks_calendar, leads
from handlers.meetings.fields import Ends, Link, Starts, Zone, start_of
from handlers.people import do
from handlers.polls.opening import Known
from storage.groups import GroupClosed, Membership, WorkingGroup
from storage.meetings import Change, ChangedMeanwhile, Meeting, Over, Plan
from storage.rooms import MEETING
from storage.store import Store

PLACE, LINK, BOTH = "place", "link", "both"
ZONES = tuple(dict.fromkeys(academies.zones().values()))


@command("meeting", who=chair)
def meeting(request: Request, store: Store) -> Reply | Open:
    """The groups one leads, to call a meeting of, and their meetings to come."""
    groups = _led(request, store)
    upcoming = store.meetings.upcoming([one.id for one in groups], request.now)
    if len(groups) == 1 and not upcoming:
        return Open(meeting_form, about=str(groups[0].id))
    choices: Choices = [
        (f"meetings.call:{one.id}", Words("meetings.call_of", {"group": group_name(one)}))
        for one in groups
    ]
    if upcoming:
        choices.append(do("meetings"))
    return Reply("meetings.call", count=len(groups), choices=[*choices, do("menu")])


def _led(request: Request, store: Store) -> list[WorkingGroup]:
    every = store.groups.all_open()
    if secretariat(request):
        return every
    led = set(store.groups.led_by(request.person, request.now))
    return [one for one in every if one.id in led]


@choice("meetings.call", number, who=chair)
def call(request: Request, store: Store, group_id: int) -> Open:
    return Open(meeting_form, about=str(group_id))


@choice("meetings.move", number, who=chair)
def move(request: Request, store: Store, meeting_id: int) -> Open:
    return Open(move_form, about=str(meeting_id))


@choice("meetings.edit", number, who=chair)
def edit(request: Request, store: Store, meeting_id: int) -> Open:
    """Change anything but the hour: all that it is stands in the review at once."""
    one = _to_change(request, store, meeting_id)
    starts = one.starts_at.astimezone(ZoneInfo(one.zone))
    return Open(move_form, about=str(meeting_id), given={"starts": starts.isoformat()})


def _begin_call(request: Request, store: Store, about: str) -> dict[str, Any]:
    group = _led_group(request, store, number(about))
    known = _known(group, request, store)
    tied = store.rooms.of_group(group.id) is not None
    return {**known, "group": {**known["group"], "tied": tied}, "zone": request.zone.key}


def _begin_move(request: Request, store: Store, about: str) -> dict[str, Any]:
    """What the meeting is now; only the start is asked, all can be changed."""
    one = _to_change(request, store, number(about))
    group = _led_group(request, store, one.group_id)
    answers = {
        **_known(group, request, store),
        "sequence": one.sequence,
        "ends": int((one.ends_at - one.starts_at).total_seconds()) // 60,
        "zone": one.zone,
        "where": BOTH if one.place and one.link else LINK if one.link else PLACE,
        "place": one.place,
        "link": one.link,
        "agenda": one.agenda,
    }
    return {name: value for name, value in answers.items() if value is not None}


def _known(group: WorkingGroup, request: Request, store: Store) -> dict[str, Any]:
    """Which group it is, and how many people will be told."""
    return {
        "group": {"theme": group.theme and str(group.theme), "name": group.name},
        "told": {"people": count(_others(group.id, request, store), store)},
    }


def _others(group_id: int, request: Request, store: Store) -> Select[int]:
    return store.groups.members(group_id).where(Membership.person_id != request.person)


def _led_group(request: Request, store: Store, group_id: int) -> WorkingGroup:
    """An open group that one leads; checked when a form opens, and again when it is sent."""
    check_gives(request, store)
    group = store.groups.get(group_id)
    if group is None:
        raise Refused("people.stale_choice", choices=[do("meetings"), do("menu")])
    if group.closed_at is not None:
        raise _closed(group)
    if not leads(group_id, request, store):
        raise _not_leading(group)
    return group


def _not_leading(group: WorkingGroup) -> Refused:
    return Refused("meetings.not_leading", group=group_name(group), choices=[do("menu")])


def _closed(group: WorkingGroup) -> Refused:
    return Refused("meetings.group_closed", group=group_name(group), choices=[do("menu")])


def _to_change(request: Request, store: Store, meeting_id: int) -> Meeting:
    one = found(store, meeting_id)
    group = store.groups.get(one.group_id)
    assert group is not None
    if not leads(group.id, request, store):
        raise _not_leading(group)
    if one.cancelled_at is not None or one.ends_at <= request.now:
        raise Refused("meetings.nothing_to_change", choices=[do("meetings"), do("menu")])
    return one


def _plan(answers: Mapping[str, Any], key: str, request: Request) -> Plan:
    """The plan that was typed, whose hour is looked at again: time has passed since."""
    again: Choices = [(form_action("change", key), "forms.change")]
    try:
        starts_at = start_of(answers)
    except NoSuchMoment as none:
        raise Refused("forms.no_such_moment", why=none.why, choices=again) from None
    if starts_at <= request.now:
        raise Refused("meetings.already_past", choices=again)
    return Plan(
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=answers["ends"]),
        zone=answers["zone"],
        place=answers["place"],
        link=answers["link"],
        agenda=answers["agenda"],
    )


def _call(
    request: Request, store: Store, about: str, answers: Mapping[str, Any]
) -> Reply | list[Reply]:
    group = _led_group(request, store, number(about))
    plan = _plan(answers, f"meeting.{about}", request)
    try:
        store.groups.lock(group.id)
    except GroupClosed:
        raise _closed(group) from None
    called = store.meetings.call(group.id, plan, request.person, request.now)
    request.note("meetings.called", f"meeting:{called.id}")
    keep_calendar(called, group, request, store)
    told = tell(called, "meetings.called", {"sequence": called.sequence}, request, store)
    if answers["group"].get("tied"):
        _post(called, request, store)
    return _done("meetings.convened", called, told, request, store)


def _post(one: Meeting, request: Request, store: Store) -> None:
    """Show it to the chat group that its working group is tied to."""
    chat = store.rooms.of_group(one.group_id)
    if chat is not None:
        store.rooms.post(
            chat,
            MEETING,
            one.id,
            request.now,
            due_at=leaves_at(request.now),
            expires_at=one.ends_at,
        )


def _move(
    request: Request, store: Store, about: str, answers: Mapping[str, Any]
) -> Reply | list[Reply]:
    one = _to_change(request, store, number(about))
    group = _led_group(request, store, one.group_id)
    plan, was = _plan(answers, f"move.{about}", request), one.starts_at
    try:
        change = store.meetings.change(one.id, answers["sequence"], plan, request.now)
    except Over:
        raise Refused("meetings.nothing_to_change", choices=[do("meetings")]) from None
    except ChangedMeanwhile:
        again: Choices = [
            (f"meetings.show:{one.id}", "meetings.see"),
            (f"meetings.insist:{one.id}", "meetings.insist"),
        ]
        raise Refused("meetings.changed_meanwhile", choices=again) from None
    if change is Change.nothing:
        return _done("meetings.unchanged", one, 0, request, store)
    request.note("meetings.changed", f"meeting:{one.id}")
    keep_calendar(one, group, request, store)
    arguments: dict[str, Any] = {"sequence": one.sequence}
    name = "meetings.changed"
    if change is Change.schedule:
        name, arguments = "meetings.moved", {**arguments, "was": was.isoformat()}
    told = tell(one, name, arguments, request, store)
    return _done("meetings.change_told", one, told, request, store)


@choice("meetings.insist", number, who=chair)
def insist(request: Request, store: Store, meeting_id: int) -> routing.Answer:
    """Look again at what one typed, now that somebody else has changed the meeting."""
    one = _to_change(request, store, meeting_id)
    filling = Filling.open_in(request, store, f"move.{meeting_id}")
    if filling is None:
        raise Refused("forms.no_draft", choices=[do("meetings")])
    answers = {**filling.state.answers, "sequence": one.sequence}
    filling.state = replace(filling.state, answers=answers)
    return filling.step()


def _done(name: str, one: Meeting, told: int, request: Request, store: Store) -> list[Reply]:
    """What was done, and the card that the others read too."""
    gives = lacks_calendar(one, request.context.chat_id, store)
    shown = card(one, store, request.person, request.now, leads=True, gives=gives)
    return [Reply(name, told=told), shown]


def tell(one: Meeting, name: str, arguments: dict[str, Any], request: Request, store: Store) -> int:
    """Tell the other members of the group; say how many they are."""
    others = _others(one.group_id, request, store)
    store.deliveries.notify(
        name,
        {"meeting": one.id, **arguments},
        others,
        request.now,
        due_at=leaves_at(request.now),
        expires_at=one.ends_at,
    )
    return count(others, store)


def count(people: Select[int], store: Store) -> int:
    """How many people a query gives."""
    wanted = select(func.count()).select_from(people.subquery())
    return int(store.session.execute(wanted).scalar_one())


def keep_calendar(one: Meeting, group: WorkingGroup, request: Request, store: Store) -> None:
    """Make a meeting's calendar file anew, in the language of the committee.

    It is another file each time: the link to an older one never tells a former member what is new.
    """
    texts = texts_for(request.settings.language, request.zone)
    file_id = store.files.add(calendar_of(one, group, texts), MEDIA_TYPE, request.now)
    store.meetings.attach(one, file_id)


def _at(*where: str, answers: Mapping[str, Any]) -> bool:
    return answers.get("where") in where


FIELDS = (
    Known("group"),
    Known("told"),
    Starts("starts"),
    Ends("ends"),
    Zone("zone", ZONES),
    Choose("where", (PLACE, LINK, BOTH)),
    ShortText("place", at_most=200, when=lambda answers: _at(PLACE, BOTH, answers=answers)),
    Link("link", when=lambda answers: _at(LINK, BOTH, answers=answers)),
    LongText("agenda", at_most=2000, optional=True),
)
_form = partial(Form, noun="meetings", fields=FIELDS, who=chair)

meeting_form = routing.form(
    _form(name="meeting", submit=_call, begin=_begin_call, send="meetings.send_call")
)
move_form = routing.form(
    _form(name="move", submit=_move, begin=_begin_move, send="meetings.send_move")
)
