"""What is held about a person, and its erasure."""

from collections.abc import Mapping
from typing import Any

from bot import routing
from bot.forms import Choose, Form, Open
from bot.messages import Reply, Request, Words
from bot.routing import anyone, choice, command
from handlers import academies
from handlers.people import do
from storage.store import Store


@command("privacy", who=anyone)
def privacy(request: Request, store: Store) -> Reply:
    choices = [
        ("privacy.notice", "privacy.read_notice"),
        ("privacy.held", "privacy.see_held"),
        ("privacy.erase", "privacy.erase"),
        do("menu"),
    ]
    return Reply("privacy.menu", choices=choices)


@choice("privacy.notice")
def notice(request: Request, store: Store) -> Reply:
    """The whole notice (GDPR, article 13)."""
    return Reply(
        "privacy.notice",
        controller=request.settings.controller,
        contact=request.settings.dpo_contact,
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
        roles=[Words(f"people.role_{role}") for role in sorted(request.roles)],
        organisations=[names.get(mandate.organisation_id, "") for mandate in mandates],
        choices=[do("my_reports"), ("privacy.erase", "privacy.erase"), do("menu")],
    )


@choice("privacy.erase")
def erase(request: Request, store: Store) -> Open:
    return Open(erasure_form, fresh=True)


def _erase(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    """Erase the person; their counted ballots stay, without them."""
    store.erase(request.person, request.now)
    return Reply(acknowledge="privacy.erased", leaves=True)


erasure_form = routing.form(
    Form(
        "erasure",
        "privacy",
        (Choose("confirmation", ("erase",)),),
        submit=_erase,
        reviewed=False,
    )
)
