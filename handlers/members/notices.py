"""What people are told when a term is changed, ends soon, or has ended, and of a role."""

from bot.messages import Label, Reply, Words
from bot.routing import Recipient, notice
from handlers.members.listing import name_of
from handlers.people import do
from storage.grants import Role
from storage.organisations import WARNING, Mandate
from storage.store import Store

Choices = list[tuple[str, Label | str]]


def _found(mandate_id: int, recipient: Recipient, store: Store) -> Mandate | None:
    """A mandate of whoever reads."""
    found = store.session.get(Mandate, mandate_id)
    return found if found is not None and found.person_id == recipient.person_id else None


def _told(name: str, found: Mandate, recipient: Recipient, store: Store) -> Reply:
    return Reply(
        name,
        organisation=name_of(found.organisation_id, store, recipient.now),
        kind=found.kind,
        ends_at=found.ends_at,
        choices=[do("write"), do("menu")],
    )


@notice("members.term_changed")
def term_changed(recipient: Recipient, store: Store, mandate: int) -> Reply | None:
    found = _found(mandate, recipient, store)
    if found is None or not found.lasts(recipient.now):
        return None
    return _told("members.term_changed", found, recipient, store)


@notice("members.term_ends")
def term_ends(recipient: Recipient, store: Store, mandate: int) -> Reply | None:
    found = _found(mandate, recipient, store)
    if found is None or not found.lasts(recipient.now):
        return None
    if found.ends_at is None or found.ends_at > recipient.now + WARNING:
        return None  # it was put off
    return _told("members.term_ends", found, recipient, store)


@notice("members.term_ended")
def term_ended(recipient: Recipient, store: Store, mandate: int) -> Reply | None:
    found = _found(mandate, recipient, store)
    if found is None or found.lasts(recipient.now):
        return None
    held = store.organisations.mandates_of(recipient.person_id, recipient.now)
    if (found.organisation_id, found.kind) in [(one.organisation_id, one.kind) for one in held]:
        return None  # it goes on by another
    return _told("members.term_ended", found, recipient, store)


@notice("members.no_delegate")
def no_delegate(recipient: Recipient, store: Store, organisation: str) -> Reply | None:
    """Said to the secretariat: nobody votes for an organisation but its substitutes."""
    if store.organisations.has_delegate(organisation, recipient.now):
        return None
    choices: Choices = [
        do("invite"),
        (f"members.organisation:{organisation}", "members.see_organisation"),
    ]
    name = name_of(organisation, store, recipient.now)
    return Reply("members.no_delegate", organisation=name, choices=choices)


@notice("members.role_ended")
def role_ended(recipient: Recipient, store: Store, role: str) -> Reply:
    named = Words(f"people.role_{Role(role)}")
    return Reply("members.role_ended", role=named, choices=[do("write"), do("menu")])
