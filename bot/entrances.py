"""The ways in that an invitation opens: a link on each platform, a QR code, a poster."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit

from sqlalchemy import select

from bot.addresses import of_page
from bot.documents.poster import Poster
from bot.documents.qr import qr_png
from bot.rights import may_give
from bot.settings import Settings
from bot.texts import Texts
from storage.audit import BY_CLOCK
from storage.invitations import Invitation
from storage.people import Person
from storage.store import Store

TELEGRAM = "telegram"


@dataclass(frozen=True)
class Ways:
    """How whoever has a code comes in; None where they cannot.

    Attributes:
        page: the link to the web chat.
        telegram: the link to our bot.
        matrix: our account, to which the code is sent.
        printed: what a QR code holds: a link that others reach, too.
    """

    code: str
    page: str | None
    telegram: str | None
    matrix: str | None
    printed: str | None

    @classmethod
    def of(cls, code: str, settings: Settings, *, bot: str | None, matrix: str | None) -> Self:
        """The ways of a code.

        Args:
            bot: our name on Telegram, if it serves there.
            matrix: our account on Matrix, likewise.
        """
        page = f"{of_page(settings)}/#code={code}" if settings.web_chat else None
        telegram = None if bot is None else f"https://t.me/{bot}?start=invitation-{code}"
        public = page if settings.public_url is not None else None
        return cls(code, page, telegram, matrix, public or telegram)

    @property
    def picture(self) -> bytes | None:
        """The QR code, as PNG."""
        return None if self.printed is None else qr_png(self.printed)


def ways_of(code: str, settings: Settings, store: Store, *, gives_role: bool) -> Ways:
    """The ways of a code, as far as our names on the platforms are known."""
    serves = settings.serves_telegram
    if gives_role:
        serves = serves and settings.counts_roles_on(TELEGRAM)
    bot = store.own_names.get(TELEGRAM) if serves else None
    return Ways.of(code, settings, bot=bot, matrix=on_matrix(settings, store))


def on_matrix(settings: Settings, store: Store) -> str | None:
    """Our own account on Matrix; None if it is not served."""
    if not settings.serves_matrix:
        return None
    login = store.matrix.get("login") or {"user_id": settings.matrix_user}
    return str(login["user_id"])


class OwnInvitation(Exception):
    """Who asked for it brings it, though it took a second person: a role is given by two."""


def redeem(code: str, by: int | None, store: Store, now: datetime) -> Invitation | None:
    """Use an invitation once; None if it serves nobody any more.

    One to a role ends when who made it may no longer give that role. One from the shell was made
    by nobody.

    Args:
        by: who brings it, if we know them.

    Raises:
        OwnInvitation: it is not used.
    """
    found = store.invitations.waiting(code, now)
    if found is None:
        return None
    maker = found.created_by
    if found.role is not None and maker is not None:
        roles = store.grants.roles_of(maker, now)
        if not may_give(roles, found.role) or store.restrictions.is_banned(maker, now):
            store.invitations.revoke(found.id, now)
            about = f"invitation:{found.id}"
            store.audit.add("invitations.revoked", now, via=BY_CLOCK, about=about)
            return None
    if found.agreed_by is not None and by == maker:
        raise OwnInvitation
    return store.invitations.redeem(code, now)


def note_redeemed(
    store: Store, invitation: Invitation, person: int, platform: str, now: datetime
) -> None:
    """Note that a role was taken, and tell who gave it, and who agreed.

    Of who takes none nothing is noted.
    """
    about = f"invitation:{invitation.id}"
    store.audit.add("invitations.redeemed", now, by=person, via=platform, about=about)
    told = {"invitation": invitation.id, "person": person}
    _tell("invitations.accepted", told, (invitation.created_by, invitation.agreed_by), store, now)


def burn(code: str, platform: str, store: Store, now: datetime) -> bool:
    """Have a code to a role serve nobody, which a group has read; whether it served until now.

    It is noted, and who made it is told. A code to no role is for whoever reads it.
    """
    burnt = store.invitations.burn(code, now)
    if burnt is None:
        return False
    store.audit.add("invitations.burnt", now, via=platform, about=f"invitation:{burnt.id}")
    _tell("invitations.burnt", {"invitation": burnt.id}, (burnt.created_by,), store, now)
    return True


def _tell(
    name: str, told: dict[str, Any], whom: tuple[int | None, ...], store: Store, now: datetime
) -> None:
    people = [one for one in whom if one is not None]
    if people:
        there = select(Person.id).where(Person.id.in_(people), Person.erased_at.is_(None))
        store.deliveries.notify(name, told, there, now)


def poster_of(ways: Ways, settings: Settings, texts: Texts) -> Poster:
    """What a poster says that invites to tell something.

    Raises:
        ValueError: there is no link that others reach.
    """
    if ways.printed is None:
        raise ValueError("a poster needs an address that others reach")
    typed = []
    if ways.page is not None and settings.public_url is not None:
        typed.append(_without_scheme(settings.public_url))
    if ways.telegram is not None:
        typed.append(_without_scheme(ways.telegram.partition("?")[0]))
    if ways.matrix is not None:
        typed.append(texts.plain("invitations.poster_matrix", {"account": ways.matrix}))
    typed.append(texts.plain("invitations.poster_code", {"code": ways.code}))
    steps = ("poster_scan", "poster_tell", "poster_answer")
    small = {"controller": settings.controller or ""}
    return Poster(
        title=texts.plain("invitations.poster_title"),
        lead=texts.plain("invitations.poster_lead"),
        link=ways.printed,
        typed=typed,
        steps=[texts.plain(f"invitations.{step}") for step in steps],
        small=texts.plain("invitations.poster_small", small),
    )


def _without_scheme(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.netloc}{parts.path}"
