"""People, their accounts and chats. Everything a person does refers to `people.id`."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ForeignKey,
    Index,
    Select,
    String,
    UniqueConstraint,
    case,
    column,
    delete,
    false,
    func,
    select,
    table,
    text,
    update,
)
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
    """A person. Who became another (`merged_into`) goes on as that one, and is a bare row here.

    `erased_at`: since when nothing is known of them any more under this id. `erase_at`: when they
    are to be erased, as they were told.
    """

    __tablename__ = "people"
    __table_args__ = (
        Index(
            None,
            "merged_into",
            sqlite_where=text("merged_into IS NOT NULL"),
            postgresql_where=text("merged_into IS NOT NULL"),
        ),
        Index(
            None,
            "erase_at",
            sqlite_where=text("erase_at IS NOT NULL"),
            postgresql_where=text("erase_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(Encrypted("people.name"))
    profile: Mapped[Profile | None] = mapped_column(Named(Profile))
    academie: Mapped[str | None] = mapped_column(String(2))
    language: Mapped[str] = mapped_column(String(12))
    created_at: Mapped[datetime] = mapped_column(Instant)
    erased_at: Mapped[datetime | None] = mapped_column(Instant)
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    erase_at: Mapped[datetime | None] = mapped_column(Instant)


class Account(Base):
    """A person's address on one platform. They may have chosen one that `takes_notices`.

    `joined_at`: when it was linked to the others of its person, if it came to them.
    """

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("platform", "address_index"), Index(None, "person_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    platform: Mapped[str] = mapped_column(String(12))
    address: Mapped[str] = mapped_column(Encrypted("accounts.address"))
    address_index: Mapped[str] = mapped_column(BlindIndex("accounts.address"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_seen_at: Mapped[datetime] = mapped_column(Instant)
    takes_notices: Mapped[bool] = mapped_column(default=False, server_default=false())
    joined_at: Mapped[datetime | None] = mapped_column(Instant)


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


# When somebody last said anything in a chat; conversations are a file of their own.
_said = table("conversations", column("chat_id"), column("said_at"))
_spoken = select(func.max(_said.c.said_at)).where(_said.c.chat_id == Chat.id).scalar_subquery()


class People:
    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, person_id: int) -> Person:
        return self.session.get_one(Person, person_id)

    def find(self, person_id: int) -> Person | None:
        return self.session.get(Person, person_id)

    def lock(self, person_id: int) -> Person | None:
        """A person as they are now, locked."""
        locked = {"key_share": True}  # others may refer to them meanwhile
        return self.session.get(Person, person_id, with_for_update=locked, populate_existing=True)

    def once(self, person_id: int) -> list[tuple[int, datetime]]:
        """Under which ids a person was known, and since when: with those of who became them."""
        themselves = (Person.id == person_id) | (Person.merged_into == person_id)
        wanted = select(Person.id, Person.created_at).where(themselves).order_by(Person.id)
        return [(row[0], row[1]) for row in self.session.execute(wanted)]

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
        """Where to write to each of some people, by person: an active direct chat of theirs.

        It is one of the account that they chose, else of any; of these the one in which they spoke
        last.

        Args:
            platforms: those that are served; None for all there are.
        """
        wanted = (
            select(Account.person_id, Chat.id)
            .join(Account, Chat.account_id == Account.id)
            .where(Account.person_id.in_(people), Chat.state == ChatState.active)
            .order_by(
                Account.takes_notices,
                _spoken.is_not(None),
                _spoken,
                Account.last_seen_at,
                Chat.id,
            )
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

    def lock_owners(self, account_ids: Collection[int]) -> dict[int, Account]:
        """Some accounts by id, as they are now, locked with all that their people have.

        Nobody acts as these people, or refers to them, before this transaction ends: their chats
        are locked, then their accounts, then their own rows, each in the order of ids.
        """
        found: dict[int, Account] = {}
        while True:
            owners = select(Account.person_id).where(Account.id.in_(account_ids))
            people = set(self.session.scalars(owners))
            theirs = select(Account.id).where(Account.person_id.in_(people))
            chats = select(Chat.id).where(Chat.account_id.in_(theirs))
            self.lock_chats(self.session.scalars(chats).all())
            wanted = select(Account).where(Account.person_id.in_(people)).order_by(Account.id)
            locked = wanted.with_for_update().execution_options(populate_existing=True)
            found = {account.id: account for account in self.session.scalars(locked)}
            if set(account_ids) <= found.keys() or not people:
                break
        rows = select(Person.id).where(Person.id.in_(people)).order_by(Person.id)
        self.session.execute(rows.with_for_update()).all()
        return {one: found[one] for one in account_ids}

    def choose_account(self, person_id: int, account_id: int | None) -> None:
        """Send a person's notices to one of their accounts; None: where they spoke last."""
        mine = update(Account).where(Account.person_id == person_id)
        chosen = case((Account.id == account_id, True), else_=False)
        self.session.execute(mine.values(takes_notices=chosen))

    def part(self, account: Account, now: datetime) -> Person:
        """Give an account to a newcomer; whose it was keeps all but that."""
        language = self.get(account.person_id).language
        newcomer = Person(language=language, created_at=now)
        self.session.add(newcomer)
        self.session.flush()
        account.person_id, account.takes_notices = newcomer.id, False
        account.joined_at = None
        self.session.flush()
        return newcomer

    def join(self, account_ids: Collection[int], now: datetime) -> None:
        """Note that some accounts came to the person whose they are now."""
        theirs = update(Account).where(Account.id.in_(account_ids))
        self.session.execute(theirs.values(joined_at=now))

    def who_became(self, person_id: int) -> list[int]:
        """The ids under which a person was known before they were found to be one."""
        return list(self.session.scalars(select(Person.id).where(Person.merged_into == person_id)))

    def become(self, gone: int, kept: int, now: datetime) -> None:
        """Leave a bare row of a person who goes on as another."""
        blank = {"name": None, "profile": None, "academie": None, "erase_at": None}
        became = {"erased_at": now, "merged_into": kept}
        self.session.execute(update(Person).where(Person.id == gone).values(**blank, **became))

    def last_seen(self, people: Collection[int]) -> dict[int, datetime]:
        """When each of some people last wrote to us, from any of their accounts."""
        wanted = (
            select(Account.person_id, func.max(Account.last_seen_at))
            .where(Account.person_id.in_(people))
            .group_by(Account.person_id)
        )
        return dict(self.session.execute(wanted).all())

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

    def next_erasure(self) -> datetime | None:
        """When the next of those who were told so is to be erased."""
        wanted = select(func.min(Person.erase_at)).where(Person.erase_at.is_not(None))
        return self.session.scalars(wanted).one()

    def to_erase(self, now: datetime) -> list[int]:
        """Who is to be erased by now, as they were told; locked, so that they are, or stay."""
        due = Person.erase_at.is_not(None) & (Person.erase_at <= now)
        wanted = select(Person.id).where(due).order_by(Person.id)
        return list(self.session.scalars(wanted.with_for_update(key_share=True)))

    def about_to_go(self, people: Collection[int]) -> set[int]:
        """Which of some people are to be erased, as they were told."""
        wanted = select(Person.id).where(Person.id.in_(people), Person.erase_at.is_not(None))
        return set(self.session.scalars(wanted))

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
        blank = {"name": None, "profile": None, "academie": None, "erase_at": None}
        erased = update(Person).where(Person.id == person_id).values(**blank, erased_at=now)
        self.session.execute(erased)
