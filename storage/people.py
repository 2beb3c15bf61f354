"""People, their accounts and chats. Everything a person does refers to `people.id`."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Select, String, UniqueConstraint, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, insert_into
from storage.types import BlindIndex, Encrypted, Instant, Named

MOST_AT_ONCE = 500


class Profile(StrEnum):
    """Who a contributor is. One is a member by invitation; a pupil is relayed by an adult."""

    teacher = "teacher"
    school_staff = "school_staff"
    parent = "parent"
    local_authority = "local_authority"
    dan = "dan"
    company = "company"
    association = "association"
    member = "member"
    other = "other"


class ChatKind(StrEnum):
    direct = "direct"
    group = "group"


class ChatState(StrEnum):
    active = "active"
    blocked = "blocked"
    left = "left"
    gone = "gone"


class Person(Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(Encrypted("people.name"))
    profile: Mapped[Profile | None] = mapped_column(Named(Profile))
    academie: Mapped[str | None] = mapped_column(String(2))
    language: Mapped[str] = mapped_column(String(12))
    created_at: Mapped[datetime] = mapped_column(Instant)
    erased_at: Mapped[datetime | None] = mapped_column(Instant)


class Account(Base):
    """A person's address on one platform."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("platform", "address_index"), Index(None, "person_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    platform: Mapped[str] = mapped_column(String(12))
    address: Mapped[str] = mapped_column(Encrypted("accounts.address"))
    address_index: Mapped[str] = mapped_column(BlindIndex("accounts.address"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_seen_at: Mapped[datetime] = mapped_column(Instant)


class Chat(Base):
    """A place where people and Préau talk. A direct chat belongs to one account.

    `last_event` and `last_message` number what the web page receives, without gaps: they are
    advanced under the row's lock.
    """

    __tablename__ = "chats"
    __table_args__ = (UniqueConstraint("platform", "address_index"), Index(None, "account_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    platform: Mapped[str] = mapped_column(String(12))
    address: Mapped[str] = mapped_column(Encrypted("chats.address"))
    address_index: Mapped[str] = mapped_column(BlindIndex("chats.address"))
    kind: Mapped[ChatKind] = mapped_column(Named(ChatKind))
    state: Mapped[ChatState] = mapped_column(Named(ChatState))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    last_event: Mapped[int] = mapped_column(default=0)
    last_message: Mapped[int] = mapped_column(default=0)


class People:
    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, person_id: int) -> Person:
        return self.session.get_one(Person, person_id)

    def load(self, person_ids: Collection[int]) -> None:
        """Load some people at once, for a store that holds what it loads."""
        self.session.scalars(select(Person).where(Person.id.in_(person_ids))).all()

    def of_chat(self, chat: Chat) -> int:
        """The person whose direct chat it is."""
        wanted = select(Account.person_id).where(Account.id == chat.account_id)
        return self.session.execute(wanted).scalar_one()

    def arrive(
        self, platform: str, address: str, language: str, now: datetime
    ) -> tuple[Account, bool]:
        """Find the account at an address, or make it with a new person; say whether it is new."""
        found = self.account(platform, address)
        if found is not None:
            return found, False
        person = Person(language=language, created_at=now)
        self.session.add(person)
        self.session.flush()
        insert = insert_into(self.session, Account).values(
            person_id=person.id,
            platform=platform,
            address=address,
            address_index=address,
            created_at=now,
            last_seen_at=now,
        )
        made = self.session.execute(insert.on_conflict_do_nothing().returning(Account.id)).scalar()
        if made is None:  # another process met the same newcomer first
            self.session.delete(person)
            self.session.flush()
        account = self.account(platform, address)
        assert account is not None
        return account, made is not None

    def account(self, platform: str, address: str) -> Account | None:
        """The account at an address, if we know it."""
        wanted = select(Account).where(
            Account.platform == platform, Account.address_index == address
        )
        return self.session.scalars(wanted).first()

    def chat(
        self,
        platform: str,
        address: str,
        kind: ChatKind = ChatKind.direct,
        account_id: int | None = None,
    ) -> Chat:
        """Find the chat at an address, or make it."""
        insert = insert_into(self.session, Chat).values(
            platform=platform,
            address=address,
            address_index=address,
            kind=kind,
            state=ChatState.active,
            account_id=account_id,
            last_event=0,
            last_message=0,
        )
        self.session.execute(insert.on_conflict_do_nothing())
        wanted = select(Chat).where(Chat.platform == platform, Chat.address_index == address)
        return self.session.scalars(wanted).one()

    def direct_chats_of(self, account_id: int) -> list[Chat]:
        """The direct chats of an account, the newest first."""
        wanted = select(Chat).where(Chat.account_id == account_id).order_by(Chat.id.desc())
        return list(self.session.scalars(wanted))

    def direct_chats(
        self, people: Sequence[int], platforms: Collection[str] | None = None
    ) -> dict[int, int]:
        """The active direct chat where each of some people was last seen, by person.

        Args:
            platforms: those that are served; None for all there are.
        """
        wanted = (
            select(Account.person_id, Chat.id)
            .join(Account, Chat.account_id == Account.id)
            .where(Account.person_id.in_(people), Chat.state == ChatState.active)
            .order_by(Account.last_seen_at, Chat.id)
        )
        if platforms is not None:
            wanted = wanted.where(Chat.platform.in_(platforms))
        return dict(self.session.execute(wanted).all())

    def lock_chats(self, chat_ids: Collection[int]) -> dict[int, Chat]:
        """Some chats by id, locked in the order of their ids, as every transaction locks them."""
        wanted = (
            select(Chat)
            .where(Chat.id.in_(chat_ids))
            .order_by(Chat.id)
            .with_for_update(key_share=True)
        )
        return {chat.id: chat for chat in self.session.scalars(wanted)}

    def accounts_of(self, person_id: int) -> list[Account]:
        wanted = select(Account).where(Account.person_id == person_id).order_by(Account.id)
        return list(self.session.scalars(wanted))

    def mark_chat(self, chat_id: int, state: ChatState) -> None:
        self.session.execute(update(Chat).where(Chat.id == chat_id).values(state=state))

    def open_up(self, chat: Chat) -> None:
        """Make a group of a direct chat: it belongs to nobody any more."""
        chat.kind, chat.account_id = ChatKind.group, None
        self.session.flush()

    def chat_at(self, platform: str, address: str) -> int | None:
        """The id of the chat at an address, if we know it."""
        wanted = select(Chat.id).where(Chat.platform == platform, Chat.address_index == address)
        return self.session.execute(wanted).scalar()

    def move_chat(self, platform: str, address: str, to: str) -> tuple[int, int] | None:
        """Give the chat at an address another one; see `Store.move_chat`.

        Returns:
            The ids of the chat that was there and of the one that is at the new address: the same,
            unless there was one already, for which the first is left. None: there was none.
        """
        old, new = self.chat_at(platform, address), self.chat_at(platform, to)
        if old is None:
            return None
        if new is not None:
            if new != old:
                self.mark_chat(old, ChatState.left)
            return old, new
        moved = {"address": to, "address_index": to}
        self.session.execute(update(Chat).where(Chat.id == old).values(**moved))
        return old, old

    def everybody(self) -> Select[int]:
        """All who can still be written to."""
        return select(Person.id).where(Person.erased_at.is_(None))

    def silent(self, before: datetime, holding: Sequence[Select[int]]) -> list[int]:
        """People with accounts, none of which was used since a moment.

        Args:
            holding: queries of people to leave out.
        """
        active = select(Account.person_id).where(Account.last_seen_at >= before)
        wanted = select(Account.person_id).where(
            Account.last_seen_at < before,
            Account.person_id.not_in(active),
            *(Account.person_id.not_in(people) for people in holding),
        )
        return sorted(set(self.session.scalars(wanted.limit(MOST_AT_ONCE))))

    def forget_contact(self, person_id: int) -> None:
        """Drop where a person is reached; what they told stays, without a way back to them."""
        self.forget_chats(person_id)
        self.session.execute(delete(Account).where(Account.person_id == person_id))
        nameless = update(Person).where(Person.id == person_id).values(name=None)
        self.session.execute(nameless)

    def forget_chats(self, person_id: int) -> None:
        """Drop a person's own chats, with all that was said there."""
        accounts = select(Account.id).where(Account.person_id == person_id)
        self.session.execute(delete(Chat).where(Chat.account_id.in_(accounts)))

    def erase(self, person_id: int, now: datetime) -> None:
        """Drop a person's accounts, whose chats are gone; the bare row stays."""
        self.session.execute(delete(Account).where(Account.person_id == person_id))
        blank = {"name": None, "profile": None, "academie": None, "erased_at": now}
        self.session.execute(update(Person).where(Person.id == person_id).values(**blank))
