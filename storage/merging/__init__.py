"""Making one person of two, and a newcomer of an account: the part of `Store` that does it."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.conversations import Conversations
from storage.deliveries import Deliveries, Operation, Outgoing
from storage.limits import Rates, Restrictions
from storage.linking import Linkings
from storage.merging.ballots import Conflict, Decisions, Undecided, conflicts, staying
from storage.merging.model import Merge
from storage.merging.rules import RULES, merge, strays
from storage.people import People
from storage.polls import Polls
from storage.sessions import Sessions

__all__ = ["RULES", "Conflict", "Merge", "Merging", "Undecided"]


class Merging:
    session: Session
    erased: bool
    people: People
    conversations: Conversations
    deliveries: Deliveries
    linking: Linkings
    sessions: Sessions
    polls: Polls
    rates: Rates
    restrictions: Restrictions

    def merge(self, accounts: tuple[int, int], decided: Decisions, now: datetime) -> int:
        """Make one person of those of two accounts; return who stays: the older one.

        Args:
            decided: in which open polls which of both ballots stays; see `Linking.decisions`.

        Raises:
            Undecided: nothing was merged.
        """
        locked = self.people.lock_owners(accounts)
        first, other = (locked[one].person_id for one in accounts)
        if first == other:
            return first
        both, kept = (first, other), min(first, other)
        stays = staying(self.session, both, conflicts(self.session, both), decided)
        self._become(Merge(self.session, kept, max(both), now, stays))
        return kept

    def _become(self, one: Merge) -> None:
        theirs = [account.id for account in self.people.accounts_of(one.gone)]
        known, came = self.people.get(one.kept), self.people.get(one.gone)
        known.name, known.profile = known.name or came.name, known.profile or came.profile
        known.academie = known.academie or came.academie
        merge(one)
        self.people.become(one.gone, one.kept, one.now)
        self.rates.carry(one.gone, one.kept, one.now)
        self.restrictions.spread(one.kept, one.now)
        self.conversations.speak_as(theirs, one.kept)
        self.deliveries.taken_back = True

    def strays(self) -> list[tuple[int, int]]:
        """Who became another, with who that is, and is still referred to."""
        return strays(self.session)

    def merge_stray(self, gone: int, kept: int, now: datetime) -> None:
        """Move on what still refers to who became another."""
        self._become(Merge(self.session, kept, gone, now))

    def unlink(self, account_id: int, now: datetime) -> None:
        """Make a newcomer of an account of somebody, who keeps all else.

        What was said in its chats is forgotten, its sessions end, no code brings it back.
        """
        account = self.people.lock_owners([account_id])[account_id]
        self.deliveries.recall(account.person_id, now)
        self.polls.spend_voices(account.person_id, [account_id])
        whose = account.person_id
        newcomer = self.people.part(account, now)
        self.rates.carry(whose, newcomer.id, now)
        self.conversations.speak_as([account_id], newcomer.id)
        self.linking.drop_of(account_id)
        self.sessions.drop_return_code(account_id)
        self.sessions.end_all(account_id)
        for chat in self.people.direct_chats_of(account_id):
            shown = self.deliveries.forget_messages(chat.id, now)
            gone = [Outgoing({}, Operation.delete, message) for message in shown]
            self.deliveries.add(chat.id, "", gone, now)
            self.conversations.end_in(chat.id)
        self.deliveries.queued = self.erased = True
