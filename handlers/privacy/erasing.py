"""Erasing everything, once what stays and what goes has been read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from bot import routing
from bot.forms import Field, Form, Given, Open, Problem
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rendering import texts_for
from bot.rights import anyone
from bot.routing import choice
from bot.texts import LANGUAGES, normalise
from handlers.linking.accounts import may_not_before
from handlers.people import do
from storage.grants import RUNNING
from storage.store import Store

ERASE, CANCEL = "erase", "cancel"
DAY, FREELY = timedelta(days=1), 2  # erasures at one address after which nobody waits


@dataclass(frozen=True)
class Confirmation(Field):
    """The word that erases, typed as a whole. The only thing to press, or to number, cancels.

    `about` names what the form began with that the question says.
    """

    about: tuple[str, ...] = ()

    def read(self, given: Given) -> str:
        if given.value == CANCEL:
            return CANCEL
        if normalise(given.text) not in _erasing():
            raise Problem("privacy.not_confirmed")
        return ERASE

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [(CANCEL, Words("privacy.do_not_erase"))]

    def question(self, noun: str, answers: Mapping[str, Any]) -> Label:
        said = {name: answers[name] for name in self.about if name in answers}
        return Words(f"{noun}.{self.name}_ask", said)


@cache
def _erasing() -> frozenset[str]:
    """The word that erases, in every language, as compared."""
    texts = [texts_for(language, ZoneInfo("UTC")) for language in LANGUAGES]
    return frozenset(normalise(one.plain("privacy.erasing_word")) for one in texts)


@choice("privacy.erase", who=anyone)
def erase(request: Request, store: Store) -> Open:
    return Open(erasure_form, fresh=True)


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    """The roles that nobody else would hold any more, of those that somebody should."""
    _check_age(request, store)
    mine, held = [request.person], sorted(request.held & RUNNING)
    return {"last": [one for one in held if store.grants.holders(one, request.now) == mine]}


def _check_age(request: Request, store: Store) -> None:
    """An account that came by a trick must not erase whose the roles, votes and reports are.

    Raises:
        Refused
    """
    until = may_not_before(request, store)
    if until is not None:
        accounts = ("linking.accounts", "linking.see_accounts")
        raise Refused("privacy.too_new", until=until, choices=[accounts, do("menu")])


def _erase(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    """Erase the person; their counted ballots stay, without them."""
    if answers["confirmation"] != ERASE:
        return Reply("privacy.kept", choices=[do("privacy"), do("menu")])
    _check_age(request, store)
    _count(request, store)
    store.erase(request.person, request.now)
    request.note("privacy.erased", f"person:{request.person}")
    erased = Words("privacy.erased", {"platform": request.incoming.platform})
    return Reply(acknowledge=erased, leaves=True)


@choice("privacy.keep_me", who=anyone)
def keep_me(request: Request, store: Store) -> Reply:
    """Not to be erased after all, though the secretariat decided so a moment ago."""
    person = store.people.lock(request.person)
    if person is None or person.erase_at is None:
        raise Refused("people.stale_choice")
    person.erase_at = None
    request.note("privacy.erasure_cancelled", f"person:{request.person}")
    return Reply("privacy.kept", choices=[do("privacy"), do("menu")])


def _count(request: Request, store: Store) -> None:
    """Who erases again and again, and comes back, has no minute of messages more each time."""
    incoming = request.incoming
    at = f"erasures at {incoming.platform} {incoming.sender}"
    if not store.rates.once(at, DAY, request.now, FREELY):
        request.slow(request.context.recent)


erasure_form = routing.form(
    Form(
        "erasure",
        "privacy",
        (Confirmation("confirmation", about=("last",)),),
        who=anyone,
        submit=_erase,
        begin=_begin,
        reviewed=False,
    )
)
