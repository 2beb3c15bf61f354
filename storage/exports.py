"""What is given out as files: asked for, made by the clock, kept for some days."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.files import Files
from storage.grants import Grant
from storage.organisations import Mandate
from storage.types import Instant, Named

TABLE_TYPE = "text/csv"  # of a table's file


class Exported(StrEnum):
    """What may be given out: all that is kept of a person, to them; or a table of the committee."""

    own = "own"
    organisations = "organisations"
    members = "members"
    reports = "reports"

    @property
    def is_table(self) -> bool:
        return self is not Exported.own


class DataExport(Base):
    """What a person asked for. Once made, it is files of theirs: two for their copy, else one."""

    __tablename__ = "data_exports"
    __table_args__ = (
        Index(None, "person_id"),
        Index(None, "made_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    what: Mapped[Exported] = mapped_column(Named(Exported))
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

    def ask(self, person_id: int, now: datetime, what: Exported = Exported.own) -> DataExport:
        """Have something made, unless it is being made; one's own copy, unless there is one."""
        mine = select(DataExport).where(DataExport.person_id == person_id, DataExport.what == what)
        if what.is_table:
            mine = mine.where(DataExport.made_at.is_(None))
        found = self.session.scalars(mine.order_by(DataExport.id.desc())).first()
        if found is not None:
            return found
        made = DataExport(person_id=person_id, what=what, asked_at=now)
        self.session.add(made)
        self.session.flush()
        return made

    def get(self, export_id: int) -> DataExport | None:
        return self.session.get(DataExport, export_id)

    def lock(self, export_id: int) -> DataExport | None:
        """One that nobody else makes, or erases, meanwhile."""
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

    def keep_table(self, export: DataExport, data: bytes, now: datetime) -> None:
        export.data_id = self._files.add(data, TABLE_TYPE, now, export.person_id)
        export.made_at = now
        self.session.flush()

    def table_in(self, file_id: int) -> DataExport | None:
        """The table that a file holds, if it holds one."""
        holds = DataExport.data_id == file_id
        wanted = select(DataExport).where(holds, DataExport.what != Exported.own)
        return self.session.scalars(wanted).first()

    def is_of_member(self, export: DataExport) -> bool:
        """Whether its person has, or had, a role: it then says what is the committee's."""
        granted = select(Grant.id).where(Grant.person_id == export.person_id).limit(1)
        return self.may_name(export.person_id) or self.session.scalars(granted).first() is not None

    def may_name(self, person_id: int) -> bool:
        """Whether a table of members may name somebody: they speak, or spoke, for others."""
        spoke = select(Mandate.id).where(Mandate.person_id == person_id).limit(1)
        return self.session.scalars(spoke).first() is not None

    def files_among(self, file_ids: Sequence[int]) -> set[int]:
        """Those of some files that are given out."""
        found: set[int] = set()
        for column in (DataExport.data_id, DataExport.page_id):
            wanted = select(column).where(column.in_(file_ids))
            found |= {one for one in self.session.scalars(wanted) if one is not None}
        return found

    def drop(self, export: DataExport) -> None:
        self._files.drop(export.files)
        self.session.delete(export)
        self.session.flush()

    def drop_tables(self, what: Exported, now: datetime) -> list[int]:
        """Drop the tables of a kind with their files, and return their ids.

        What they said is erased; those that are being made are made anew.
        """
        same = DataExport.what == what
        waiting = update(DataExport).where(same, DataExport.made_at.is_(None))
        self.session.execute(waiting.values(asked_at=now))
        made = select(DataExport).where(same, DataExport.made_at.is_not(None))
        dropped = self.session.scalars(made.order_by(DataExport.id)).all()
        for export in dropped:
            self.drop(export)
        return [export.id for export in dropped]

    def forget_old(self, before: datetime) -> None:
        """Drop what was made before a moment, with its files."""
        for export in self.session.scalars(select(DataExport).where(DataExport.made_at < before)):
            self.drop(export)

    def forget_person(self, person_id: int) -> None:
        """Drop what a person asked for; its files go with all of theirs."""
        self.session.execute(delete(DataExport).where(DataExport.person_id == person_id))
