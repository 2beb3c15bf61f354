"""Working groups: who belongs to them, who asked to, who leads them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.recommendations import Theme
from storage.types import Instant, Named


class Joining(StrEnum):
    """How one joins a group: at once, or by asking its chair."""

    open = "open"
    request = "request"


class Belonging(StrEnum):
    """Where a person stands with a group."""

    asked = "asked"
    member = "member"


class WorkingGroup(Base):
    """A group that works for the committee. One on a theme alone bears the theme's name."""

    __tablename__ = "working_groups"

    id: Mapped[int] = mapped_column(primary_key=True)
    theme: Mapped[Theme | None] = mapped_column(Named(Theme))
    name: Mapped[str | None] = mapped_column(Text)
    joining: Mapped[Joining] = mapped_column(Named(Joining))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)


class Membership(Base):
    """A person belongs to a group, or asked to. Its chair also holds a grant of that scope."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("group_id", "person_id"), Index(None, "person_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("working_groups.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    state: Mapped[Belonging] = mapped_column(Named(Belonging))
    since: Mapped[datetime] = mapped_column(Instant)


def scope_of(group_id: int) -> str:
    """The scope of a role in one group (`storage.grants.Grant.scope`)."""
    return f"group:{group_id}"


class Groups:
    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, group_id: int) -> WorkingGroup | None:
        return self.session.get(WorkingGroup, group_id)
