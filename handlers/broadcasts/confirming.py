"""Letting a broadcast leave; urgently if somebody says why, and a second person may have to agree.

An urgent one is another preview, in place of the first: what leaves is what was previewed.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot import routing
from bot.approving import approved, by_either, void
from bot.forms import Form, Open, ShortText
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import secretariat
from bot.routing import choice, number
from bot.settings import Sensitive
from handlers.broadcasts.composing import (
    Choices,
    composed,
    decisions,
    dropped,
    overtaken,
    previewed,
)
from handlers.broadcasts.following import card
from handlers.broadcasts.telling import first_words, whom
from storage.broadcasts import URGENT, Broadcast, BroadcastState
from storage.store import Store


@choice("broadcasts.confirm", number, who=secretariat)
def confirm(request: Request, store: Store, broadcast_id: int) -> Reply:
    """It leaves in a minute. Of two who confirm, one does."""
    found = composed(store, broadcast_id)
    if found.urgency is not None:
        _count(found, request, store)
        return _send_urgently(request, store, broadcast=found.id)
    _confirm(found, request.person, request, store)
    request.note("broadcasts.confirmed", f"broadcast:{found.id}")
    return card(found, request.now, store)


def _count(found: Broadcast, request: Request, store: Store) -> int:
    """How many it is for; refuse if that is nobody."""
    count = store.broadcasts.count(found.whom, found.kind, request.now)
    if not count:
        again: Choices = [(f"broadcasts.rewrite:{found.id}", "broadcasts.rewrite")]
        raise Refused("broadcasts.nobody", to=whom(found.whom, store, request.now), choices=again)
    return count


def _confirm(found: Broadcast, by: int, request: Request, store: Store) -> None:
    count = _count(found, request, store)
    if not store.broadcasts.confirm(found.id, by, count, request.now):
        raise overtaken(found.id, store)
    if found.file_id is not None:
        store.files.keep(found.file_id)


@choice("broadcasts.urgent", number, who=secretariat)
def urgent(request: Request, store: Store, broadcast_id: int) -> Open:
    found = composed(store, broadcast_id)
    return Open(urgency_form, about=str(found.id), fresh=True)


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> list[Reply]:
    ordinary = composed(store, number(about))
    found = store.broadcasts.compose(
        ordinary.body,
        ordinary.kind,
        ordinary.whom,
        request.now,
        composed_by=request.person,
        file_id=ordinary.file_id,
        urgency=answers["urgency"],
    )
    if not dropped(ordinary.id, request, store):
        raise overtaken(ordinary.id, store)
    return previewed(found, request.now, store, decisions(found))


urgency_form = routing.form(
    Form(
        "urgency",
        "broadcasts",
        (ShortText("urgency", at_most=300),),
        submit=_submit,
        who=secretariat,
        reviewed=False,
    )
)


def _waiting(given: Mapping[str, Any], store: Store) -> Broadcast | None:
    found = store.broadcasts.get(given["broadcast"])
    return found if found is not None and found.state is BroadcastState.composed else None


def _worded(given: Mapping[str, Any], store: Store, _now: datetime) -> Label:
    found = _waiting(given, store)
    if found is None:
        return Words("broadcasts.not_to_send")
    return Words("broadcasts.to_send_urgently", {"beginning": first_words(found)})


def _shown(given: Mapping[str, Any], store: Store, now: datetime) -> list[Reply]:
    found = _waiting(given, store)
    return [] if found is None else previewed(found, now, store)


@approved(URGENT, Sensitive.urgent, may=by_either, worded=_worded, shown=_shown)
def _send_urgently(request: Request, store: Store, asker: int, *, broadcast: int) -> Reply:
    found = composed(store, broadcast)
    _confirm(found, asker, request, store)
    void(URGENT, request, store, broadcast=broadcast)
    why = {"reason": found.urgency, "asked_by": asker}
    request.note("broadcasts.urgent", f"broadcast:{broadcast}", details=why)
    return card(found, request.now, store)
