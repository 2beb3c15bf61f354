"""Web sessions and return codes. Tokens and codes are kept only as keyed hashes."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ForeignKey,
    Index,
    UniqueConstraint,
    bindparam,
    delete,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, execute, insert_into
from storage.people import Account, Chat, Person
from storage.types import BlindIndex, Instant, blind

IDLE = timedelta(days=90)
IDLE_SIGNED_IN = timedelta(hours=12)
ANSWERED = timedelta(minutes=10)
MOST_SESSIONS = 10
SESSION = "session"  # what an account's page shows once its sessions have changed (a subject)

# No vowel and no look-alike: nothing to misread, and no word appears by chance.
ALPHABET = "23456789BCDFGHJKMNPQRTVWXZ"


class WebSession(Base):
    """A browser that speaks for an account. `signed_in` is needed to act with a role."""

    __tablename__ = "web_sessions"
    __table_args__ = (UniqueConstraint("token"), Index(None, "account_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(BlindIndex("web_sessions.token"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    signed_in: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_used_at: Mapped[datetime] = mapped_column(Instant)


class ReturnCode(Base):
    """What brings a person back on any browser. It is renewed at each use."""

    __tablename__ = "return_codes"
    __table_args__ = (UniqueConstraint("code"),)

    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    code: Mapped[str] = mapped_column(BlindIndex("return_codes.code"))
    made_at: Mapped[datetime] = mapped_column(Instant)


class Redemption(Base):
    """Whom a code let in, by a keyed hash of the code and of the request's own id.

    An answer that was lost on its way is given again to the same request, and to no other.
    """

    __tablename__ = "redemptions"
    __table_args__ = (Index(None, "made_at"),)

    key: Mapped[str] = mapped_column(BlindIndex("redemptions.key"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    signed_in: Mapped[bool]
    made_at: Mapped[datetime] = mapped_column(Instant)


@dataclass(frozen=True)
class Visitor:
    """Whom a session's token stands for, and the chat it opens."""

    session_id: int
    account_id: int
    chat_id: int
    address: str
    language: str
    signed_in: bool
    last_used_at: datetime

    def is_open(self, now: datetime) -> bool:
        """Whether its session still serves: it was not idle for too long."""
        return now < self.last_used_at + (IDLE_SIGNED_IN if self.signed_in else IDLE)


_visitors = (
    select(
        WebSession.token,
        WebSession.id,
        Account.id,
        Chat.id,
        Account.address,
        Person.language,
        WebSession.signed_in,
        WebSession.last_used_at,
    )
    .join(Account, WebSession.account_id == Account.id)
    .join(Chat, Chat.account_id == Account.id)
    .join(Person, Account.person_id == Person.id)
    .where(WebSession.token.in_(bindparam("tokens", expanding=True)))
)


def new_code(length: int = 12) -> str:
    """A random code, in groups of four (about 56 bits for 12 characters)."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(length))
    return "-".join(letters[i : i + 4] for i in range(0, length, 4))


def tidy_code(typed: str) -> str:
    """A code as typed by a person, in the form in which it was hashed."""
    return "".join(letter for letter in typed.upper() if letter in ALPHABET)


class Sessions:
    def __init__(self, session: Session) -> None:
        self.session = session

    def begin(self, account_id: int, now: datetime, *, signed_in: bool = False) -> str:
        """Open a session and return its token; an account's oldest sessions beyond ten end."""
        token = secrets.token_urlsafe(32)
        self.session.add(
            WebSession(
                token=token,
                account_id=account_id,
                signed_in=signed_in,
                created_at=now,
                last_used_at=now,
            )
        )
        self.session.flush()
        newest = (
            select(WebSession.id)
            .where(WebSession.account_id == account_id)
            .order_by(WebSession.last_used_at.desc(), WebSession.id.desc())
            .offset(MOST_SESSIONS)
        )
        ended = list(self.session.scalars(newest))
        self.session.execute(delete(WebSession).where(WebSession.id.in_(ended)))
        return token

    def visitors(self, tokens: Sequence[str]) -> list[Visitor | None]:
        """Whom some tokens stand for, even if a session was idle for too long (`is_open`)."""
        rows = execute(self.session, _visitors, {"tokens": tokens})
        found = {token: Visitor(*row) for token, *row in rows}
        return [found.get(blind(self.session, WebSession.token, token)) for token in tokens]

    def exposed(self, chat_ids: Collection[int], now: datetime) -> set[int]:
        """Of some chats, the pages that somebody reads who is not signed in."""
        wanted = (
            select(Chat.id)
            .join(WebSession, WebSession.account_id == Chat.account_id)
            .where(Chat.id.in_(chat_ids), ~WebSession.signed_in)
            .where(WebSession.last_used_at > now - IDLE)
        )
        return set(self.session.scalars(wanted))

    def touch(self, visitor: Visitor, now: datetime) -> None:
        """A person used their session, and was seen on their account."""
        self.session.execute(
            update(WebSession).where(WebSession.id == visitor.session_id).values(last_used_at=now)
        )
        self.session.execute(
            update(Account).where(Account.id == visitor.account_id).values(last_seen_at=now)
        )

    def is_signed_in(self, session_id: int) -> bool:
        """Whether a session counts roles."""
        wanted = select(WebSession.signed_in).where(WebSession.id == session_id)
        return bool(self.session.execute(wanted).scalar())

    def sign_in(self, session_id: int, now: datetime) -> bool:
        """Have a session count roles from now on; False if it does already, or has ended.

        The account's other sessions end, and no code brings it back: it may show what roles see.
        """
        signing = (
            update(WebSession)
            .where(WebSession.id == session_id, WebSession.signed_in.is_(False))
            .values(signed_in=True, last_used_at=now)
        )
        account_id = self.session.execute(signing.returning(WebSession.account_id)).scalar()
        if account_id is None:
            return False
        self.drop_return_code(account_id)
        self.session.execute(delete(Redemption).where(Redemption.account_id == account_id))
        others = (WebSession.account_id == account_id) & (WebSession.id != session_id)
        self.session.execute(delete(WebSession).where(others))
        return True

    def end_by_id(self, session_id: int) -> None:
        """End a session; no request that let its account in is answered again."""
        account = select(WebSession.account_id).where(WebSession.id == session_id)
        answered = delete(Redemption).where(Redemption.account_id.in_(account))
        self.session.execute(answered.execution_options(synchronize_session=False))
        self.session.execute(delete(WebSession).where(WebSession.id == session_id))

    def end_all(self, account_id: int) -> None:
        """End every session of an account; no request that let it in is answered again."""
        self.session.execute(delete(Redemption).where(Redemption.account_id == account_id))
        self.session.execute(delete(WebSession).where(WebSession.account_id == account_id))

    def end_idle(self, now: datetime) -> None:
        """Drop the sessions that nobody can use any more.

        One of a member is kept after it closed: a new invitation opens the same account again.
        """
        self.session.execute(delete(WebSession).where(WebSession.last_used_at <= now - IDLE))

    def new_return_code(self, account_id: int, now: datetime) -> str:
        """Make the account's return code; the one before stops working."""
        code = new_code()
        insert = insert_into(self.session, ReturnCode).values(
            account_id=account_id, code=tidy_code(code), made_at=now
        )
        self.session.execute(
            insert.on_conflict_do_update(
                index_elements=[ReturnCode.account_id],
                set_={"code": insert.excluded.code, "made_at": now},
            )
        )
        return code

    def first_return_code(self, account_id: int, now: datetime) -> str | None:
        """Make the account's return code, unless it has one."""
        if self.session.get(ReturnCode, account_id) is not None:
            return None
        return self.new_return_code(account_id, now)

    def drop_return_code(self, account_id: int) -> None:
        self.session.execute(delete(ReturnCode).where(ReturnCode.account_id == account_id))

    def remember_redemption(
        self, code: str, request: str, account_id: int, signed_in: bool, now: datetime
    ) -> None:
        made = {"account_id": account_id, "signed_in": signed_in, "made_at": now}
        insert = insert_into(self.session, Redemption).values(
            key=f"{tidy_code(code)} {request}", **made
        )
        self.session.execute(
            insert.on_conflict_do_update(index_elements=[Redemption.key], set_=made)
        )

    def redemption(self, code: str, request: str, now: datetime) -> tuple[int, bool] | None:
        """The account to which some minutes ago the same request was let in, and if signed in."""
        same = select(Redemption.account_id, Redemption.signed_in).where(
            Redemption.key == f"{tidy_code(code)} {request}", Redemption.made_at > now - ANSWERED
        )
        found = self.session.execute(same).first()
        return None if found is None else (found[0], found[1])

    def redeem_return_code(self, typed: str) -> int | None:
        """Use up a return code; return the account it stands for."""
        used = delete(ReturnCode).where(ReturnCode.code == tidy_code(typed))
        return self.session.execute(used.returning(ReturnCode.account_id)).scalar()

    def forget_redemptions(self, now: datetime) -> None:
        self.session.execute(delete(Redemption).where(Redemption.made_at <= now - ANSWERED))
