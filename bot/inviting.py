"""The command that makes an invitation: how the first secretary comes in."""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from bot.academies import names
from bot.addresses import of_page
from bot.cli import Failed, Misused, opened
from bot.clock import Clock
from bot.documents.poster import poster_pdf
from bot.entrances import Ways, on_matrix, poster_of
from bot.rendering import texts_for
from bot.settings import Settings, load
from storage.audit import BY_COMMAND_LINE
from storage.grants import Role, scope_of_reviewer
from storage.groups import scope_of
from storage.invitations import IN_A_GROUP, LONGEST, MANDATES, MOST_USES, TO_A_ROLE_AT_MOST
from storage.recommendations import Theme
from storage.store import Store

PATIENCE = 5.0  # seconds for Telegram to say what our bot is called
LONGEST_SHOWN = 40  # characters of a number that is none


def invite(
    role: Annotated[Role | None, typer.Option(help="Role that the invitation gives.")] = None,
    organisation: Annotated[
        str | None, typer.Option(help="Organisation for which a delegate or substitute speaks.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Working group, by its number.")] = None,
    theme: Annotated[
        Theme | None, typer.Option(help="Theme of the reports that a reviewer reads.")
    ] = None,
    academie: Annotated[
        str | None, typer.Option(help="Académie of the reports that a reviewer reads: its code.")
    ] = None,
    uses: Annotated[
        int, typer.Option(min=1, max=MOST_USES, help="How often it serves; to a role: once.")
    ] = 1,
    days: Annotated[
        int,
        typer.Option(
            min=1, max=LONGEST.days, help=f"How long; to a role: {TO_A_ROLE_AT_MOST.days} at most."
        ),
    ] = 7,
    label: Annotated[
        str | None, typer.Option(help="Where it hangs or is handed round; without --role.")
    ] = None,
    qr: Annotated[Path | None, typer.Option(help="PNG file for its QR code.")] = None,
    poster: Annotated[Path | None, typer.Option(help="PDF file for an A4 poster of it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make an invitation and print its code, once. Without --role it gives none."""
    _check_role(role, organisation, group, uses, days)
    _check_reviewer(role, theme, academie)
    if role is not None and (label is not None or poster is not None):
        raise Misused("--label and --poster are for invitations without a role")
    settings = load()
    drawn = [path for path in (qr, poster) if path is not None]
    if drawn and settings.public_url is None and not settings.serves_telegram:
        raise Misused("set PREAU_PUBLIC_URL: a QR code holds an address that others reach")
    now = Clock().now()
    expires_at = now + timedelta(days=days)

    def make(store: Store) -> tuple[str, str | None]:
        if organisation is not None and store.organisations.get(organisation) is None:
            known = ", ".join(sorted(store.organisations.names(now.date()))) or "none yet"
            raise Misused(f"no organisation {organisation} (known: {known})")
        code = store.invitations.invite(
            role=role,
            organisation_id=organisation,
            scope=_scope(group, store) if group is not None else scope_of_reviewer(theme, academie),
            uses=uses,
            label=label,
            expires_at=expires_at,
            now=now,
        )
        made = store.invitations.find(code)
        assert made is not None
        about = f"invitation:{made.id}"
        store.audit.add("invitations.made", now, via=BY_COMMAND_LINE, about=about)
        return code, on_matrix(settings, store)

    with opened(settings) as database:
        code, matrix = database.write_now(make)
    ways = Ways.of(code, settings, bot=_on_telegram(settings), matrix=matrix)
    links = {"web": f"{of_page(settings)}/#code={code}"}
    if ways.telegram is not None:
        links["telegram"] = ways.telegram
    if as_json:
        print(json.dumps({"code": code, "links": links, "expires": expires_at.isoformat()}))
    else:
        print("\n".join((code, *links.values())))
        print(f"until {expires_at:%Y-%m-%d %H:%M} UTC")
    _draw(ways, qr, poster, settings)


def _check_role(
    role: Role | None, organisation: str | None, group: str | None, uses: int, days: int
) -> None:
    """Refuse what does not go with a role, or with none.

    Raises:
        Misused
    """
    if role is None:
        if organisation is not None or group is not None:
            raise Misused(f"say what the invitation gives: --role {'|'.join(Role)}")
        return
    if uses != 1:
        raise Misused("an invitation to a role serves once: make one for each person")
    if days > TO_A_ROLE_AT_MOST.days:
        longest = TO_A_ROLE_AT_MOST.days
        raise Misused(f"an invitation to a role serves {longest} days at most: --days")
    if role in MANDATES and organisation is None:
        raise Misused(f"a {role} speaks for somebody: say --organisation")
    if role not in MANDATES and organisation is not None:
        raise Misused(f"a {role} speaks for no organisation: leave out --organisation")
    if role in IN_A_GROUP and group is None:
        raise Misused(f"a {role} is so in one working group: say --group")
    if role not in (*IN_A_GROUP, Role.member) and group is not None:
        raise Misused(f"a {role} is so everywhere: leave out --group")


def _check_reviewer(role: Role | None, theme: Theme | None, academie: str | None) -> None:
    """Likewise, of what a reviewer reads.

    Raises:
        Misused
    """
    if role is not Role.reviewer and (theme or academie):
        raise Misused("only a reviewer reads reports by theme or académie: leave that out")
    if theme and academie:
        raise Misused("a reviewer of a theme and of an académie has an invitation to each")
    if academie is not None and academie not in names():
        raise Misused(f"no académie {academie[:LONGEST_SHOWN]} (known: {', '.join(names())})")


def _draw(ways: Ways, qr: Path | None, poster: Path | None, settings: Settings) -> None:
    """Write the pictures that were asked for.

    Raises:
        Failed: one cannot be; the code serves all the same.
    """
    if qr is None and poster is None:
        return
    if ways.picture is None:
        raise Failed("no address for a QR code: the code serves, and is not drawn")
    try:
        if qr is not None:
            qr.write_bytes(ways.picture)
        if poster is not None:
            texts = texts_for(settings.language, settings.zone)
            poster.write_bytes(poster_pdf(poster_of(ways, settings, texts)))
    except OSError as error:
        raise Failed(f"{error.strerror}: {error.filename} (the code serves)") from None


def _on_telegram(settings: Settings) -> str | None:
    """What our bot is called there; None if Telegram is not served, or does not answer."""
    if not settings.serves_telegram:
        return None
    from telegram.error import InvalidToken, TelegramError

    from bot.platforms.telegram.bots import username

    async def ask() -> str:
        async with asyncio.timeout(PATIENCE):
            return await username(settings)

    try:
        return asyncio.run(ask())
    except InvalidToken:
        why = "PREAU_TELEGRAM_TOKEN: Telegram does not know it"
    except (TelegramError, TimeoutError):
        why = "Telegram does not answer"
    print(f"preau: {why}; there is no t.me link", file=sys.stderr)
    return None


def _scope(group: str, store: Store) -> str:
    """The scope of a role in an open group."""
    known = store.groups.all_open()
    for one in known:
        if group == str(one.id):
            return scope_of(one.id)
    listed = ", ".join(f"{one.id} {one.name or one.theme}" for one in known) or "none yet"
    raise Misused(f"no group {group[:LONGEST_SHOWN]} (known: {listed})")
