"""Invitations: a code gives a role and an organisation in one step."""

from contextlib import suppress
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, String, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base
from storage.grants import Grants, Role
from storage.groups import GroupClosed, Groups, group_of
from storage.organisations import MandateKind, Organisations
from storage.sessions import new_code, tidy_code
from storage.types import BlindIndex, Instant, Named

MANDATES = (Role.delegate, Role.substitute)  # roles in which one speaks for an organisation
IN_A_GROUP = (Role.chair, Role.rapporteur)  # roles that one has in a working group


class Invitation(Base):
    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(BlindIndex("invitations.code"))
    role: Mapped[Role | None] = mapped_column(Named(Role))
    organisation_id: Mapped[str | None] = mapped_column(ForeignKey("organisations.id"))
    scope: Mapped[str] = mapped_column(String(80), default="")
    uses_left: Mapped[int]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)


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
        created_by: int | None = None,
    ) -> str:
        """Make an invitation and return its code, which is shown once.

        Raises:
            ValueError: a code that grants a role serves once; a delegate speaks for somebody.
        """
        if role is not None and uses != 1:
            raise ValueError("an invitation to a role serves once")
        if role in MANDATES and organisation_id is None:
            raise ValueError("a delegate or substitute speaks for an organisation")
        code = new_code(16)
        self.session.add(
            Invitation(
                code=tidy_code(code),
                role=role,
                organisation_id=organisation_id,
                scope=scope,
                uses_left=uses,
                created_by=created_by,
                created_at=now,
                expires_at=expires_at,
            )
        )
        return code

    def waiting(self, typed: str, now: datetime) -> Invitation | None:
        """The invitation of a code, if it still serves; it is not used."""
        wanted = select(Invitation).where(_serves(typed, now))
        return self.session.scalars(wanted).first()

    def redeem(self, typed: str, now: datetime) -> Invitation | None:
        """Use an invitation once; None if there is none, or it expired, or it was used up."""
        used = (
            update(Invitation)
            .where(_serves(typed, now))
            .values(uses_left=Invitation.uses_left - 1)
            .returning(Invitation)
        )
        return self.session.scalars(used).first()

    def revoke(self, typed: str, now: datetime) -> bool:
        """Have an invitation serve nobody any more; whether it served until now."""
        revoked = update(Invitation).where(_serves(typed, now)).values(uses_left=0)
        return self.session.scalars(revoked.returning(Invitation.id)).first() is not None

    def renews(self, invitation: Invitation, person_id: int, now: datetime) -> bool:
        """Whether a person holds no role besides the one that an invitation gives."""
        given = {(invitation.role, invitation.organisation_id)}
        roles = {(role, None) for role in self.grants.roles_of(person_id, now)}
        mandates = {
            (Role(mandate.kind), mandate.organisation_id)
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


def _serves(typed: str, now: datetime) -> ColumnElement[bool]:
    """Whether a code was given to it, which can still be used."""
    is_it = Invitation.code == tidy_code(typed)
    return is_it & (Invitation.uses_left > 0) & (Invitation.expires_at > now)
