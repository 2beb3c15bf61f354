"""The secretariat is told when an account joins somebody with a role, or leaves them."""

from datetime import datetime

from bot.messages import Label, Reply, Request
from bot.routing import Recipient, notice
from bot.wording import numbered
from handlers.people import do
from storage.deliveries import subject
from storage.grants import Grant
from storage.store import Store


def tell_secretariat(
    person_id: int, platform: str, request: Request, store: Store, *, joined: bool
) -> None:
    """Tell of an account on a platform; not who does it, nor whose account it is."""
    told = store.grants.secretaries(request.now, besides=person_id)
    others = told.where(Grant.person_id != request.person)
    about = {"person": person_id, "platform": platform, "joined": joined}
    store.deliveries.notify("linking.of_role", about, others, request.now)


@notice("linking.of_role")
def of_role(
    recipient: Recipient, store: Store, person: int, platform: str, joined: bool
) -> Reply | None:
    found = store.people.get(person)
    if found.erased_at is not None:
        return None
    return Reply(
        "linking.of_role",
        who=numbered(found),
        platform=platform,
        joined=joined,
        choices=[*_card(person, store, recipient.now), do("menu")],
        shows=subject("person", person),
    )


def _card(person_id: int, store: Store, now: datetime) -> list[tuple[str, Label | str]]:
    """What leads to their card: by which they speak for an organisation, or else by a role."""
    cards = [f"mandate:{one.id}" for one in store.organisations.mandates_of(person_id, now)]
    cards += [f"role:{one.id}" for one in store.grants.of(person_id, now)]
    return [(f"members.{one}", "linking.see_card") for one in cards[:1]]
