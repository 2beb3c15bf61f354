"""Invitations: a code gives a role and an organisation in one step, or lets many tell something."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.grants import Grants, Role
from storage.groups import GroupClosed, Groups, group_of
from storage.organisations import MandateKind, Organisations
from storage.sessions import new_code, tidy_code
from storage.types import BlindIndex, Encrypted, EncryptedJSON, Instant, Named

MANDATES = (Role.delegate, Role.substitute)  # roles in which one speaks for an organisation
IN_A_GROUP = (Role.chair, Role.rapporteur)  # roles that one has in a working group
TO_A_ROLE = timedelta(days=7)  # how long an invitation to a role serves, as it is made in chat
TO_A_ROLE_AT_MOST = timedelta(days=90)
LONGEST = timedelta(days=365)  # one to none
MOST_USES = 5000


class Invitation(Base):
    """A code, and what it gives.

    Attributes:
        role: None gives none: whoever has the code may tell something, as everybody may.
        label: the place where it hangs, or is handed round; of one to a role, who it is for.
        uses: how often it serves in all.
        agreed_by: the second person, where it took one.
        end_told_at: when who made it was told that it ended unused.
        poster: what is to be drawn on its poster, as long as that waits: it holds the code.
    """

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("code"), Index(None, "expires_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(BlindIndex("invitations.code"))
    role: Mapped[Role | None] = mapped_column(Named(Role))
    organisation_id: Mapped[str | None] = mapped_column(ForeignKey("organisations.id"))
    scope: Mapped[str] = mapped_column(String(80), default="")
    label: Mapped[str | None] = mapped_column(Encrypted("invitations.label"))
    uses: Mapped[int]
    uses_left: Mapped[int]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    agreed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    end_told_at: Mapped[datetime | None] = mapped_column(Instant)
    poster: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON("invitations.poster"))

    def serves(self, now: datetime) -> bool:
        return self.revoked_at is None and self.uses_left > 0 and self.expires_at > now


class Invitations:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.organisations = Organisations(session)
        self.grants = Grants(session)
        self.groups = Groups(session)

    def invite(
        self,
        *,
        role: Role | None,
        expires_at: datetime,
        now: datetime,
        organisation_id: str | None = None,
        scope: str = "",
        uses: int = 1,
        label: str | None = None,
        created_by: int | None = None,
        agreed_by: int | None = None,
    ) -> str:
        """Make an invitation and return its code, which is shown once.

        Raises:
            ValueError: a code that grants a role serves once, for `TO_A_ROLE_AT_MOST`; one that
                serves often, or longer, grants nothing; a delegate speaks for somebody.
        """
        if role is None and (organisation_id is not None or scope):
            raise ValueError("an invitation to no role gives nothing")
        if role is not None and uses != 1:
            raise ValueError("an invitation to a role serves once")
        if not 1 <= uses <= MOST_USES:
            raise ValueError(f"an invitation serves {MOST_USES} times at most")
        if expires_at - now > (LONGEST if role is None else TO_A_ROLE_AT_MOST):
            raise ValueError("an invitation does not serve as long")
        if role in MANDATES and organisation_id is None:
            raise ValueError("a delegate or substitute speaks for an organisation")
        code = new_code(16)
        self.session.add(
            Invitation(
                code=tidy_code(code),
                role=role,
                organisation_id=organisation_id,
                scope=scope,
                label=label,
                uses=uses,
                uses_left=uses,
                created_by=created_by,
                agreed_by=agreed_by,
                created_at=now,
                expires_at=expires_at,
            )
        )
        self.session.flush()
        return code

    def get(self, invitation_id: int) -> Invitation | None:
        return self.session.get(Invitation, invitation_id)

    def find(self, typed: str) -> Invitation | None:
        """The invitation of a code, whether it still serves or not."""
        wanted = select(Invitation).where(Invitation.code == tidy_code(typed))
        return self.session.scalars(wanted).first()

    def serving(self, now: datetime) -> list[Invitation]:
        """Those that still serve, the newest first."""
        wanted = select(Invitation).where(_serves(now)).order_by(Invitation.id.desc())
        return list(self.session.scalars(wanted))

    def waiting(self, typed: str, now: datetime) -> Invitation | None:
        """The invitation of a code, if it still serves; it is not used."""
        wanted = select(Invitation).where(_is(typed), _serves(now))
        return self.session.scalars(wanted).first()

    def redeem(self, typed: str, now: datetime) -> Invitation | None:
        """Use an invitation once; None if there is none, or it expired, or it was used up."""
        used = (
            update(Invitation)
            .where(_is(typed), _serves(now))
            .values(uses_left=Invitation.uses_left - 1)
            .returning(Invitation)
        )
        return self.session.scalars(used).first()

    def over(self, typed: str) -> bool:
        """Whether a code is of an invitation that was revoked, or that grants nothing.

        Nothing else is said of a code that serves no more.
        """
        found = self.find(typed)
        return found is not None and (found.revoked_at is not None or found.role is None)

    def revoke(self, invitation_id: int, now: datetime) -> Invitation | None:
        """Have an invitation serve nobody any more; None if it did not serve."""
        return self._revoked(Invitation.id == invitation_id, now)

    def burn(self, typed: str, now: datetime) -> Invitation | None:
        """As `revoke`, by its code, if it is to a role."""
        return self._revoked(_is(typed) & Invitation.role.is_not(None), now)

    def _revoked(self, which: ColumnElement[bool], now: datetime) -> Invitation | None:
        revoking = update(Invitation).where(which, _serves(now))
        revoked = revoking.values(revoked_at=now, poster=None).returning(Invitation)
        return self.session.scalars(revoked).first()

    def forget_guest(self, taken: Sequence[int]) -> None:
        """Forget for whom some invitations were, which somebody took who is to be forgotten."""
        theirs = Invitation.id.in_(taken) & Invitation.role.is_not(None)
        self.session.execute(update(Invitation).where(theirs).values(label=None))

    def next_due(self) -> datetime | None:
        """When the next invitation to a role ends of which somebody is to be told."""
        wanted = select(func.min(Invitation.expires_at)).where(_untold())
        return self.session.scalars(wanted).one()

    def ended(self, now: datetime) -> list[Invitation]:
        """Invitations to a role that ended unused, and nobody was told; locked."""
        wanted = select(Invitation).where(_untold(), Invitation.expires_at <= now)
        return list(self.session.scalars(wanted.order_by(Invitation.id).with_for_update()))

    def next_poster(self) -> Invitation | None:
        """The invitation whose poster was asked for first, of those that are not drawn."""
        wanted = select(Invitation).where(Invitation.poster.is_not(None)).order_by(Invitation.id)
        return self.session.scalars(wanted.limit(1)).first()

    def forget(self, before: datetime) -> None:
        """Drop those that ended before a moment."""
        over = or_(Invitation.expires_at < before, Invitation.revoked_at < before)
        self.session.execute(delete(Invitation).where(over))

    def renews(self, invitation: Invitation, person_id: int, now: datetime) -> bool:
        """Whether a person holds no role besides the one that an invitation gives."""
        given = {(invitation.role, invitation.organisation_id, invitation.scope)}
        roles = {(role, None, scope) for role, scope in self.grants.scoped(person_id, now)}
        mandates = {
            (Role(mandate.kind), mandate.organisation_id, "")
            for mandate in self.organisations.mandates_of(person_id, now)
        }
        return roles | mandates <= given

    def apply(self, invitation: Invitation, person_id: int, now: datetime) -> None:
        """Give a person what an invitation promises: a role, and an organisation to speak for.

        Whoever has a role in a group belongs to it, unless it was closed meanwhile.
        """
        role = invitation.role
        if role in MANDATES:
            assert invitation.organisation_id is not None
            kind = MandateKind(role)
            held = self.organisations.mandates_of(person_id, now)
            if (invitation.organisation_id, kind) not in [
                (mandate.organisation_id, mandate.kind) for mandate in held
            ]:
                self.organisations.appoint(person_id, invitation.organisation_id, kind, now)
        elif role is not None:
            self.grants.give(
                person_id, role, now, scope=invitation.scope, granted_by=invitation.created_by
            )
            group_id = group_of(invitation.scope)
            if group_id is not None:
                with suppress(GroupClosed):
                    self.groups.join(group_id, person_id, now, admitted=True)
        self.session.flush()


def _is(typed: str) -> ColumnElement[bool]:
    """Whether a code is its own."""
    return Invitation.code == tidy_code(typed)


def _serves(now: datetime) -> ColumnElement[bool]:
    """Whether it can still be used."""
    stands = Invitation.revoked_at.is_(None) & (Invitation.uses_left > 0)
    return stands & (Invitation.expires_at > now)


def _untold() -> ColumnElement[bool]:
    """Whether its end is to be told to who made it, unless it is accepted or revoked before."""
    made = Invitation.role.is_not(None) & Invitation.created_by.is_not(None)
    unused = (Invitation.uses_left > 0) & Invitation.revoked_at.is_(None)
    return made & unused & Invitation.end_told_at.is_(None)
