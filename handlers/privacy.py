"""What is held about a person, and its erasure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from bot import routing
from bot.forms import Field, Form, Given, Open, Problem
from bot.messages import Label, Reply, Request, Words
from bot.rendering import texts_for
from bot.routing import anyone, choice, command
from bot.texts import LANGUAGES, normalise
from bot.wording import group_name
from handlers import academies
from handlers.people import do
from storage.store import Store

ERASE, CANCEL = "erase", "cancel"


@command("privacy", who=anyone)
def privacy(request: Request, store: Store) -> Reply:
    choices = [
        ("privacy.notice", "privacy.read_notice"),
        ("privacy.held", "privacy.see_held"),
        ("privacy.erase", "privacy.erase"),
        do("menu"),
    ]
    return Reply("privacy.menu", platform=request.incoming.platform, choices=choices)


@choice("privacy.notice")
def notice(request: Request, store: Store) -> Reply:
    """The whole notice (GDPR, article 13)."""
    return Reply(
        "privacy.notice",
        controller=request.settings.controller,
        contact=request.settings.dpo_contact,
        platform=request.incoming.platform,
        page=request.settings.public_url if request.settings.web_chat else None,
        choices=[do("privacy"), do("menu")],
    )


@choice("privacy.held")
def held(request: Request, store: Store) -> Reply:
    """All that is kept about this person, in words."""
    person = store.people.get(request.person)
    names = store.organisations.names(request.now.date())
    mandates = store.organisations.mandates_of(request.person, request.now)
    return Reply(
        "privacy.held",
        person=person,
        academie=person.academie and academies.name_of(person.academie),
        platforms=sorted({account.platform for account in store.people.accounts_of(person.id)}),
        reports=store.reports.written_by(person.id),
        drafts=len(store.conversations.drafts_of(person.id)),
        ballots=store.polls.ballots_of(person.id),
        letters=store.threads.count_of(person.id),
        groups=[group_name(group) for group in store.groups.known_to(person.id)],
        attendances=store.meetings.answers_of(person.id),
        muted=[
            Words("broadcasts.plural_of", {"kind": kind})
            for kind in sorted(store.broadcasts.muted_by(person.id))
        ],
        roles=[Words(f"people.role_{role}") for role in sorted(request.roles)],
        organisations=[names.get(mandate.organisation_id, "") for mandate in mandates],
        choices=[do("my_reports"), ("privacy.erase", "privacy.erase"), do("menu")],
    )


@dataclass(frozen=True)
class Confirmation(Field):
    """The word that erases, typed as a whole. The only thing to press, or to number, cancels."""

    def read(self, given: Given) -> str:
        if given.value == CANCEL:
            return CANCEL
        if normalise(given.text) not in _erasing():
            raise Problem("privacy.not_confirmed")
        return ERASE

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [(CANCEL, Words("privacy.do_not_erase"))]


@cache
def _erasing() -> frozenset[str]:
    """The word that erases, in every language, as compared."""
    texts = [texts_for(language, ZoneInfo("UTC")) for language in LANGUAGES]
    return frozenset(normalise(one.plain("privacy.erasing_word")) for one in texts)


@choice("privacy.erase")
def erase(request: Request, store: Store) -> Open:
    return Open(erasure_form, fresh=True)


def _erase(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    """Erase the person; their counted ballots stay, without them."""
    if answers["confirmation"] != ERASE:
        return Reply("privacy.kept", choices=[do("privacy"), do("menu")])
    store.erase(request.person, request.now)
    erased = Words("privacy.erased", {"platform": request.incoming.platform})
    return Reply(acknowledge=erased, leaves=True)


erasure_form = routing.form(
    Form("erasure", "privacy", (Confirmation("confirmation"),), submit=_erase, reviewed=False)
)
