"""The committee's tables, made for who asked for one: organisations, members, reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.academies import names as academies
from bot.messages import Words
from bot.organisations import COLUMNS, Entry, Name, rows_of
from bot.rendering import texts_for
from bot.rights import auditor
from bot.settings import Settings
from bot.tables import write_table
from bot.texts import Texts
from bot.wording import person_name
from storage.exports import TABLE_TYPE, DataExport, Exported
from storage.people import Account
from storage.store import Store

Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table as a file, and how many lines it has below its header."""

    data: bytes
    rows: int


def may_have(export: DataExport, store: Store, now: datetime) -> bool:
    """Whether who asked for a table may still have it."""
    return bool((auditor.roles or frozenset()) & store.roles_of(export.person_id, now))


def file_of(
    file_id: int, account_id: int, signed_in: bool, store: Store, now: datetime
) -> tuple[str, bytes] | None:
    """A file's media type and content, for a reader of a chat to which it was sent.

    A table is given to who asked for it, and no more once their role has ended, or in a session in
    which it does not count.
    """
    found = store.files.content(file_id)
    if found is None or found[0] != TABLE_TYPE:
        return found
    table = store.exports.table_in(file_id)
    reader = store.session.get_one(Account, account_id).person_id
    is_theirs = table is not None and table.person_id == reader and may_have(table, store, now)
    return found if is_theirs and signed_in else None


def table_of(export: DataExport, store: Store, settings: Settings, now: datetime) -> Table:
    """A table, in the words of who asked for it. That of organisations is as `import` reads it."""
    texts = texts_for(store.people.get(export.person_id).language, settings.zone)
    columns, rows = _TABLES[export.what](store, texts, now)
    return Table(write_table(columns, rows), len(rows))


def kept(store: Store) -> dict[str, Entry]:
    """The organisations as they are kept, by id."""
    names = store.organisations.all_names()
    return {
        one.id: Entry(
            one.id,
            one.is_signatory,
            one.college,
            tuple(
                Name(name.starts_on, name.ends_on, name.name, name.short_name)
                for name in names.get(one.id, [])
            ),
        )
        for one in store.organisations.all().values()
    }


def _organisations(store: Store, _texts: Texts, _now: datetime) -> tuple[Row, Sequence[Row]]:
    return COLUMNS, rows_of(list(kept(store).values()))


def _members(store: Store, texts: Texts, now: datetime) -> tuple[Row, Sequence[Row]]:
    """Who speaks for each organisation, by the name they gave."""
    names = store.organisations.names(now.date())
    rows = [
        (
            one.organisation_id,
            names.get(one.organisation_id, one.organisation_id),
            texts.label(person_name(store.people.get(one.person_id))),
            texts.plain("members.kind_of", {"kind": one.kind}),
            _day(one.starts_at, texts),
            _day(one.ends_at, texts),
        )
        for one in store.organisations.speakers(now)
    ]
    return _columns("exports.members_columns", texts), sorted(rows)


def _reports(store: Store, texts: Texts, _now: datetime) -> tuple[Row, Sequence[Row]]:
    """What was told, of which only what is public is said."""
    rows = [
        (
            one.public_id,
            _day(one.submitted_at, texts),
            _worded("people.profile", one.profile, texts),
            academies().get(one.academie or "", ""),
            _worded("recommendations.theme", one.theme, texts),
            _worded("reports.kind", one.kind, texts),
            _worded("exports.state", one.state, texts),
            _worded("exports.readers", "all" if one.publishable else "committee", texts),
            *(" ".join((text or "").split()) for text in one.texts),
        )
        for one in store.reports.listed()
    ]
    return _columns("exports.reports_columns", texts), rows


_TABLES: dict[Exported, Callable[[Store, Texts, datetime], tuple[Row, Sequence[Row]]]] = {
    Exported.organisations: _organisations,
    Exported.members: _members,
    Exported.reports: _reports,
}


def _columns(name: str, texts: Texts) -> Row:
    return texts.plain(name).split("|")


def _worded(what: str, value: str | None, texts: Texts) -> str:
    return texts.label(Words(f"{what}_{value}")) if value else ""


def _day(at: datetime | None, texts: Texts) -> str:
    return at.astimezone(texts.zone).date().isoformat() if at else ""
