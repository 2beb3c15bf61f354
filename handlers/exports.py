"""The committee's tables as files: asked for in chat, made by the clock, given to who asked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.approving import approved, by_either
from bot.exporting import may_have
from bot.messages import Attachment, Label, Reply, Request, Words
from bot.rights import auditor
from bot.routing import Recipient, choice, command, notice
from bot.settings import Sensitive
from handlers.people import do
from storage.deliveries import subject
from storage.exports import TABLE_TYPE, Exported
from storage.store import Store


def _table(text: str) -> Exported:
    what = Exported(text)
    if not what.is_table:
        raise ValueError(text)
    return what


@command("export", who=auditor)
def export(request: Request, store: Store) -> Reply:
    tables = [(f"exports.ask:{one}", f"exports.{one}") for one in Exported if one.is_table]
    return Reply("exports.menu", choices=[*tables, do("menu")])


@choice("exports.ask", _table, who=auditor)
def ask(request: Request, store: Store, what: Exported) -> Reply:
    return _make(request, store, what=str(what))


def _worded(given: Mapping[str, Any], _store: Store, _now: datetime) -> Label:
    return Words("exports.to_export", {"what": Words(f"exports.{given['what']}")})


@approved("exports.make", Sensitive.export, may=by_either, worded=_worded)
def _make(request: Request, store: Store, asker: int, *, what: str) -> Reply:
    store.exports.ask(asker, request.now, Exported(what))
    request.note("exports.asked", f"export:{what}")
    return Reply("exports.asked", choices=[do("menu")])


@notice("exports.made")
def made(recipient: Recipient, store: Store, export: int, rows: int) -> Reply | None:
    """A table, for who asked for it, if they still may have it."""
    found = store.exports.get(export)
    if found is None or found.data_id is None or found.person_id != recipient.person:
        return None
    if not may_have(found, store, recipient.now):
        return None
    what = Words(f"exports.{found.what}")
    return Reply(
        "exports.made",
        what=what,
        rows=rows,
        names=found.what is Exported.members,
        files=[Attachment(found.data_id, what, TABLE_TYPE)],
        choices=[do("export"), do("menu")],
        shows=subject("export", export),
    )
