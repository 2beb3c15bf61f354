"""Taking care of a thread: one secretary at a time answers it, and closes it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import literal, select

from bot import routing
from bot.forms import Form, LongText, Open
from bot.messages import Label, Refused, Reply, Request
from bot.rights import secretariat
from bot.routing import choice, number
from handlers.people import do
from handlers.threads.inbox import card, colleague, gone
from storage.deliveries import subject
from storage.store import Store
from storage.threads import Ended, Held, Thread, Unread

Choices = list[tuple[str, Label | str]]
T = TypeVar("T")


@choice("threads.take", number, who=secretariat)
def take(request: Request, store: Store, thread_id: int) -> Reply:
    """Claim a thread, or take it over from a colleague who let it lie."""
    _decide(thread_id, store, lambda one: store.threads.take(one, request.person, request.now))
    return card(request, store, thread_id)


@choice("threads.release", number, who=secretariat)
def release(request: Request, store: Store, thread_id: int) -> Reply:
    _decide(thread_id, store, lambda one: store.threads.release(one, request.person))
    return Reply("threads.released", choices=[do("threads"), do("menu")])


@choice("threads.answer", number, number, who=secretariat)
def answer(request: Request, store: Store, thread_id: int, read_to: int) -> Open:
    """Answer a thread that was read up to a message: it is then in this secretary's hands."""
    _take_read(request, store, thread_id, read_to)
    return Open(reply_form, about=str(thread_id))


def _take_read(request: Request, store: Store, thread_id: int, read_to: int) -> None:
    """Take a thread that was read up to a message, if that is the last one."""

    def begin(thread: Thread) -> None:
        store.threads.take(thread, request.person, request.now)
        store.threads.mark_read(thread, request.person, read_to)
        store.threads.check_read(thread)

    _decide(thread_id, store, begin)


def _submit_reply(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    thread_id, said = number(about), answers["reply"]

    def end(thread: Thread) -> tuple[int, int]:
        message = store.threads.answer(thread, request.person, said, request.now)
        return thread.person_id, message.id

    person_id, message_id = _decide(thread_id, store, end, typed=True)
    request.note("threads.answered", f"thread:{thread_id}")
    person = select(literal(person_id))
    store.deliveries.notify("threads.answered", {"message": message_id}, person, request.now)
    choices: Choices = [
        (f"threads.close:{thread_id}:{message_id}", "threads.close"),
        do("threads"),
        do("menu"),
    ]
    return Reply("threads.sent", choices=choices)


reply_form = routing.form(
    Form(
        "reply",
        "threads",
        (LongText("reply", at_most=2000),),
        submit=_submit_reply,
        who=secretariat,
        send="threads.send_reply",
    )
)


@choice("threads.close", number, number, who=secretariat)
def close(request: Request, store: Store, thread_id: int, read_to: int) -> Reply:
    """Close a thread; one that was never answered, once that is confirmed."""
    if store.threads.is_answered(thread_id):
        return close_now(request, store, thread_id, read_to)
    _take_read(request, store, thread_id, read_to)
    choices: Choices = [
        (f"threads.close_now:{thread_id}:{read_to}", "threads.close_now"),
        (f"threads.answer:{thread_id}:{read_to}", "threads.answer"),
        (f"threads.see:{thread_id}", "threads.see"),
    ]
    return Reply("threads.confirm_close", choices=choices)


@choice("threads.close_now", number, number, who=secretariat)
def close_now(request: Request, store: Store, thread_id: int, read_to: int) -> Reply:
    """Close a thread; its writer is told if there was no answer."""
    _take_read(request, store, thread_id, read_to)

    def end(thread: Thread) -> tuple[int, bool]:
        return thread.person_id, store.threads.close(thread, request.person, request.now)

    person_id, was_answered = _decide(thread_id, store, end)
    request.note("threads.closed", f"thread:{thread_id}")
    if not was_answered:
        person = select(literal(person_id))
        store.deliveries.notify("threads.unanswered", {"thread": thread_id}, person, request.now)
    return Reply("threads.closed", told=not was_answered, choices=[do("threads"), do("menu")])


def _decide(
    thread_id: int, store: Store, decide: Callable[[Thread], T], *, typed: bool = False
) -> T:
    """Do something with a thread, or say why that cannot be, and what to do instead.

    Args:
        typed: there is an answer, which stays in its draft.
    """
    thread = store.threads.get(thread_id)
    if thread is None:
        raise gone()
    choices: Choices = [(f"threads.see:{thread_id}", "threads.see"), do("threads")]
    try:
        return decide(thread)
    except Ended:
        raise Refused("threads.ended", typed=typed, choices=choices) from None
    except Unread:
        raise Refused("threads.unread", typed=typed, choices=choices) from None
    except Held:
        held = store.threads.listed(thread_id)
        holder = held and held.holder and colleague(held.holder)
        since = thread.claimed_at
        raise Refused(
            "threads.held",
            holder=holder,
            since=since,
            typed=typed,
            choices=choices,
            shows=subject("person", thread.claimed_by or 0),
        ) from None
