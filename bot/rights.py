"""Who may do what: a right stands beside each command, choice, link and form.

It is checked before anything is looked up, so that a refusal tells nothing. Where it depends on
what the act is about, `of` says so, and the handler checks that as well. docs/rights.md shows all.
"""

from dataclasses import dataclass

from bot.addresses import where_roles_count
from bot.messages import Refused, Request
from storage.grants import RUNNING, Role


@dataclass(frozen=True)
class Right:
    """Who may.

    Attributes:
        name: what docs/rights.md calls them.
        roles: one of these is needed; None: no role is.
        reserved: it is the committee's: in the strict profile, only where roles count.
        discreet: it says what is the committee's to its members: in the strict profile, these are
            answered only where roles count.
        of: what the handler checks besides.
    """

    name: str
    roles: frozenset[Role] | None = None
    reserved: bool = False
    discreet: bool = False
    of: str = ""

    def __call__(self, request: Request) -> bool:
        """Whether who asks may, here and now."""
        if self.roles is not None:
            return bool(self.roles & request.roles)
        if not (self.reserved or self.discreet) or request.confidential:
            return True
        return self.discreet and not request.belongs

    def check(self, request: Request) -> None:
        """Refuse who may not.

        Raises:
            Refused: who may elsewhere is told where; who may nowhere learns nothing more.
        """
        if self(request):
            return
        raise elsewhere(request) if self._elsewhere(request) else _not_allowed(request)

    def _elsewhere(self, request: Request) -> bool:
        """Whether who asks might where roles count."""
        return request.belongs if self.roles is None else bool(self.roles & request.held)


ONWARD = [("people.menu", "people.see_menu")]


def _not_allowed(request: Request) -> Refused:
    return Refused("people.not_allowed", choices=[] if request.in_group else ONWARD)


def elsewhere(request: Request) -> Refused:
    """Say where to do what counts only with a role: on Matrix, or signed in on the page."""
    if request.in_group:  # in the few words that a toast holds
        return Refused("people.elsewhere_short")
    here, where = request.incoming.platform, where_roles_count(request.settings)
    return Refused("people.elsewhere", here=here, **where, choices=ONWARD)


def _held_by(*roles: Role) -> frozenset[Role]:
    return frozenset(roles)


anyone = Right("anyone")
author = Right("author", of="their own report, thread, ballot or draft")
owner = Right("owner", discreet=True, of="their own data")
voter = Right("voter", of="the poll: who has a ballot in it; of the members', where roles count")
belonging = Right("belonging", reserved=True, of="the group: its members, and who leads it")
member = Right("member", frozenset(Role))
delegate = Right(
    "delegate", _held_by(Role.delegate), of="the organisation, and the poll that asks it"
)
chair = Right("chair", _held_by(Role.secretariat, Role.chair), of="the group: who leads it")
reviewer = Right(
    "reviewer", _held_by(Role.secretariat, Role.reviewer), of="the report: its theme or académie"
)
secretariat = Right("secretariat", _held_by(Role.secretariat))
auditor = Right("auditor", _held_by(Role.secretariat, Role.administrator))
appointer = Right(
    "appointer",
    _held_by(Role.secretariat, Role.administrator),
    of="the role: only an administrator gives the secretariat's",
)


def may_give(roles: frozenset[Role], role: Role) -> bool:
    """Whether who holds some roles may give one, or take it from somebody."""
    return Role.administrator in roles or (Role.secretariat in roles and role not in RUNNING)
