"""Everything remembered, by noun, over one session."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import cast

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    Connection,
    bindparam,
    event,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from storage.approvals import Approvals
from storage.audit import BY_CLOCK, Audit
from storage.base import execute
from storage.broadcasts import URGENT, Broadcasts
from storage.conversations import Conversations
from storage.counted import Counted
from storage.data_requests import DataRequests
from storage.deliveries import Deliveries, Failure, Sent, Taken, subject
from storage.erasures import ErasureKind, Erasures
from storage.exports import Exported, Exports
from storage.files import Files
from storage.following import Following
from storage.grants import Grant, Grants, Role
from storage.groups import Belonging, Groups
from storage.handovers import Handovers
from storage.inbox import Inbox
from storage.invitations import Invitations
from storage.keys import Keys
from storage.limits import Newcomers, Rates, Restrictions
from storage.linking import Linkings
from storage.matrix import Matrix
from storage.meetings import Meetings
from storage.merging import Merging
from storage.organisations import WARNING, Mandate, Organisations
from storage.own_names import OwnNames
from storage.people import ChatKind, ChatState, People, Person
from storage.polls import Polls
from storage.recommendations import Recommendations
from storage.reports import Report, Reports, ReportState
from storage.rooms import Rooms
from storage.sessions import Sessions
from storage.threads import ALL, Threads
from storage.types import Instant

# What a chat is, after what it answered; nothing is written there any more.
GIVEN_UP = {
    Failure.blocked: ChatState.blocked,
    Failure.deleted: ChatState.gone,
    Failure.not_found: ChatState.gone,
    Failure.removed: ChatState.left,
}


def _roles() -> CompoundSelect[Role]:
    """Of a person at a moment; a mandate is of the role that bears its name."""
    person: BindParameter[int] = bindparam("person")
    moment = bindparam("moment", type_=Instant())
    granted = select(Grant.role).where(Grant.person_id == person, Grant.counts(moment))
    speaks = select(Mandate.kind).where(Mandate.person_id == person, Mandate.active(moment))
    return union_all(granted, speaks)


_ROLES = _roles()


class Store(Merging):
    """One transaction's view of the database. `now` is an argument everywhere.

    `erased` says that something was erased that must not stay in any file either.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.erased = False
        self._held: list[object] = []
        self.audit = Audit(session)
        self.people = People(session)
        self.organisations = Organisations(session)
        self.grants = Grants(session)
        self.conversations = Conversations(session)
        self.counted = Counted(session)
        self.deliveries = Deliveries(session)
        self.recommendations = Recommendations(session)
        self.polls = Polls(session)
        self.handovers = Handovers(session, self.polls)
        self.reports = Reports(session)
        self.files = Files(session)
        self.exports = Exports(session)
        self.data_requests = DataRequests(session)
        self.sessions = Sessions(session)
        self.rates = Rates(session)
        self.newcomers = Newcomers(session)
        self.restrictions = Restrictions(session)
        self.invitations = Invitations(session)
        self.groups = Groups(session)
        self.meetings = Meetings(session)
        self.broadcasts = Broadcasts(session)
        self.following = Following(session)
        self.threads = Threads(session)
        self.rooms = Rooms(session, self.deliveries, self.polls, self.meetings, self.groups)
        self.inbox = Inbox(session)
        self.matrix = Matrix(session)
        self.linking = Linkings(session)
        self.erasures = Erasures(session)
        self.keys = Keys(session)
        self.approvals = Approvals(session)
        self.own_names = OwnNames(session)

    def hold(self) -> None:
        """Keep at hand what is loaded, until the transaction ends; a session forgets it at once."""
        event.listen(self.session, "loaded_as_persistent", lambda _, one: self._held.append(one))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What happens inside is undone by itself if it raises. Savepoints do not nest.

        One is not released: the next of its name takes its place, and the commit ends them all.
        """
        connection = cast(Connection, self.session.bind)
        self.session.flush()
        connection.exec_driver_sql("SAVEPOINT handler")
        try:
            yield
            self.session.flush()
        except BaseException:
            self.session.expunge_all()
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT handler")
            raise

    def note_sent(self, done: Sequence[Sent], now: datetime) -> None:
        """Note what was sent; a native poll that came when voting was over ends at once."""
        asking = [one.delivery_id for one in done if one.poll is not None]
        over = self.polls.over(self.deliveries.balloted(asking)) if asking else []
        self.deliveries.sent(done, now)
        for poll_id in over:
            self.deliveries.end_ballots(poll_id, now)

    def withdraw_report(self, report: Report, now: datetime) -> None:
        """Take a report back, and from every chat where its text was shown."""
        self.erasures.add(ErasureKind.report, report.id, report.submitted_at, now)
        self.reports.withdraw(report, now)
        self._hide(report, now)

    def unpublish_report(self, report: Report, now: datetime) -> None:
        """Have a report be the committee's alone; where everybody could read it, it goes."""
        self.erasures.add(ErasureKind.publication, report.id, report.submitted_at, now)
        self.reports.unpublish(report, now)
        self._hide(report, now)

    def reopen_report(self, report: Report, reviewer: int, now: datetime) -> None:
        """Take a decision back; where everybody could read the report, it goes.

        Raises:
            reports.Taken: something else happened to it meanwhile.
        """
        was_public = report.state is ReportState.published
        self.reports.undo(report, reviewer, now)
        if was_public:
            self._hide(report, now)

    def _hide(self, report: Report, now: datetime) -> None:
        """Have a text that was shown leave every chat, and the files of the database."""
        self._take_back([subject("report", report.id)], now)
        self._drop_tables(Exported.reports, now)
        self.erased = True

    def unpublish_of(self, person_id: int, now: datetime) -> None:
        """Have nothing that a person told be public."""
        for report in self.reports.public_of(person_id):
            self.unpublish_report(report, now)

    def forget_writings(self, person_id: int, now: datetime) -> None:
        """Take back all that a person wrote: reports, drafts, photos, and what was kept."""
        self._list(ErasureKind.writings, person_id, now)
        for report in self.reports.locked_of(person_id):
            if report.state is not ReportState.withdrawn:
                self.withdraw_report(report, now)
        self.files.drop_of_person(person_id)
        self.conversations.drop_drafts_of(person_id)
        self.conversations.drop_kept_of(person_id)
        self.counted.drop_of(person_id)
        self.inbox.forget_person(person_id)
        self._erase_threads(person_id, now)
        self.erased = True

    def give_up_chat(self, chat_id: int, reason: Failure, now: datetime) -> None:
        """Write no more to a chat: what was on its way there has failed.

        Args:
            reason: one of `GIVEN_UP`.
        """
        self.deliveries.fail_chat(chat_id, reason, now)
        self.people.mark_chat(chat_id, GIVEN_UP[reason])

    def lose_chat(self, platform: str, address: str, reason: Failure, now: datetime) -> None:
        """As `give_up_chat`, of the chat at an address, if we know it."""
        chat_id = self.people.chat_at(platform, address)
        if chat_id is not None:
            self.give_up_chat(chat_id, reason, now)

    def open_up_chat(self, chat_id: int, now: datetime) -> None:
        """A direct chat has other people in it: it is a group from now on, and is told so once.

        What was to be said to its person may still be, in another chat of theirs.
        """
        chat = self.people.lock_chats({chat_id}).get(chat_id)
        if chat is None or chat.kind is ChatKind.group:
            return
        person_id = self.people.of_chat(chat)
        if self.people.direct_chats([person_id]).get(person_id) == chat_id:
            self.deliveries.recall(person_id, now)
        self.deliveries.end_private(chat_id, now)
        self.conversations.end_in(chat_id)
        self.people.open_up(chat)
        self.deliveries.tell(chat_id, "people.opened_up", {}, now)

    def open_up_chat_at(self, platform: str, address: str, now: datetime) -> None:
        """As `open_up_chat`, of the chat at an address, if we know it."""
        chat_id = self.people.chat_at(platform, address)
        if chat_id is not None:
            self.open_up_chat(chat_id, now)

    def hasten_chats(self, platform: str, addresses: Sequence[str], now: datetime) -> None:
        """What waits to be tried again in chats is tried at once."""
        found = [self.people.chat_at(platform, address) for address in addresses]
        self.deliveries.hasten([one for one in found if one is not None], now)

    def move_chat(self, platform: str, address: str, to: str, now: datetime) -> None:
        """Follow a chat to another address; if there was one already, all goes on there."""
        moved = self.people.move_chat(platform, address, to)
        if moved is not None and moved[0] != moved[1]:
            self.deliveries.move(*moved, now)
            self.rooms.follow(*moved)

    def leave_group(self, group_id: int, person_id: int, now: datetime) -> Belonging | None:
        """Leave a group, and what one said about its meetings to come; say what one was."""
        was = self.groups.leave(group_id, person_id, now)
        self.meetings.forget_answers(group_id, person_id, now)
        return was

    def roles_of(self, person_id: int, now: datetime) -> frozenset[Role]:
        """All the roles that a person has, those by which they speak for an organisation too."""
        found = execute(self.session, _ROLES, {"person": person_id, "moment": now})
        return frozenset(found.scalars())

    def change_term(self, mandate_id: int, ends_at: datetime | None, now: datetime) -> Mandate:
        """Give a mandate an end, or none. What was handed over under it lasts no longer.

        Its holder is warned before the end, unless that is near already: then they learn it now.

        Raises:
            NoSuchTerm
        """
        mandate = self.organisations.lock_mandate(mandate_id, now)
        is_near = ends_at is not None and ends_at <= now + WARNING
        mandate.ends_at, mandate.warned_at = ends_at, now if is_near else None
        self.session.flush()
        self.handovers.end_with(mandate, now)
        return mandate

    def erase(self, person_id: int, now: datetime) -> None:
        """Erase a person: what they told, where they are reached, what they may do.

        Ballots already counted stay, without who cast them.
        """
        self._list(ErasureKind.person, person_id, now)
        self.approvals.void_of(person_id)
        self.reports.release_claims(person_id, now)
        self._forget_among_others(person_id, now)
        reports = [subject("report", one) for one in self.reports.erase_of(person_id)]
        self._take_back(reports, now)
        if reports:
            self._drop_tables(Exported.reports, now)
        accounts = [account.id for account in self.people.accounts_of(person_id)]
        self.polls.spend_voices(person_id, accounts)
        self.polls.forget_person(person_id)
        self._erase_threads(person_id, now)
        self._erase_requests(person_id, now)
        self.conversations.drop_drafts_of(person_id)
        self.counted.drop_of(person_id)
        self.organisations.end_mandates(person_id, now)
        self.handovers.end_of(person_id, now)
        self.grants.end(person_id, now)
        for known_as in (person_id, *self.people.who_became(person_id)):
            self.audit.forget_person(known_as)
        self.restrictions.forget_pages(person_id)
        self.people.erase(person_id, now)
        self.erased = True

    def _erase_requests(self, person_id: int, now: datetime) -> None:
        """Erase what a person asked about their data, and the copies of it."""
        asked = [subject("request", one.id) for one in self.data_requests.of_person(person_id)]
        self._take_back(asked, now)
        self.data_requests.forget_person(person_id)
        self.exports.forget_person(person_id)

    def _list(self, kind: ErasureKind, person_id: int, now: datetime) -> None:
        """Have an erasure done again after a restore, also of whom a backup knows as another."""
        for number, since in self.people.once(person_id):
            self.erasures.add(kind, number, since, now)

    def forget_contact(self, person_id: int, now: datetime) -> None:
        """Forget how to reach a person, and their name; what they told stays."""
        self._forget_among_others(person_id, now)
        self.people.forget_contact(person_id)
        self.erased = True

    def _forget_among_others(self, person_id: int, now: datetime) -> None:
        """Forget a person's chats, and what they were for others, whose pages name them no more."""
        groups = [subject("group", one) for one in sorted(self.groups.ever_of(person_id))]
        threads = self.threads.cared_for_by(person_id)
        letters = [subject("thread", one) for one in (ALL, *threads)] if threads else []
        letters.append(subject("members", ALL))
        self.deliveries.forget_person(person_id)
        self.inbox.forget_person(person_id)
        self.people.forget_chats(person_id)
        self.groups.forget_person(person_id)
        self.meetings.forget_person(person_id)
        self.threads.release_claims(person_id)
        for known_as in (person_id, *self.people.who_became(person_id)):
            taken = self.audit.done_to("invitations.redeemed", known_as)
            self.invitations.forget_guest(taken)
        if self.exports.may_name(person_id):
            self._drop_tables(Exported.members, now)
        self._take_back([subject("person", person_id), *groups, *letters], now)
        cards, dropped = self.broadcasts.forget_person(person_id)
        self._void_urgent(dropped, now)
        self._drop_labels(self.deliveries.blank([subject("broadcast", one) for one in cards], now))

    def forget_composed(self, before: datetime, now: datetime) -> None:
        """Drop the previews of before a moment that nobody confirmed."""
        self._void_urgent(self.broadcasts.forget_composed(before), now)

    def _void_urgent(self, dropped: Sequence[int], now: datetime) -> None:
        """Nobody has to agree any more to previews that were dropped; who asked is told."""
        for broadcast in dropped:
            for one in self.approvals.void(URGENT, {"broadcast": broadcast}, now):
                self.audit.add("approvals.void", now, via=BY_CLOCK, about=f"approval:{one.id}")
                told, asker = {"approval": one.id}, select(literal(one.asked_by))
                self.deliveries.notify("approvals.settled", told, asker, now)

    def _drop_tables(self, what: Exported, now: datetime) -> None:
        """Have the tables of a kind leave every chat: they may say what is erased."""
        dropped = self.exports.drop_tables(what, now)
        self._take_back([subject("export", one) for one in dropped], now)

    def _take_back(self, subjects: Sequence[str], now: datetime) -> None:
        """Have what shows some things leave every chat."""
        self._drop_labels(self.deliveries.take_back(subjects, now))

    def _drop_labels(self, taken: Taken) -> None:
        """A number answers no more what was taken back: what could be chosen there goes too."""
        if taken:
            self.people.lock_chats(taken)
            self.conversations.await_no_more(taken)

    def _erase_threads(self, person_id: int, now: datetime) -> None:
        """Erase what a person wrote to the secretariat; who was to answer is told they left."""
        threads, holders = self.threads.erase_of(person_id)
        if threads:
            self._take_back([subject("thread", one) for one in (ALL, *threads)], now)
        if holders:
            told = select(Person.id).where(Person.id.in_(holders))
            self.deliveries.notify("threads.left", {}, told, now)
