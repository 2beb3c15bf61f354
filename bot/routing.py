"""What people can do, declared beside the function that does it.

A command is a word; a choice is an action string; a notice is what the clock says. Who may is
checked at every use, never by hiding a button.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from bot.forms import Form, Open
from bot.messages import LONGEST_ACTION, Refused, Reply, Request
from bot.texts import LANGUAGES, Texts, normalise
from storage.grants import Role
from storage.store import Store

Answer = Reply | Open | Sequence[Reply] | None
Handler = Callable[..., Answer]
Who = Callable[[Request], bool]
H = TypeVar("H", bound=Callable[..., Any])

LONGEST_ID = "9" * 10
LARGEST_ID = 2**31 - 1  # what a column of ids holds
NEARLY = 0.75  # how alike a mistyped word and a command are (difflib's ratio)
LONGEST_COMMAND = 30


def anyone(_: Request) -> bool:
    return True


def member(request: Request) -> bool:
    """A person with a mandate or a role."""
    return bool(request.roles)


def secretariat(request: Request) -> bool:
    return Role.secretariat in request.roles


def reviewer(request: Request) -> bool:
    return bool(request.roles & {Role.secretariat, Role.reviewer})


@dataclass(frozen=True)
class Route:
    """A handler, who may use it, and how an action's arguments are read."""

    handler: Handler
    who: Who
    arguments: tuple[Callable[[str], Any], ...] = ()

    def check(self, request: Request) -> None:
        if not self.who(request):
            raise Refused("people.not_allowed")


@dataclass(frozen=True)
class Recipient:
    """Who will read a notice."""

    person_id: int
    chat_id: int
    now: datetime


COMMANDS: dict[str, Route] = {}
CHOICES: dict[str, Route] = {}
NOTICES: dict[str, Callable[..., Reply | None]] = {}
FORMS: dict[str, Form] = {}


def command(name: str, *, who: Who) -> Callable[[H], H]:
    """Declare a command. Its words stand in `locales/<language>/commands.jinja`."""

    def declare(handler: H) -> H:
        COMMANDS[name] = Route(handler, who)
        return handler

    return declare


def choice(name: str, *arguments: Callable[[str], Any], who: Who = anyone) -> Callable[[H], H]:
    """Declare what an action does. Each argument is read by its own strict function."""

    def declare(handler: H) -> H:
        CHOICES[name] = Route(handler, who, arguments)
        return handler

    return declare


def notice(name: str) -> Callable[[H], H]:
    """Declare how a notice is worded for a recipient; None if it makes no sense any more."""

    def declare(handler: H) -> H:
        NOTICES[name] = handler
        return handler

    return declare


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
    name, *given = action.split(":")
    route = CHOICES.get(name)
    if route is None or len(given) != len(route.arguments):
        raise Refused("people.stale_choice")
    try:
        arguments = [read(value) for read, value in zip(route.arguments, given, strict=True)]
    except ValueError:
        raise Refused("people.stale_choice") from None
    route.check(request)
    return route.handler(request, store, *arguments)


def obey(name: str, request: Request, store: Store) -> Answer:
    route = COMMANDS[name]
    route.check(request)
    return route.handler(request, store)


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
    marked = text[:1] in ("/", "!")
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
