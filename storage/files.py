"""Pictures, documents and voice notes, encrypted, under no name of their author's."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.types import EncryptedBytes, Instant


class File(Base):
    """A file. One that no report holds yet is an orphan, swept after a day."""

    __tablename__ = "files"
    __table_args__ = (Index(None, "report_id"), Index(None, "person_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    report_id: Mapped[int | None] = mapped_column(ForeignKey("reports.id"))
    media_type: Mapped[str] = mapped_column(String(40))
    content: Mapped[bytes] = mapped_column(EncryptedBytes("files.content"), deferred=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Files:
    def __init__(self, session: Session) -> None:
        self.session = session

    def add(
        self, content: bytes, media_type: str, now: datetime, person_id: int | None = None
    ) -> int:
        file = File(content=content, media_type=media_type, person_id=person_id, created_at=now)
        self.session.add(file)
        self.session.flush()
        return file.id

    def content(self, file_id: int) -> tuple[str, bytes] | None:
        """A file's media type and content."""
        wanted = select(File.media_type, File.content).where(File.id == file_id)
        found = self.session.execute(wanted).first()
        return (found[0], found[1]) if found else None

    def media_type(self, file_id: int) -> str | None:
        """A file's media type; None if there is no such file."""
        wanted = select(File.media_type).where(File.id == file_id)
        return self.session.scalars(wanted).first()

    def media_types(self, file_ids: Sequence[int]) -> dict[int, str]:
        """The media types of some files, in their order; without those that are gone."""
        if not file_ids:
            return {}
        wanted = select(File.id, File.media_type).where(File.id.in_(file_ids))
        found = {row.id: row.media_type for row in self.session.execute(wanted)}
        return {one: found[one] for one in file_ids if one in found}

    def attach(self, file_ids: list[int], report_id: int, person_id: int) -> None:
        """Tie a person's own files to their report; let go of those it held before."""
        mine = File.person_id == person_id
        self.session.execute(update(File).where(File.report_id == report_id).values(report_id=None))
        self.session.execute(
            update(File).where(mine, File.id.in_(file_ids)).values(report_id=report_id)
        )

    def of_report(self, report_id: int) -> list[int]:
        wanted = select(File.id).where(File.report_id == report_id).order_by(File.id)
        return list(self.session.scalars(wanted))

    def drop_of_report(self, report_id: int) -> None:
        self.session.execute(delete(File).where(File.report_id == report_id))

    def drop_of_person(self, person_id: int) -> None:
        self.session.execute(delete(File).where(File.person_id == person_id))

    def keep(self, file_id: int) -> None:
        """A file goes out with a broadcast: it is the committee's from now on."""
        self.session.execute(update(File).where(File.id == file_id).values(person_id=None))

    def orphans(self, before: datetime) -> list[File]:
        """A person's files sent before a moment that no report holds."""
        wanted = select(File).where(
            File.report_id.is_(None), File.person_id.is_not(None), File.created_at < before
        )
        return list(self.session.scalars(wanted))

    def drop(self, file_ids: list[int]) -> None:
        self.session.execute(delete(File).where(File.id.in_(file_ids)))
