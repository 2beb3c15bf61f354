"""The command that makes an invitation: how the first secretary comes in."""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Annotated

import typer

from bot.addresses import of_page
from bot.cli import Misused, opened
from bot.clock import Clock
from bot.settings import Settings, load
from storage.grants import Role
from storage.groups import scope_of
from storage.invitations import IN_A_GROUP, MANDATES
from storage.store import Store

PATIENCE = 5.0  # seconds for Telegram to say what our bot is called
LONGEST_SHOWN = 40  # characters of a number that is none


def invite(
    role: Annotated[Role | None, typer.Option(help="Role that the invitation gives.")] = None,
    organisation: Annotated[
        str | None, typer.Option(help="Organisation for which a delegate or substitute speaks.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Working group, by its number.")] = None,
    uses: Annotated[int, typer.Option(min=1, help="How often it serves: once.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=90, help="How long it serves.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make an invitation and print its code, once."""
    if role is None:
        raise Misused(f"say what the invitation gives: --role {'|'.join(Role)}")
    if uses != 1:
        raise Misused("an invitation to a role serves once: make one for each person")
    if role in MANDATES and organisation is None:
        raise Misused(f"a {role} speaks for somebody: say --organisation")
    if role not in MANDATES and organisation is not None:
        raise Misused(f"a {role} speaks for no organisation: leave out --organisation")
    if role in IN_A_GROUP and group is None:
        raise Misused(f"a {role} is so in one working group: say --group")
    if role not in (*IN_A_GROUP, Role.member) and group is not None:
        raise Misused(f"a {role} is so everywhere: leave out --group")
    settings = load()
    now = Clock().now()
    expires_at = now + timedelta(days=days)

    def make(store: Store) -> str:
        if organisation is not None and store.organisations.get(organisation) is None:
            known = ", ".join(sorted(store.organisations.names(now.date()))) or "none yet"
            raise Misused(f"no organisation {organisation} (known: {known})")
        scope = _scope(group, store) if group is not None else ""
        return store.invitations.invite(
            role=role, expires_at=expires_at, now=now, organisation_id=organisation, scope=scope
        )

    with opened(settings) as database:
        code = database.write_now(make)
    links = {"web": f"{of_page(settings)}/#code={code}"}
    name = _on_telegram(settings)
    if name is not None:
        links["telegram"] = f"https://t.me/{name}?start=invitation-{code}"
    if as_json:
        print(json.dumps({"code": code, "links": links, "expires": expires_at.isoformat()}))
    else:
        print("\n".join((code, *links.values())))
        print(f"until {expires_at:%Y-%m-%d %H:%M} UTC")


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
