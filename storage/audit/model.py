"""What is remembered of acts: entries, what they commit to, and the links of their chain."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base
from storage.types import EncryptedJSON, Instant

SALT = 16  # bytes
BY_COMMAND_LINE, BY_CLOCK = "shell", "clock"  # where an act comes from that came from no chat


class AuditEntry(Base):
    """One act. `batch` is the link of the chain in which it stands, once it does.

    Attributes:
        actor_id: who acted; None for the operator and the clock. An id, not a reference: the entry
            outlives the person.
        about: what it was done to, as `<noun>:<id>`; empty if that is told by the act.
        via: the platform on which it was asked, `shell` or `clock`.
        commitment: SHA-256 of the salt and the details; None if there were none.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index(None, "batch"),
        Index(None, "at"),
        Index(None, "about"),
        Index(None, "actor_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    act: Mapped[str] = mapped_column(String(60))
    actor_id: Mapped[int | None]
    about: Mapped[str] = mapped_column(String(80), default="")
    via: Mapped[str] = mapped_column(String(12))
    commitment: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    batch: Mapped[int | None]


class AuditDetails(Base):
    """What an entry commits to, until it is erased."""

    __tablename__ = "audit_details"

    entry_id: Mapped[int] = mapped_column(
        ForeignKey("audit_entries.id"), primary_key=True, autoincrement=False
    )
    salt: Mapped[bytes] = mapped_column(LargeBinary(SALT))
    details: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON("audit_details.details"))


class AuditBatch(Base):
    """A link of the chain: what it covers, and the hash of that with the link before."""

    __tablename__ = "audit_batches"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at: Mapped[datetime] = mapped_column(Instant)
    entries: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


def commitment(salt: bytes, details: Mapping[str, Any]) -> bytes:
    """What an entry keeps of its details, which nobody can guess them from without the salt."""
    return hashlib.sha256(salt + written(details)).digest()


def written(data: Any) -> bytes:
    """Plain data in the one way of writing it."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
