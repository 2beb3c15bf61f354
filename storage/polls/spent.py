"""Voices that were used in open consultations, of addresses that belong to nobody now.

Who votes, erases their data and comes back at the same address has no second voice; nor has who
parts one account from another. Nothing is kept but a keyed hash of the poll and the address, which
goes when the poll closes.
"""

from collections.abc import Collection
from typing import cast

from sqlalchemy import ForeignKey, Index, Table, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, insert_into
from storage.people import Account
from storage.polls.model import Ballot, Elector, Electorate, Poll
from storage.types import BlindIndex


class SpentVoice(Base):
    """An address from which a voice in a poll was used, by a keyed hash of both."""

    __tablename__ = "spent_voices"
    __table_args__ = (Index(None, "poll_id"),)

    key: Mapped[str] = mapped_column(BlindIndex("spent_voices.key"), primary_key=True)
    poll_id: Mapped[int] = mapped_column(ForeignKey("polls.id", ondelete="CASCADE"))


class Spending:
    """The part of `Polls` that knows which voices were used."""

    session: Session

    def spend_voices(self, person_id: int, accounts: Collection[int]) -> None:
        """Some accounts of a person are about to be theirs no more: their voices are used."""
        voted = (
            select(Poll.id)
            .join(Elector, Elector.poll_id == Poll.id)
            .join(Ballot, Ballot.elector_id == Elector.id)
            .where(
                Elector.person_id == person_id,
                Poll.electorate == Electorate.public,
                Poll.closed_at.is_(None),
            )
        )
        polls = self.session.scalars(voted).all()
        chosen = select(Account).where(Account.id.in_(accounts))
        owned = self.session.scalars(chosen).all() if polls else []
        for poll in polls:
            for account in owned:
                spent = insert_into(self.session, SpentVoice).values(
                    key=_key(poll, account), poll_id=poll
                )
                self.session.execute(spent.on_conflict_do_nothing())

    def has_spent(self, poll_id: int, person_id: int) -> bool:
        """Whether a voice was used from an address that is this person's now."""
        spent = select(SpentVoice.poll_id).where(SpentVoice.poll_id == poll_id)
        if self.session.execute(spent.limit(1)).first() is None:
            return False
        owned = self.session.scalars(select(Account).where(Account.person_id == person_id))
        keys = [_key(poll_id, account) for account in owned]
        return self.session.execute(spent.where(SpentVoice.key.in_(keys))).first() is not None

    def forget_spent(self, poll_id: int) -> None:
        """A poll has closed: nobody votes there any more."""
        table = cast(Table, SpentVoice.__table__)
        self.session.execute(delete(table).where(table.c.poll_id == poll_id))


def _key(poll_id: int, account: Account) -> str:
    return f"{poll_id} {account.platform} {account.address}"
