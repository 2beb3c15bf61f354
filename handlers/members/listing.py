"""The organisations with who speaks for each; those without a delegate are a list of their own."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.rights import appointer, secretariat
from bot.routing import choice, command, number
from bot.texts import normalise
from bot.wording import person_name
from handlers.approvals import to_decide
from handlers.people import do
from storage.deliveries import subject
from storage.organisations import Mandate, MandateKind
from storage.store import Store
from storage.threads import ALL

Choices = list[tuple[str, Label | str]]

SHOWN = 12  # organisations in one message
SHOWS = subject("members", ALL)  # what names people here; see `Store.forget_contact`
_ID = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)


@dataclass(frozen=True)
class Speaker:
    """Who speaks for an organisation, as messages word it; `seen` is when we last heard of them."""

    mandate: Mandate
    who: Label
    seen: datetime | None


@dataclass(frozen=True)
class Row:
    """An organisation in the list."""

    id: str
    name: str
    speakers: list[Speaker]

    @property
    def led(self) -> bool:
        """Whether it has a delegate."""
        return any(one.mandate.kind is MandateKind.delegate for one in self.speakers)


def organisation_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(text)
    return text


@command("members", who=appointer)
def members(request: Request, store: Store) -> Reply:
    return _list(request, store, 0)


@choice("members.list", number, who=appointer)
def more(request: Request, store: Store, after: int) -> Reply:
    return _list(request, store, after)


def _list(request: Request, store: Store, after: int) -> Reply:
    rows = rows_of(request, store)
    led = [one for one in rows if one.led]
    lacking = len(rows) - len(led)
    choices: Choices = [("members.search", "members.search")]
    if to_decide(request, store):
        choices.insert(0, ("approvals.list", "approvals.see"))
    choices += _choices(led, after, "members.list")
    if lacking:
        choices.append(("members.lacking:0", "members.see_lacking"))
    choices += [("members.roles:0", "members.see_roles"), do("invite"), do("menu")]
    return Reply(
        "members.list",
        rows=led[after : after + SHOWN],
        total=len(rows),
        lacking=lacking,
        first=after == 0,
        choices=choices,
        shows=SHOWS,
    )


@choice("members.lacking", number, who=appointer)
def lacking(request: Request, store: Store, after: int) -> Reply:
    """The organisations without a delegate, some at a time."""
    rows = [one for one in rows_of(request, store) if not one.led]
    return Reply(
        "members.lacking",
        rows=rows[after : after + SHOWN],
        choices=[
            *_choices(rows, after, "members.lacking"),
            do("members", "members.see_all"),
            do("menu"),
        ],
        shows=SHOWS,
    )


def _choices(rows: list[Row], after: int, more: str) -> Choices:
    """Some organisations to choose from; `more` is the action that shows the next ones."""
    shown = rows[after : after + SHOWN]
    choices: Choices = [(f"members.organisation:{one.id}", Said(one.name)) for one in shown]
    if len(rows) > after + SHOWN:
        choices.append((f"{more}:{after + SHOWN}", "members.more"))
    return choices


def rows_of(request: Request, store: Store) -> list[Row]:
    """Every organisation that bears a name today, or for which somebody speaks."""
    names = store.organisations.names(request.now.date(), short=True)
    speakers = speaking(store.organisations.speakers(request.now), store)
    keys = names.keys() | {one.mandate.organisation_id for one in speakers}
    rows = [
        Row(
            key,
            names.get(key, key),
            [one for one in speakers if one.mandate.organisation_id == key],
        )
        for key in keys
    ]
    return sorted(rows, key=lambda row: (normalise(row.name), row.id))


def speaking(mandates: list[Mandate], store: Store) -> list[Speaker]:
    """Some mandates with what is seen of who holds them."""
    people = {one.person_id for one in mandates}
    seen = store.people.last_seen(people)
    who = {one: person_name(store.people.get(one)) for one in people}
    return [Speaker(one, who[one.person_id], seen.get(one.person_id)) for one in mandates]


@choice("members.organisation", organisation_id, who=appointer)
def organisation(request: Request, store: Store, key: str) -> Reply:
    """An organisation, and each who speaks for it."""
    found = store.organisations.get(key)
    if found is None:
        raise Refused("people.stale_choice")
    speakers = speaking(store.organisations.speakers(request.now, key), store)
    choices: Choices = [
        (f"members.mandate:{one.mandate.id}", Words("members.speaker", _worded(one)))
        for one in speakers
        if secretariat(request)
    ]
    choices += [do("invite"), do("members", "members.see_all")]
    return Reply(
        "members.organisation",
        name=name_of(key, store, request.now),
        is_signatory=found.is_signatory,
        college=found.college,
        speakers=speakers,
        choices=choices,
        shows=SHOWS,
    )


def name_of(key: str, store: Store, now: datetime) -> str:
    return store.organisations.names(now.date()).get(key, key)


def _worded(one: Speaker) -> dict[str, Any]:
    return {"who": one.who, "kind": one.mandate.kind}
