"""What is remembered of a poll: the question, its electors, and one ballot for each of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base
from storage.types import Encrypted, EncryptedJSON, Instant, Named

PERSONS = "persons"  # the college of persons, who have one voice each
ORGANISATIONS = "organisations"  # the college of an organisation that has none of its own
MOST_OPTIONS = 10
LONGEST = timedelta(days=366)


class Electorate(StrEnum):
    """Who may vote. `both` asks members as persons, and organisations as well."""

    members = "members"
    organisations = "organisations"
    both = "both"
    public = "public"


class Vote(StrEnum):
    """The standard options, in the order in which they are shown."""

    favour = "for"
    reservation = "for_with_reservation"
    against = "against"
    abstain = "abstain"


class Poll(Base):
    """A question put to electors. Its choices are numbered from 0.

    `options` is empty for the standard ones (`Vote`). A poll that `closes_at` has passed takes no
    ballot received later; it is counted once everything received before has been applied. One that
    was cancelled is closed at once, and has no result.
    """

    __tablename__ = "polls"
    __table_args__ = (Index(None, "closes_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(20), unique=True)
    text_version_id: Mapped[int | None] = mapped_column(ForeignKey("text_versions.id"))
    question: Mapped[str] = mapped_column(Encrypted("polls.question"))
    options: Mapped[list[str]] = mapped_column(EncryptedJSON("polls.options"))
    several: Mapped[bool]
    hidden: Mapped[bool]
    electorate: Mapped[Electorate] = mapped_column(Named(Electorate))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    opened_at: Mapped[datetime] = mapped_column(Instant)
    closes_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    cancelled_at: Mapped[datetime | None] = mapped_column(Instant)
    announced_at: Mapped[datetime | None] = mapped_column(Instant)
    chart_id: Mapped[int | None] = mapped_column(ForeignKey("files.id"))

    @property
    def size(self) -> int:
        """How many options there are."""
        return len(self.options) or len(Vote)


class Elector(Base):
    """A person or an organisation that may cast one ballot in a poll."""

    __tablename__ = "electors"
    __table_args__ = (
        UniqueConstraint("poll_id", "person_id"),
        UniqueConstraint("poll_id", "organisation_id"),
        Index(None, "person_id"),
        Index(None, "organisation_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    poll_id: Mapped[int] = mapped_column(ForeignKey("polls.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[str | None] = mapped_column(ForeignKey("organisations.id"))
    college: Mapped[str] = mapped_column(String(40))
    weight: Mapped[int] = mapped_column(default=1)


class Ballot(Base):
    """An elector's choice: a set of options as bits, option 0 being the lowest."""

    __tablename__ = "ballots"
    __table_args__ = (
        Index("ix_ballots_tally", "poll_id", "college", "choices", "weight"),
        Index(None, "cast_by"),
    )

    elector_id: Mapped[int] = mapped_column(
        ForeignKey("electors.id"), primary_key=True, autoincrement=False
    )
    poll_id: Mapped[int] = mapped_column(ForeignKey("polls.id"))
    college: Mapped[str] = mapped_column(String(40))
    weight: Mapped[int]
    choices: Mapped[int]
    cast_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    received_at: Mapped[datetime] = mapped_column(Instant)
    reason: Mapped[str | None] = mapped_column(Encrypted("ballots.reason"))


def bits(options: Iterable[int]) -> int:
    """A set of options as a ballot keeps it."""
    return sum(1 << option for option in set(options))


def chosen(choices: int) -> tuple[int, ...]:
    """The options in a ballot, in order."""
    return tuple(option for option in range(choices.bit_length()) if choices >> option & 1)
