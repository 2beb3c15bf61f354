"""Working groups: who belongs to them, who asked to, who leads them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    String,
    Text,
    UniqueConstraint,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, execute, insert_into
from storage.grants import Grant, Grants, Role
from storage.people import Person
from storage.recommendations import Theme
from storage.types import Instant, Named

SCOPE = "group:"


class Joining(StrEnum):
    """How one joins a group: at once, or by asking its chair."""

    open = "open"
    request = "request"


class Belonging(StrEnum):
    """Where a person stands with a group."""

    asked = "asked"
    member = "member"


class WorkingGroup(Base):
    """A group that works for the committee. One on a theme alone bears the theme's name.

    `chat_id` is the chat group that it is tied to (see `storage.rooms`), which serves no other.
    """

    __tablename__ = "working_groups"
    __table_args__ = (UniqueConstraint("chat_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    theme: Mapped[Theme | None] = mapped_column(Named(Theme))
    name: Mapped[str | None] = mapped_column(Text)
    joining: Mapped[Joining] = mapped_column(Named(Joining))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    chat_id: Mapped[int | None] = mapped_column(ForeignKey("chats.id", ondelete="SET NULL"))


class Membership(Base):
    """A person belongs to a group, or asked to. Its chair also holds a grant of that scope."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("group_id", "person_id"), Index(None, "person_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("working_groups.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    state: Mapped[Belonging] = mapped_column(Named(Belonging))
    since: Mapped[datetime] = mapped_column(Instant)


def scope_of(group_id: int) -> str:
    """The scope of a role in one group (`storage.grants.Grant.scope`)."""
    return f"{SCOPE}{group_id}"


def group_of(scope: str) -> int | None:
    """The group that a scope names, if it names one."""
    number = scope.removeprefix(SCOPE)
    return int(number) if scope.startswith(SCOPE) and number.isdecimal() else None


class GroupClosed(Exception):
    """The group takes nobody any more."""


class NotAsked(Exception):
    """The person asks no more; `member` says whether somebody admitted them meanwhile."""

    def __init__(self, *, member: bool) -> None:
        super().__init__(member)
        self.member = member


class NotMember(Exception):
    """The person does not belong to the group."""


class Groups:
    """Every change is one statement that looks again, so that two people may do it at once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.grants = Grants(session)

    def get(self, group_id: int) -> WorkingGroup | None:
        return self.session.get(WorkingGroup, group_id)

    def all_open(self) -> list[WorkingGroup]:
        wanted = (
            select(WorkingGroup).where(WorkingGroup.closed_at.is_(None)).order_by(WorkingGroup.id)
        )
        return list(self.session.scalars(wanted))

    def of_person(self, person_id: int) -> dict[int, Belonging]:
        """Where a person stands with each group that knows them, by its id."""
        wanted = select(Membership.group_id, Membership.state)
        return dict(self.session.execute(wanted.where(Membership.person_id == person_id)).all())

    def known_to(self, person_id: int) -> list[WorkingGroup]:
        """The groups that know a person, closed ones too."""
        mine = select(Membership.group_id).where(Membership.person_id == person_id)
        wanted = select(WorkingGroup).where(WorkingGroup.id.in_(mine)).order_by(WorkingGroup.id)
        return list(self.session.scalars(wanted))

    def ever_of(self, person_id: int) -> set[int]:
        """The groups that know a person, or in which they ever had a role."""
        scopes = select(Grant.scope).where(Grant.person_id == person_id)
        held = {group_of(scope) for scope in self.session.scalars(scopes)}
        return {one for one in held if one is not None} | self.of_person(person_id).keys()

    def standing(self, group_id: int, person_id: int) -> Belonging | None:
        """Where a person stands with one group."""
        wanted = select(Membership.state).where(_one(group_id, person_id))
        return self.session.scalars(wanted).first()

    def members(self, group_id: int) -> Select[int]:
        """The people who belong to a group, as fan-outs take them."""
        return select(Membership.person_id).where(_in(group_id, Belonging.member))

    def known(self, group_id: int, besides: int) -> Select[int]:
        """The people who belong to a group or asked to, but one."""
        mine = (Membership.group_id == group_id) & (Membership.person_id != besides)
        return select(Membership.person_id).where(mine)

    def is_member(self, group_id: int, person_id: int) -> bool:
        return self.standing(group_id, person_id) is Belonging.member

    def led_by(self, person_id: int, now: datetime) -> list[int]:
        """The open groups that a person leads."""
        wanted = (
            select(WorkingGroup.id)
            .join(Grant, Grant.scope == SCOPE + cast(WorkingGroup.id, String))
            .where(
                Grant.person_id == person_id,
                Grant.role == Role.chair,
                Grant.active(now),
                WorkingGroup.closed_at.is_(None),
            )
            .distinct()
            .order_by(WorkingGroup.id)
        )
        return list(self.session.scalars(wanted))

    def leads(self, group_id: int, person_id: int, now: datetime) -> bool:
        return group_id in self.led_by(person_id, now)

    def chairs(self, group_id: int, now: datetime) -> Select[int]:
        """The people who lead a group."""
        return select(Grant.person_id).where(_leads(group_id), Grant.active(now)).distinct()

    def answering(self, group_id: int, now: datetime) -> Select[int]:
        """The people who say who comes in: those who lead the group, and the secretariat."""
        answers = or_(_leads(group_id), Grant.role == Role.secretariat)
        return select(Grant.person_id).where(answers, Grant.counts(now)).distinct()

    def count(self, state: Belonging = Belonging.member) -> dict[int, int]:
        """How many people stand so with each group; a group without any is left out."""
        wanted = (
            select(Membership.group_id, func.count())
            .where(Membership.state == state)
            .group_by(Membership.group_id)
        )
        return dict(self.session.execute(wanted).all())

    def people(
        self, group_id: int, state: Belonging, *, after: int = 0, at_most: int = 20
    ) -> list[tuple[Membership, Person]]:
        """The people who stand so with a group, those first who came first."""
        wanted = (
            select(Membership, Person)
            .join(Person, Person.id == Membership.person_id)
            .where(_in(group_id, state), Membership.id > after)
            .order_by(Membership.id)
            .limit(at_most)
        )
        return [(membership, person) for membership, person in self.session.execute(wanted)]

    def make(
        self, name: str, joining: Joining, created_by: int | None, now: datetime
    ) -> WorkingGroup:
        group = WorkingGroup(name=name, joining=joining, created_by=created_by, created_at=now)
        self.session.add(group)
        self.session.flush()
        return group

    def choose_joining(self, group_id: int, joining: Joining) -> None:
        """Let people in at once from now on, or on request.

        Raises:
            GroupClosed: it takes nobody any more.
        """
        self.lock(group_id, to_change=True).joining = joining
        self.session.flush()

    def rename(self, group_id: int, name: str) -> None:
        """Give a group a name of its own.

        Raises:
            GroupClosed: its name stays.
        """
        self.lock(group_id, to_change=True).name = name
        self.session.flush()

    def close(self, group_id: int, now: datetime) -> bool:
        """Close a group: nobody leads it or waits for it any more. False if it was closed."""
        still = (WorkingGroup.id == group_id) & WorkingGroup.closed_at.is_(None)
        closing = update(WorkingGroup).where(still).values(closed_at=now, chat_id=None)
        if self.session.execute(closing.returning(WorkingGroup.id)).first() is None:
            return False
        self.session.execute(delete(Membership).where(_in(group_id, Belonging.asked)))
        self.grants.end_scope(scope_of(group_id), now)
        return True

    def lock(self, group_id: int, *, to_change: bool = False) -> WorkingGroup:
        """An open group that nobody closes meanwhile; others may join it at the same time.

        Raises:
            GroupClosed: somebody did already.
        """
        wanted = select(WorkingGroup).where(WorkingGroup.id == group_id)
        wanted = wanted.with_for_update(read=not to_change)
        group = self.session.scalars(wanted.execution_options(populate_existing=True)).first()
        if group is None or group.closed_at is not None:
            raise GroupClosed
        return group

    def join(
        self, group_id: int, person_id: int, now: datetime, *, admitted: bool = False
    ) -> tuple[Belonging, bool]:
        """Join a group, or ask to: where the person stands now, and whether that is new.

        Args:
            admitted: they need not ask: they were invited, or would answer themselves.

        Raises:
            GroupClosed: it takes nobody any more.
        """
        group = self.lock(group_id)
        enters = admitted or group.joining is Joining.open
        state = Belonging.member if enters else Belonging.asked
        insert = insert_into(self.session, Membership).values(
            group_id=group_id, person_id=person_id, state=state, since=now
        )
        keys = ["group_id", "person_id"]
        if enters:
            joining = insert.on_conflict_do_update(
                index_elements=keys,
                set_={"state": state, "since": now},
                where=Membership.state == Belonging.asked,
            )
        else:
            joining = insert.on_conflict_do_nothing(index_elements=keys)
        changed = execute(self.session, joining.returning(Membership.id)).first() is not None
        return self.standing(group_id, person_id) or state, changed

    def admit(self, group_id: int, person_id: int, now: datetime) -> None:
        """Let somebody in who asked.

        Raises:
            GroupClosed: it takes nobody any more.
            NotAsked: they are a member, or do not ask any more.
        """
        self.lock(group_id)
        waits = _in(group_id, Belonging.asked) & (Membership.person_id == person_id)
        letting_in = update(Membership).where(waits).values(state=Belonging.member, since=now)
        if self.session.execute(letting_in.returning(Membership.id)).first() is None:
            raise NotAsked(member=self.is_member(group_id, person_id))

    def decline(self, group_id: int, person_id: int) -> None:
        """Answer no to somebody who asked; they may ask again.

        Raises:
            NotAsked: they are a member, or do not ask any more.
        """
        waits = _in(group_id, Belonging.asked) & (Membership.person_id == person_id)
        removing = delete(Membership).where(waits).returning(Membership.id)
        if self.session.execute(removing).first() is None:
            raise NotAsked(member=self.is_member(group_id, person_id))

    def leave(self, group_id: int, person_id: int, now: datetime) -> Belonging | None:
        """Leave a group, or ask no more, and all that one was in it; say what one was.

        Of its meetings, `Store.leave_group` takes care.
        """
        leaving = delete(Membership).where(_one(group_id, person_id)).returning(Membership.state)
        was = self.session.execute(leaving).scalar()
        self.grants.end_scope(scope_of(group_id), now, person_id=person_id)
        return was

    def appoint(self, group_id: int, person_id: int, granted_by: int, now: datetime) -> bool:
        """Let a member lead the group; False if they do already.

        Raises:
            GroupClosed: it has nobody to lead.
            NotMember: they left meanwhile.
        """
        self.lock(group_id)
        mine = select(Membership).where(_one(group_id, person_id)).with_for_update(key_share=True)
        membership = self.session.scalars(mine.execution_options(populate_existing=True)).first()
        if membership is None or membership.state is not Belonging.member:
            raise NotMember
        if self.leads(group_id, person_id, now):
            return False
        self.grants.give(
            person_id, Role.chair, now, scope=scope_of(group_id), granted_by=granted_by
        )
        self.session.flush()
        return True

    def holders(self, group_id: int, now: datetime) -> list[int]:
        """Who has a role in this group: they lead it, or write for it."""
        wanted = select(Grant.person_id).where(Grant.scope == scope_of(group_id), Grant.active(now))
        return list(self.session.scalars(wanted))

    def dismiss(self, group_id: int, person_id: int, now: datetime) -> bool:
        """End a person's chair of this group only; False if they did not lead it."""
        if not self.leads(group_id, person_id, now):
            return False
        self.grants.end_scope(scope_of(group_id), now, person_id=person_id, role=Role.chair)
        return True

    def everybody(self) -> Select[int]:
        """The people who belong to any group, or asked to."""
        return select(Membership.person_id)

    def forget_person(self, person_id: int) -> None:
        self.session.execute(delete(Membership).where(Membership.person_id == person_id))

    def forget_closed(self, before: datetime) -> None:
        """Forget who belonged to the groups that were closed before a moment."""
        closed = select(WorkingGroup.id).where(WorkingGroup.closed_at < before)
        self.session.execute(delete(Membership).where(Membership.group_id.in_(closed)))


def _leads(group_id: int) -> ColumnElement[bool]:
    return (Grant.role == Role.chair) & (Grant.scope == scope_of(group_id))


def _in(group_id: int, state: Belonging) -> ColumnElement[bool]:
    return (Membership.group_id == group_id) & (Membership.state == state)


def _one(group_id: int, person_id: int) -> ColumnElement[bool]:
    return (Membership.group_id == group_id) & (Membership.person_id == person_id)
