"""Inviting somebody, for the secretariat: by a code to pass on, or by writing to them on Matrix."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import unquote

from bot import routing
from bot.allowed import is_user_id
from bot.entrances import on_matrix
from bot.forms import (
    Choose,
    Field,
    Find,
    Form,
    Given,
    Moment,
    Open,
    Problem,
    ShortText,
)
from bot.limiting import spend
from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.rights import appointer, may_give
from bot.routing import choice, form_action
from handlers import academies
from handlers.broadcasts.composing import Among, those_there_are
from handlers.invitations import making
from handlers.invitations.making import FORM, LINK
from storage.grants import Role, scope_of_reviewer
from storage.groups import scope_of
from storage.invitations import LONGEST, MOST_USES
from storage.limits import INVITATIONS
from storage.organisations import MandateKind
from storage.recommendations import Theme
from storage.store import Store

OFFERED = ("30", "200", "1000", "5000")  # uses
LONGEST_NUMBER = 6  # digits, with what is too much
_LINK = re.compile(r"https://matrix\.to/#/([^/?\s]+)(?:\?\S*)?", re.IGNORECASE)


class Invited(StrEnum):
    """As what somebody may be invited here."""

    contributor = "contributor"
    delegate = "delegate"
    substitute = "substitute"
    member = "member"
    group_member = "group_member"
    chair = "chair"
    rapporteur = "rapporteur"
    reviewer = "reviewer"
    theme_reviewer = "theme_reviewer"
    academie_reviewer = "academie_reviewer"
    secretariat = "secretariat"
    administrator = "administrator"

    @property
    def role(self) -> Role | None:
        if self is Invited.contributor:
            return None
        return NARROWED.get(self) or Role(self)


NARROWED = {
    Invited.group_member: Role.member,
    Invited.theme_reviewer: Role.reviewer,
    Invited.academie_reviewer: Role.reviewer,
}
SPEAKS = (Invited.delegate, Invited.substitute)
IN_A_GROUP = (Invited.group_member, Invited.chair, Invited.rapporteur)


def _may_give(request: Request) -> list[Invited]:
    """As what who asks may invite."""
    return [one for one in Invited if one.role is None or may_give(request.roles, one.role)]


@dataclass(frozen=True)
class RoleToGive(Choose):
    """One of the roles that stand under `roles` in the form's answers."""

    def read(self, given: Given) -> str:
        role = super().read(given)
        if role not in given.answers.get("roles", self.values):
            raise Problem("forms.choose")
        return role

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        may = given.answers.get("roles", self.values)
        return [one for one in super().choices(noun, given) if one[0] in may]


def _account(typed: str) -> str:
    """The id of an account, of which a link may have been copied, as clients make them."""
    link = _LINK.fullmatch(typed)
    return (unquote(link[1]) if link else typed).lower()


@dataclass(frozen=True)
class Whom(Field):
    """An account of Matrix, to which we write, or a code to pass on oneself."""

    free: ClassVar[bool] = True

    @property
    def values(self) -> tuple[str, ...]:
        return (LINK,)

    def read(self, given: Given) -> str:
        if given.value == LINK:
            return LINK
        typed = _account(given.text.strip())
        if not is_user_id(typed):
            raise Problem("invitations.no_matrix_id")
        problem = making.problem(typed, **given.answers["matrix"])
        if problem is not None:
            raise Problem(problem)
        return typed

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [(LINK, Words("invitations.whom_link"))]

    def show(self, noun: str, answer: Any) -> Label:
        return Words("invitations.whom_link") if answer == LINK else Said(answer)


@dataclass(frozen=True)
class Uses(Field):
    """How often a code serves: one of a few numbers, or another that is typed."""

    @property
    def values(self) -> tuple[str, ...]:
        return OFFERED

    def read(self, given: Given) -> str:
        typed = given.value or given.text.strip().replace("\u202f", "").replace(" ", "")
        if not (typed.isascii() and typed.isdigit() and len(typed) < LONGEST_NUMBER):
            raise Problem("invitations.no_number", at_most=MOST_USES)
        if not 1 <= int(typed) <= MOST_USES:
            raise Problem("invitations.no_number", at_most=MOST_USES)
        return typed

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [(one, self.show(noun, one)) for one in OFFERED]

    def show(self, noun: str, answer: Any) -> Label:
        return Words("invitations.times", {"count": int(answer)})

    def counts(self, digits: str, given: Given) -> bool:
        """One digit chooses, more are the number itself."""
        return len(digits) == 1


@choice("invitations.begin", who=appointer)
def begin(request: Request, store: Store) -> Open:
    return Open(invite_form, fresh=True)


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    known = those_there_are(request, store)
    roles = [str(one) for one in _may_give(request)]
    matrix = on_matrix(request.settings, store)
    allowed = request.settings.matrix_allowed_servers
    served = None if matrix is None else {"ours": matrix, "allowed": allowed}
    speakers = store.organisations.speakers(request.now)
    led = [one.organisation_id for one in speakers if one.kind is MandateKind.delegate]
    return {**known, "matrix": served, "roles": roles, "led": led}


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    """Make the invitation, or have a second person agree to it; nothing is kept if it cannot be."""
    invited, whom = Invited(answers["role"]), answers["whom"] or LINK
    spend(request, store, INVITATIONS)
    if invited is Invited.contributor and whom == LINK:
        until = datetime.fromisoformat(answers["until"])
        if until <= request.now:  # it was chosen a while ago
            change = [(form_action("change", FORM), "forms.change")]
            raise Refused("invitations.too_late", choices=change)
        return making.make_open(request, store, answers["place"], int(answers["uses"]), until)
    organisation, group = (one and one["id"] for one in (answers["org"], answers["group"]))
    scope = scope_of_reviewer(answers["theme"], answers["academie"])
    given = {
        "role": invited.role and str(invited.role),
        "organisation": organisation,
        "scope": scope_of(int(group)) if group is not None else scope,
        "whom": whom,
        "label": answers["guest"],
    }
    if invited is Invited.contributor:
        return making.make(request, store, request.person, **given)
    return making.give_role(request, store, **given)


def _is(*those: Invited) -> Callable[[Mapping[str, Any]], bool]:
    return lambda answers: answers.get("role") in those


def _gives_role(answers: Mapping[str, Any]) -> bool:
    return answers.get("role") not in (None, Invited.contributor)


def _review(answers: Mapping[str, Any]) -> dict[str, Any]:
    """What the review says besides: how it serves, and whom the organisation has already."""
    org = answers.get("org") if answers["role"] == Invited.delegate else None
    led = org["said"] if org is not None and org["id"] in answers.get("led", ()) else None
    return {"is_open": _is_open(answers), "led": led}


def _is_open(answers: Mapping[str, Any]) -> bool:
    """Whether it is a code for many."""
    return answers.get("role") == Invited.contributor and answers.get("whom") in (None, LINK)


invite_form = routing.form(
    Form(
        FORM,
        "invitations",
        (
            RoleToGive("role", Invited),
            Among("org", source="organisations", when=_is(*SPEAKS)),
            Among("group", source="groups", when=_is(*IN_A_GROUP)),
            Choose(
                "theme",
                Theme,
                labels="recommendations.theme",
                when=_is(Invited.theme_reviewer),
            ),
            Find(
                "academie",
                search=academies.search,
                name_of=academies.name_of,
                explain=academies.explain,
                when=_is(Invited.academie_reviewer),
            ),
            Whom("whom", when=lambda answers: answers.get("matrix") is not None),
            ShortText("guest", at_most=80, skippable=True, when=_gives_role),
            ShortText("place", at_most=80, when=_is_open),
            Uses("uses", when=_is_open),
            Moment("until", at_most=LONGEST, offered=(30, 90, 180), when=_is_open),
        ),
        submit=_submit,
        begin=_begin,
        who=appointer,
        review=_review,
        send="invitations.send",
    )
)
