"""What waits for the secretariat: the notice of it, the list, and one thread's card."""

from bot.markup import beginning
from bot.messages import Label, Refused, Reply, Request, Said, Words
from bot.rights import secretariat
from bot.routing import Recipient, choice, command, notice, number
from handlers import academies
from handlers.broadcasts.telling import first_words
from handlers.limits import choices_for
from handlers.people import do
from storage.deliveries import subject
from storage.people import Person
from storage.store import Store
from storage.threads import ALL, LAPSE, Line, Listed, Thread

Choices = list[tuple[str, Label | str]]

PAGE = 10  # threads in a list, messages in a card
ROOM = 3500  # characters of a card
SHOWN = 40  # characters of a message in a list


@notice("threads.waits")
def waits(recipient: Recipient, store: Store, thread: int) -> Reply | None:
    """Somebody wrote to the secretariat, unless a colleague took care of it meanwhile."""
    found = store.threads.listed(thread)
    if found is None or found.thread.waits_since is None:
        return None
    free = found.thread.claimed_by in (None, recipient.person_id, found.writer.id)
    if not free and not store.threads.is_left(found.thread, recipient.now):
        return None
    choices: Choices = [(f"threads.see:{thread}", "threads.see"), do("threads")]
    shows = subject("thread", thread)
    return Reply("threads.waits", writer=_writer(found.writer), choices=choices, shows=shows)


@notice("threads.late")
def late(recipient: Recipient, store: Store) -> Reply | None:
    waiting = store.threads.count_waiting(recipient.now - LAPSE)
    return Reply("threads.late", waiting=waiting, choices=[do("threads")]) if waiting else None


@notice("threads.left")
def left(recipient: Recipient, store: Store) -> Reply:
    """Somebody whom a secretary was to answer erased their data."""
    return Reply("threads.left", choices=[do("threads")])


@command("threads", who=secretariat)
def threads(request: Request, store: Store) -> Reply:
    """How many wait for an answer, the oldest first."""
    return _inbox(request, store, 0)


@choice("threads.inbox", number, who=secretariat)
def inbox_from(request: Request, store: Store, first: int) -> Reply:
    return _inbox(request, store, first)


def _inbox(request: Request, store: Store, first: int) -> Reply:
    waiting, answered = store.threads.count_waiting(), store.threads.count_answered()
    choices = _lines(store.threads.waiting(first, PAGE), request)
    if first + PAGE < waiting:
        choices.append((f"threads.inbox:{first + PAGE}", "threads.more"))
    if answered:
        label = Words("threads.see_answered", {"count": answered})
        choices.append(("threads.answered:0", label))
    choices.append(do("menu"))
    return Reply("threads.inbox", waiting=waiting, choices=choices, shows=subject("thread", ALL))


@choice("threads.answered", number, who=secretariat)
def answered_from(request: Request, store: Store, first: int) -> Reply:
    """The open threads whose last word is the secretariat's."""
    count = store.threads.count_answered()
    choices = _lines(store.threads.answered(first, PAGE), request)
    if first + PAGE < count:
        choices.append((f"threads.answered:{first + PAGE}", "threads.more"))
    choices.append(do("threads"))
    shows = subject("thread", ALL)
    return Reply("threads.answered_list", count=count, choices=choices, shows=shows)


def _lines(listed: list[Listed], request: Request) -> Choices:
    return [
        (
            f"threads.see:{one.thread.id}",
            Words(
                "threads.line",
                {
                    "writer": one.writer,
                    "beginning": beginning(one.last.text, SHOWN),
                    "lasts": request.now - (one.thread.waits_since or one.last.said_at),
                    "holder": one.holder and colleague(one.holder),
                    "mine": one.thread.claimed_by == request.person,
                },
            ),
        )
        for one in listed
    ]


@choice("threads.see", number, who=secretariat)
def see(request: Request, store: Store, thread_id: int) -> Reply:
    return card(request, store, thread_id)


@choice("threads.earlier", number, number, who=secretariat)
def earlier(request: Request, store: Store, thread_id: int, before: int) -> Reply:
    """The messages of a thread before one of them."""
    return card(request, store, thread_id, before=before)


def card(request: Request, store: Store, thread_id: int, *, before: int | None = None) -> Reply:
    """A thread: who wrote, who takes care of it, and its last messages, or those before one."""
    found = store.threads.listed(thread_id)
    if found is None:
        raise gone()
    thread, last = found.thread, found.last.id
    if before is None:
        store.threads.mark_read(thread, request.person, last)
    lines = _fitting(store.threads.messages(thread_id, before=before, at_most=PAGE + 1))
    choices: Choices = []
    if lines and store.threads.messages(thread_id, before=lines[0].message.id, at_most=1):
        choices.append((f"threads.earlier:{thread_id}:{lines[0].message.id}", "threads.earlier"))
    if before is not None:
        choices.append((f"threads.see:{thread_id}", "threads.see_last"))
    return Reply(
        "threads.card",
        writer=_writer(found.writer),
        thread=thread,
        mine=thread.claimed_by == request.person,
        holder=found.holder and colleague(found.holder),
        lines=lines,
        broadcasts=_broadcasts(lines, store),
        reachable=bool(store.people.direct_chats([thread.person_id])),
        choices=[*choices, *_ways_on(request, store, thread, last)],
        shows=subject("thread", thread_id),
    )


def _broadcasts(lines: list[Line], store: Store) -> dict[int, str]:
    """How the broadcasts begin that these messages are about, by their ids."""
    ids = {line.message.broadcast_id for line in lines} - {None}
    found = [broadcast for one in ids if (broadcast := store.broadcasts.get(one or 0)) is not None]
    return {broadcast.id: first_words(broadcast) for broadcast in found}


def _fitting(lines: list[Line]) -> list[Line]:
    """The last messages that fit on a card, one at least."""
    fitting: list[Line] = []
    room = ROOM
    for line in reversed(lines[-PAGE:]):
        room -= len(line.message.text)
        if fitting and room < 0:
            break
        fitting.insert(0, line)
    return fitting


def _ways_on(request: Request, store: Store, thread: Thread, last: int) -> Choices:
    mine = thread.claimed_by == request.person
    take_action = f"threads.take:{thread.id}"
    if thread.closed_at is not None:
        return [do("threads")]
    if thread.claimed_by is not None and not mine:
        over: Choices = [(take_action, "threads.take_over")]
        return [*(over if store.threads.is_left(thread, request.now) else []), do("threads")]
    return [
        (f"threads.answer:{thread.id}:{last}", "threads.answer"),
        (f"threads.release:{thread.id}", "threads.release")
        if mine
        else (take_action, "threads.take"),
        (f"threads.close:{thread.id}:{last}", "threads.close"),
        *choices_for(request, f"limits.thread:{thread.id}", f"members.erase:{thread.person_id}"),
        do("threads"),
    ]


def _writer(person: Person) -> Label:
    """Who wrote: their profile and académie, and their name if there is one."""
    academie = person.academie and academies.name_of(person.academie)
    name = Said(person.name) if person.name else None
    return Words("threads.writer", {"profile": person.profile, "academie": academie, "name": name})


def colleague(person: Person) -> Label:
    """Who holds a thread: their name, if there is one."""
    return Said(person.name) if person.name else Words("threads.colleague")


def gone() -> Refused:
    """The thread went with the person who wrote it."""
    return Refused("threads.gone", choices=[do("threads"), do("menu")])
