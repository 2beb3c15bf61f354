"""A working group tied to a chat group, where its polls and meetings are shown by themselves.

Everybody in that chat reads what is shown there: see `handlers.polls.rooms` and
`handlers.meetings.rooms` for what that is.
"""

from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import chair, secretariat
from bot.routing import OPENS_PRIVATELY, choice, number
from bot.wording import group_name
from handlers.groups.card import SHOWN, Choices, answers_for, card, closed, found_open, led_by
from storage.groups import GroupClosed, WorkingGroup
from storage.rooms import RoomTaken
from storage.store import Store


def offer(request: Request, store: Store) -> Reply:
    """The group that this chat is tied to, or else those that this person may tie to it."""
    tied = store.rooms.tied_to(request.context.chat_id)
    if tied is not None:
        return _standing(tied, request, leads=answers_for(tied.id, request, store))
    led = _led(request, store)
    if not led:
        return Reply("groups.only_leaders", choices=_ways(), to_all=True)
    choices: Choices = [
        (f"groups.tie:{one.id}", Words("groups.tie", {"name": group_name(one)}))
        for one in led[:SHOWN]
    ]
    return Reply("groups.room_offer", choices=choices, to_all=True)


def _led(request: Request, store: Store) -> list[WorkingGroup]:
    every = store.groups.all_open()
    if secretariat(request):
        return every
    led = led_by(request, store)
    return [one for one in every if one.id in led]


def _ways() -> Choices:
    return [(OPENS_PRIVATELY, "people.see_private")]


def _mark(request: Request) -> str:
    """What begins a command in a group of that platform."""
    return "!" if request.incoming.platform == "matrix" else "/"


def _standing(
    group: WorkingGroup, request: Request, *, leads: bool, chosen_here: bool = False
) -> Reply:
    """What a chat is tied to.

    Args:
        chosen_here: it takes the place of the offer in which it was chosen.
    """
    untie: Choices = [(f"groups.untie:{group.id}", "groups.untie")] if leads else []
    return Reply(
        "groups.room_tied",
        name=group_name(group),
        themed=group.theme is not None,
        mark=_mark(request),
        choices=[*untie, *_ways()],
        replace=chosen_here,
        acknowledge="groups.tied" if chosen_here else None,
        to_all=True,
    )


@choice("groups.tie", number, who=chair, in_groups=True)
def tie(request: Request, store: Store, group_id: int) -> Reply:
    group = _led_group(request, store, group_id)
    if not request.in_group:
        raise Refused("people.stale_choice")
    try:
        store.rooms.tie(group_id, request.context.chat_id)
    except GroupClosed:
        raise closed(group) from None
    except RoomTaken:
        raise Refused("groups.room_taken") from None
    request.note("groups.tied", f"group:{group_id}")
    return _standing(group, request, leads=True, chosen_here=True)


@choice("groups.untie", number, who=chair, in_groups=True)
def untie(request: Request, store: Store, group_id: int) -> Reply:
    """From that chat, or from the group's page in one's own."""
    group = _led_group(request, store, group_id)
    here, tied = request.context.chat_id, group.chat_id
    chat = here if request.in_group else tied
    if chat is None or not store.rooms.untie(group_id, chat):
        raise Refused("groups.not_tied")
    request.note("groups.untied", f"group:{group_id}")
    if request.in_group:
        return Reply(
            "groups.room_untied",
            name=group_name(group),
            mark=_mark(request),
            choices=_ways(),
            replace=True,
            acknowledge="groups.untied",
            to_all=True,
        )
    done: Label = Words("groups.untied")
    return card(group, request, store, done=done)


def _led_group(request: Request, store: Store, group_id: int) -> WorkingGroup:
    group = found_open(store, group_id)
    if not answers_for(group_id, request, store):
        raise Refused("people.not_allowed")
    return group
