"""Each side says yes by itself: first where the code was typed, then where it was shown."""

from bot import routing
from bot.messages import Label, Reply, Request
from bot.rights import anyone
from bot.routing import Recipient, choice, notice, number
from handlers.linking.deciding import join
from handlers.linking.sides import found, is_first, over
from handlers.people import do
from storage.linking import Linking, LinkingState
from storage.people import Account
from storage.store import Store


def ask(linking: Linking, here: Account, there: Account) -> Reply:
    """Ask one side whether the account on the other is the same person's."""
    is_one = here.person_id == there.person_id
    name = "linking.confirm_sign_in" if is_one else "linking.confirm"
    choices: list[tuple[str, Label | str]] = [
        (f"linking.agree:{linking.id}", "linking.agree"),
        (f"linking.refuse:{linking.id}", "linking.refuse"),
    ]
    return Reply(name, platform=there.platform, since=there.created_at, choices=choices)


@choice("linking.agree", number, who=anyone)
def agree(request: Request, store: Store, linking_id: int) -> routing.Answer:
    """Say yes, on either side."""
    linking = found(linking_id, request, store)
    first = is_first(linking, request)
    if first and linking.state is LinkingState.agreed:
        return join(linking, request, store)
    if first or linking.state not in (LinkingState.typed, LinkingState.agreed):
        raise over()
    if linking.state is LinkingState.typed:
        linking.other_vouches = request.incoming.signed_in
        linking.advance(LinkingState.agreed, request.now)
        about, until = {"linking": linking.id}, linking.expires_at
        store.deliveries.tell(
            linking.chat_id, "linking.asked", about, request.now, expires_at=until
        )
    there = store.session.get_one(Account, linking.account_id)
    return Reply("linking.agree_there", platform=there.platform, choices=[do("menu")])


@notice("linking.asked", reserved=False)
def asked(recipient: Recipient, store: Store, linking: int) -> Reply | None:
    """The side that showed the code is asked as well."""
    known = store.linking.look(linking, recipient.now)
    if known is None or known.state is not LinkingState.agreed:
        return None
    here, there = (
        store.session.get(Account, one) for one in (known.account_id, known.other_account_id)
    )
    return None if here is None or there is None else ask(known, here, there)


@choice("linking.refuse", number, who=anyone)
def refuse(request: Request, store: Store, linking_id: int) -> Reply:
    """Say no, on either side, as long as they are two: nothing is linked, and the other is told."""
    linking = found(linking_id, request, store)
    first = request.context.account_id == linking.account_id
    told = linking.other_chat_id if first else linking.chat_id
    if told is not None:
        store.deliveries.tell(told, "linking.was_refused", {}, request.now)
    store.linking.drop(linking)
    return Reply("linking.refused", choices=[do("link"), do("menu")])


@notice("linking.was_refused", reserved=False)
def was_refused(recipient: Recipient, store: Store) -> Reply:
    return Reply("linking.was_refused", choices=[do("link"), do("menu")])
