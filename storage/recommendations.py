"""Texts of the committee and their versions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, next_number
from storage.types import Encrypted, Instant, Named


class Theme(StrEnum):
    """The six themes of the convention of 1 October 2015."""

    usages = "usages"
    governance = "governance"
    support = "support"
    reference_framework = "reference_framework"
    infrastructure = "infrastructure"
    industry = "industry"


class Text(Base):
    __tablename__ = "texts"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(20), unique=True)
    theme: Mapped[Theme | None] = mapped_column(Named(Theme))
    created_at: Mapped[datetime] = mapped_column(Instant)


class TextVersion(Base):
    __tablename__ = "text_versions"
    __table_args__ = (UniqueConstraint("text_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    text_id: Mapped[int] = mapped_column(ForeignKey("texts.id"))
    number: Mapped[int]
    title: Mapped[str] = mapped_column(Encrypted("text_versions.title"))
    body: Mapped[str] = mapped_column(Encrypted("text_versions.body"))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime] = mapped_column(Instant)


@dataclass(frozen=True)
class Draft:
    """A draft recommendation as people see it: its newest version."""

    text_id: int
    version_id: int
    public_id: str
    theme: Theme | None
    number: int
    title: str
    body: str
    created_at: datetime


class Recommendations:
    def __init__(self, session: Session) -> None:
        self.session = session

    def add_draft(
        self, title: str, body: str, theme: Theme | None, author: int | None, now: datetime
    ) -> Draft:
        """Enter a draft recommendation with its first version; it gets its `REC-…` number."""
        year, number = next_number(self.session, "REC", now)
        text = Text(public_id=f"REC-{year}-{number:03d}", theme=theme, created_at=now)
        self.session.add(text)
        self.session.flush()
        return self._add_version(text, 1, title, body, author, now)

    def revise(
        self,
        text_id: int,
        title: str,
        body: str,
        theme: Theme | None,
        author: int,
        now: datetime,
    ) -> Draft:
        """Add a version; earlier ones, and the polls on them, stay as they were."""
        text = self.session.get_one(Text, text_id, with_for_update=True)
        text.theme = theme
        newest = select(func.max(TextVersion.number)).where(TextVersion.text_id == text_id)
        number = self.session.execute(newest).scalar_one() + 1
        return self._add_version(text, number, title, body, author, now)

    def draft(self, text_id: int) -> Draft | None:
        """The newest version of a text."""
        return next(iter(self._drafts(text_id)), None)

    def drafts(self) -> list[Draft]:
        """The newest version of every text, newest text first."""
        return self._drafts()

    def version(self, version_id: int) -> Draft:
        wanted = (
            select(Text, TextVersion)
            .join(TextVersion, TextVersion.text_id == Text.id)
            .where(TextVersion.id == version_id)
        )
        return _draft(*self.session.execute(wanted).one())

    def _drafts(self, text_id: int | None = None) -> list[Draft]:
        wanted = (
            select(Text, TextVersion)
            .join(TextVersion, TextVersion.text_id == Text.id)
            .order_by(Text.id.desc(), TextVersion.number.desc())
        )
        if text_id is not None:
            wanted = wanted.where(Text.id == text_id)
        newest: dict[int, Draft] = {}
        for text, version in self.session.execute(wanted):
            newest.setdefault(text.id, _draft(text, version))
        return list(newest.values())

    def _add_version(
        self, text: Text, number: int, title: str, body: str, author: int | None, now: datetime
    ) -> Draft:
        version = TextVersion(
            text_id=text.id,
            number=number,
            title=title,
            body=body,
            created_by=author,
            created_at=now,
        )
        self.session.add(version)
        self.session.flush()
        return _draft(text, version)


def _draft(text: Text, version: TextVersion) -> Draft:
    return Draft(
        text_id=text.id,
        version_id=version.id,
        public_id=text.public_id,
        theme=text.theme,
        number=version.number,
        title=version.title,
        body=version.body,
        created_at=version.created_at,
    )
