"""Who is new: when much waits, those go after people whom we know."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from storage.grants import Grant
from storage.organisations import Mandate
from storage.people import Account

NEW_FOR = timedelta(hours=1)


class Newcomers:
    """Somebody is new in the first hour of their account, unless they hold a role or a mandate."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def known(self, whom: Sequence[tuple[str, str]], now: datetime) -> set[tuple[str, str]]:
        """Of some platforms and addresses, those of people who are not new."""
        wanted = select(Account.platform, Account.address).where(
            Account.platform.in_({platform for platform, _ in whom}),
            Account.address_index.in_([address for _, address in whom]),
            or_(Account.created_at <= now - NEW_FOR, _is_member(now)),
        )
        return {(platform, address) for platform, address in self.session.execute(wanted)}

    def members(self, accounts: Collection[int], now: datetime) -> set[int]:
        """Of some accounts, those of people who hold a role or a mandate."""
        wanted = select(Account.id).where(Account.id.in_(accounts), _is_member(now))
        return set(self.session.scalars(wanted))


def _is_member(now: datetime) -> ColumnElement[bool]:
    granted = select(Grant.person_id).where(Grant.counts(now))
    speaking = select(Mandate.person_id).where(Mandate.active(now))
    return or_(Account.person_id.in_(granted), Account.person_id.in_(speaking))
