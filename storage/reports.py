"""Experience reports: what people tell, and what becomes of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    String,
    Text,
    delete,
    func,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, next_number
from storage.files import Files
from storage.grants import ACADEMIE, ALL_REPORTS, THEME, Grant, Grants, Reach
from storage.people import Profile
from storage.recommendations import Theme
from storage.types import Encrypted, EncryptedJSON, Instant, Named

LAPSE = timedelta(hours=24)  # a reader who does nothing with a report no longer holds it
_NO_WORD = re.compile(r"[\d@/]")  # in a number or an address


class ReportKind(StrEnum):
    experience = "experience"
    initiative = "initiative"
    need = "need"
    good_practice = "good_practice"


class ReportState(StrEnum):
    """submitted → claimed → published | kept | returned (→ submitted); withdrawn at any time."""

    submitted = "submitted"
    claimed = "claimed"
    returned = "returned"
    published = "published"
    kept = "kept"
    withdrawn = "withdrawn"


DECIDED = (ReportState.published, ReportState.kept, ReportState.returned)


class Level(StrEnum):
    nursery = "nursery"
    primary = "primary"
    middle_school = "middle_school"
    high_school = "high_school"
    higher = "higher"
    after_school = "after_school"


class Report(Base):
    __tablename__ = "reports"
    __table_args__ = (Index(None, "author_id"), Index(None, "state", "submitted_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(20), unique=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    state: Mapped[ReportState] = mapped_column(Named(ReportState))
    kind: Mapped[ReportKind] = mapped_column(Named(ReportKind))
    theme: Mapped[Theme | None] = mapped_column(Named(Theme))
    profile: Mapped[Profile | None] = mapped_column(Named(Profile))
    academie: Mapped[str | None] = mapped_column(String(2))
    level: Mapped[Level | None] = mapped_column(Named(Level))
    relayed: Mapped[bool]
    publishable: Mapped[bool]
    title: Mapped[str] = mapped_column(Encrypted("reports.title"))
    story: Mapped[str] = mapped_column(Encrypted("reports.story"))
    equipment: Mapped[str | None] = mapped_column(Encrypted("reports.equipment"))
    advice: Mapped[str | None] = mapped_column(Encrypted("reports.advice"))
    question: Mapped[str | None] = mapped_column(Encrypted("reports.question"))
    submitted_at: Mapped[datetime] = mapped_column(Instant)
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    changed_at: Mapped[datetime] = mapped_column(Instant)
    masked: Mapped[list[list[str]] | None] = mapped_column(EncryptedJSON("reports.masked"))

    @property
    def texts(self) -> tuple[str, ...]:
        """What its author wrote, each text by itself."""
        return tuple(text for text in (self.title, self.story, self.equipment, self.advice) if text)

    def publicly(self, text: str) -> str:
        """A text of it as it would be published: what its readers masked is."""
        masks = sorted(self.masked or (), key=lambda one: len(one[0]), reverse=True)
        if not masks:
            return text
        those = re.compile("|".join(f"({_wherever(words)})" for words, _ in masks), re.IGNORECASE)
        return those.sub(lambda one: masks[(one.lastindex or 1) - 1][1], text)

    def mask(self, reviewer: int, pieces: Sequence[tuple[str, str]]) -> None:
        """Have some words be published as something else; its author's own text stays.

        Args:
            pieces: the words, and what stands for them.

        Raises:
            Taken: it is not in this reader's hands.
        """
        self._held_by(reviewer)
        known = {words for words, _ in self.masked or ()}
        new = [[words, mask] for words, mask in pieces if words not in known]
        self.masked = [*(self.masked or ()), *new]

    def unmask(self, reviewer: int) -> None:
        """Take back all that was masked.

        Raises:
            Taken: it is not in this reader's hands.
        """
        self._held_by(reviewer)
        self.masked = None

    @property
    def can_change(self) -> bool:
        """The author may change it until it is read, and when a question came back."""
        return self.state in (ReportState.submitted, ReportState.returned)

    def claim(self, reviewer: int, now: datetime) -> None:
        """One secretary reads it; raise `Taken` if another does, or if it no longer waits."""
        mine = self.state is ReportState.claimed and self.claimed_by == reviewer
        if self.state is not ReportState.submitted and not mine:
            raise Taken
        self._become(ReportState.claimed, now)
        self.claimed_by = reviewer

    def release(self, reviewer: int, now: datetime) -> None:
        """Put it back for the other secretaries."""
        self._held_by(reviewer)
        self._become(ReportState.submitted, now)
        self.claimed_by = None

    def send_back(self, reviewer: int, question: str, now: datetime) -> None:
        """Ask its author a question; they may change it again."""
        self._held_by(reviewer)
        self.question = question
        self._become(ReportState.returned, now)

    def settle(self, reviewer: int, published: bool, now: datetime) -> None:
        """End the review: published, or kept for the committee."""
        self._held_by(reviewer)
        if published and not self.publishable:
            raise Taken
        self._become(ReportState.published if published else ReportState.kept, now)

    def withdraw(self, now: datetime) -> None:
        self._become(ReportState.withdrawn, now)
        self.claimed_by = None

    def _held_by(self, reviewer: int) -> None:
        if self.state is not ReportState.claimed or self.claimed_by != reviewer:
            raise Taken

    def _become(self, state: ReportState, now: datetime) -> None:
        self.state = state
        self.changed_at = now


def _wherever(words: str) -> str:
    """A pattern of some words. Of letters alone, they are no part of a longer word."""
    pattern = re.escape(words)
    return pattern if _NO_WORD.search(words) else rf"(?<!\w){pattern}(?!\w)"


class PublishedReport(Base):
    """What everybody may read: plain, and without its author. Search sees only this."""

    __tablename__ = "published_reports"

    report_id: Mapped[int] = mapped_column(ForeignKey("reports.id"), primary_key=True)
    public_id: Mapped[str] = mapped_column(String(20), unique=True)
    kind: Mapped[ReportKind] = mapped_column(Named(ReportKind))
    theme: Mapped[Theme | None] = mapped_column(Named(Theme))
    profile: Mapped[Profile | None] = mapped_column(Named(Profile))
    academie: Mapped[str | None] = mapped_column(String(2))
    level: Mapped[Level | None] = mapped_column(Named(Level))
    relayed: Mapped[bool]
    title: Mapped[str] = mapped_column(Text)
    story: Mapped[str] = mapped_column(Text)
    equipment: Mapped[str | None] = mapped_column(Text)
    advice: Mapped[str | None] = mapped_column(Text)
    published_at: Mapped[datetime] = mapped_column(Instant)


class Taken(Exception):
    """The report is in another's hands, or in a state that does not allow this."""


@dataclass(frozen=True)
class Listed:
    """A report in a table. `texts` are its public title, story, equipment and advice, if any."""

    public_id: str
    submitted_at: datetime
    profile: Profile | None
    academie: str | None
    theme: Theme | None
    kind: ReportKind
    state: ReportState
    publishable: bool
    texts: tuple[str | None, ...]


@dataclass(frozen=True)
class Content:
    """What an author tells."""

    story: str
    kind: ReportKind
    theme: Theme | None
    publishable: bool
    title: str
    level: Level | None = None
    equipment: str | None = None
    advice: str | None = None
    relayed: bool = False
    photos: Sequence[int] = ()


class Reports:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.files = Files(session)
        self.grants = Grants(session)

    def submit(
        self,
        author: int,
        profile: Profile | None,
        academie: str | None,
        content: Content,
        now: datetime,
    ) -> Report:
        """Keep a new report; it gets its `REX-…` number."""
        year, number = next_number(self.session, "REX", now)
        report = Report(
            public_id=f"REX-{year}-{number:05d}",
            author_id=author,
            state=ReportState.submitted,
            profile=profile,
            academie=academie,
            submitted_at=now,
            changed_at=now,
        )
        self._write(report, content)
        self.session.add(report)
        self.session.flush()
        self.files.attach(list(content.photos), report.id, author)
        return report

    def revise(
        self,
        report: Report,
        content: Content,
        now: datetime,
        *,
        profile: Profile | None,
        academie: str | None,
    ) -> None:
        """Take the author's changes; the report waits to be read (again).

        Raises:
            Taken: it is being read, or its review has ended.
        """
        if not report.can_change:
            raise Taken
        self._write(report, content)
        report.profile, report.academie = profile, academie
        report.state = ReportState.submitted
        report.claimed_by = None
        report.changed_at = now
        self.session.flush()
        self.files.attach(list(content.photos), report.id, report.author_id)

    def written_by(self, person_id: int) -> list[Report]:
        wanted = select(Report).where(Report.author_id == person_id).order_by(Report.id.desc())
        return list(self.session.scalars(wanted))

    def locked_of(self, person_id: int) -> list[Report]:
        """What a person told, locked: nobody publishes it meanwhile."""
        wanted = select(Report).where(Report.author_id == person_id).order_by(Report.id)
        return list(self.session.scalars(wanted.with_for_update()))

    def authors(self) -> Select[int]:
        """The people who told something."""
        return select(Report.author_id)

    def listed(self) -> Iterator[Listed]:
        """Every report that was not withdrawn, by number: what it is about, and its public text."""
        public = PublishedReport
        wanted = (
            select(
                Report.public_id,
                Report.submitted_at,
                Report.profile,
                Report.academie,
                Report.theme,
                Report.kind,
                Report.state,
                Report.publishable,
                *(public.title, public.story, public.equipment, public.advice),
            )
            .outerjoin(public, public.report_id == Report.id)
            .where(Report.state != ReportState.withdrawn)
            .order_by(Report.id)
        )
        for row in self.session.execute(wanted):
            yield Listed(*row[:8], texts=tuple(row[8:]))

    def get(self, report_id: int) -> Report | None:
        """A report, locked: what is decided on it is decided once."""
        wanted = select(Report).where(Report.id == report_id).with_for_update()
        return self.session.scalars(wanted).first()

    def numbered(self, public_id: str) -> Report | None:
        """The report of a `REX-…` number, locked."""
        wanted = select(Report).where(Report.public_id == public_id).with_for_update()
        return self.session.scalars(wanted).first()

    def published(self, report_id: int) -> PublishedReport | None:
        """What everybody may read of a report, if it is published."""
        return self.session.get(PublishedReport, report_id)

    def next_waiting(
        self, after: Report | None = None, reach: Reach = ALL_REPORTS
    ) -> Report | None:
        """The report that has waited longest, locked, passing over those being taken.

        Args:
            after: one that was passed over; its followers come first, itself last.
        """
        wanted = (
            select(Report)
            .where(Report.state == ReportState.submitted, _within(reach))
            .order_by(Report.submitted_at, Report.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if after is not None:
            later = tuple_(Report.submitted_at, Report.id) > (after.submitted_at, after.id)
            found = self.session.scalars(wanted.where(later)).first()
            if found is not None:
                return found
        return self.session.scalars(wanted).first()

    def claimed_by(self, person_id: int, reach: Reach = ALL_REPORTS) -> list[Report]:
        wanted = select(Report).where(
            Report.state == ReportState.claimed, Report.claimed_by == person_id, _within(reach)
        )
        return list(self.session.scalars(wanted.order_by(Report.id)))

    def take(self, report: Report, reviewer: int, now: datetime) -> None:
        """Claim a report, or take it over from a reader who let it lie.

        Raises:
            Taken: a colleague is reading it, or it no longer waits.
        """
        if report.claimed_by != reviewer and self._is_left(report, now):
            report.release(report.claimed_by or 0, now)
        report.claim(reviewer, now)

    def left(
        self, reviewer: int, now: datetime, at_most: int = 5, reach: Reach = ALL_REPORTS
    ) -> list[Report]:
        """The reports that colleagues let lie, the oldest claim first."""
        wanted = select(Report).where(
            self._left(now), Report.claimed_by != reviewer, _within(reach)
        )
        return list(self.session.scalars(wanted.order_by(Report.changed_at).limit(at_most)))

    def decided_by(
        self, reviewer: int, at_most: int = 5, reach: Reach = ALL_REPORTS
    ) -> list[Report]:
        """The last reports that somebody decided on."""
        wanted = (
            select(Report)
            .where(Report.state.in_(DECIDED), Report.claimed_by == reviewer, _within(reach))
            .order_by(Report.changed_at.desc(), Report.id.desc())
            .limit(at_most)
        )
        return list(self.session.scalars(wanted))

    def undo(self, report: Report, reviewer: int, now: datetime) -> None:
        """Take one's decision back: the report is in one's hands again.

        Raises:
            Taken: something else happened to it meanwhile.
        """
        if report.state not in DECIDED or report.claimed_by != reviewer:
            raise Taken
        if report.state is ReportState.returned:
            report.question = None
        self.session.execute(delete(PublishedReport).where(PublishedReport.report_id == report.id))
        report.state, report.changed_at = ReportState.claimed, now
        self.session.flush()

    def _left(self, now: datetime) -> ColumnElement[bool]:
        """Claimed for too long, or by somebody who may no longer read it."""
        readers = self.grants.readers(now).where(
            or_(
                Grant.scope == "",
                Grant.scope == THEME + type_coerce(Report.theme, String),
                Grant.scope == ACADEMIE + Report.academie,
            )
        )
        idle = or_(Report.changed_at <= now - LAPSE, Report.claimed_by.not_in(readers))
        return (Report.state == ReportState.claimed) & idle

    def _is_left(self, report: Report, now: datetime) -> bool:
        wanted = select(Report.id).where(Report.id == report.id, self._left(now))
        return self.session.execute(wanted).first() is not None

    def count_waiting(self, reach: Reach = ALL_REPORTS) -> int:
        wanted = select(func.count()).where(Report.state == ReportState.submitted, _within(reach))
        return int(self.session.execute(wanted).scalar_one())

    def publish(self, report: Report, reviewer: int, now: datetime) -> PublishedReport:
        """Publish a report: its public copy is the plain row that everybody may read."""
        report.settle(reviewer, published=True, now=now)
        published = PublishedReport(
            report_id=report.id,
            public_id=report.public_id,
            kind=report.kind,
            theme=report.theme,
            profile=report.profile,
            academie=report.academie,
            level=report.level,
            relayed=report.relayed,
            title=report.publicly(report.title),
            story=report.publicly(report.story),
            equipment=report.equipment and report.publicly(report.equipment),
            advice=report.advice and report.publicly(report.advice),
            published_at=now,
        )
        self.session.add(published)
        self.session.flush()
        return published

    def withdraw(self, report: Report, now: datetime) -> None:
        """Take a report back: its text goes, with its photos and its public copy.

        What was shown of it in chats is for `Store.withdraw_report` to take back.
        """
        report.withdraw(now)
        self.session.flush()  # a publication that was under way ends before its copy goes
        report.title = report.story = ""
        report.equipment = report.advice = report.question = report.masked = None
        self.files.drop_of_report(report.id)
        self.session.execute(delete(PublishedReport).where(PublishedReport.report_id == report.id))
        self.session.flush()

    def public_of(self, person_id: int) -> list[Report]:
        """What a person told that is public, or may become so, locked."""
        return [
            report
            for report in self.locked_of(person_id)
            if report.publishable and report.state is not ReportState.withdrawn
        ]

    def unpublish(self, report: Report, now: datetime) -> None:
        """Its author does not want it public any more: the committee keeps it."""
        report.publishable = False
        if report.state is ReportState.published:
            report.state, report.changed_at = ReportState.kept, now
        self.session.flush()
        self.session.execute(delete(PublishedReport).where(PublishedReport.report_id == report.id))

    def forget_withdrawn(self, before: datetime) -> None:
        """Drop the rows of reports that were withdrawn before a moment: nothing else is left."""
        old = (Report.state == ReportState.withdrawn) & (Report.changed_at < before)
        self.session.execute(delete(Report).where(old))

    def release_claims(self, reviewer: int, now: datetime) -> None:
        """Put back the reports that somebody was reading; leave no trace of what they decided."""
        mine = update(Report).where(Report.claimed_by == reviewer)
        held = mine.where(Report.state == ReportState.claimed)
        self.session.execute(held.values(state=ReportState.submitted, changed_at=now))
        self.session.execute(mine.values(claimed_by=None))

    def erase_of(self, person_id: int) -> list[int]:
        """Erase all that a person told, with its photos and public copies; return their ids."""
        mine = [report.id for report in self.locked_of(person_id)]
        self.session.execute(delete(PublishedReport).where(PublishedReport.report_id.in_(mine)))
        self.files.drop_of_person(person_id)
        self.session.execute(delete(Report).where(Report.id.in_(mine)))
        return mine

    def _write(self, report: Report, content: Content) -> None:
        report.kind = content.kind
        report.theme = content.theme
        report.publishable = content.publishable
        report.title = content.title
        report.story = content.story
        report.level = content.level
        report.equipment = content.equipment
        report.advice = content.advice
        report.relayed = content.relayed


def _within(reach: Reach) -> ColumnElement[bool]:
    """Whether a report is among those that somebody may read."""
    if reach.everything:
        return true()
    themes = [Theme(one) for one in reach.themes if one in list(Theme)]
    return or_(Report.theme.in_(themes), Report.academie.in_(reach.academies))
