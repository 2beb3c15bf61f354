"""What who invited is told: an invitation that a second person agreed to, and what became of it."""

from typing import Any

from bot.entrances import Ways
from bot.messages import Attachment, Label, Reply, Words
from bot.routing import Recipient, notice
from bot.wording import person_name
from handlers.invitations.making import promised, to_pass_on
from handlers.people import do
from storage.deliveries import subject
from storage.invitations import Invitation
from storage.store import Store


def _of_mine(invitation_id: int, recipient: Recipient, store: Store) -> Invitation | None:
    """An invitation that whoever reads made."""
    found = store.invitations.get(invitation_id)
    return found if found is not None and found.created_by == recipient.person_id else None


@notice("invitations.made_for")
def made_for(
    recipient: Recipient, store: Store, invitation: int, ways: dict[str, Any], picture: int | None
) -> Reply | None:
    found = _of_mine(invitation, recipient, store)
    if found is None or not found.serves(recipient.now):
        return None
    return to_pass_on(found, Ways(**ways), picture)


@notice("invitations.poster")
def poster(recipient: Recipient, store: Store, invitation: int, file: int) -> Reply | None:
    """The poster is drawn."""
    found = _of_mine(invitation, recipient, store)
    if found is None or not found.serves(recipient.now):
        return None
    name = Words("invitations.poster_name", {"label": found.label or ""})
    files = [Attachment(file, name, "application/pdf")]
    choices = [do("invite", "invitations.see"), do("menu")]
    return Reply("invitations.poster", label=found.label, files=files, choices=choices)


def _became(
    name: str, invitation_id: int, recipient: Recipient, store: Store, **more: Any
) -> Reply | None:
    found = store.invitations.get(invitation_id)
    if found is None or recipient.person_id not in (found.created_by, found.agreed_by):
        return None
    role = found.role and str(found.role)
    what = promised(role, found.organisation_id, found.scope, recipient.now, store)
    choices: list[tuple[str, Label | str]] = [do("invite"), do("menu")]
    return Reply(name, what=what, label=found.label, choices=choices, **more)


@notice("invitations.accepted")
def accepted(recipient: Recipient, store: Store, invitation: int, person: int) -> Reply | None:
    who = store.people.find(person)
    known = None if who is None or who.erased_at is not None else person_name(who)
    mine = _of_mine(invitation, recipient, store) is not None
    shown = {"who": known, "mine": mine, "shows": subject("person", person)}
    return _became("invitations.accepted", invitation, recipient, store, **shown)


@notice("invitations.was_declined")
def was_declined(recipient: Recipient, store: Store, invitation: int) -> Reply | None:
    return _became("invitations.was_declined", invitation, recipient, store)


@notice("invitations.burnt")
def burnt(recipient: Recipient, store: Store, invitation: int) -> Reply | None:
    """A group has read its code."""
    return _became("invitations.burnt", invitation, recipient, store)


@notice("invitations.expired")
def expired(recipient: Recipient, store: Store, invitation: int) -> Reply | None:
    return _became("invitations.expired", invitation, recipient, store)
