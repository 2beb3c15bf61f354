"""The messages whose words count where they can be changed no more: in a report, in a vote."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, execute, insert_into
from storage.types import BlindIndex, Instant, blind

AGAIN = timedelta(minutes=1)  # before its writer is told again that a message still counts


class CountedMessage(Base):
    """A message of a person that counts. It and its words are kept only as keyed hashes.

    Attributes:
        noun: what it counts in: that of a form or an action.
        words: as they were at first, or after the last change.
        told_at: when its writer was last told that it still counts.
    """

    __tablename__ = "counted_messages"
    __table_args__ = (Index(None, "counted_at"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    message_index: Mapped[str] = mapped_column(
        BlindIndex("counted_messages.message"), primary_key=True
    )
    words: Mapped[str] = mapped_column(BlindIndex("counted_messages.words"))
    noun: Mapped[str] = mapped_column(String(20))
    counted_at: Mapped[datetime] = mapped_column(Instant)
    told_at: Mapped[datetime | None] = mapped_column(Instant)


class Counted:
    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, noun: str, said: Iterable[tuple[int, str, str]], now: datetime) -> None:
        """Messages count from now on.

        Args:
            said: whose each is, its id, and its words.
        """
        rows = [
            {
                "person_id": person_id,
                "message_index": message,
                "words": _salted(message, words),
                "noun": noun,
                "counted_at": now,
            }
            for person_id, message, words in said
        ]
        if not rows:
            return
        insert = insert_into(self.session, CountedMessage)
        new = {name: insert.excluded[name] for name in ("words", "noun", "counted_at")}
        key = [CountedMessage.person_id, CountedMessage.message_index]
        statement = insert.on_conflict_do_update(index_elements=key, set_={**new, "told_at": None})
        execute(self.session, statement, rows)

    def changed(self, person_id: int, message: str, words: str | None, now: datetime) -> str | None:
        """A message was given other words, or taken back (None): what it counts in still.

        None if it does not count, if its words are as they were, or if that was said just now.
        """
        its = CountedMessage.person_id == person_id, CountedMessage.message_index == message
        columns = CountedMessage.noun, CountedMessage.words, CountedMessage.told_at
        found = self.session.execute(select(*columns).where(*its)).one_or_none()
        if found is None:
            return None
        noun, known, told_at = found
        changes: dict[str, object] = {}
        if words is not None:
            changes["words"] = salted = _salted(message, words)
            if known == blind(self.session, CountedMessage.words, salted):
                return None
        is_due = told_at is None or now - told_at >= AGAIN
        if is_due:
            changes["told_at"] = now
        if changes:
            self.session.execute(update(CountedMessage).where(*its).values(**changes))
        return noun if is_due else None

    def drop_of(self, person_id: int) -> None:
        """What a person wrote is erased: none of their messages counts any more."""
        mine = delete(CountedMessage).where(CountedMessage.person_id == person_id)
        self.session.execute(mine)

    def forget(self, before: datetime) -> None:
        """Drop what began to count before a moment."""
        self.session.execute(delete(CountedMessage).where(CountedMessage.counted_at < before))


def _salted(message: str, words: str) -> str:
    """What is hashed, so that the same words in two messages do not show it."""
    return f"{message}\0{words.strip()}"
