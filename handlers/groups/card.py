"""A group as everybody sees it, and what all that is done about one needs."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import secretariat
from bot.wording import group_name, listed, person_name
from handlers.people import do
from storage.deliveries import subject
from storage.groups import Belonging, GroupClosed, Joining, WorkingGroup
from storage.people import Person
from storage.store import Store

Choices = list[tuple[str, Label | str]]

SHOWN = 20  # in one message


def led_by(request: Request, store: Store) -> list[int]:
    """The groups that this person leads here and now: none where they are not signed in."""
    if not request.incoming.signed_in:
        return []
    return store.groups.led_by(request.person, request.now)


def answers_for(group_id: int, request: Request, store: Store) -> bool:
    """Whether this person may say who comes in: its chair, and the secretariat."""
    return secretariat(request) or group_id in led_by(request, store)


def found(store: Store, group_id: int) -> WorkingGroup:
    group = store.groups.get(group_id)
    if group is None:
        raise Refused("people.stale_choice")
    return group


def found_open(store: Store, group_id: int) -> WorkingGroup:
    group = found(store, group_id)
    if group.closed_at is not None:
        raise closed(group)
    return group


def locked(store: Store, group_id: int) -> WorkingGroup:
    """An open group in which nobody is given a role, and nobody joins, meanwhile."""
    group = found_open(store, group_id)
    try:
        return store.groups.lock(group_id, to_change=True)
    except GroupClosed:
        raise closed(group) from None


def closed(group: WorkingGroup) -> Refused:
    return Refused("groups.is_closed", name=group_name(group), choices=[do("groups"), do("menu")])


def card(
    group: WorkingGroup, request: Request, store: Store, *, done: Label | None = None
) -> Reply:
    """A group, and what this person may do about it; first a word on what was just done."""
    standing = store.groups.standing(group.id, request.person)
    answers = answers_for(group.id, request, store)
    asking = store.groups.count(Belonging.asked).get(group.id, 0) if answers else 0
    choices: Choices = []
    if asking:
        choices.append((f"groups.requests:{group.id}:0", "groups.see_requests"))
    if standing is None:
        enters = answers or group.joining is Joining.open
        choices.append((f"groups.join:{group.id}", "groups.join" if enters else "groups.ask"))
    if standing is Belonging.member or answers:
        choices.append((f"groups.members:{group.id}:0", "groups.see_members"))
    leading = _leading(group.id, store, request.now)
    leads = request.person in [one.id for one in leading]
    if leads and store.people.get(request.person).name is None:
        choices.append((f"groups.name:{group.id}", "groups.give_name"))
    if secretariat(request):
        choices.append((f"groups.run:{group.id}", "groups.run"))
    tied = store.rooms.of_group(group.id) is not None
    if tied and answers:
        choices.append((f"groups.untie:{group.id}", "groups.untie"))
    if standing is not None:
        leave = "groups.withdraw" if standing is Belonging.asked else "groups.leave"
        choices.append((f"groups.leave:{group.id}", leave))
    belongs = standing is Belonging.member or answers
    sees_names = belongs and request.confidential  # as who gives their name is told
    named = [one for one in leading if one.name and sees_names]
    return Reply(
        "groups.card",
        name=group_name(group),
        group=group,
        size=store.groups.count().get(group.id, 0),
        chairs=list(worded(named, store, request.now).values()),
        led=bool(leading),
        leads=leads,
        standing=standing,
        asking=asking,
        tied=tied,
        done=done,
        choices=[*choices, do("groups", "groups.see_groups"), do("menu")],
        shows=subject("group", group.id) if named else None,
    )


def worded(people: Sequence[Person], store: Store, now: datetime) -> dict[int, Label]:
    """What others see of some people, by id: who they are, and for whom they speak."""
    speaks = store.organisations.spoken_for([person.id for person in people], now)
    names = store.organisations.names(now.date(), short=True) if speaks else {}
    shown: dict[int, Label] = {}
    for person in people:
        who = person_name(person)
        if person.id in speaks:
            organisations = listed([names.get(one, one) for one in speaks[person.id]])
            who = Words("groups.speaks_for", {"who": who, "organisations": organisations})
        shown[person.id] = who
    return shown


def chairs_of(group_id: int, store: Store, now: datetime) -> dict[int, Label]:
    """The people who lead a group, by id."""
    return worded(_leading(group_id, store, now), store, now)


def _leading(group_id: int, store: Store, now: datetime) -> list[Person]:
    leading = select(Person).where(Person.id.in_(store.groups.chairs(group_id, now)))
    return list(store.session.scalars(leading.order_by(Person.id)))
