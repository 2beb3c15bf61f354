"""The audit log in chat: who did what, newest first, for those who answer for it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bot.approving import named
from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.retention import RULES
from bot.rights import auditor
from bot.routing import choice, command, number
from bot.wording import group_name, person_name
from handlers.people import do
from storage.audit import AuditEntry, Filter
from storage.deliveries import subject
from storage.grants import Grant
from storage.organisations import Mandate
from storage.store import Store
from storage.threads import ALL

SHOWN = 10
SHOWS = subject("members", ALL)  # what names people here leaves with them
MOST_ACTORS = 6
PERIODS = (1, 7, 30)  # days
LONGEST = 3660  # days that an action may say
ANY = 0  # in an action: whatever noun, whoever, whenever, from the newest on
OF_PEOPLE = ("asked_by", "was")  # details that are a person's id
_RULES = {rule.name for rule in RULES}
# What acts are about, in the order in which one may choose; an action names one by its place.
NOUNS = (
    "reports",
    "polls",
    "recommendations",
    "broadcasts",
    "meetings",
    "groups",
    "threads",
    "invitations",
    "members",
    "handovers",
    "organisations",
    "linking",
    "privacy",
    "limits",
    "approvals",
    "keys",
    "backups",
    "data_requests",
    "exports",
)


def _noun(text: str) -> int:
    if not number(text) <= len(NOUNS):
        raise ValueError(text)
    return int(text)


def _days(text: str) -> int:
    if number(text) > LONGEST:
        raise ValueError(text)
    return int(text)


@command("audit", who=auditor)
def audit(request: Request, store: Store) -> Reply:
    return show(request, store, ANY, ANY, ANY, ANY)


@choice("audit.show", _noun, number, _days, number, who=auditor)
def show(request: Request, store: Store, noun: int, actor: int, days: int, before: int) -> Reply:
    """Some acts, and how to see others.

    Args:
        noun: what they are about, as a place in `NOUNS` counted from 1.
        days: how far back.
        before: the entry after which to go on.
    """
    wanted = _filter(request, noun, actor, days)
    found = store.audit.latest(wanted, before=before or None, at_most=SHOWN + 1)
    shown = found[:SHOWN]
    choices: list[tuple[str, Label | str]] = []
    if len(found) > SHOWN:
        choices.append((_action(noun, actor, days, shown[-1].id), "audit.older"))
    narrowed = f"{noun}:{actor}:{days}"
    choices += [
        (f"audit.nouns:{narrowed}", "audit.choose_noun"),
        (f"audit.actors:{narrowed}", "audit.choose_actor"),
        (f"audit.periods:{narrowed}", "audit.choose_period"),
        ("audit.people", "audit.choose_concerned"),
    ]
    if (noun, actor, days) != (ANY, ANY, ANY):
        choices.append((_action(ANY, ANY, ANY), "audit.all"))
    choices += [
        (f"audit.entry:{one.id}", Words("audit.see_details", _line(one, request, store)))
        for one in shown
        if one.commitment is not None
    ]
    return Reply(
        "audit.list",
        entries=[_line(entry, request, store) for entry in shown],
        noun=Words(f"audit.noun_{NOUNS[noun - 1]}") if noun else None,
        actor=_who(actor, request, store) if actor else None,
        days=days,
        first=before == ANY,
        choices=[*choices, do("menu")],
        shows=SHOWS,
    )


@choice("audit.entry", number, who=auditor)
def entry(request: Request, store: Store, entry_id: int) -> Reply:
    """One act, with what else there is to say of it, unless that was erased."""
    found = store.audit.get(entry_id)
    if found is None:
        raise Refused("people.stale_choice")
    details = store.audit.details_of(found)
    return Reply(
        "audit.entry",
        entry=_line(found, request, store),
        details=[_detail(*one, request, store) for one in sorted((details or {}).items())],
        erased=details is None,
        choices=[do("audit"), do("menu")],
        shows=SHOWS,
    )


def _detail(key: str, value: Any, request: Request, store: Store) -> tuple[Label, Label]:
    """What a detail is called, and what it is: of what was swept, how much."""
    is_rule = key in _RULES
    name = Words(f"retention.{key}_what") if is_rule else Words("audit.detail", {"key": key})
    match value:
        case int() if key in OF_PEOPLE:
            return name, _who(value, request, store)
        case dict():
            return name, Said(str(sum(value.values())))
        case list():
            return name, Said(", ".join(map(str, value)))
    return name, Said(str(value))


@choice("audit.nouns", _noun, number, _days, who=auditor)
def nouns(request: Request, store: Store, noun: int, actor: int, days: int) -> Reply:
    """Choose among what was acted on at all."""
    known = [
        (_action(place, actor, days), f"audit.noun_{name}")
        for place, name in enumerate(NOUNS, 1)
        if store.audit.latest(_filter(request, place, actor, days), at_most=1)
    ]
    return Reply("audit.nouns", choices=[*known, (_action(ANY, actor, days), "audit.any_noun")])


@choice("audit.actors", _noun, number, _days, who=auditor)
def actors(request: Request, store: Store, noun: int, actor: int, days: int) -> Reply:
    """Choose among those who acted last."""
    found = store.audit.actors(_filter(request, noun, ANY, days), MOST_ACTORS)
    choices = [(_action(noun, one, days), _who(one, request, store)) for one in found]
    return Reply("audit.actors", choices=[*choices, (_action(noun, ANY, days), "audit.anybody")])


@choice("audit.periods", _noun, number, _days, who=auditor)
def periods(request: Request, store: Store, noun: int, actor: int, days: int) -> Reply:
    choices = [(_action(noun, actor, one), Words("audit.period", {"days": one})) for one in PERIODS]
    return Reply("audit.periods", choices=[*choices, (_action(noun, actor, ANY), "audit.ever")])


@choice("audit.people", who=auditor)
def people(request: Request, store: Store) -> Reply:
    """Choose among those to whom something was done last."""
    found = store.audit.concerned(MOST_ACTORS)
    choices = [(f"audit.person:{one}:{ANY}", _who(one, request, store)) for one in found]
    return Reply("audit.people", choices=[*choices, do("audit")], shows=SHOWS)


@choice("audit.person", number, number, who=auditor)
def person(request: Request, store: Store, person_id: int, before: int) -> Reply:
    """What was done to somebody, and to their roles."""
    known = [person_id, *store.people.who_became(person_id)]
    about = [f"person:{one}" for one in known]
    mandates = select(Mandate.id).where(Mandate.person_id.in_(known))
    about += [f"mandate:{one}" for one in store.session.scalars(mandates)]
    grants = select(Grant.id).where(Grant.person_id.in_(known))
    about += [f"grant:{one}" for one in store.session.scalars(grants)]
    wanted = Filter(about=about)
    found = store.audit.latest(wanted, before=before or None, at_most=SHOWN + 1)
    choices: list[tuple[str, Label | str]] = []
    if len(found) > SHOWN:
        choices.append((f"audit.person:{person_id}:{found[SHOWN - 1].id}", "audit.older"))
    return Reply(
        "audit.person_list",
        who=_who(person_id, request, store),
        entries=[_line(entry, request, store) for entry in found[:SHOWN]],
        choices=[*choices, ("audit.people", "audit.choose_concerned"), do("audit"), do("menu")],
        shows=SHOWS,
    )


def _action(noun: int, actor: int, days: int, before: int = ANY) -> str:
    return f"audit.show:{noun}:{actor}:{days}:{before}"


def _filter(request: Request, noun: int, actor: int, days: int) -> Filter:
    return Filter(
        noun=NOUNS[noun - 1] if noun else None,
        actor_id=actor or None,
        since=request.now - timedelta(days=days) if days else None,
    )


def _line(entry: AuditEntry, request: Request, store: Store) -> dict[str, object]:
    """An act in words: when, what, on what, by whom, and from where."""
    act = f"audit.{entry.act.replace('.', '_')}"
    return {
        "at": entry.at,
        "local": entry.at.astimezone(request.zone),
        "act": Words(act),
        "about": _about(entry.about, request, store),
        "who": _who(entry.actor_id, request, store) if entry.actor_id is not None else None,
        "via": entry.via,
    }


def _who(person_id: int, request: Request, store: Store, *, worded: str = "audit.person") -> Label:
    person = store.people.find(person_id)
    if person_id == request.person:
        return Words("audit.you")
    name = person_name(person) if person is not None and person.erased_at is None else None
    return Words(worded, {"name": name, "number": person_id})


def _concerned(person_id: int, request: Request, store: Store) -> Label:
    """Somebody as it is said in brackets."""
    return _who(person_id, request, store, worded="audit.concerned")


def _about(about: str, request: Request, store: Store) -> Label | None:
    """What was acted on, by the name people know it under; else by its number."""
    noun, _, given = about.partition(":")
    if noun == "export":
        return Words(f"exports.{given}")
    if not given.isdigit():
        return Said(given) if given else None
    match noun, int(given):
        case "person", one:
            return _concerned(one, request, store)
        case "report", one if (report := store.reports.get(one)) is not None:
            return Said(report.public_id)
        case "poll", one if (poll := store.polls.get(one)) is not None:
            return Said(poll.public_id)
        case "text", one if (draft := store.recommendations.draft(one)) is not None:
            return Said(draft.public_id)
        case "request", one if (asked := store.data_requests.get(one)) is not None:
            return Said(asked.public_id)
        case "approval", one if (approval := store.approvals.get(one)) is not None:
            return named(approval.act)
        case "group", one if (group := store.groups.get(one)) is not None:
            return group_name(group)
        case "mandate", one if (mandate := store.session.get(Mandate, one)) is not None:
            who = _concerned(mandate.person_id, request, store)
            return _for(who, mandate.organisation_id, request, store)
        case "handover", one if (handover := store.handovers.get(one)) is not None:
            who = _concerned(handover.substitute_id, request, store)
            return _for(who, handover.organisation_id, request, store)
        case "grant", one if (grant := store.session.get(Grant, one)) is not None:
            who = _concerned(grant.person_id, request, store)
            role = Words(f"people.role_{grant.role}")
            return Words("members.role_line", {"who": who, "role": role, "where": None})
        case _, one:
            return Words("audit.numbered", {"number": one})


def _for(who: Label, organisation_id: str, request: Request, store: Store) -> Label:
    """Somebody who speaks for an organisation, by its name of today."""
    names = store.organisations.names(request.now.date(), short=True)
    organisations = [names.get(organisation_id, organisation_id)]
    return Words("groups.speaks_for", {"who": who, "organisations": organisations})
