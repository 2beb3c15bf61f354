"""Who comes in on request: for the chair of a group and the secretariat."""

from collections.abc import Callable

from sqlalchemy import literal, select

from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import chair
from bot.routing import Recipient, choice, notice, number
from bot.wording import group_name
from handlers import academies
from handlers.groups.card import Choices, answers_for, closed, found_open, worded
from handlers.people import do
from storage.deliveries import subject
from storage.groups import Belonging, GroupClosed, NotAsked, WorkingGroup
from storage.store import Store


def _answered_for(group_id: int, request: Request, store: Store) -> WorkingGroup:
    group = found_open(store, group_id)
    if not answers_for(group_id, request, store):
        raise Refused("people.not_allowed")
    return group


@choice("groups.requests", number, number, who=chair)
def requests(request: Request, store: Store, group_id: int, after: int) -> Reply:
    """One request at a time, the oldest first."""
    return _next(_answered_for(group_id, request, store), request, store, after)


def _next(
    group: WorkingGroup,
    request: Request,
    store: Store,
    after: int = 0,
    *,
    done: Label | None = None,
) -> Reply:
    """The next request, after a word on the last one."""
    found = store.groups.people(group.id, Belonging.asked, after=after, at_most=2)
    onward: Choices = [(f"groups.show:{group.id}", "groups.see_group"), do("menu")]
    if not found:
        return Reply("groups.no_request", name=group_name(group), done=done, choices=onward)
    membership, person = found[0]
    who = worded([person], store, request.now)[person.id]
    choices = _answers(group.id, person.id)
    if len(found) > 1:
        choices.append((f"groups.requests:{group.id}:{membership.id}", "groups.next_request"))
    return Reply(
        "groups.request",
        name=group_name(group),
        who=who,
        academie=person.academie and academies.name_of(person.academie),
        since=membership.since,
        waiting=store.groups.count(Belonging.asked).get(group.id, 0),
        done=done,
        choices=[*choices, *onward],
        shows=subject("person", person.id),
    )


def _answers(group_id: int, person_id: int) -> Choices:
    return [
        (f"groups.admit:{group_id}:{person_id}", "groups.admit"),
        (f"groups.decline:{group_id}:{person_id}", "groups.decline"),
    ]


@notice("groups.asked")
def asked(recipient: Recipient, store: Store, group: int) -> Reply | None:
    """Nobody is named: it reaches a chair wherever they are, signed in or not."""
    found = store.groups.get(group)
    if found is None or not store.groups.count(Belonging.asked).get(group):
        return None
    choices: Choices = [(f"groups.requests:{group}:0", "groups.see_requests")]
    return Reply("groups.asked", name=group_name(found), choices=choices)


@choice("groups.admit", number, number, who=chair)
def admit(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
    return _decide(
        "admitted",
        group_id,
        person_id,
        request,
        store,
        lambda: store.groups.admit(group_id, person_id, request.now),
    )


@choice("groups.decline", number, number, who=chair)
def decline(request: Request, store: Store, group_id: int, person_id: int) -> Reply:
    return _decide(
        "declined",
        group_id,
        person_id,
        request,
        store,
        lambda: store.groups.decline(group_id, person_id),
    )


def _decide(
    answer: str,
    group_id: int,
    person_id: int,
    request: Request,
    store: Store,
    decide: Callable[[], None],
) -> Reply:
    """The person is told the answer, and the next request is shown; or who was quicker."""
    group = _answered_for(group_id, request, store)
    try:
        decide()
    except GroupClosed:
        raise closed(group) from None
    except NotAsked as moot:
        done = "groups.in_already" if moot.member else "groups.asks_no_more"
        return _next(group, request, store, done=Words(done))
    request.note(f"groups.{answer}", f"person:{person_id}")
    store.deliveries.notify(
        f"groups.{answer}", {"group": group_id}, select(literal(person_id)), request.now
    )
    return _next(group, request, store, done=Words(f"groups.has_{answer}"))


@notice("groups.admitted", reserved=False)
def admitted(recipient: Recipient, store: Store, group: int) -> Reply | None:
    found = store.groups.get(group)
    if found is None or not store.groups.is_member(group, recipient.person_id):
        return None
    choices: Choices = [(f"groups.show:{group}", "groups.see_group"), do("groups")]
    return Reply("groups.admitted", name=group_name(found), choices=choices)


@notice("groups.declined", reserved=False)
def declined(recipient: Recipient, store: Store, group: int) -> Reply | None:
    found = store.groups.get(group)
    if found is None or store.groups.standing(group, recipient.person_id) is not None:
        return None
    return Reply("groups.declined", name=group_name(found), choices=[do("groups"), do("menu")])
