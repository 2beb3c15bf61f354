"""The groups there are, one of them, and coming in and going out."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot import routing
from bot.forms import Choose, Form, Open
from bot.limiting import spend
from bot.messages import Reply, Request, Words
from bot.restricting import check_gives
from bot.rights import anyone, secretariat
from bot.routing import Recipient, choice, command, notice, number
from bot.wording import group_name
from handlers.groups import rooms
from handlers.groups.card import (
    SHOWN,
    Choices,
    answers_for,
    card,
    chairs_of,
    closed,
    found,
    found_open,
    led_by,
)
from handlers.people import do
from storage.groups import Belonging, GroupClosed, WorkingGroup
from storage.limits import JOINING
from storage.people import Profile
from storage.store import Store

PUPIL = "pupil"
A_DAY, AN_HOUR = timedelta(days=1), timedelta(hours=1)
TOLD_AN_HOUR = 10  # requests to come into a group


@command("groups", who=anyone, in_groups=True)
def groups(request: Request, store: Store) -> Reply:
    return rooms.offer(request, store) if request.in_group else _listed(request, store)


@choice("groups.more", number, who=anyone)
def more(request: Request, store: Store, first: int) -> Reply:
    return _listed(request, store, first)


def _listed(request: Request, store: Store, first: int = 0) -> Reply:
    """One's own groups, then the others."""
    standing = store.groups.of_person(request.person)
    rank = {Belonging.member: 0, Belonging.asked: 1, None: 2}
    every = sorted(store.groups.all_open(), key=lambda one: rank[standing.get(one.id)])
    sizes, asking = store.groups.count(), store.groups.count(Belonging.asked)
    led = led_by(request, store)
    choices: Choices = [
        (
            f"groups.show:{one.id}",
            Words(
                "groups.line",
                {
                    "name": group_name(one),
                    "size": sizes.get(one.id, 0),
                    "standing": standing.get(one.id),
                    "asking": asking.get(one.id, 0) if secretariat(request) or one.id in led else 0,
                },
            ),
        )
        for one in every[first : first + SHOWN]
    ]
    if first + SHOWN < len(every):
        choices.append((f"groups.more:{first + SHOWN}", "groups.more"))
    if secretariat(request):
        choices.append(("groups.new", "groups.new"))
    mine = sum(standing.get(one.id) is Belonging.member for one in every)
    return Reply("groups.list", total=len(every), mine=mine, choices=[*choices, do("menu")])


@choice("groups.show", number, who=anyone)
def show(request: Request, store: Store, group_id: int) -> Reply:
    return card(found_open(store, group_id), request, store)


@choice("groups.join", number, who=anyone)
def join(request: Request, store: Store, group_id: int) -> Reply | Open:
    """Come in, or ask to. Who never said who they are is asked once: groups are for adults."""
    check_gives(request, store)
    group = found_open(store, group_id)
    if store.people.get(request.person).profile is None:
        return Open(joining_form, about=str(group_id), fresh=True)
    return _join(group, request, store)


def _join(group: WorkingGroup, request: Request, store: Store) -> Reply:
    check_gives(request, store)
    admitted = answers_for(group.id, request, store)
    spend(request, store, JOINING)
    try:
        standing, is_new = store.groups.join(
            group.id, request.person, request.now, admitted=admitted
        )
    except GroupClosed:
        raise closed(group) from None
    if standing is Belonging.member:
        done = "groups.joined" if is_new else "groups.already_member"
    else:
        done = "groups.has_asked" if is_new else "groups.already_asked"
    if is_new and standing is Belonging.asked:
        _tell_who_answers(group, request, store)
    return card(group, request, store, done=Words(done))


def _tell_who_answers(group: WorkingGroup, request: Request, store: Store) -> None:
    """Once a day for one person, and some times an hour: all who ask stand in the list anyway."""
    once, now = store.rates.once, request.now
    if not once(f"groups.ask:{group.id}:{request.person}", A_DAY, now):
        return
    if once(f"groups.asked:{group.id}", AN_HOUR, now, TOLD_AN_HOUR):
        answering = store.groups.answering(group.id, now)
        store.deliveries.notify("groups.asked", {"group": group.id}, answering, now)


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    store.people.get(request.person).profile = Profile(answers["profile"])
    return _join(found_open(store, number(about)), request, store)


joining_form = routing.form(
    Form(
        "join_group",
        "groups",
        (
            Choose(
                "profile",
                (*(str(one) for one in Profile if one is not Profile.member), PUPIL),
                labels="people.profile",
                grave=(PUPIL,),
                once=True,
            ),
        ),
        submit=_submit,
        who=anyone,
        reviewed=False,
        halt=lambda answers: "people.pupil" if answers.get("profile") == PUPIL else None,
    )
)


@choice("groups.leave", number, who=anyone)
def leave(request: Request, store: Store, group_id: int) -> Reply:
    """Leave at once, also a closed group; who leads it is asked to confirm: it ends that too."""
    group = found(store, group_id)
    if not store.groups.leads(group_id, request.person, request.now):
        return _leave(group, request, store)
    choices: Choices = [
        (f"groups.show:{group_id}", "groups.stay"),
        (f"groups.leave_now:{group_id}", "groups.leave_now"),
    ]
    return Reply("groups.confirm_leave", name=group_name(group), choices=choices)


@choice("groups.leave_now", number, who=anyone)
def leave_now(request: Request, store: Store, group_id: int) -> Reply:
    return _leave(found(store, group_id), request, store)


def _leave(group: WorkingGroup, request: Request, store: Store) -> Reply:
    led = store.groups.leads(group.id, request.person, request.now)
    was = store.leave_group(group.id, request.person, request.now)
    if led:
        told = store.groups.answering(group.id, request.now)
        store.deliveries.notify("groups.chair_left", {"group": group.id}, told, request.now)
    left = {Belonging.member: "groups.left", Belonging.asked: "groups.withdrawn"}
    done = left[was] if was is not None else "groups.not_in"
    if group.closed_at is not None:
        done = "groups.left_closed" if was is not None else done
        return Reply(done, choices=[do("groups"), do("menu")])
    return card(group, request, store, done=Words(done))


@notice("groups.chair_left")
def chair_left(recipient: Recipient, store: Store, group: int) -> Reply | None:
    """For the secretariat, as long as nobody leads the group."""
    one = store.groups.get(group)
    if one is None or one.closed_at is not None:
        return None
    if chairs_of(group, store, recipient.now):
        return None
    choices: Choices = [(f"groups.members:{group}:0", "groups.see_members")]
    return Reply("groups.chair_left", name=group_name(one), choices=choices)
