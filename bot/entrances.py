"""The ways in that an invitation opens: a link on each platform, a QR code, a poster."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from urllib.parse import urlsplit

from sqlalchemy import literal, select

from bot.addresses import of_page
from bot.documents.poster import Poster
from bot.documents.qr import qr_png
from bot.settings import Settings
from bot.texts import Texts
from storage.invitations import Invitation
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


def note_redeemed(
    store: Store, invitation: Invitation, person: int, platform: str, now: datetime
) -> None:
    """Note that a role was taken, and tell who gave it. Of who takes none nothing is noted."""
    about = f"invitation:{invitation.id}"
    store.audit.add("invitations.redeemed", now, by=person, via=platform, about=about)
    if invitation.created_by is not None:
        told = {"invitation": invitation.id, "person": person}
        maker = select(literal(invitation.created_by))
        store.deliveries.notify("invitations.accepted", told, maker, now)


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
