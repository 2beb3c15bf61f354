"""Erasing somebody at their request, for the secretariat: typed, told to them first, then done.

They are erased some minutes later, so that what they are told reaches them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot import routing
from bot.approving import approved, by_secretariat
from bot.forms import Form, Open
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rendering import texts_for
from bot.rights import secretariat
from bot.routing import Recipient, choice, notice, number
from bot.settings import Sensitive
from bot.wording import listed, numbered
from handlers.people import do
from handlers.privacy.erasing import ERASE, Confirmation
from storage.deliveries import subject
from storage.grants import RUNNING
from storage.people import ChatState, Person
from storage.store import Store

LAST_WORD = timedelta(minutes=10)  # for the last message to arrive


@choice("members.erase", number, who=secretariat)
def erase(request: Request, store: Store, person_id: int) -> Open:
    return Open(form_of_another, about=str(person_id), fresh=True)


@choice("members.erase_author", number, who=secretariat)
def erase_author(request: Request, store: Store, report_id: int) -> Open:
    """Erase whoever wrote a report, of which somebody told us by another way."""
    report = store.reports.get(report_id)
    if report is None:
        raise Refused("members.erased_already", choices=[do("members"), do("menu")])
    return Open(form_of_another, str(report.author_id), {"proven": False}, fresh=True)


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    """Whom the question names: somebody by a number too, and for whom they speak."""
    person = _checked(number(about), request.person, request, store)
    texts = texts_for(request.context.language, request.zone)
    speaks = store.organisations.spoken_for([person.id], request.now).get(person.id, ())
    names = store.organisations.names(request.now.date(), short=True)
    return {
        "who": texts.label(numbered(person)),
        "organisations": listed([names.get(one, one) for one in speaks]),
    }


def _checked(person_id: int, asker: int, request: Request, store: Store) -> Person:
    """Somebody who may be erased: neither oneself, nor one of those who run all this."""
    person = store.people.lock(person_id)
    if person is None or person.erased_at is not None or person.erase_at is not None:
        raise Refused("members.erased_already", choices=[do("members"), do("menu")])
    if person_id in (asker, request.person):
        raise Refused("members.erase_yourself", choices=[do("privacy"), do("menu")])
    if store.grants.roles_of(person_id, request.now) & RUNNING:
        raise Refused("members.erase_not_them", choices=[do("members"), do("menu")])
    return person


def _worded(given: Mapping[str, Any], store: Store, _now: datetime) -> Label:
    person = store.people.find(given["person"])
    if person is None or person.erased_at is not None:
        return Words("members.erased_already")
    return Words("members.to_erase", {"who": numbered(person)})


@approved(
    "members.erase",
    Sensitive.erasure,
    may=by_secretariat,
    worded=_worded,
)
def _erase(request: Request, store: Store, asker: int, *, person: int) -> Reply:
    found = _checked(person, asker, request, store)
    found.erase_at = request.now + LAST_WORD
    request.note("members.erasure_decided", f"person:{person}")
    for account in store.people.accounts_of(person):
        for chat in store.people.direct_chats_of(account.id):
            if chat.state is ChatState.active:
                store.deliveries.tell(chat.id, "members.erased_soon", {}, request.now)
    return Reply("members.is_erased", choices=[do("members"), do("menu")])


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    if answers["sure"] != ERASE:
        return Reply("members.not_erased", choices=[do("members"), do("menu")])
    _checked(number(about), request.person, request, store)
    return _erase(request, store, person=number(about))


form_of_another = routing.form(
    Form(
        "erase_other",
        "members",
        (Confirmation("sure", about=("who", "organisations", "proven")),),
        submit=_submit,
        who=secretariat,
        begin=_begin,
        reviewed=False,
        shows=lambda about: subject("person", int(about)),
    )
)


@notice("members.erased_soon", reserved=False)
def erased_soon(recipient: Recipient, store: Store) -> Reply:
    """The last message to somebody, who may still say no."""
    return Reply("members.erased_soon", choices=[("privacy.keep_me", "privacy.keep_me")])
