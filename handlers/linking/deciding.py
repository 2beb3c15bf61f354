"""What is decided before two people are one: a ballot of two, and the secretariat's yes."""

from bot import routing
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import anyone, secretariat
from bot.routing import Recipient, choice, notice, number
from bot.wording import Subject, listed, numbered
from handlers.linking.sides import (
    Pair,
    check_stay,
    found,
    holds,
    is_first,
    lends_nothing,
    over,
)
from handlers.linking.uniting import unite
from handlers.people import do
from storage.grants import Grant
from storage.linking import Linking, LinkingState
from storage.merging import Conflict
from storage.people import Account
from storage.polls import MOST_OPTIONS, chosen
from storage.store import Store


def join(linking: Linking, request: Request, store: Store) -> Reply:
    """Both said yes, the side that showed the code now: do it, or ask what is left to decide."""
    pair, now = Pair.of(linking, store), request.now
    if any(store.restrictions.is_banned(person, now) for person in pair.people):
        raise over()
    check_stay(pair.people, request, store)
    held = [holds(store, person, now) for person in pair.people]
    outside = pair.outside(request.settings)
    lent = (request.incoming.signed_in or outside[0], linking.other_vouches or outside[1])
    if not linking.approved:
        if not pair.is_one and any(role and not may for role, may in zip(held, lent, strict=True)):
            raise lends_nothing(request)
        is_lent_outside = any(role and out for role, out in zip(held, outside, strict=True))
        if is_lent_outside or (all(held) and not pair.is_one):
            return _ask_secretariat(linking, pair, request, store)
    united = unite(linking, request, store, lent)
    if isinstance(united, Conflict):
        return _which_ballot(linking, united, store)
    united.tell(store, request, first=False)
    return united.said()


# Two ballots


def _which_ballot(linking: Linking, conflict: Conflict, store: Store) -> Reply:
    """Ask which of two ballots stays in an open poll."""
    poll = store.polls.get(conflict.poll_id)
    assert poll is not None
    subject = Subject.of(poll, store)
    sides = (linking.account_id, linking.other_account_id)
    platforms = [store.session.get_one(Account, one).platform for one in sides]
    voted = [[subject.option(one) for one in chosen(ballot)] for ballot in conflict.ballots]
    shown = f"{conflict.ballots[0]}:{conflict.ballots[1]}"
    choices: list[tuple[str, Label | str]] = [
        (
            f"linking.keep:{linking.id}:{poll.id}:{side}:{shown}",
            Words("linking.keep", {"voted": voted[side], "platform": platforms[side]}),
        )
        for side in (0, 1)
    ]
    choices.append((f"linking.refuse:{linking.id}", "linking.refuse"))
    return Reply("linking.which_ballot", subject=subject, choices=choices)


def _side(text: str) -> int:
    if text not in ("0", "1"):
        raise ValueError(text)
    return int(text)


def _ballot(text: str) -> int:
    if not 0 < number(text) < 1 << MOST_OPTIONS:
        raise ValueError(text)
    return int(text)


@choice("linking.keep", number, number, _side, _ballot, _ballot, who=anyone)
def keep(
    request: Request, store: Store, linking_id: int, poll_id: int, side: int, first: int, other: int
) -> Reply:
    """Choose which of two ballots stays, as they were shown; go on with the next poll, if any."""
    linking = found(linking_id, request, store)
    if not is_first(linking, request) or linking.state is not LinkingState.joint:
        raise over()
    linking.decide(poll_id, side, (first, other))
    store.session.flush()
    return join(linking, request, store)


@notice("linking.ballots", reserved=False)
def ballots(
    recipient: Recipient, store: Store, linking: int, poll: int, ballots: tuple[int, int]
) -> Reply | None:
    """The secretariat said yes; it is to be chosen first which of two ballots stays."""
    known = store.linking.look(linking, recipient.now)
    if known is None or known.state is not LinkingState.joint:
        return None
    return _which_ballot(known, Conflict(poll, (ballots[0], ballots[1])), store)


# Two roles, or one from where no role counts


def _ask_secretariat(linking: Linking, pair: Pair, request: Request, store: Store) -> Reply:
    """Have somebody else of the secretariat confirm that they are one."""
    others = Grant.person_id.not_in(pair.people)
    readers = store.grants.secretaries(request.now).where(others)
    if store.session.execute(readers.limit(1)).first() is None:
        raise Refused("linking.nobody_confirms", choices=[do("menu")])
    linking.advance(LinkingState.waiting, request.now)
    assert linking.other_chat_id is not None
    until, about = linking.expires_at, {"linking": linking.id}
    sides = zip((pair.first, pair.other), pair.outside(request.settings), strict=True)
    outside = next((one.platform for one, out in sides if out), None)
    asked = {**about, "outside": outside}
    store.deliveries.notify("linking.to_confirm", asked, readers, request.now, expires_at=until)
    store.deliveries.tell(linking.other_chat_id, "linking.waits", about, request.now)
    return _waits(linking)


def _waits(linking: Linking) -> Reply:
    choices = [(f"linking.refuse:{linking.id}", "linking.refuse"), do("menu")]
    return Reply("linking.waits", until=linking.expires_at, choices=choices)


@notice("linking.waits", reserved=False)
def waits(recipient: Recipient, store: Store, linking: int) -> Reply | None:
    """The side where the code was typed is told that the secretariat has to confirm."""
    known = store.linking.look(linking, recipient.now)
    return None if known is None or known.state is not LinkingState.waiting else _waits(known)


@notice("linking.to_confirm")
def to_confirm(
    recipient: Recipient, store: Store, linking: int, outside: str | None = None
) -> Reply | None:
    """Two people say that they are one: both hold roles, or one does where no role counts.

    Args:
        outside: the platform where none does, if there is one.
    """
    known = store.linking.look(linking, recipient.now)
    if known is None or known.state is not LinkingState.waiting:
        return None
    sides = [store.session.get(Account, one) for one in (known.account_id, known.other_account_id)]
    people = [_described(one.person_id, recipient, store) for one in sides if one is not None]
    choices: list[tuple[str, Label | str]] = [
        (f"linking.accept:{linking}", "linking.accept"),
        (f"linking.decline:{linking}", "linking.decline"),
    ]
    platforms = [one.platform for one in sides if one is not None]
    return Reply(
        "linking.to_confirm",
        people=people,
        platforms=platforms,
        until=known.expires_at,
        outside=outside,
        choices=choices,
    )


def _described(person_id: int, recipient: Recipient, store: Store) -> Label:
    """Somebody by name, with their roles and the organisations for which they speak."""
    now = recipient.now
    names = store.organisations.names(now.date())
    mandates = store.organisations.mandates_of(person_id, now)
    organisations = {names.get(one.organisation_id, one.organisation_id) for one in mandates}
    described = {
        "name": numbered(store.people.get(person_id)),
        "roles": [Words(f"people.role_{role}") for role in sorted(store.roles_of(person_id, now))],
        "organisations": listed(sorted(organisations)),
    }
    return Words("linking.somebody", described)


def _to_decide(linking_id: int, request: Request, store: Store) -> tuple[Linking, Pair]:
    """What waits for the secretariat, for one of them who is not concerned."""
    linking = store.linking.get(linking_id, request.now)
    if linking is None or linking.state is not LinkingState.waiting:
        raise Refused("linking.decided", choices=[do("menu")])
    pair = Pair.of(linking, store)
    if request.person in pair.people:
        raise Refused("linking.not_yourself", choices=[do("menu")])
    return linking, pair


@choice("linking.accept", number, who=secretariat)
def accept(request: Request, store: Store, linking_id: int) -> routing.Answer:
    """Confirm that two people are one; a page is signed in by that, to which no role was lent."""
    linking, pair = _to_decide(linking_id, request, store)
    if any(store.restrictions.is_banned(person, request.now) for person in pair.people):
        raise Refused("linking.decided", choices=[do("menu")])
    check_stay(pair.people, request, store)
    linking.approved = True
    united = unite(linking, request, store, pair.outside(request.settings))
    if not isinstance(united, Conflict):
        united.tell(store, request, first=True)
        united.tell(store, request, first=False)
        return Reply("linking.accepted", choices=[do("menu")])
    about = {"linking": linking.id, "poll": united.poll_id, "ballots": list(united.ballots)}
    store.deliveries.tell(
        linking.chat_id, "linking.ballots", about, request.now, expires_at=linking.expires_at
    )
    return Reply("linking.accepted_first", choices=[do("menu")])


@choice("linking.decline", number, who=secretariat)
def decline(request: Request, store: Store, linking_id: int) -> Reply:
    """Do not confirm it: both are told, and nothing is linked."""
    linking, pair = _to_decide(linking_id, request, store)
    for chat_id in (linking.chat_id, linking.other_chat_id):
        assert chat_id is not None
        store.deliveries.tell(chat_id, "linking.not_confirmed", {}, request.now)
    request.note("linking.refused_by_secretariat", f"person:{min(pair.people)}")
    store.linking.drop(linking)
    return Reply("linking.declined", choices=[do("menu")])


@notice("linking.not_confirmed", reserved=False)
def not_confirmed(recipient: Recipient, store: Store) -> Reply:
    return Reply("linking.not_confirmed", choices=[do("write"), do("menu")])


@notice("linking.ended", reserved=False)
def ended(recipient: Recipient, store: Store) -> Reply:
    """Not everybody said yes in time."""
    return Reply("linking.ended", choices=[do("link"), do("menu")])
