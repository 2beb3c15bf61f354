"""What people under a restriction may still do. It is checked at each act, wherever they are.

Who is banned keeps what the law gives them: to see their data, to take it along, to erase it, to
withdraw what they told, and to object.
"""

from datetime import datetime
from typing import Any

from bot.messages import Label, Refused, Request, Said, Words
from storage.limits import RestrictionKind
from storage.store import Store

NOUNS = ("privacy", "data_requests")  # what stays whole
ACTS = (
    "broadcasts.kinds",
    "broadcasts.mute",
    "broadcasts.unmute",
    "people.do",
    "people.language",
    "people.leave_now",
    "people.new_code",
    "people.returned",
    "reports.mine",
    "reports.show",
    "reports.withdraw",
    "reports.withdraw_now",
)
REASON = "reason:"  # begins what stands for one of these
REASONS = ("insults", "advertising", "names", "flood")
COMMANDS = ("privacy", "my_reports", "leave", "stop")


def check_act(name: str, noun: str, request: Request, store: Store) -> None:
    """Refuse who is banned what is not among the rights that stay.

    Args:
        name: of an action, `<noun>.<verb>`.
        noun: what it is about; in a form, what the form is about.
    """
    if noun not in NOUNS and name not in ACTS:
        check_ban(request, store)


def check_command(name: str, request: Request, store: Store) -> None:
    """As `check_act`, of a command."""
    if name not in COMMANDS:
        check_ban(request, store)


def check_ban(request: Request, store: Store) -> None:
    """Refuse who is banned, and say why and until when; among others, nothing of it."""
    if not request.context.is_under(RestrictionKind.ban, request.now):
        return
    if request.in_group:
        raise Refused("people.not_allowed")
    raise _restricted("limits.is_banned", request, store)


def check_gives(request: Request, store: Store) -> None:
    """Refuse who may send nothing for a while: nothing that others would read."""
    if request.context.is_under(RestrictionKind.mute, request.now):
        raise _restricted("limits.is_muted", request, store)


def known_of(person_id: int, store: Store, now: datetime) -> dict[str, Any] | None:
    """What a person is under, as what is held of them tells it."""
    found = store.restrictions.of(person_id, now)
    if found is None:
        return None
    return {"kind": found.kind, "reason": worded_reason(found.reason), "until": found.ends_at}


def worded_reason(reason: str) -> Label:
    """A reason as it is said: one of a few, or somebody's own words."""
    chosen = reason.removeprefix(REASON)
    is_chosen = reason != chosen and chosen in REASONS
    return Words(f"limits.reason_{chosen}") if is_chosen else Said(reason)


def _restricted(name: str, request: Request, store: Store) -> Refused:
    context = request.context
    restriction = store.restrictions.get(context.restriction_id or 0)
    return Refused(
        name,
        reason=worded_reason(restriction.reason) if restriction is not None else None,
        until=context.restricted_until,
        contact=request.settings.dpo_contact,
        choices=[
            ("data_requests.contest", "data_requests.contest"),
            ("people.do:privacy", "people.do_privacy"),
        ],
    )
