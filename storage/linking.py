"""Accounts that are about to become one person's: a code, and who agreed so far.

A code is shown in one chat and typed in another. Each side says yes by itself; where both hold a
role the secretariat does as well; where both voted in an open poll, the person says what stays.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    UniqueConstraint,
    and_,
    delete,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.sessions import new_code, tidy_code
from storage.types import BlindIndex, EncryptedJSON, Instant, Named

SERVES = timedelta(minutes=10)  # a code, and each question that waits for an answer
WAITS = timedelta(days=7)  # for the secretariat


class LinkingState(StrEnum):
    """How far it is.

    `offered`: the code is shown. `typed`: it was typed on the other side. `agreed`: that side said
    yes. `joint`: both did, and some ballots are to be chosen. `waiting`: for the secretariat.
    """

    offered = "offered"
    typed = "typed"
    agreed = "agreed"
    joint = "joint"
    waiting = "waiting"


class Linking(Base):
    """A code that was shown to one account, and the `other` account that typed it.

    Attributes:
        session_id, other_session_id: the web sessions in which that was; each side says yes there.
        other_vouches: roles count where the other side said yes.
        approved: the secretariat agreed.
        decided: by poll, which side's ballot stays (0 or 1) and what the two were when it was
            chosen, `{poll: [side, choices, other choices]}`.
    """

    __tablename__ = "linkings"
    __table_args__ = (
        UniqueConstraint("code"),
        Index(None, "account_id"),
        Index(None, "other_account_id"),
        Index(None, "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    chat_id: Mapped[int] = mapped_column(ForeignKey("chats.id", ondelete="CASCADE"))
    session_id: Mapped[int | None] = mapped_column(
        ForeignKey("web_sessions.id", ondelete="CASCADE")
    )
    code: Mapped[str | None] = mapped_column(BlindIndex("linkings.code"))
    other_account_id: Mapped[int | None] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE")
    )
    other_chat_id: Mapped[int | None] = mapped_column(ForeignKey("chats.id", ondelete="CASCADE"))
    other_session_id: Mapped[int | None] = mapped_column(
        ForeignKey("web_sessions.id", ondelete="CASCADE")
    )
    other_vouches: Mapped[bool] = mapped_column(default=False)
    state: Mapped[LinkingState] = mapped_column(Named(LinkingState))
    approved: Mapped[bool] = mapped_column(default=False)
    decided: Mapped[dict[str, list[int]]] = mapped_column(EncryptedJSON("linkings.decided"))
    expires_at: Mapped[datetime] = mapped_column(Instant)

    def advance(self, state: LinkingState, now: datetime) -> None:
        """Go on; whoever is asked next has the time to answer.

        After the secretariat's yes that is longer: the person may be away.
        """
        self.state = state
        waits = self.approved or state is LinkingState.waiting
        self.expires_at = now + (WAITS if waits else SERVES)

    def decide(self, poll_id: int, side: int, ballots: tuple[int, int]) -> None:
        """Note which of the two ballots in a poll stays, as they were when it was chosen."""
        self.decided = {**self.decided, str(poll_id): [side, *ballots]}

    @property
    def decisions(self) -> Mapping[int, tuple[int, tuple[int, int]]]:
        """By poll, which side's ballot stays, and what both were when that was chosen."""
        return {
            int(poll): (side, (first, other)) for poll, (side, first, other) in self.decided.items()
        }


class Linkings:
    def __init__(self, session: Session) -> None:
        self.session = session

    def offer(self, account_id: int, chat_id: int, session_id: int | None, now: datetime) -> str:
        """Begin: return the code, which is shown once. It replaces the one before.

        What waits for the secretariat goes on.
        """
        self.session.flush()
        unfinished = Linking.state != LinkingState.waiting
        before = delete(Linking).where(Linking.account_id == account_id, unfinished)
        self.session.execute(before)
        code = new_code()
        self.session.add(
            Linking(
                account_id=account_id,
                chat_id=chat_id,
                session_id=session_id,
                code=tidy_code(code),
                state=LinkingState.offered,
                decided={},
                expires_at=now + SERVES,
            )
        )
        self.session.flush()
        return code

    def offers(self, account_id: int, now: datetime) -> bool:
        """Whether a code that was shown to an account still serves."""
        its = Linking.account_id == account_id, Linking.state == LinkingState.offered
        wanted = select(Linking.id).where(*its, Linking.expires_at > now)
        return self.session.execute(wanted.limit(1)).first() is not None

    def offered(self, typed: str, now: datetime) -> Linking | None:
        """The linking of a code that still serves, locked."""
        return self._locked(_offers(typed), now)

    def typed(self, typed: str, account_id: int, now: datetime) -> Linking | None:
        """The linking whose code an account typed before, which waits for its yes; locked."""
        its = Linking.code == tidy_code(typed), Linking.state == LinkingState.typed
        return self._locked(and_(*its, Linking.other_account_id == account_id), now)

    def get(self, linking_id: int, now: datetime) -> Linking | None:
        """One that is under way, locked."""
        return self._locked(Linking.id == linking_id, now)

    def look(self, linking_id: int, now: datetime) -> Linking | None:
        """As `get`, without a lock, for who only tells of it."""
        wanted = select(Linking).where(Linking.id == linking_id, Linking.expires_at > now)
        return self.session.scalars(wanted).first()

    def drop(self, linking: Linking) -> None:
        self.session.execute(delete(Linking).where(Linking.id == linking.id))
        self.session.expunge(linking)

    def burn(self, typed: str, now: datetime) -> bool:
        """Have a code serve nobody any more; whether it served until now."""
        its = _offers(typed) & (Linking.expires_at > now)
        burnt = self.session.execute(delete(Linking).where(its).returning(Linking.id))
        return burnt.first() is not None

    def drop_of(self, account_id: int) -> None:
        """End what is under way with an account."""
        theirs = or_(Linking.account_id == account_id, Linking.other_account_id == account_id)
        self.session.execute(delete(Linking).where(theirs))

    def ended(self, now: datetime) -> list[Linking]:
        """Those to which a side said yes, and that nobody finished in time; locked."""
        wanted = select(Linking).where(_said_yes(), Linking.expires_at <= now)
        return list(self.session.scalars(wanted.order_by(Linking.id).with_for_update()))

    def next_end(self) -> datetime | None:
        """When the next ends of those to which a side said yes."""
        soonest = select(func.min(Linking.expires_at)).where(_said_yes())
        return self.session.execute(soonest).scalar()

    def forget(self, now: datetime) -> None:
        """Drop the codes of which nobody made use in time."""
        unused = Linking.expires_at <= now, not_(_said_yes())
        self.session.execute(delete(Linking).where(*unused))

    def _locked(self, which: ColumnElement[bool], now: datetime) -> Linking | None:
        wanted = select(Linking).where(which, Linking.expires_at > now)
        locked = wanted.with_for_update().execution_options(populate_existing=True)
        return self.session.scalars(locked).first()


def _offers(typed: str) -> ColumnElement[bool]:
    """Whether a linking has a code that nobody typed yet."""
    return (Linking.code == tidy_code(typed)) & (Linking.state == LinkingState.offered)


def _said_yes() -> ColumnElement[bool]:
    """Whether a side said yes, and is to be told how it ends."""
    return Linking.state.not_in((LinkingState.offered, LinkingState.typed))
