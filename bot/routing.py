"""What people can do, declared beside the function that does it.

A command is a word; a choice is an action string; a notice is what the clock says. Who may is
checked at every use, never by hiding a button.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from bot.codes import code_in, linking_in, linking_within, only_code
from bot.forms import Form, Open
from bot.messages import LONGEST_ACTION, Refused, Reply, Request
from bot.restricting import check_act, check_ban, check_command
from bot.rights import Right
from bot.texts import LANGUAGES, Texts, normalise
from storage.store import Store

Answer = Reply | Open | Sequence[Reply] | None
Handler = Callable[..., Answer]
Reserved = bool | Callable[..., bool]
Together = Callable[[Sequence[tuple[Request, Sequence[Any]]], Store], Sequence[Reply | None]]
H = TypeVar("H", bound=Callable[..., Any])

LONGEST_ID = "9" * 10
LARGEST_ID = 2**31 - 1  # what a column of ids holds
NEARLY = 0.75  # how alike a mistyped word and a command are (difflib's ratio)
LONGEST_COMMAND = 30
_LINKED = re.compile(r"[A-Za-z0-9_]{1,20}")
_STARTED = re.compile(r"[/!]start\s+(\S.*)", re.IGNORECASE | re.DOTALL)
PUBLIC_ID = re.compile(r"REX-\d{4}-\d{5,9}", re.ASCII)


@dataclass(frozen=True)
class Route:
    """A handler, who may use it, and how an action's arguments are read.

    `in_groups` says that it may be used among others, where everybody sees what is answered to all;
    `leads` is the link by which who cannot do so finds the same in their own chat; `together` does
    at once what several people ask at the same moment (see `act_together`). `secret` says that it
    is never typed among others, who would read it. `counts` says that what is chosen is recorded:
    a message in which it was typed, and that is changed later, counts as it was.
    """

    handler: Handler
    who: Right
    arguments: tuple[Callable[[str], Any], ...] = ()
    in_groups: bool = False
    leads: str = ""
    together: "Together | None" = None
    secret: bool = False
    counts: bool = False


@dataclass(frozen=True)
class Recipient:
    """Who will read a notice: a person, or everybody in a group (`person` is then None)."""

    person: int | None
    chat_id: int
    now: datetime

    @property
    def person_id(self) -> int:
        """The person; what is said to one is never said to a group."""
        if self.person is None:
            raise LookupError("this notice is for a person, not for a group")
        return self.person


MARKS = ("/", "!")  # what a command begins with where it has to be told from other words
OPENS_PRIVATELY = "link:"  # the action of a button that leads to one's own chat; a link may follow

COMMANDS: dict[str, Route] = {}
CHOICES: dict[str, Route] = {}
NOTICES: dict[str, Callable[..., Reply | None]] = {}
RESERVED: dict[str, Reserved] = {}
FORMS: dict[str, Form] = {}
LINKS: dict[str, Route] = {}


def command(name: str, *, who: Right, in_groups: bool = False) -> Callable[[H], H]:
    """Declare a command. Its words stand in `locales/<language>/commands.jinja`."""

    def declare(handler: H) -> H:
        COMMANDS[name] = Route(handler, who, in_groups=in_groups)
        return handler

    return declare


def choice(
    name: str,
    *arguments: Callable[[str], Any],
    who: Right,
    in_groups: bool = False,
    leads: str = "",
    together: "Together | None" = None,
    secret: bool = False,
    counts: bool = False,
) -> Callable[[H], H]:
    """Declare what an action does. Each argument is read by its own strict function."""

    def declare(handler: H) -> H:
        ways = in_groups, leads, together, secret, counts
        CHOICES[name] = Route(handler, who, arguments, *ways)
        return handler

    return declare


def link(name: str, argument: Callable[[str], Any], *, who: Right) -> Callable[[H], H]:
    """Declare what a link leads to: `<name>-<argument>`, at most 64 of `A-Z a-z 0-9 _ -`."""

    def declare(handler: H) -> H:
        LINKS[name] = Route(handler, who, (argument,))
        return handler

    return declare


def notice(name: str, *, reserved: Reserved = True) -> Callable[[H], H]:
    """Declare how a notice is worded for a recipient; None if it makes no sense any more.

    Args:
        reserved: whether it is the committee's, and in the strict profile only said where roles
            count; or what finds that out from the store and the notice's arguments.
    """

    def declare(handler: H) -> H:
        NOTICES[name], RESERVED[name] = handler, reserved
        return handler

    return declare


def is_reserved(name: str, arguments: Mapping[str, Any], store: Store) -> bool:
    """Whether a notice is the committee's; see `notice`."""
    reserved = RESERVED.get(name, True)
    return reserved if isinstance(reserved, bool) else reserved(store, **arguments)


def form(declared: Form) -> Form:
    """Declare a form, so that its drafts can be continued.

    Raises:
        ValueError: an action of it could outgrow what platforms carry.
    """
    for one in declared.fields:
        for value in one.values:
            action = form_action("answer", f"{declared.name}.{LONGEST_ID}", one.name, value)
            if len(action.encode()) > LONGEST_ACTION:
                raise ValueError(f"{action} is longer than {LONGEST_ACTION} bytes")
    FORMS[declared.name] = declared
    return declared


def form_action(verb: str, key: str, *arguments: str) -> str:
    """The action of a choice in a form, or about its draft."""
    return ":".join((f"form.{verb}", key, *arguments))


def act(action: str, request: Request, store: Store) -> Answer:
    """Do what an action string says; refuse one that is not ours."""
    route, arguments = _read(action)
    check_act(action.partition(":")[0], _noun_of(action), request, store)
    route.who.check(request)
    answer = route.handler(request, store, *arguments)
    if route.counts and not request.in_group:
        store.counted.add(action.partition(".")[0], _typed(request), request.now)
    return answer


def _noun_of(action: str) -> str:
    """What an action is about; in a form, what the form is about."""
    name, _, rest = action.partition(":")
    noun = name.partition(".")[0]
    asked = FORMS.get(rest.partition(":")[0].partition(".")[0]) if noun == "form" else None
    return noun if asked is None else asked.noun


def _typed(request: Request) -> list[tuple[int, str, str]]:
    """Who typed what, and in which messages."""
    pieces = request.incoming.stands_in
    return [(request.person, message, words) for message, words, _ in pieces]


def act_together(chosen: Sequence[tuple[Request, str]], store: Store) -> dict[Request, Reply]:
    """Do at once what several people chose, where that can be; the others are left.

    Args:
        chosen: the action of each.
    """
    alike: dict[str, list[tuple[Request, Sequence[Any]]]] = {}
    for request, action in chosen:
        try:
            route, arguments = _read(action)
            route.who.check(request)
        except Refused:
            continue
        is_free = request.context.restriction is None
        if route.together is not None and is_free and not request.in_group:
            alike.setdefault(action.partition(":")[0], []).append((request, arguments))
    done: dict[Request, Reply] = {}
    for name, asked in alike.items():
        if len(asked) > 1:
            done |= _done_together(name, asked, store)
    return done


def _done_together(
    name: str, asked: Sequence[tuple[Request, Sequence[Any]]], store: Store
) -> dict[Request, Reply]:
    route = CHOICES[name]
    assert route.together is not None
    replies = route.together(asked, store)
    pairs = zip(asked, replies, strict=True)
    done = {request: reply for (request, _), reply in pairs if reply is not None}
    if route.counts:
        typed = [one for request in done for one in _typed(request)]
        store.counted.add(name.partition(".")[0], typed, asked[0][0].now)
    return done


def _read(action: str) -> tuple[Route, list[Any]]:
    name, *given = action.split(":")
    route = CHOICES.get(name)
    if route is None or len(given) != len(route.arguments):
        raise Refused("people.stale_choice")
    try:
        return route, [read(value) for read, value in zip(route.arguments, given, strict=True)]
    except ValueError:
        raise Refused("people.stale_choice") from None


def obey(name: str, request: Request, store: Store) -> Answer:
    route = COMMANDS[name]
    check_command(name, request, store)
    route.who.check(request)
    return route.handler(request, store)


def link_in(text: str) -> str | None:
    """What the link by which somebody came says, if they came by one.

    The code of an invitation, typed and nothing else, is as good as its link; so is that of a
    linking, alone or after the word of its command.
    """
    found = _STARTED.fullmatch(text)
    if found is not None:
        return found[1]
    word, linking = linking_in(text) or (None, None)
    if linking is not None and (word is None or words().get(normalise(word)) == "link"):
        return f"link-{linking}"
    code = only_code(text)
    return f"invitation-{code}" if code is not None else None


def reference_in(text: str) -> str | None:
    """The link to what a text names, where nothing was asked.

    That is a report's public number, if it is one and nothing else; or the code of an invitation
    or of a linking that stands in it.
    """
    named = PUBLIC_ID.fullmatch(text.strip().upper())
    if named is not None:
        return f"report-{named[0]}"
    code = code_in(text)
    if code is not None:
        return f"invitation-{code}"
    linking = linking_within(text)
    return f"link-{linking}" if linking is not None else None


def follow(link: str, request: Request, store: Store) -> Answer:
    """Do what a link leads to; of one that is not ours, say so and begin."""
    check_ban(request, store)
    name, _, given = link.partition("-")
    route = LINKS.get(name)
    unknown = Refused("people.unknown_link", choices=[("people.menu", "people.see_menu")])
    if route is None:
        raise unknown
    try:
        argument = route.arguments[0](given)
    except ValueError:
        raise unknown from None
    route.who.check(request)
    return route.handler(request, store, argument)


def link_of(action: str) -> str:
    """The link to what an action of a group is about, in one's own chat; empty if there is none."""
    name, *given = action.split(":")
    route = CHOICES.get(name)
    if route is None or not route.leads or not given or not _LINKED.fullmatch(given[0]):
        return ""
    return f"{route.leads}-{given[0]}"


def number(text: str) -> int:
    """An id or a position in an action."""
    if not text.isascii() or not text.isdigit() or len(text) > len(LONGEST_ID):
        raise ValueError(text)
    if int(text) > LARGEST_ID:
        raise ValueError(text)
    return int(text)


_ANY_ZONE = ZoneInfo("UTC")


@cache
def words() -> dict[str, str]:
    """Every word that names a command, in every language, as compared."""
    known: dict[str, str] = {}
    for language in LANGUAGES:
        texts = Texts(language, _ANY_ZONE)
        for name in texts.macros("commands"):
            for word in texts.plain(f"commands.{name}").split("|"):
                known.setdefault(normalise(word), name)
    return known


def command_in(text: str) -> tuple[str | None, bool]:
    """The command that a text is, and whether it was marked as one by a slash or an exclamation.

    The words for going back, skipping, cancelling and help are commands too.
    """
    marked = text[:1] in MARKS
    return words().get(normalise(text)), marked


def nearly(text: str, request: Request) -> str | None:
    """The command that a mistyped text nearly is, if this person may use it."""
    typed = normalise(text)
    if len(typed) > LONGEST_COMMAND:
        return None
    for word in get_close_matches(typed, words(), n=1, cutoff=NEARLY):
        name = words()[word]
        return name if COMMANDS[name].who(request) else None
    return None
