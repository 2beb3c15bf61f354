"""The two sides of a linking: who speaks for which, and what each may lend the other."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from bot.messages import Refused, Request
from bot.settings import Settings
from handlers.people import do
from storage.linking import Linking
from storage.people import Account
from storage.store import Store


@dataclass(frozen=True)
class Pair:
    """Both accounts, locked with all that their people have: the one that showed the code first."""

    first: Account
    other: Account

    @classmethod
    def of(cls, linking: Linking, store: Store) -> "Pair":
        assert linking.other_account_id is not None
        found = store.people.lock_owners([linking.account_id, linking.other_account_id])
        return cls(found[linking.account_id], found[linking.other_account_id])

    @property
    def accounts(self) -> tuple[int, int]:
        return self.first.id, self.other.id

    @property
    def people(self) -> tuple[int, int]:
        return self.first.person_id, self.other.person_id

    def outside(self, settings: Settings) -> tuple[bool, bool]:
        """Which of them are where no role counts: the secretariat confirms what these lend."""
        return self.first.platform in settings.outside, self.other.platform in settings.outside

    @property
    def is_one(self) -> bool:
        """Whether they are one person's already."""
        return self.first.person_id == self.other.person_id


def seen_from(here: Account, there: Account) -> str:
    """The platform of an account, as messages call it in another: on the page, another browser."""
    return "browser" if here.platform == there.platform == "web" else there.platform


def found(linking_id: int, request: Request, store: Store) -> Linking:
    """A linking under way in which this account has a part."""
    linking = store.linking.get(linking_id, request.now)
    account = request.context.account_id
    if linking is None or account not in (linking.account_id, linking.other_account_id):
        raise over()
    return linking


def over() -> Refused:
    return Refused("linking.over", choices=[do("link"), do("menu")])


def lends_nothing(request: Request) -> Refused:
    """Roles do not count here; on the page a code opens them."""
    on_page = request.incoming.session_id is not None
    return Refused("linking.sign_in_first", on_page=on_page, choices=[do("link"), do("menu")])


def is_first(linking: Linking, request: Request) -> bool:
    """Whether this is the side that showed the code; on the web, in the browser where it did.

    Raises:
        Refused: it is another browser than the one which began.
    """
    first = request.context.account_id == linking.account_id
    began = linking.session_id if first else linking.other_session_id
    if request.incoming.session_id != began:
        raise Refused("linking.same_browser", choices=[do("link"), do("menu")])
    return first


def holds(store: Store, person_id: int, now: datetime) -> bool:
    """Whether somebody has a role or a mandate."""
    return bool(store.roles_of(person_id, now))


def check_stay(people: Collection[int], request: Request, store: Store) -> None:
    """Refuse if somebody is about to be erased: neither with another, nor as another's part.

    Raises:
        Refused
    """
    going = store.people.about_to_go(people)
    if going:
        mine = request.person in going
        keep: list[tuple[str, str]] = [("privacy.keep_me", "privacy.keep_me")] if mine else []
        raise Refused("linking.erased_soon", mine=mine, choices=[*keep, do("menu")])


def may_lend(request: Request) -> bool:
    """Whether what somebody holds may be lent from here: from all but a page not signed in.

    Where no role counts, the secretariat confirms it.
    """
    return request.incoming.signed_in or request.incoming.session_id is None


def may_have_lent(linking: Linking, store: Store) -> bool:
    """As `may_lend`, of where the code was shown."""
    return linking.session_id is None or store.sessions.is_signed_in(linking.session_id)
