"""What each conversation points to, the updates already applied, and the drafts of forms."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    case,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, dialect_of, execute, insert_into
from storage.limits.rates import MESSAGES
from storage.limits.restrictions import (
    RestrictedAddress,
    Restriction,
    RestrictionKind,
    of_account,
)
from storage.people import Account, Chat, ChatKind, ChatState, Person, Profile
from storage.types import BlindIndex, Encrypted, EncryptedJSON, Instant, blind

MOST_AWAITED = 5  # messages that a typed number may answer
MOST_THREADS = 20  # in which somebody has a conversation of its own, of one chat


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

    `awaiting` is a list of `[message, kind, title, [[action, label], …]]`, and of what `unsent`
    makes. `kept` is what was said outside any form, joined by line ends; `kept_in` is a list of the
    messages that it was said in and its length, `[[message, …], length]`, piece by piece. `said_at`
    is when anything was last said.
    """

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("chat_id", "thread", "account_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    chat_id: Mapped[int] = mapped_column(ForeignKey("chats.id", ondelete="CASCADE"))
    thread: Mapped[str] = mapped_column(String(255))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    form: Mapped[str | None] = mapped_column(String(40))
    awaiting: Mapped[list[Any]] = mapped_column(EncryptedJSON("conversations.awaiting"))
    kept: Mapped[str | None] = mapped_column(Encrypted("conversations.kept"))
    kept_in: Mapped[list[Any] | None] = mapped_column(EncryptedJSON("conversations.kept_in"))
    window_started_at: Mapped[datetime] = mapped_column(Instant)
    window_count: Mapped[int]
    said_at: Mapped[datetime | None] = mapped_column(Instant)


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


@dataclass(frozen=True)
class Place:
    """Where something is said and by whom, as the platform knows them."""

    platform: str
    chat: str
    sender: str
    thread: str


@dataclass(frozen=True)
class Applied:
    """An update that was applied, or set aside under a reference number (`failure`).

    Attributes:
        key: the update's id on its platform, unique over all of them.
        content: all that the person sent; only its keyed hash is kept.
    """

    key: str
    content: str
    received_at: datetime
    failure: str | None = None

    @property
    def salted(self) -> str:
        """What is hashed, so that two people who say the same do not show it."""
        return f"{self.key}\0{self.content}"


@dataclass
class Context:
    """Who speaks and where, as one update needs it. Ids are those of the database.

    `last_event` and `last_message` are the chat's counters (see `storage.people.Chat`), `recent`
    how many updates were counted in the current minute, in all threads of the chat; `fresh_at` is
    when that is over. `begun` says that the account is made by this update. What they are under
    until some moment, if anything, is `restriction`.
    """

    conversation_id: int
    chat_id: int
    last_event: int
    last_message: int
    chat_kind: ChatKind
    chat_state: ChatState
    account_id: int
    seen_at: datetime
    person_id: int
    language: str
    profile: Profile | None
    academie: str | None
    form: str | None
    awaiting: list[Any]
    kept: str | None
    kept_in: list[Any] | None
    created_at: datetime
    restriction_id: int | None
    restriction: RestrictionKind | None
    restricted_until: datetime | None
    recent: int = 0
    fresh_at: datetime | None = None
    begun: bool = False

    def is_under(self, kind: RestrictionKind, now: datetime) -> bool:
        """Whether who speaks is under a restriction of a kind."""
        until = self.restricted_until
        return self.restriction is kind and (until is None or until > now)

    def keep_said(self, said: str, messages: list[str]) -> None:
        """Keep what was said outside any form, in some messages, after what was kept before."""
        before = self.kept
        known = [] if before is None else self.kept_in or []
        self.kept = said if before is None else f"{before}\n{said}"
        self.kept_in = [*known, [messages, len(said)]]

    def kept_pieces(self) -> list[tuple[list[str], str]]:
        """What is kept, by the messages in which it was said; nothing if that is not known of all.

        Its pieces are joined by line ends.
        """
        kept, kept_in = self.kept, self.kept_in or []
        if kept is None or sum(length + 1 for _, length in kept_in) != len(kept) + 1:
            return []
        pieces, start = [], 0
        for messages, length in kept_in:
            pieces.append((messages, kept[start : start + length]))
            start += length + 1
        return pieces

    def forget_said_in(self, message: str) -> bool:
        """Forget what of this was said in a message, or all if that cannot be told; whether any."""
        if self.kept is None:
            return False
        pieces = self.kept_pieces()
        left = [one for one in pieces if message not in one[0]]
        if pieces and len(left) == len(pieces):
            return False
        self._keep_pieces(left)
        return True

    def change_said_in(self, message: str, said: str) -> bool:
        """Give what of this was said in a message its new words; whether any changed.

        A message of a paste is none by itself: where its words end is not known.
        """
        pieces = self.kept_pieces()
        changed = [(them, said if them == [message] else words) for them, words in pieces]
        if changed == pieces:
            return False
        self._keep_pieces(changed)
        return True

    def _keep_pieces(self, pieces: Sequence[tuple[list[str], str]]) -> None:
        self.kept = "\n".join(said for _, said in pieces) or None
        self.kept_in = [[messages, len(said)] for messages, said in pieces]


_find = (
    select(
        Chat.platform,
        Chat.address,
        Account.address,
        Conversation.thread,
        Conversation.window_count,
        Conversation.window_started_at,
        Conversation.id,
        Chat.id,
        Chat.last_event,
        Chat.last_message,
        Chat.kind,
        Chat.state,
        Account.id,
        Account.last_seen_at,
        Person.id,
        Person.language,
        Person.profile,
        Person.academie,
        Conversation.form,
        Conversation.awaiting,
        Conversation.kept,
        Conversation.kept_in,
        Account.created_at,
        Restriction.id,
        Restriction.kind,
        Restriction.ends_at,
    )
    .join(Chat, Conversation.chat_id == Chat.id)
    .join(Account, Conversation.account_id == Account.id)
    .join(Person, Account.person_id == Person.id)
    .outerjoin(RestrictedAddress, of_account())
    .outerjoin(Restriction, Restriction.id == RestrictedAddress.restriction_id)
    .where(
        Chat.platform.in_(bindparam("platforms", expanding=True)),
        Chat.address_index.in_(bindparam("chats", expanding=True)),
        Account.platform.in_(bindparam("platforms", expanding=True)),
        Account.address_index.in_(bindparam("senders", expanding=True)),
    )
    .order_by(Chat.id)
)
# One lock, in one order: what belongs to a chat changes only under the lock of its row. It is taken
# first: PostgreSQL would read the rows joined to one that it waited for as they were before.
_lock = (
    select(Chat.id)
    .where(
        Chat.platform.in_(bindparam("platforms", expanding=True)),
        Chat.address_index.in_(bindparam("chats", expanding=True)),
    )
    .order_by(Chat.id)
    .with_for_update(key_share=True)
)
_known = select(Update.key, Update.content).where(Update.key.in_(bindparam("keys", expanding=True)))

_table = cast(Table, Conversation.__table__)
_accounts = cast(Table, Account.__table__)
_see = (
    update(_accounts)
    .where(_accounts.c.id.in_(bindparam("accounts", expanding=True)))
    .values(last_seen_at=bindparam("moment", type_=Instant()))
)
_record = insert(cast(Table, Update.__table__))
_keep = (
    update(_table)
    .where(_table.c.id == bindparam("conversation"))
    .values(
        form=bindparam("new_form"),
        awaiting=bindparam("new_awaiting"),
        kept=bindparam("new_kept"),
        kept_in=bindparam("new_kept_in"),
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
        said_at=bindparam("moment", type_=Instant()),
    )
)
# Among others, whose accounts they are is read again under a lock: the group's is not their own
# chat's, under which two people become one.
_speakers = (
    select(_accounts.c.id, _accounts.c.person_id)
    .where(_accounts.c.id.in_(bindparam("accounts", expanding=True)))
    .order_by(_accounts.c.id)
    .with_for_update(read=True)
)


@dataclass(frozen=True)
class Awaited:
    """A message that a typed number may answer.

    Attributes:
        entry: the message, how it came, its title and its choices.
        edits: it takes the place of one that was sent before, if that is still awaited.
    """

    chat_id: int
    entry: list[Any]
    edits: bool = False

    def among(self, awaiting: list[Any]) -> list[Any]:
        """What is awaited with this one too."""
        if not self.edits:
            others = [one for one in awaiting if one[0] != self.entry[0]]
            return [*others, self.entry][-MOST_AWAITED:]
        message, _, *shown = self.entry
        return [[message, one[1], *shown] if one[0] == message else one for one in awaiting]


UNSENT = "#"  # begins what stands for a message's id until it has one: the delivery's follows


def unsent(delivery_id: int, kind: str) -> list[Any]:
    """The entry of a message of which the platform gives the id; what it offers is kept once."""
    return [f"{UNSENT}{delivery_id}", kind, "", []]


def _count_together(contexts: Sequence[Context]) -> None:
    """What somebody says in one thread of a chat counts in all of them."""
    if len(contexts) > 1:
        recent = sum(one.recent for one in contexts)
        fresh_at = max((one.fresh_at for one in contexts if one.fresh_at), default=None)
        for one in contexts:
            one.recent, one.fresh_at = recent, fresh_at


class Conversations:
    def __init__(self, session: Session) -> None:
        self.session = session
        self._found: list[Context] = []

    def seen(self, updates: Sequence[Applied]) -> list[Seen]:
        """What is known of some updates, in one statement."""
        rows = execute(self.session, _known, {"keys": [one.key for one in updates]})
        known: dict[str, str] = dict(rows.all())
        return [self._compared(one, known) for one in updates]

    def record(self, updates: Sequence[Applied]) -> None:
        """Record updates, so that they are never applied again.

        Raises:
            IntegrityError: one was recorded by another transaction meanwhile.
        """
        rows = [{**vars(one), "content": one.salted} for one in updates]
        if rows:
            execute(self.session, _record, rows)

    def find(
        self, places: Sequence[Place], now: datetime, *, lock: bool = True
    ) -> dict[Place, Context]:
        """Load who speaks in some conversations in one statement, and lock their chats.

        Who has begun conversations in too many threads of a chat goes on in the first of them,
        which is that in no thread if there is one.
        """
        chats = {
            "platforms": list({place.platform for place in places}),
            "chats": [place.chat for place in places],
        }
        if lock and dialect_of(self.session) != "sqlite":  # which has one writer at a time
            execute(self.session, _lock, chats).all()
        senders = [place.sender for place in places]
        rows = execute(self.session, _find, {**chats, "senders": senders})
        threads: dict[Place, dict[str, Context]] = defaultdict(dict)
        for platform, chat, sender, thread, count, started_at, *known in rows:
            place = Place(platform, chat, sender, "")
            threads[place][thread] = context = Context(*known)
            if started_at > now - MESSAGES.window:
                context.recent, context.fresh_at = count, started_at + MESSAGES.window
            self._found.append(context)
        for those in threads.values():
            _count_together(list(those.values()))
        if lock:
            self._know_again([one for those in threads.values() for one in those.values()])
        found = {}
        for place in places:
            everywhere = replace(place, thread="")
            begun = threads[everywhere]
            thread = place.thread
            if thread not in begun and len(begun) >= MOST_THREADS:
                thread = min(begun)
            if thread in begun:
                found[place] = begun[thread]
        return found

    def _know_again(self, contexts: Sequence[Context]) -> None:
        """Lock whose the accounts are that speak among others."""
        among = [one for one in contexts if one.chat_kind is ChatKind.group]
        if not among or dialect_of(self.session) == "sqlite":
            return
        accounts = sorted({one.account_id for one in among})
        people = dict(execute(self.session, _speakers, {"accounts": accounts}).all())
        for one in among:
            one.person_id = people.get(one.account_id, one.person_id)

    def speak_as(self, account_ids: Collection[int], person_id: int) -> None:
        """Note, for what this transaction still handles, whose some accounts are now."""
        for context in self._found:
            if context.account_id in account_ids:
                context.person_id = person_id

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

    def keep(self, contexts: Sequence[Context], now: datetime) -> None:
        """Write back what updates changed, count them for the throttle, and note who was seen."""
        window = now - MESSAGES.window
        seen = [one.account_id for one in contexts if one.seen_at <= window]
        if seen:
            execute(self.session, _see, {"accounts": sorted(set(seen)), "moment": now})
        rows = [
            {
                "conversation": context.conversation_id,
                "new_form": context.form,
                "new_awaiting": context.awaiting,
                "new_kept": context.kept,
                "new_kept_in": context.kept_in if context.kept is not None else None,
                "window": window,
                "moment": now,
            }
            for context in contexts
        ]
        if rows:
            execute(self.session, _keep, rows)

    def await_numbers(self, awaited: Sequence[Awaited]) -> None:
        """Add messages that the clock sent to those that a typed number may answer.

        The rows of the chats must be locked.
        """
        wanted = select(Conversation).where(
            Conversation.chat_id.in_({one.chat_id for one in awaited})
        )
        conversations = defaultdict(list)
        for conversation in self.session.scalars(wanted):
            conversations[conversation.chat_id].append(conversation)
        for one in awaited:
            for conversation in conversations[one.chat_id]:
                conversation.awaiting = one.among(conversation.awaiting)
        self.session.flush()

    def await_no_more(self, gone: Mapping[int, Collection[str]]) -> None:
        """Drop some messages of some chats, with their labels, from those that a number answers.

        The rows of the chats must be locked. What this transaction found of a conversation it
        writes back at its end: there, too, they are dropped.
        """

        def left(chat_id: int, awaiting: list[Any]) -> list[Any]:
            return [entry for entry in awaiting if entry[0] not in gone.get(chat_id, ())]

        for context in self._found:
            context.awaiting = left(context.chat_id, context.awaiting)
        wanted = select(Conversation).where(Conversation.chat_id.in_(gone))
        for one in self.session.scalars(wanted.execution_options(populate_existing=True)):
            one.awaiting = left(one.chat_id, one.awaiting)
        self.session.flush()

    def end_in(self, chat_id: int) -> None:
        """Drop what was under way in a chat: what was open, kept or awaited. Drafts stay."""
        self.session.execute(delete(Conversation).where(Conversation.chat_id == chat_id))

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

    def kept_of(self, person_id: int) -> list[str]:
        """What a person said outside any form that is kept."""
        accounts = select(Account.id).where(Account.person_id == person_id)
        wanted = select(Conversation.kept).where(Conversation.account_id.in_(accounts))
        return [kept for kept in self.session.scalars(wanted) if kept is not None]

    def drop_kept_of(self, person_id: int) -> None:
        """Drop what a person said outside any form, in all their conversations."""
        accounts = select(Account.id).where(Account.person_id == person_id)
        mine = update(Conversation).where(Conversation.account_id.in_(accounts))
        self.session.execute(mine.values(kept=None, kept_in=None))

    def withdraw(self, context: Context, message: str) -> bool:
        """Forget what somebody said in a message, outside any form, in whatever thread of a chat.

        Returns:
            Whether any of it was kept.
        """
        kept_there = [one for one in self._beside(context) if one.forget_said_in(message)]
        for one in kept_there:
            self._write_kept(one)
        return bool(kept_there)

    def revise(self, context: Context, message: str, said: str) -> Context | None:
        """Change what somebody said in a message, outside any form, in whatever thread of a chat.

        Returns:
            Where it is kept; None if it is not, or if its words are as they were.
        """
        for one in self._beside(context):
            if one.change_said_in(message, said):
                self._write_kept(one)
                return one
        return None

    def _beside(self, context: Context) -> list[Context]:
        """The conversations of somebody in all the threads of a chat."""
        where = context.chat_id, context.account_id
        return [one for one in self._found if (one.chat_id, one.account_id) == where]

    def _write_kept(self, context: Context) -> None:
        its = update(Conversation).where(Conversation.id == context.conversation_id)
        self.session.execute(its.values(kept=context.kept, kept_in=context.kept_in))

    def forget_updates(self, before: datetime) -> None:
        """Drop the ids of updates too old to be redelivered."""
        self.session.execute(delete(Update).where(Update.received_at < before))

    def forget_said(self, before: datetime) -> None:
        """Drop what was last said, and what awaits a number, in conversations silent since."""
        silent = update(Conversation).where(Conversation.window_started_at < before)
        self.session.execute(silent.values(kept=None, kept_in=None, awaiting=[]))

    def forget_drafts(self, before: datetime) -> None:
        """Drop the drafts that nobody touched since a moment."""
        self.session.execute(delete(Draft).where(Draft.updated_at < before))

    def _compared(self, update: Applied, known: dict[str, str]) -> Seen:
        content = known.get(blind(self.session, Update.key, update.key))
        if content is None:
            return Seen.new
        same = content == blind(self.session, Update.content, update.salted)
        return Seen.applied if same else Seen.reused
