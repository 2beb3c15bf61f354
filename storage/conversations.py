"""What each conversation points to, the updates already applied, and the drafts of forms."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    Executable,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    case,
    delete,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, dialect_insert, dialect_of, execute, insert_into
from storage.people import Account, Chat, ChatKind, Person, Profile
from storage.types import BlindIndex, Encrypted, EncryptedJSON, Instant

THROTTLE_WINDOW = timedelta(minutes=1)


class Update(Base):
    """An update already applied. Its content is kept only as a keyed hash.

    `failure` is the reference number of an update that was set aside.
    """

    __tablename__ = "updates"
    __table_args__ = (UniqueConstraint("key"), Index(None, "received_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(BlindIndex("updates.key"))
    content: Mapped[str] = mapped_column(BlindIndex("updates.content"))
    received_at: Mapped[datetime] = mapped_column(Instant)
    failure: Mapped[str | None] = mapped_column(String(12))


class Conversation(Base):
    """One account in one chat and thread: its open form, and the messages that await a number.

    `awaiting` is a list of `[message, kind, title, [[action, label], …]]`. `kept` is what
    was last said outside any form.
    """

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("chat_id", "thread", "account_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    chat_id: Mapped[int] = mapped_column(ForeignKey("chats.id", ondelete="CASCADE"))
    thread: Mapped[str] = mapped_column(String(80))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    form: Mapped[str | None] = mapped_column(String(40))
    awaiting: Mapped[list[Any]] = mapped_column(EncryptedJSON("conversations.awaiting"))
    kept: Mapped[str | None] = mapped_column(Encrypted("conversations.kept"))
    window_started_at: Mapped[datetime] = mapped_column(Instant)
    window_count: Mapped[int]


class Draft(Base):
    """A person's unfinished form. It can be continued on another of their chats."""

    __tablename__ = "drafts"
    __table_args__ = (UniqueConstraint("person_id", "form"), Index(None, "updated_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    form: Mapped[str] = mapped_column(String(40))
    state: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON("drafts.state"))
    updated_at: Mapped[datetime] = mapped_column(Instant)


class Seen(StrEnum):
    """What is known of an update: never seen, applied, or its id reused for other content."""

    new = "new"
    applied = "applied"
    reused = "reused"


@dataclass
class Context:
    """Who speaks and where, as one update needs it. Ids are those of the database."""

    conversation_id: int
    chat_id: int
    chat_kind: ChatKind
    account_id: int
    person_id: int
    language: str
    profile: Profile | None
    academie: str | None
    form: str | None
    awaiting: list[Any]
    kept: str | None
    recent: int = 0


_find = (
    select(
        Conversation.id,
        Chat.id,
        Chat.kind,
        Account.id,
        Person.id,
        Person.language,
        Person.profile,
        Person.academie,
        Conversation.form,
        Conversation.awaiting,
        Conversation.kept,
        Conversation.window_count,
        Conversation.window_started_at,
    )
    .join(Chat, Conversation.chat_id == Chat.id)
    .join(Account, Conversation.account_id == Account.id)
    .join(Person, Account.person_id == Person.id)
    .where(
        Chat.platform == bindparam("platform"),
        Chat.address_index == bindparam("chat"),
        Account.platform == bindparam("platform"),
        Account.address_index == bindparam("sender"),
        Conversation.thread == bindparam("in_thread"),
    )
)
_find_and_lock = _find.with_for_update(of=Conversation)

_table = cast(Table, Conversation.__table__)
_keep = (
    update(_table)
    .where(_table.c.id == bindparam("conversation"))
    .values(
        form=bindparam("new_form"),
        awaiting=bindparam("new_awaiting"),
        kept=bindparam("new_kept"),
        window_count=case(
            (_table.c.window_started_at <= bindparam("window"), 1),
            else_=_table.c.window_count + 1,
        ),
        window_started_at=case(
            (
                _table.c.window_started_at <= bindparam("window"),
                bindparam("moment", type_=Instant()),
            ),
            else_=_table.c.window_started_at,
        ),
    )
)


@cache
def _record(dialect: str) -> Executable:
    insert = dialect_insert(dialect, Update).on_conflict_do_nothing()
    return insert.returning(Update.__table__.c.id)


class Conversations:
    def __init__(self, session: Session) -> None:
        self.session = session

    def record(self, key: str, content: str, received_at: datetime) -> Seen:
        """Record an update; say whether it was already there.

        Args:
            key: the update's id on its platform, unique over all of them.
            content: all that the person sent; only its keyed hash is kept.
        """
        given = {"key": key, "content": content, "received_at": received_at}
        made = execute(self.session, _record(dialect_of(self.session)), given)
        return Seen.new if made.scalar() is not None else self.seen(key, content)

    def seen(self, key: str, content: str) -> Seen:
        same = select(Update.content == content).where(Update.key == key)
        found = self.session.execute(same).scalar()
        if found is None:
            return Seen.new
        return Seen.applied if found else Seen.reused

    def set_aside(self, key: str, content: str, received_at: datetime, failure: str) -> None:
        """Record an update that could not be applied, so that it never comes again."""
        insert = insert_into(self.session, Update).values(
            key=key, content=content, received_at=received_at, failure=failure
        )
        self.session.execute(insert.on_conflict_do_nothing())

    def find(
        self,
        platform: str,
        chat: str,
        sender: str,
        thread: str,
        now: datetime,
        *,
        lock: bool = True,
    ) -> Context | None:
        """Load who speaks in a conversation in one statement, and lock it."""
        row = execute(
            self.session,
            _find_and_lock if lock else _find,
            {"platform": platform, "chat": chat, "sender": sender, "in_thread": thread},
        ).first()
        if row is None:
            return None
        known: list[Any]
        *known, count, started_at = row
        context = Context(*known)
        context.recent = count if started_at > now - THROTTLE_WINDOW else 0
        return context

    def begin(self, chat: Chat, account: Account, thread: str, now: datetime) -> None:
        """Make the conversation if it is not there yet."""
        insert = insert_into(self.session, Conversation).values(
            chat_id=chat.id,
            thread=thread,
            account_id=account.id,
            awaiting=[],
            window_started_at=now,
            window_count=0,
        )
        self.session.execute(insert.on_conflict_do_nothing())

    def keep(self, context: Context, now: datetime) -> None:
        """Write back what the update changed, and count it for the throttle."""
        execute(
            self.session,
            _keep,
            {
                "conversation": context.conversation_id,
                "new_form": context.form,
                "new_awaiting": context.awaiting,
                "new_kept": context.kept,
                "window": now - THROTTLE_WINDOW,
                "moment": now,
            },
        )

    def await_number(self, chat_id: int, entry: list[Any]) -> None:
        """Add a message that the clock sent to those that a typed number may answer."""
        wanted = select(Conversation).where(Conversation.chat_id == chat_id).with_for_update()
        for conversation in self.session.scalars(wanted):
            conversation.awaiting = [*conversation.awaiting, entry][-5:]
        self.session.flush()

    def draft(self, person_id: int, form: str) -> dict[str, Any] | None:
        wanted = select(Draft.state).where(Draft.person_id == person_id, Draft.form == form)
        return self.session.execute(wanted).scalar()

    def drafts_of(self, person_id: int) -> list[Draft]:
        wanted = select(Draft).where(Draft.person_id == person_id).order_by(Draft.updated_at.desc())
        return list(self.session.scalars(wanted))

    def save_draft(self, person_id: int, form: str, state: dict[str, Any], now: datetime) -> None:
        insert = insert_into(self.session, Draft).values(
            person_id=person_id, form=form, state=state, updated_at=now
        )
        self.session.execute(
            insert.on_conflict_do_update(
                index_elements=[Draft.person_id, Draft.form],
                set_={"state": insert.excluded.state, "updated_at": now},
            )
        )

    def drop_draft(self, person_id: int, form: str) -> None:
        self.session.execute(delete(Draft).where(Draft.person_id == person_id, Draft.form == form))

    def drop_drafts_of(self, person_id: int) -> None:
        self.session.execute(delete(Draft).where(Draft.person_id == person_id))

    def forget_updates(self, before: datetime) -> None:
        """Drop the ids of updates too old to be redelivered."""
        self.session.execute(delete(Update).where(Update.received_at < before))

    def forget_drafts(self, before: datetime) -> None:
        """Drop the drafts that nobody touched since a moment."""
        self.session.execute(delete(Draft).where(Draft.updated_at < before))
