"""Two people of whom one stays."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, update
from sqlalchemy.orm import Session

from storage.base import execute


@dataclass(frozen=True)
class Merge:
    """One person of two. All that is theirs is locked.

    Attributes:
        stays: the ids of the electors whose ballot stays, of the open polls in which both voted.
    """

    session: Session
    kept: int
    gone: int
    now: datetime
    stays: frozenset[int] = frozenset()

    @property
    def both(self) -> tuple[int, int]:
        return self.kept, self.gone


def moves(merge: Merge, column: "Column[Any]") -> None:
    """All that is there of who goes is of who stays."""
    moving = update(column.table).where(column == merge.gone).values({column.name: merge.kept})
    execute(merge.session, moving)
