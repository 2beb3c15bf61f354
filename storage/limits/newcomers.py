"""Who is new: when much waits, those go after people whom we know."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from storage.base import execute
from storage.grants import Grant
from storage.organisations import Mandate
from storage.people import Account
from storage.types import Instant

NEW_FOR = timedelta(hours=1)

_moment: BindParameter[datetime] = bindparam("moment", type_=Instant())
_is_member = or_(
    exists().where(Grant.person_id == Account.person_id, Grant.counts(_moment)),
    exists().where(Mandate.person_id == Account.person_id, Mandate.active(_moment)),
)
_known = select(Account.platform, Account.address).where(
    Account.platform.in_(bindparam("platforms", expanding=True)),
    Account.address_index.in_(bindparam("addresses", expanding=True)),
    or_(Account.created_at <= bindparam("new_since", type_=Instant()), _is_member),
)
_members = select(Account.id).where(Account.id.in_(bindparam("ids", expanding=True)), _is_member)


class Newcomers:
    """Somebody is new in the first hour of their account, unless they hold a role or a mandate."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def known(self, whom: Sequence[tuple[str, str]], now: datetime) -> set[tuple[str, str]]:
        """Of some platforms and addresses, those of people who are not new."""
        given = {
            "platforms": sorted({platform for platform, _ in whom}),
            "addresses": [address for _, address in whom],
            "new_since": now - NEW_FOR,
            "moment": now,
        }
        found = execute(self.session, _known, given)
        return {(platform, address) for platform, address in found}

    def members(self, accounts: Collection[int], now: datetime) -> set[int]:
        """Of some accounts, those of people who hold a role or a mandate."""
        given = {"ids": sorted(accounts), "moment": now}
        return set(execute(self.session, _members, given).scalars())
