"""All that is kept of a person: every column that refers to one says what of its rows is theirs.

`tests/storage/test_held.py` fails for a column that refers to people, or a table that holds
something encrypted, and is not named here.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Table, or_, select
from sqlalchemy.orm import Session

from storage.audit import AuditEntry
from storage.base import Base
from storage.people import Person
from storage.types import BlindIndex, EncryptedBytes

OWN: dict[str, str] = {
    "people.id": "who they are",
    "accounts.person_id": "where they are reached",
    "mutes.person_id": "what they do not want to receive",
    "drafts.person_id": "what they began to tell",
    "counted_messages.person_id": "which messages of theirs count already",
    "files.person_id": "photos and voice notes",
    "reports.author_id": "what they told",
    "threads.person_id": "what they wrote to the secretariat",
    "electors.person_id": "where they may vote in their own name",
    "ballots.cast_by": "how they voted",
    "mandates.person_id": "for which organisation they speak",
    "grants.person_id": "their roles",
    "handovers.delegate_id": "ballots they handed over",
    "handovers.substitute_id": "ballots handed over to them",
    "memberships.person_id": "their working groups",
    "meeting_answers.person_id": "which meetings they come to",
    "data_requests.person_id": "what they asked about their data",
    "data_exports.person_id": "copies such as this one, and tables they had made",
}
# Rows of others, or of the committee: it is told that the person did this, and to which.
DONE: dict[str, str] = {
    "reports.claimed_by": "reports they read",
    "threads.claimed_by": "letters they took care of",
    "thread_messages.answered_by": "letters they answered",
    "polls.created_by": "polls they opened",
    "text_versions.created_by": "drafts they wrote",
    "working_groups.created_by": "groups they made",
    "meetings.called_by": "meetings they called",
    "broadcasts.composed_by": "broadcasts they wrote",
    "broadcasts.confirmed_by": "broadcasts they confirmed",
    "invitations.created_by": "invitations they made",
    "invitations.agreed_by": "invitations to which they agreed",
    "grants.granted_by": "roles they gave",
    "data_requests.closed_by": "requests they answered",
    "approvals.asked_by": "acts for which they asked a second person",
}
# Rows that hang from those of their own.
HANGS: dict[str, str] = {
    "chats.account_id": "accounts",
    "conversations.account_id": "accounts",
    "web_sessions.account_id": "accounts",
    "return_codes.account_id": "accounts",
    "thread_messages.thread_id": "threads",
    "published_reports.report_id": "reports",
}
LEFT_OUT: dict[str, str] = {
    "people.merged_into": "an id that they had before; all that was under it is theirs now",
    "deliveries.person_id": "messages on their way to them, which they read in their conversation",
}
# Values that say nothing of the person, or what others did to their rows: see `DONE`.
_UNSAID = {
    "conversations.awaiting",
    "conversations.kept_in",
    "reports.masked",
    *DONE,
}


class Part(StrEnum):
    """What a copy is made of, beside the rows by table."""

    rows = "rows"
    done = "done"
    acts = "acts"


def held_of(session: Session, person_id: int) -> dict[str, Any]:
    """All that is kept of a person, as plain data.

    `rows` are their own, by table; `done` is what they did to rows of others, by column, and to
    which; `acts` are the entries of the audit log in which they act, or are acted on.
    """
    ids = [person_id, *_before(session, person_id)]
    rows = _own_rows(session, ids)
    return {
        Part.rows: {name: found for name, found in rows.items() if found},
        Part.done: _done(session, ids),
        Part.acts: _acts(session, ids),
    }


def _before(session: Session, person_id: int) -> Sequence[int]:
    """The ids under which a person was known before."""
    return session.scalars(select(Person.id).where(Person.merged_into == person_id)).all()


def _own_rows(session: Session, ids: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    own: dict[str, list[ColumnElement[bool]]] = {}
    for name in OWN:
        table, column = _named(name)
        own.setdefault(table.name, []).append(table.c[column].in_(ids))
    rows = {name: _rows(session, name, or_(*those)) for name, those in own.items()}
    for name, parent in HANGS.items():
        table, column = _named(name)
        (key,) = Base.metadata.tables[parent].primary_key.columns
        held = [row[key.name] for row in rows[parent]]
        rows[table.name] = _rows(session, table.name, table.c[column].in_(held))
    rows["restrictions"] = _rows(session, "restrictions", _restricts(ids))
    return rows


def _restricts(ids: Sequence[int]) -> ColumnElement[bool]:
    """Restrictions are tied to addresses, by their hash, not to people."""
    restricted, accounts = (
        Base.metadata.tables[name] for name in ("restricted_addresses", "accounts")
    )
    theirs = (
        select(restricted.c.restriction_id)
        .join(
            accounts,
            (accounts.c.platform == restricted.c.platform)
            & (accounts.c.address_index == restricted.c.address_index),
        )
        .where(accounts.c.person_id.in_(ids))
    )
    return Base.metadata.tables["restrictions"].c.id.in_(theirs)


def _rows(session: Session, name: str, those: ColumnElement[bool]) -> list[dict[str, Any]]:
    table = Base.metadata.tables[name]
    told = [one for one in table.columns if _is_told(f"{name}.{one.name}", one.type)]
    wanted = select(*told).where(those).order_by(*table.primary_key.columns)
    return [
        {one.name: _plain(value) for one, value in zip(told, row, strict=True)}
        for row in session.execute(wanted)
    ]


def _done(session: Session, ids: Sequence[int]) -> dict[str, list[Any]]:
    done: dict[str, list[Any]] = {}
    for name in DONE:
        table, column = _named(name)
        key = table.c.public_id if "public_id" in table.c else next(iter(table.primary_key))
        wanted = select(key).where(table.c[column].in_(ids)).order_by(key)
        found = list(session.scalars(wanted))
        if found:
            done[name] = found
    return done


def _acts(session: Session, ids: Sequence[int]) -> list[dict[str, Any]]:
    about = [f"person:{one}" for one in ids]
    those = or_(AuditEntry.actor_id.in_(ids), AuditEntry.about.in_(about))
    found = session.scalars(select(AuditEntry).where(those).order_by(AuditEntry.id))
    return [
        {
            "at": _plain(one.at),
            "act": one.act,
            "by_you": one.actor_id in ids,
            "about": one.about,
            "via": one.via,
        }
        for one in found
    ]


def _named(name: str) -> tuple[Table, str]:
    table, _, column = name.partition(".")
    return Base.metadata.tables[table], column


def _is_told(name: str, kind: object) -> bool:
    """Whether a value can be said: not the hash of one, nor the content of a file."""
    return name not in _UNSAID and not isinstance(kind, BlindIndex | EncryptedBytes)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value
