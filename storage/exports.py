"""Copies of what is kept about a person: asked for, made by the clock, kept for some days."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Index, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.files import Files
from storage.grants import Grant
from storage.organisations import Mandate
from storage.types import Instant


class DataExport(Base):
    """A copy that a person asked for. Once made, it is two files of theirs."""

    __tablename__ = "data_exports"
    __table_args__ = (
        Index(None, "person_id"),
        Index(None, "made_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    asked_at: Mapped[datetime] = mapped_column(Instant)
    made_at: Mapped[datetime | None] = mapped_column(Instant)
    data_id: Mapped[int | None] = mapped_column(ForeignKey("files.id", ondelete="SET NULL"))
    page_id: Mapped[int | None] = mapped_column(ForeignKey("files.id", ondelete="SET NULL"))

    @property
    def files(self) -> list[int]:
        """The page, then the data."""
        return [one for one in (self.page_id, self.data_id) if one is not None]


class Exports:
    def __init__(self, session: Session) -> None:
        self.session = session
        self._files = Files(session)

    def ask(self, person_id: int, now: datetime) -> DataExport:
        """Have a copy made, unless there is one, or one is being made."""
        mine = select(DataExport).where(DataExport.person_id == person_id)
        found = self.session.scalars(mine.order_by(DataExport.id.desc())).first()
        if found is not None:
            return found
        made = DataExport(person_id=person_id, asked_at=now)
        self.session.add(made)
        self.session.flush()
        return made

    def get(self, export_id: int) -> DataExport | None:
        return self.session.get(DataExport, export_id)

    def lock(self, export_id: int) -> DataExport | None:
        """A copy that nobody else makes, or erases, meanwhile."""
        wanted = select(DataExport).where(DataExport.id == export_id).with_for_update()
        return self.session.scalars(wanted.execution_options(populate_existing=True)).first()

    def next_waiting(self) -> DataExport | None:
        """The one that was asked for first, of those to be made."""
        wanted = select(DataExport).where(DataExport.made_at.is_(None)).order_by(DataExport.id)
        return self.session.scalars(wanted.limit(1)).first()

    def next_due(self) -> datetime | None:
        wanted = select(func.min(DataExport.asked_at)).where(DataExport.made_at.is_(None))
        return self.session.execute(wanted).scalar()

    def keep(self, export: DataExport, data: bytes, page: bytes, now: datetime) -> None:
        """Keep the two files of a copy: JSON and HTML."""
        person = export.person_id
        export.data_id = self._files.add(data, "application/json", now, person)
        export.page_id = self._files.add(page, "text/html", now, person)
        export.made_at = now
        self.session.flush()

    def is_of_member(self, export: DataExport) -> bool:
        """Whether its person has, or had, a role: it then says what is the committee's."""
        granted = select(Grant.id).where(Grant.person_id == export.person_id)
        spoke = select(Mandate.id).where(Mandate.person_id == export.person_id)
        return any(self.session.scalars(one.limit(1)).first() for one in (granted, spoke))

    def files_among(self, file_ids: Sequence[int]) -> set[int]:
        """Those of some files that belong to a copy."""
        found: set[int] = set()
        for column in (DataExport.data_id, DataExport.page_id):
            wanted = select(column).where(column.in_(file_ids))
            found |= {one for one in self.session.scalars(wanted) if one is not None}
        return found

    def drop(self, export: DataExport) -> None:
        self._files.drop(export.files)
        self.session.delete(export)
        self.session.flush()

    def forget_old(self, before: datetime) -> None:
        """Drop the copies made before a moment, with their files."""
        for export in self.session.scalars(select(DataExport).where(DataExport.made_at < before)):
            self.drop(export)

    def forget_person(self, person_id: int) -> None:
        """Drop a person's copies; their files go with all of theirs."""
        self.session.execute(delete(DataExport).where(DataExport.person_id == person_id))
