"""Broadcasts: what is said to many, by whom it was confirmed, and who asked not to be told.

`storage.following` counts how far they have come.
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    String,
    delete,
    func,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, execute, insert_into
from storage.files import File
from storage.grants import Grants
from storage.groups import Belonging, Membership, WorkingGroup
from storage.organisations import Mandate, Organisations
from storage.people import Account, Chat, ChatState, Person
from storage.reports import Report, ReportState
from storage.types import Encrypted, EncryptedJSON, Instant, Named

DELAY = timedelta(minutes=1)  # in which a confirmed broadcast has not left yet

URGENT = "broadcasts.urgent"  # the act, of one, to which a second person may have to agree

# Conditions of partial indexes: a query must say them in the same words to be served by one.
UNDER_WAY = "state IN ('confirmed', 'leaving', 'paused')"
ENDING = "state = 'cancelled' AND ended_at IS NULL"
DRAWN = "drawn IS NOT NULL"


class BroadcastKind(StrEnum):
    """What a broadcast is about; people may stop each kind by itself."""

    news = "news"
    consultation = "consultation"
    event = "event"


class Unasked(StrEnum):
    """Each kind of message that people get unasked, and may stop: broadcasts, and what follows.

    What answers somebody, or is about their own report or letter, is none of them.
    """

    news = "news"
    consultation = "consultation"
    event = "event"
    poll = "poll"
    result = "result"
    reminder = "reminder"


class BroadcastState(StrEnum):
    """`composed`: shown in a preview only. `confirmed`: it leaves at `leaves_at`."""

    composed = "composed"
    confirmed = "confirmed"
    leaving = "leaving"
    paused = "paused"
    done = "done"
    cancelled = "cancelled"


class AudienceKind(StrEnum):
    """Whom a broadcast is for. The last four are narrowed: to which group, and so on."""

    everyone = "everyone"
    members = "members"
    group = "group"
    organisation = "organisation"
    academie = "academie"
    theme = "theme"


@dataclass(frozen=True)
class Audience:
    """Whom a broadcast is for. `of` is the group's id, the organisation's, a code or a theme."""

    kind: AudienceKind
    of: str | None = None

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "Audience":
        return cls(AudienceKind(kept["kind"]), kept["of"])


class Broadcast(Base):
    """One text to an audience: `body` as it was typed, `audience` as `Audience` reads it.

    Of a cancelled one, `ended_at` says that nothing of it waits any more. `total` is for how many
    it was confirmed, then for how many it left. `spread_to` is the last person whose delivery was
    made, while they are being made. `drawn` is what its cards last showed; None once they show how
    it ended. `counts` is how far it had come when it was last counted, then how it ended
    (`storage.following.Progress`), since its deliveries go after their period. `urgency` is why it
    is urgent, if it is: then it goes before the others, whatever the hour.
    """

    __tablename__ = "broadcasts"
    __table_args__ = (
        Index(
            "ix_broadcasts_under_way",
            "id",
            sqlite_where=text(UNDER_WAY),
            postgresql_where=text(UNDER_WAY),
        ),
        Index(
            "ix_broadcasts_ending",
            "id",
            sqlite_where=text(ENDING),
            postgresql_where=text(ENDING),
        ),
        Index(
            "ix_broadcasts_drawn",
            "id",
            sqlite_where=text(DRAWN),
            postgresql_where=text(DRAWN),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[BroadcastKind] = mapped_column(Named(BroadcastKind))
    body: Mapped[str] = mapped_column(Encrypted("broadcasts.body"))
    urgency: Mapped[str | None] = mapped_column(Encrypted("broadcasts.urgency"))
    file_id: Mapped[int | None] = mapped_column(ForeignKey("files.id", ondelete="SET NULL"))
    audience: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON("broadcasts.audience"))
    state: Mapped[BroadcastState] = mapped_column(Named(BroadcastState))
    composed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    composed_at: Mapped[datetime] = mapped_column(Instant)
    confirmed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    leaves_at: Mapped[datetime | None] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id", ondelete="SET NULL"))
    total: Mapped[int | None]
    spread_to: Mapped[int | None]
    drawn: Mapped[str | None] = mapped_column(String(40))
    counts: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON("broadcasts.counts"))

    @property
    def whom(self) -> Audience:
        return Audience.from_kept(self.audience)

    @property
    def confirmed_at(self) -> datetime | None:
        return self.leaves_at and self.leaves_at - DELAY


URGENT_FIRST = (Broadcast.urgency.is_(None), Broadcast.id)


class Mute(Base):
    """A person asked not to be sent a kind of message."""

    __tablename__ = "mutes"
    __table_args__ = (Index(None, "kind", "since"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    kind: Mapped[Unasked] = mapped_column(Named(Unasked), primary_key=True)
    since: Mapped[datetime] = mapped_column(Instant)


class Broadcasts:
    """Every change of state is one statement that looks again: who comes second changes nothing."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._muted_since: dict[int, frozenset[int]] = {}

    def get(self, broadcast_id: int) -> Broadcast | None:
        return self.session.get(Broadcast, broadcast_id)

    def compose(
        self,
        body: str,
        kind: BroadcastKind,
        audience: Audience,
        now: datetime,
        *,
        composed_by: int | None = None,
        file_id: int | None = None,
        urgency: str | None = None,
    ) -> Broadcast:
        """Keep what a preview shows; nothing of it ever changes."""
        broadcast = Broadcast(
            kind=kind,
            body=body,
            urgency=urgency,
            audience=asdict(audience),
            file_id=file_id,
            state=BroadcastState.composed,
            composed_by=composed_by,
            composed_at=now,
        )
        self.session.add(broadcast)
        self.session.flush()
        return broadcast

    def confirm(self, broadcast_id: int, person_id: int, total: int, now: datetime) -> bool:
        """Let it leave in a minute; False if it was confirmed already, or is gone.

        Args:
            total: for how many it is now.
        """
        return self._move(
            broadcast_id,
            [BroadcastState.composed],
            state=BroadcastState.confirmed,
            confirmed_by=person_id,
            leaves_at=now + DELAY,
            total=total,
            drawn=BroadcastState.confirmed,
        )

    def start(self, broadcast_id: int, now: datetime) -> bool:
        confirmed = [BroadcastState.confirmed]
        return self._move(broadcast_id, confirmed, state=BroadcastState.leaving, started_at=now)

    def pause(self, broadcast_id: int) -> bool:
        """Nothing more is claimed of it, until it is resumed."""
        return self._move(broadcast_id, [BroadcastState.leaving], state=BroadcastState.paused)

    def resume(self, broadcast_id: int) -> bool:
        return self._move(broadcast_id, [BroadcastState.paused], state=BroadcastState.leaving)

    def cancel(self, broadcast_id: int, now: datetime) -> bool:
        """Keep what has not left from leaving; False if nothing could be kept."""
        cancelled = BroadcastState.cancelled
        if self._move(broadcast_id, [BroadcastState.confirmed], state=cancelled, ended_at=now):
            return True
        under_way = [BroadcastState.leaving, BroadcastState.paused]
        return self._move(broadcast_id, under_way, state=cancelled)

    def _move(self, broadcast_id: int, states: Collection[BroadcastState], **values: Any) -> bool:
        moved = self.session.execute(
            update(Broadcast)
            .where(Broadcast.id == broadcast_id, Broadcast.state.in_(states))
            .values(**values)
            .execution_options(synchronize_session=False)
            .returning(Broadcast.id)
        ).scalar()
        self.again(broadcast_id)
        return moved is not None

    def again(self, broadcast_id: int) -> Broadcast | None:
        """It as it is now, whoever changed it; None if it is gone."""
        return self.session.get(Broadcast, broadcast_id, populate_existing=True)

    def recipients(self, audience: Audience, kind: BroadcastKind, now: datetime) -> Select[int]:
        """Who is to be told: of the audience, all who can be reached and did not ask not to be."""
        reached = (
            select(Chat.id)
            .join(Account, Chat.account_id == Account.id)
            .where(Account.person_id == Person.id, Chat.state == ChatState.active)
        )
        muted = select(Mute.person_id).where(Mute.person_id == Person.id, Mute.kind == kind)
        return select(Person.id).where(
            Person.erased_at.is_(None),
            self._belongs(audience, now),
            reached.exists(),
            ~muted.exists(),
        )

    def count(self, audience: Audience, kind: BroadcastKind, now: datetime) -> int:
        everybody = self.recipients(audience, kind, now).subquery()
        return self.session.execute(select(func.count()).select_from(everybody)).scalar_one()

    def _belongs(self, audience: Audience, now: datetime) -> ColumnElement[bool]:
        given = audience.of or ""
        match audience.kind:
            case AudienceKind.everyone:
                return true()
            case AudienceKind.members:
                return self._is_member(now)
            case AudienceKind.group:
                return Person.id.in_(_members().where(Membership.group_id == int(given)))
            case AudienceKind.organisation:
                spoken_for = Mandate.organisation_id == given
                return Person.id.in_(
                    select(Mandate.person_id).where(spoken_for, Mandate.active(now))
                )
            case AudienceKind.academie:
                return Person.id.in_(_authors(Report.academie == given))
            case AudienceKind.theme:
                return Person.id.in_(_authors(Report.theme == given))

    def _is_member(self, now: datetime) -> ColumnElement[bool]:
        """Whether a person has a mandate or a role, or belongs to a working group."""
        return or_(
            Person.id.in_(Organisations(self.session).members(now)),
            Person.id.in_(Grants(self.session).members(now)),
            Person.id.in_(_members()),
        )

    def due(self, now: datetime) -> list[int]:
        """The confirmed ones whose minute is over."""
        wanted = select(Broadcast.id).where(*_confirmed, Broadcast.leaves_at <= now)
        return list(self.session.scalars(wanted.order_by(Broadcast.id)))

    def next_leaving(self) -> datetime | None:
        wanted = select(func.min(Broadcast.leaves_at)).where(*_confirmed)
        return self.session.execute(wanted).scalar()

    def under_way(self) -> list[Broadcast]:
        wanted = select(Broadcast).where(text(UNDER_WAY)).order_by(Broadcast.id.desc())
        return list(self.session.scalars(wanted))

    def latest(self, states: Iterable[BroadcastState], at_most: int = 5) -> list[Broadcast]:
        """The newest ones in some states."""
        wanted = select(Broadcast).where(Broadcast.state.in_(list(states)))
        return list(self.session.scalars(wanted.order_by(Broadcast.id.desc()).limit(at_most)))

    def files_among(self, file_ids: Collection[int]) -> set[int]:
        """Those of some files that a broadcast holds."""
        wanted = select(Broadcast.file_id).where(Broadcast.file_id.in_(file_ids))
        return {file_id for file_id in self.session.scalars(wanted) if file_id is not None}

    def muted_by(self, person_id: int) -> frozenset[Unasked]:
        """The kinds that a person asked not to be sent."""
        wanted = select(Mute.kind).where(Mute.person_id == person_id)
        return frozenset(self.session.scalars(wanted))

    def unmuted(self, people: Select[int], kind: Unasked) -> Select[int]:
        """Of some people, those who did not ask not to be sent a kind of message."""
        found = people.subquery()
        muted = select(Mute.person_id).where(Mute.kind == kind)
        return select(found.c[0]).where(found.c[0].not_in(muted))

    def mute(self, person_id: int, kinds: Iterable[str], now: datetime) -> None:
        rows = [{"person_id": person_id, "kind": kind, "since": now} for kind in kinds]
        execute(self.session, insert_into(self.session, Mute).on_conflict_do_nothing(), rows)

    def unmute(self, person_id: int, kinds: Iterable[str], since: datetime | None = None) -> None:
        """Send a person some kinds again; if `since` is given, those muted at that very moment."""
        mine = (Mute.person_id == person_id) & Mute.kind.in_(list(kinds))
        if since is not None:
            mine &= Mute.since == since
        self.session.execute(delete(Mute).where(mine))

    def is_muted(self, broadcast: Broadcast, person_id: int) -> bool:
        """Whether a person asked not to be told since the broadcast was confirmed.

        Those who asked before were never among its recipients. Asked once for all that a
        transaction sends.
        """
        if broadcast.id not in self._muted_since:
            wanted = select(Mute.person_id).where(
                Mute.kind == broadcast.kind, Mute.since >= broadcast.confirmed_at
            )
            self._muted_since[broadcast.id] = frozenset(self.session.scalars(wanted))
        return person_id in self._muted_since[broadcast.id]

    def drop(self, broadcast_id: int) -> bool:
        """Drop a preview that is not wanted; False if it was confirmed meanwhile, or is gone."""
        return bool(self._drop(Broadcast.id == broadcast_id))

    def forget_composed(self, before: datetime) -> list[int]:
        """Drop the previews of before a moment that nobody confirmed; say which."""
        return self._drop(Broadcast.composed_at < before)

    def forget_old(self, before: datetime) -> None:
        """Forget those that ended before a moment, each with its picture or document."""
        old = delete(Broadcast).where(Broadcast.ended_at < before).returning(Broadcast.file_id)
        files = {one for (one,) in execute(self.session, old) if one is not None}
        unheld = files - self.files_among(files)
        self.session.execute(delete(File).where(File.id.in_(unheld)))

    def forget_person(self, person_id: int) -> tuple[list[int], list[int]]:
        """Drop what a person asked not to be sent, and what they only composed.

        Returns:
            Those that they confirmed: it is forgotten who did, and their cards are to be redrawn.
            And the previews that were dropped.
        """
        self.session.execute(delete(Mute).where(Mute.person_id == person_id))
        dropped = self._drop(Broadcast.composed_by == person_id)
        composed = update(Broadcast).where(Broadcast.composed_by == person_id)
        self.session.execute(composed.values(composed_by=None))
        confirmed = update(Broadcast).where(Broadcast.confirmed_by == person_id)
        cleared = confirmed.values(confirmed_by=None, drawn="").returning(Broadcast.id)
        return sorted(self.session.scalars(cleared)), dropped

    def _drop(self, which: ColumnElement[bool]) -> list[int]:
        """Drop those of some that nobody confirmed; say which."""
        composed = delete(Broadcast).where(Broadcast.state == BroadcastState.composed, which)
        return list(self.session.scalars(composed.returning(Broadcast.id)))


_confirmed = (text(UNDER_WAY), Broadcast.state == BroadcastState.confirmed)


def _members() -> Select[int]:
    """The people who belong to a working group: a closed one has nobody any more."""
    return (
        select(Membership.person_id)
        .join(WorkingGroup, Membership.group_id == WorkingGroup.id)
        .where(Membership.state == Belonging.member, WorkingGroup.closed_at.is_(None))
    )


def _authors(of: ColumnElement[bool]) -> Select[int]:
    return select(Report.author_id).where(of, Report.state != ReportState.withdrawn)
