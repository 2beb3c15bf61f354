"""Erasing everything, once what stays and what goes has been read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from bot import routing
from bot.forms import Field, Form, Given, Open, Problem
from bot.messages import Label, Reply, Request, Words
from bot.rendering import texts_for
from bot.rights import anyone
from bot.routing import choice
from bot.texts import LANGUAGES, normalise
from handlers.people import do
from storage.store import Store

ERASE, CANCEL = "erase", "cancel"
DAY, FREELY = timedelta(days=1), 2  # erasures at one address after which nobody waits


@dataclass(frozen=True)
class Confirmation(Field):
    """The word that erases, typed as a whole. The only thing to press, or to number, cancels."""

    def read(self, given: Given) -> str:
        if given.value == CANCEL:
            return CANCEL
        if normalise(given.text) not in _erasing():
            raise Problem("privacy.not_confirmed")
        return ERASE

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [(CANCEL, Words("privacy.do_not_erase"))]


@cache
def _erasing() -> frozenset[str]:
    """The word that erases, in every language, as compared."""
    texts = [texts_for(language, ZoneInfo("UTC")) for language in LANGUAGES]
    return frozenset(normalise(one.plain("privacy.erasing_word")) for one in texts)


@choice("privacy.erase", who=anyone)
def erase(request: Request, store: Store) -> Open:
    return Open(erasure_form, fresh=True)


def _erase(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    """Erase the person; their counted ballots stay, without them."""
    if answers["confirmation"] != ERASE:
        return Reply("privacy.kept", choices=[do("privacy"), do("menu")])
    _count(request, store)
    store.erase(request.person, request.now)
    request.note("privacy.erased", f"person:{request.person}")
    erased = Words("privacy.erased", {"platform": request.incoming.platform})
    return Reply(acknowledge=erased, leaves=True)


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
        (Confirmation("confirmation"),),
        who=anyone,
        submit=_erase,
        reviewed=False,
    )
)
