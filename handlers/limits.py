"""People whom the secretariat has pause, or shuts out, for a while: given, told, and lifted.

Who speaks for others, or has a role, is shut out as by the end of it: that may need a second person
(`bot.approving`). A pause that ends by itself never does, so that abuse is stopped at once; the
other secretaries are told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import literal, select

from bot import routing
from bot.approving import approved, by_secretariat
from bot.forms import Choose, Form, Given, Open, ShortText
from bot.messages import Label, Refused, Reply, Request, Words
from bot.restricting import REASON, REASONS, worded_reason
from bot.rights import secretariat
from bot.routing import Recipient, choice, command, notice, number
from bot.settings import Sensitive
from bot.wording import numbered, person_name
from handlers.people import do
from storage.deliveries import subject
from storage.grants import RUNNING
from storage.limits import Restricted, RestrictionKind
from storage.people import Person
from storage.store import Store
from storage.threads import ALL

Choices = list[tuple[str, Label | str]]

PAGE = 8
LASTS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
OPEN = "open"  # until somebody lifts it
SHOWS = subject("members", ALL)  # what names people here leaves with them
ACTS = {RestrictionKind.mute: "limits.muted", RestrictionKind.ban: "limits.banned"}


@command("limits", who=secretariat)
def limits(request: Request, store: Store) -> Reply:
    """Who is under a restriction now."""
    return _list(request, store, 0)


@choice("limits.list", number, who=secretariat)
def more(request: Request, store: Store, first: int) -> Reply:
    return _list(request, store, first)


def _list(request: Request, store: Store, first: int) -> Reply:
    total = store.restrictions.count(request.now)
    found = store.restrictions.lasting(first, PAGE, request.now)
    choices: Choices = [
        (f"limits.see:{one.restriction.id}", Words("limits.line", _said_of(one))) for one in found
    ]
    if first + PAGE < total:
        choices.append((f"limits.list:{first + PAGE}", "limits.more"))
    return Reply("limits.list", total=total, choices=[*choices, do("menu")], shows=SHOWS)


@choice("limits.see", number, who=secretariat)
def see(request: Request, store: Store, restriction_id: int) -> Reply:
    restriction = store.restrictions.get(restriction_id)
    if restriction is None or not restriction.lasts(request.now):
        raise _over()
    person = store.restrictions.person(restriction)
    choices: Choices = [(f"limits.lift:{restriction_id}", "limits.lift"), do("limits"), do("menu")]
    return Reply(
        "limits.card",
        **_said_of(Restricted(restriction, person)),
        reason=worded_reason(restriction.reason),
        given_at=restriction.given_at,
        choices=choices,
        shows=SHOWS if person is None else subject("person", person.id),
    )


def _said_of(one: Restricted) -> dict[str, Any]:
    """What messages say of a restriction: whose it is, if they did not erase their data."""
    return {
        "who": None if one.person is None else person_name(one.person),
        "kind": one.restriction.kind,
        "until": one.restriction.ends_at,
    }


@choice("limits.lift", number, who=secretariat)
def lift(request: Request, store: Store, restriction_id: int) -> Reply:
    """End it now; the person is told."""
    restriction = store.restrictions.lock(restriction_id)
    if restriction is None:
        raise _over()
    kind = restriction.kind
    people = store.restrictions.lift(restriction)
    for about in [f"person:{one}" for one in people] or [f"restriction:{restriction_id}"]:
        request.note("limits.lifted", about)
    for person in people:
        told = select(literal(person))
        store.deliveries.notify("limits.over", {"kind": kind, "lifted": True}, told, request.now)
    return Reply("limits.has_lifted", choices=[do("limits"), do("menu")], replace=True)


def _over() -> Refused:
    return Refused("limits.is_over", choices=[do("limits"), do("menu")])


# Restricting somebody


@choice("limits.report", number, who=secretariat)
def of_report(request: Request, store: Store, report_id: int) -> Open | Reply:
    """Restrict the author of a report."""
    report = store.reports.get(report_id)
    return _restrict(request, store, None if report is None else report.author_id)


@choice("limits.thread", number, who=secretariat)
def of_thread(request: Request, store: Store, thread_id: int) -> Open | Reply:
    """Restrict who wrote to the secretariat."""
    found = store.threads.listed(thread_id)
    return _restrict(request, store, None if found is None else found.writer.id)


@choice("limits.person", number, who=secretariat)
def of_person(request: Request, store: Store, person_id: int) -> Open | Reply:
    """Restrict a member of a group, or of the committee."""
    return _restrict(request, store, person_id)


def _restrict(request: Request, store: Store, person_id: int | None) -> Open | Reply:
    """Ask for how long and why; who is restricted already is shown as they are."""
    person = _checked(request, store, person_id)
    known = store.restrictions.of(person.id, request.now)
    if known is not None:
        return see(request, store, known.id)
    return Open(restriction_form, about=str(person.id), fresh=True)


def _checked(request: Request, store: Store, person_id: int | None) -> Person:
    """Somebody who may be restricted: neither oneself, nor one of those who run all this."""
    person = None if person_id is None else store.people.find(person_id)
    if person is None or not store.people.accounts_of(person.id):
        raise Refused("limits.nobody", choices=[do("limits"), do("menu")])
    if person.id == request.person:
        raise Refused("limits.yourself", choices=[do("menu")])
    if RUNNING & store.grants.roles_of(person.id, request.now):
        raise Refused("limits.spared", choices=[do("members"), do("menu")])
    return person


@dataclass(frozen=True)
class Reason(ShortText):
    """One of a few reasons, or one's own words."""

    by_label = True

    @property
    def values(self) -> tuple[str, ...]:
        return REASONS

    def read(self, given: Given) -> str:
        if given.value in REASONS:
            return f"{REASON}{given.value}"
        return super().read(given).removeprefix(REASON)

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [(one, Words(f"limits.reason_{one}")) for one in REASONS]

    def show(self, noun: str, answer: Any) -> Label:
        return worded_reason(answer)


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    _checked(request, store, number(about))
    return {}


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    person = _checked(request, store, number(about))
    kind, now = RestrictionKind(answers["kind"]), request.now
    known = store.restrictions.of(person.id, now)
    if known is not None:  # a colleague decided meanwhile
        return see(request, store, known.id)
    has_role = bool(store.roles_of(person.id, now))
    if has_role and (kind is RestrictionKind.ban or answers["lasts"] == OPEN):
        return _shut_out(request, store, person=person.id, **answers)
    return _give(person, answers, request, store)


def _to_shut_out(given: Mapping[str, Any], store: Store, _now: datetime) -> Label:
    arguments = {
        "who": numbered(store.people.get(given["person"])),
        "kind": given["kind"],
        "lasts": given["lasts"],
        "reason": worded_reason(given["reason"]),
    }
    return Words("limits.to_shut_out", arguments)


@approved("limits.shut_out", Sensitive.roles, may=by_secretariat, worded=_to_shut_out)
def _shut_out(request: Request, store: Store, _asker: int, *, person: int, **answers: str) -> Reply:
    """Restrict somebody with a role; it takes the place of a pause that they are under."""
    return _give(_checked(request, store, person), answers, request, store)


def _give(person: Person, answers: Mapping[str, Any], request: Request, store: Store) -> Reply:
    """Restrict them, and tell them why, until when, and how to contest it."""
    kind, now = RestrictionKind(answers["kind"]), request.now
    lasts = LASTS.get(answers["lasts"])
    ends_at = None if lasts is None else now + lasts
    given = store.restrictions.give(person.id, kind, answers["reason"], ends_at, now)
    request.note(ACTS[kind], f"person:{person.id}")
    told, about = select(literal(person.id)), {"restriction": given.id}
    store.deliveries.notify("limits.given", about, told, now)
    if store.roles_of(person.id, now):
        others = store.grants.secretaries(now, besides=request.person)
        store.deliveries.notify("limits.has_role", about, others, now)
    choices: Choices = [(f"limits.see:{given.id}", "limits.see"), do("limits"), do("menu")]
    return Reply(
        "limits.has_given",
        who=person_name(person),
        kind=kind,
        until=ends_at,
        choices=choices,
        shows=subject("person", person.id),
    )


restriction_form = routing.form(
    Form(
        "restriction",
        "limits",
        (
            Choose("kind", RestrictionKind),
            Choose("lasts", (*LASTS, OPEN)),
            Reason("reason", at_most=300),
        ),
        submit=_submit,
        who=secretariat,
        begin=_begin,
        send="limits.give",
    )
)


@notice("limits.has_role")
def has_role(recipient: Recipient, store: Store, restriction: int) -> Reply | None:
    """A colleague restricted somebody with a role, as long as it lasts."""
    found = store.restrictions.get(restriction)
    person = None if found is None else store.restrictions.person(found)
    if found is None or person is None or not found.lasts(recipient.now):
        return None
    return Reply(
        "limits.has_role",
        who=numbered(person),
        kind=found.kind,
        until=found.ends_at,
        reason=worded_reason(found.reason),
        choices=[(f"limits.see:{restriction}", "limits.see"), do("menu")],
        shows=subject("person", person.id),
    )


# What the person is told


@notice("limits.given", reserved=False)
def given(recipient: Recipient, store: Store, restriction: int) -> Reply | None:
    """Why, until when, and how to contest it, as long as it lasts."""
    found = store.restrictions.get(restriction)
    if found is None or not found.lasts(recipient.now):
        return None
    return Reply(
        f"limits.told_{found.kind}",
        reason=worded_reason(found.reason),
        until=found.ends_at,
        choices=[("data_requests.contest", "data_requests.contest"), do("privacy")],
    )


@notice("limits.over", reserved=False)
def over(recipient: Recipient, store: Store, kind: str, lifted: bool) -> Reply | None:
    """It was lifted, or its time is over, and nothing else holds."""
    if store.restrictions.of(recipient.person_id, recipient.now) is not None:
        return None
    return Reply("limits.told_over", kind=kind, lifted=lifted, choices=[do("menu")])


def choices_for(request: Request, restrict: str, erase: str) -> Choices:
    """What may be done about somebody, on a card of theirs: to restrict, or erase, for who may."""
    if not secretariat(request):
        return []
    return [(restrict, "limits.restrict"), (erase, "members.erase")]
