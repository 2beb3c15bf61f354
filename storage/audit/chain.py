"""The chain of the audit log: each link is the hash of its entries with the link before."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidTag
from sqlalchemy import LargeBinary, func, or_, select, type_coerce, update
from sqlalchemy.orm import Session

from storage.audit.model import AuditBatch, AuditDetails, AuditEntry, commitment, written
from storage.keys import KeyRefused

LINK = 500  # entries in a link at most
START = bytes(32)  # what the first link follows
SECOND = b"2"  # begins what is hashed, in the second form of a link


@dataclass(frozen=True)
class Head:
    """A link of the chain, as it is noted elsewhere to be compared later."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"link {self.number} {self.hash}"


@dataclass(frozen=True)
class Verified:
    """What looking at the whole log came to.

    Attributes:
        heads: the links of the chain, in order.
        entries: how many are chained; `waiting`: how many are not yet.
        erased: how many of their details were erased.
        problems: what does not hold, one line each.
    """

    heads: Sequence[Head]
    entries: int
    waiting: int
    erased: int
    problems: Sequence[str]


class Chain:
    """The part of `Audit` that makes the chain and looks at it."""

    session: Session

    def chain(self, now: datetime) -> bool:
        """Make the next link of the entries that have none; whether more are left.

        One process does it, or the number of the link would be given twice, which is refused.
        """
        waiting = list(
            self.session.scalars(
                select(AuditEntry)
                .where(AuditEntry.batch.is_(None))
                .order_by(AuditEntry.id)
                .limit(LINK)
            )
        )
        if not waiting:
            return False
        newest = select(AuditBatch).order_by(AuditBatch.number.desc()).limit(1)
        last = self.session.scalars(newest).first()
        number, follows = (last.number + 1, last.hash) if last is not None else (1, START)
        link = AuditBatch(number=number, made_at=now, entries=len(waiting))
        link.hash = _linked(link, follows, waiting)
        self.session.add(link)
        chained = update(AuditEntry).where(AuditEntry.id.in_([one.id for one in waiting]))
        self.session.execute(chained.values(batch=number))
        return len(waiting) == LINK

    def head(self) -> Head | None:
        """The last link."""
        newest = select(AuditBatch).order_by(AuditBatch.number.desc()).limit(1)
        link = self.session.scalars(newest).first()
        return Head(link.number, link.hash.hex()) if link is not None else None

    def verify(self) -> Verified:
        """Read the whole log, and compute its chain again."""
        heads: list[Head] = []
        problems: list[str] = []
        follows, entries = START, 0
        for link in self.session.scalars(select(AuditBatch).order_by(AuditBatch.number)).all():
            its = self._entries_of(link)
            if link.number != (heads[-1].number if heads else 0) + 1:
                problems.append(f"link {link.number}: the one before it is gone")
            elif link.hash not in (_linked(link, follows, its), _linked_before(follows, its)):
                problems.append(f"link {link.number}: its acts, or its moment, were changed")
            heads.append(Head(link.number, link.hash.hex()))
            follows = link.hash
            entries += len(its)
        problems += [f"act {one}: its link is gone" for one in self._unlinked()]
        erased, changed = self._uncommitted()
        problems += [f"act {one}: its details are not those it was noted with" for one in changed]
        waiting = select(func.count()).where(AuditEntry.batch.is_(None))
        left = self.session.execute(waiting).scalar_one()
        return Verified(heads, entries, left, erased, problems)

    def _entries_of(self, link: AuditBatch) -> Sequence[AuditEntry]:
        wanted = select(AuditEntry).where(AuditEntry.batch == link.number)
        return self.session.scalars(wanted.order_by(AuditEntry.id)).all()

    def _unlinked(self) -> Sequence[int]:
        wanted = select(AuditEntry.id).where(
            AuditEntry.batch.is_not(None), AuditEntry.batch.not_in(select(AuditBatch.number))
        )
        return self.session.scalars(wanted.order_by(AuditEntry.id)).all()

    def _uncommitted(self) -> tuple[int, list[int]]:
        """How many details were erased, and the entries whose details were changed."""
        sealed = type_coerce(AuditDetails.details, LargeBinary)
        wanted = (
            select(AuditEntry.id, AuditEntry.commitment, AuditDetails.salt, sealed)
            .outerjoin(AuditDetails, AuditDetails.entry_id == AuditEntry.id)
            .where(or_(AuditEntry.commitment.is_not(None), AuditDetails.salt.is_not(None)))
            .order_by(AuditEntry.id)
        )
        erased, changed = 0, []
        for entry_id, kept, salt, details in self.session.execute(wanted):
            if salt is None:
                erased += 1
            elif kept != self._committed(salt, details):
                changed.append(entry_id)
        return erased, changed

    def _committed(self, salt: bytes, sealed: bytes) -> bytes | None:
        """What some details would be committed to with; None if they do not open."""
        opens = AuditDetails.details.type.process_result_value
        try:
            return commitment(salt, opens(sealed, self.session.get_bind().dialect))
        except (InvalidTag, KeyRefused):
            return None


def _linked(link: AuditBatch, follows: bytes, entries: Iterable[AuditEntry]) -> bytes:
    """The hash of a link: of what it follows, of itself, and of each of its entries."""
    own = written([link.number, link.made_at.astimezone(UTC).isoformat(), link.entries])
    return _hashed(SECOND + follows + own, entries)


def _linked_before(follows: bytes, entries: Iterable[AuditEntry]) -> bytes:
    """As the first links were made, which did not cover when that was."""
    return _hashed(follows, entries)


def _hashed(begins: bytes, entries: Iterable[AuditEntry]) -> bytes:
    made = hashlib.sha256(begins)
    for entry in entries:
        kept = entry.commitment.hex() if entry.commitment is not None else None
        at = entry.at.isoformat()
        made.update(
            written([entry.id, at, entry.act, entry.actor_id, entry.about, entry.via, kept])
        )
    return made.digest()
