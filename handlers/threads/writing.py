"""Writing to the secretariat, and hearing from it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot import routing
from bot.forms import Form, LongText, Open
from bot.limiting import spend
from bot.markup import beginning
from bot.messages import Label, Refused, Reply, Request
from bot.quiet import leaves_at
from bot.restricting import check_gives
from bot.rights import anyone
from bot.routing import Recipient, choice, command, notice, number
from handlers.people import do, first_code
from storage.limits import LETTERS
from storage.store import Store
from storage.threads import TooMany

Choices = list[tuple[str, Label | str]]

LONGEST = 4000  # characters of a message
ONCE = timedelta(minutes=10)


@command("write", who=anyone)
def write(request: Request, store: Store) -> Open | Reply:
    """Write, unless something said before could be the message: then ask."""
    return _begin(request, store, 0)


@choice("threads.write", number, who=anyone)
def write_about(request: Request, store: Store, broadcast_id: int) -> Open | Reply:
    """Write about a broadcast, or (0) about nothing that was said before."""
    return _begin(request, store, broadcast_id)


def _begin(request: Request, store: Store, broadcast_id: int) -> Open | Reply:
    check_gives(request, store)
    kept = request.context.kept
    if kept is None:
        return _open(store, broadcast_id)
    choices: Choices = [
        (f"threads.send_kept:{broadcast_id}", "threads.take_kept"),
        (f"threads.leave_kept:{broadcast_id}", "reports.leave_kept"),
    ]
    return Reply("threads.offer_kept", kept=beginning(kept), choices=choices)


def _open(store: Store, broadcast_id: int) -> Open:
    known = store.broadcasts.get(broadcast_id) is not None
    return Open(letter_form, about=str(broadcast_id) if known else "")


@choice("threads.leave_kept", number, who=anyone)
def leave_kept(request: Request, store: Store, broadcast_id: int) -> Open:
    """Write something else than what was kept."""
    request.context.kept = None
    return _open(store, broadcast_id)


@choice("threads.send_kept", number, who=anyone)
def send_kept(request: Request, store: Store, broadcast_id: int) -> Open | list[Reply]:
    """Send what was said outside any form; it stays kept if it cannot be sent."""
    kept = request.context.kept
    if kept is None:
        return _open(store, broadcast_id)
    if len(kept) > LONGEST:
        onward = [("people.forget_kept", "people.forget_kept"), do("menu")]
        raise Refused("forms.too_long", length=len(kept), at_most=LONGEST, choices=onward)
    sent = _send(request, store, kept, broadcast_id)
    pieces = request.context.kept_pieces()
    said = [(request.person, message, words) for messages, words in pieces for message in messages]
    store.counted.add("threads", said, request.now)
    request.context.kept = None
    return sent


def _submit_letter(
    request: Request, store: Store, about: str, answers: Mapping[str, Any]
) -> list[Reply]:
    return _send(request, store, answers["letter"], number(about or "0"))


letter_form = routing.form(
    Form(
        "letter",
        "threads",
        (LongText("letter", at_most=LONGEST),),
        submit=_submit_letter,
        who=anyone,
        reviewed=False,
    )
)


def _send(request: Request, store: Store, said: str, broadcast_id: int) -> list[Reply]:
    """Add a message to the person's thread; the secretariat is told if it begins to wait.

    Of threads that nobody took care of yet it is told once in a while, however many begin, so that
    nobody floods it: its list counts the others.
    """
    broadcast = store.broadcasts.get(broadcast_id)
    check_gives(request, store)
    about = None if broadcast is None else broadcast.id
    spend(request, store, LETTERS)
    try:
        thread, begins = store.threads.write(request.person, said, request.now, broadcast_id=about)
    except TooMany:
        raise Refused("threads.too_many", choices=[do("menu")]) from None
    known = thread.claimed_by is not None
    if begins and (known or store.rates.once("threads.waits", ONCE, request.now)):
        told = store.threads.to_tell(thread, request.now)
        arguments, due_at = {"thread": thread.id}, leaves_at(request.now)
        store.deliveries.notify("threads.waits", arguments, told, request.now, due_at=due_at)
    choices: Choices = [("threads.write:0", "threads.add"), do("menu")]
    received = Reply("threads.received", begins=begins, choices=choices)
    return [received, *first_code(request, store)]


@notice("threads.answered", reserved=False)
def answered(recipient: Recipient, store: Store, message: int) -> Reply | None:
    """The secretariat's answer, unless the thread was erased meanwhile."""
    found = store.threads.message(message)
    if found is None or found[1].person_id != recipient.person_id:
        return None
    choices: Choices = [("threads.write:0", "threads.write_again"), do("menu")]
    return Reply("threads.answered", said=found[0].text, choices=choices)


@notice("threads.unanswered", reserved=False)
def unanswered(recipient: Recipient, store: Store, thread: int) -> Reply | None:
    """Their message was read, and calls for no answer."""
    found = store.threads.listed(thread)
    if found is None or found.writer.id != recipient.person_id:
        return None
    choices: Choices = [("threads.write:0", "threads.write_again"), do("menu")]
    return Reply("threads.unanswered", choices=choices)
