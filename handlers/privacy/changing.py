"""What people may change: who we think they are, what is published, and what they are sent."""

from collections.abc import Mapping
from typing import Any

from bot import routing
from bot.forms import UNSURE, Choose, Find, Form, Open
from bot.messages import Label, Refused, Reply, Request
from bot.rights import anyone
from bot.routing import choice
from handlers import academies
from handlers.groups.members import OwnName
from handlers.people import do
from handlers.reports import NOWHERE
from storage.people import Profile
from storage.store import Store

Choices = list[tuple[str, Label | str]]


@choice("privacy.rights", who=anyone)
def rights(request: Request, store: Store) -> Reply:
    """Correcting, withdrawing a consent, objecting, and asking the secretariat."""
    choices: Choices = [("privacy.correct", "privacy.correct")]
    if store.people.get(request.person).name is not None:
        choices += [
            ("privacy.rename", "privacy.rename"),
            ("privacy.unname", "privacy.unname"),
        ]
    choices += [
        ("broadcasts.kinds", "broadcasts.choose_kinds"),
        ("privacy.unpublish", "privacy.unpublish"),
        ("data_requests.ask", "privacy.ask_secretariat"),
        do("privacy"),
    ]
    return Reply("privacy.rights", choices=choices)


@choice("privacy.correct", who=anyone)
def correct(request: Request, store: Store) -> Open:
    return Open(correction_form, fresh=True)


def _known(request: Request, store: Store, about: str) -> dict[str, Any]:
    person = store.people.get(request.person)
    known = {"profile": person.profile, "academie": person.academie}
    return {name: str(value) for name, value in known.items() if value is not None}


def _correct(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    """Reports keep what their author was when they told them: each can be changed by itself."""
    person = store.people.get(request.person)
    academie = answers["academie"]
    person.profile = Profile(answers["profile"])
    person.academie = None if academie in (None, *NOWHERE) else academie
    choices = [("privacy.held", "privacy.see_held"), do("my_reports"), do("menu")]
    return Reply("privacy.corrected", choices=choices)


correction_form = routing.form(
    Form(
        "correction",
        "privacy",
        (
            Choose(
                "profile",
                tuple(str(one) for one in Profile if one is not Profile.member),
                labels="people.profile",
            ),
            Find(
                "academie",
                search=academies.search,
                name_of=academies.name_of,
                explain=academies.explain,
                others=("abroad", UNSURE),
            ),
        ),
        submit=_correct,
        who=anyone,
        begin=_known,
    )
)


@choice("privacy.rename", who=anyone)
def rename(request: Request, store: Store) -> Open:
    return Open(naming_form, fresh=True)


def _rename(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    store.people.get(request.person).name = answers["own_name"]
    return Reply("privacy.renamed", name=answers["own_name"], choices=[do("privacy"), do("menu")])


naming_form = routing.form(
    Form(
        "naming",
        "privacy",
        (OwnName("own_name", at_most=60),),
        submit=_rename,
        who=anyone,
        reviewed=False,
    )
)


@choice("privacy.unname", who=anyone)
def unname(request: Request, store: Store) -> Reply:
    store.people.get(request.person).name = None
    return Reply("privacy.unnamed", choices=[do("privacy"), do("menu")])


@choice("privacy.unpublish", who=anyone)
def unpublish(request: Request, store: Store) -> Reply:
    """Ask whether none of one's reports may be public any more."""
    public = store.reports.public_of(request.person)
    if not public:
        raise Refused("privacy.nothing_public", choices=[do("my_reports"), do("privacy")])
    choices: Choices = [
        ("privacy.unpublish_now", "privacy.unpublish_now"),
        ("privacy.rights", "privacy.leave_public"),
        do("my_reports"),
    ]
    return Reply("privacy.confirm_unpublishing", reports=public, choices=choices)


@choice("privacy.unpublish_now", who=anyone)
def unpublish_now(request: Request, store: Store) -> Reply:
    """Withdraw the consent to publish: the committee keeps the reports, and nobody else."""
    store.unpublish_of(request.person, request.now)
    return Reply("privacy.unpublished", choices=[do("my_reports"), do("privacy")], replace=True)
