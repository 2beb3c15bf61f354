"""The audit log: who did what to what, when, and from where.

An entry holds ids only. What else there is to say of an act stands apart, encrypted, and can be
erased; the entry keeps a salted commitment to it. Entries are written unchained, so that acts wait
for nobody; the clock chains them, some at a time: each link is the hash of its entries with the
link before.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from storage.audit.chain import Chain, Head, Verified
from storage.audit.model import (
    BY_CLOCK,
    BY_COMMAND_LINE,
    SALT,
    AuditBatch,
    AuditDetails,
    AuditEntry,
    commitment,
)

__all__ = [
    "BY_CLOCK",
    "BY_COMMAND_LINE",
    "Audit",
    "AuditBatch",
    "AuditDetails",
    "AuditEntry",
    "Filter",
    "Head",
    "Verified",
]


@dataclass(frozen=True)
class Filter:
    """Which acts to show; None: all.

    Attributes:
        noun: what acts begin with.
        actor_id: who acted.
        about: what was acted on, one of these.
        since: not before that moment.
    """

    noun: str | None = None
    actor_id: int | None = None
    about: Sequence[str] | None = None
    since: datetime | None = None

    def fits(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = []
        if self.noun is not None:
            wanted.append(AuditEntry.act.startswith(f"{self.noun}.", autoescape=True))
        if self.actor_id is not None:
            wanted.append(AuditEntry.actor_id == self.actor_id)
        if self.about is not None:
            wanted.append(AuditEntry.about.in_(self.about))
        if self.since is not None:
            wanted.append(AuditEntry.at >= self.since)
        return wanted


class Audit(Chain):
    def __init__(self, session: Session) -> None:
        self.session = session

    def add(
        self,
        act: str,
        now: datetime,
        *,
        via: str,
        by: int | None = None,
        about: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Note an act in the transaction that does it.

        Args:
            act: `<noun>.<what was done>`, such as `polls.cancelled`.
            via: the platform, `BY_COMMAND_LINE` or `BY_CLOCK`.
            by: the person who acted.
            about: what it was done to, as `<noun>:<id>`.
            details: plain data that may be erased later. It may be personal: it is encrypted.
        """
        entry = AuditEntry(at=now, act=act, actor_id=by, about=about, via=via)
        if details is None:
            self.session.add(entry)
            return
        salt, said = os.urandom(SALT), dict(details)
        entry.commitment = commitment(salt, said)
        self.session.add(entry)
        self.session.flush()
        self.session.add(AuditDetails(entry_id=entry.id, salt=salt, details=said))

    def latest(
        self, wanted: Filter, *, before: int | None = None, at_most: int = 10
    ) -> list[AuditEntry]:
        """Acts, the newest first.

        Args:
            before: only those older than this one.
        """
        found = select(AuditEntry).where(*wanted.fits())
        if before is not None:
            found = found.where(AuditEntry.id < before)
        return list(self.session.scalars(found.order_by(AuditEntry.id.desc()).limit(at_most)))

    def get(self, entry_id: int) -> AuditEntry | None:
        return self.session.get(AuditEntry, entry_id)

    def details_of(self, entry: AuditEntry) -> dict[str, Any] | None:
        """What else there is to say of an act; None: nothing, or it was erased."""
        found = self.session.get(AuditDetails, entry.id)
        return found.details if found is not None else None

    def actors(self, wanted: Filter, at_most: int) -> list[int]:
        """Who acted last, each once."""
        acted = (
            select(AuditEntry.actor_id)
            .where(*wanted.fits(), AuditEntry.actor_id.is_not(None))
            .group_by(AuditEntry.actor_id)
            .order_by(func.max(AuditEntry.id).desc())
        )
        return [one for one in self.session.scalars(acted.limit(at_most)) if one is not None]

    def concerned(self, at_most: int) -> list[int]:
        """To whom something was done last, each once."""
        done = (
            select(AuditEntry.about)
            .where(AuditEntry.about.startswith("person:"))
            .group_by(AuditEntry.about)
            .order_by(func.max(AuditEntry.id).desc())
        )
        found = self.session.scalars(done.limit(at_most))
        return [int(about.partition(":")[2]) for about in found]

    def done_to(self, act: str, person_id: int) -> list[int]:
        """The ids of what a person did an act to."""
        acted = select(AuditEntry.about).where(
            AuditEntry.act == act, AuditEntry.actor_id == person_id
        )
        return [int(about.partition(":")[2]) for about in self.session.scalars(acted)]

    def forget_person(self, person_id: int) -> None:
        """Erase the details of what a person did, and of what was done to them."""
        theirs = select(AuditEntry.id).where(
            or_(AuditEntry.actor_id == person_id, AuditEntry.about == f"person:{person_id}")
        )
        self._erase_details(AuditDetails.entry_id.in_(theirs))

    def forget_details(self, before: datetime) -> None:
        """Erase the details of what was done before a moment; the entries stay."""
        old = select(AuditEntry.id).where(AuditEntry.at < before)
        self._erase_details(AuditDetails.entry_id.in_(old))

    def _erase_details(self, those: ColumnElement[bool]) -> None:
        erased = delete(AuditDetails).where(those)
        self.session.execute(erased.execution_options(synchronize_session=False))
