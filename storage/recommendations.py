"""Texts of the committee and their versions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Select, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

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


class Unchanged(Exception):
    """A new version would say what the newest one says."""


class Recommendations:
    def __init__(self, session: Session) -> None:
        self.session = session
        self._versions: dict[int, Draft] = {}

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
        """Add a version; earlier ones, and the polls on them, stay as they were.

        Raises:
            Unchanged: it says what the newest version says.
        """
        text = self.session.get_one(Text, text_id, with_for_update=True)
        newest = self.draft(text_id)
        assert newest is not None
        if (newest.title, newest.body, newest.theme) == (title, body, theme):
            raise Unchanged
        text.theme = theme
        self._versions.clear()
        return self._add_version(text, newest.number + 1, title, body, author, now)

    def draft(self, text_id: int) -> Draft | None:
        """The newest version of a text."""
        found = self.session.execute(_newest().where(Text.id == text_id)).first()
        return None if found is None else _draft(*found)

    def drafts(self, at_most: int, before: int | None = None) -> list[Draft]:
        """The newest version of some texts, newest text first.

        Args:
            before: the id of a text; only earlier ones are given.
        """
        wanted = _newest().order_by(Text.id.desc()).limit(at_most)
        if before is not None:
            wanted = wanted.where(Text.id < before)
        return [_draft(text, version) for text, version in self.session.execute(wanted)]

    def version(self, version_id: int) -> Draft:
        """One version of a text. It never changes: many readers of a result cost one reading."""
        if version_id not in self._versions:
            wanted = (
                select(Text, TextVersion)
                .join(TextVersion, TextVersion.text_id == Text.id)
                .where(TextVersion.id == version_id)
            )
            self._versions[version_id] = _draft(*self.session.execute(wanted).one())
        return self._versions[version_id]

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


def _newest() -> Select[Text, TextVersion]:
    other = aliased(TextVersion)
    newest = select(func.max(other.number)).where(other.text_id == Text.id).scalar_subquery()
    return select(Text, TextVersion).join(
        TextVersion, (TextVersion.text_id == Text.id) & (TextVersion.number == newest)
    )


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
