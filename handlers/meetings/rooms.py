"""A meeting as a chat group is shown it: when, where, how many come, and one tap an answer.

Everybody in that chat may read the card, whoever they are: the link of a video meeting, the agenda,
and who answered what are said in one's own chat only.
"""

from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import chair, secretariat
from bot.routing import OPENS_PRIVATELY, Recipient, choice, notice, number
from bot.wording import group_name
from handlers.meetings.cards import (
    Choices,
    View,
    found,
    leads,
    ways_to_come,
)
from storage.deliveries import subject
from storage.meetings import Meeting
from storage.rooms import MEETING
from storage.store import Store

MOST = 10  # offered at once


def offer(request: Request, store: Store) -> Reply:
    """The meetings that who leads their group may show here; others are told so."""
    if not chair(request):
        ways: Choices = [(OPENS_PRIVATELY, "people.see_private")]
        return Reply("meetings.only_leaders", choices=ways, to_all=True)
    led = None if secretariat(request) else store.groups.led_by(request.person, request.now)
    upcoming = store.meetings.upcoming(led, request.now, at_most=MOST)
    choices: Choices = [
        (f"meetings.show_here:{one.id}", Words("meetings.show_here", {"view": _view(one, store)}))
        for one in upcoming
    ]
    return Reply("meetings.room_offer", count=len(upcoming), choices=choices, to_all=True)


@choice("meetings.show_here", number, who=chair, in_groups=True)
def show_here(request: Request, store: Store, meeting_id: int) -> Reply:
    meeting = found(store, meeting_id)
    if not request.in_group:
        raise Refused("people.stale_choice")
    if not leads(meeting.group_id, request, store):
        raise Refused("people.not_allowed")
    if meeting.cancelled_at is not None or meeting.ends_at <= request.now:
        raise Refused("meetings.nothing_to_change")
    chat, offered = request.context.chat_id, request.incoming.message
    if not store.rooms.show(chat, MEETING, meeting_id, request.now, offered):
        raise Refused("people.shown_already")
    return card(meeting, store, holds=True, chosen_here=True)


def card(meeting: Meeting, store: Store, *, holds: bool, chosen_here: bool = False) -> Reply:
    """A meeting, and how many come.

    Args:
        holds: it is to come, or under way.
        chosen_here: it takes the place of the offer in which it was chosen.
    """
    choices: Choices = []
    if holds:
        choices = [
            (f"meetings.answer:{meeting.id}:{meeting.version}:{one}", f"meetings.{one}")
            for one in ways_to_come(meeting)
        ]
    choices.append((f"{OPENS_PRIVATELY}meeting-{meeting.id}", "people.see_private"))
    return Reply(
        "meetings.room_card",
        view=_view(meeting, store),
        holds=holds,
        choices=choices,
        replace=chosen_here,
        acknowledge="people.shown_here" if chosen_here else None,
        shows=subject(MEETING, meeting.id),
        to_all=True,
    )


def _view(meeting: Meeting, store: Store) -> View:
    """A meeting as nobody in particular sees it."""
    group = store.groups.get(meeting.group_id)
    assert group is not None
    name: Label = group_name(group)
    return View(meeting, name, [meeting.zone], counts=store.meetings.counts(meeting))


@notice("meetings.group_card")
def redrawn(recipient: Recipient, store: Store, meeting: int) -> Reply | None:
    one = store.meetings.get(meeting)
    if one is None:
        return None
    holds = one.cancelled_at is None and one.ends_at > recipient.now
    return card(one, store, holds=holds)
