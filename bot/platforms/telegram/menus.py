"""The menu of commands that Telegram shows beside the text field, by kind of chat and language."""

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
)

from bot.rendering import texts_for
from bot.texts import LANGUAGES, normalise

IN_PRIVATE = (
    "report",
    "my_reports",
    "polls",
    "meetings",
    "groups",
    "write",
    "settings",
    "link",
    "privacy",
    "menu",
    "help",
    "cancel",
)
IN_GROUPS = ("polls", "meetings", "help")
LONGEST_DESCRIPTION = 256
_NAME = re.compile(r"[a-z0-9_]{1,32}")
_SCOPES: tuple[tuple[BotCommandScope, Sequence[str]], ...] = (
    (BotCommandScopeAllPrivateChats(), IN_PRIVATE),
    (BotCommandScopeAllGroupChats(), IN_GROUPS),
)


def menu(names: Sequence[str], language: str, zone: ZoneInfo) -> list[BotCommand]:
    """Commands by their first word that Telegram takes, with what they do."""
    texts = texts_for(language, zone)
    commands = []
    for name in names:
        words = texts.plain(f"commands.{name}").split("|")
        typed = [normalise(word).replace(" ", "_") for word in words]
        word = next((one for one in typed if _NAME.fullmatch(one)), None)
        if word is not None:
            description = texts.plain(f"people.do_{name}")[:LONGEST_DESCRIPTION]
            commands.append(BotCommand(word, description))
    return commands


async def set_menus(bot: Bot, language: str, zone: ZoneInfo) -> None:
    """Have Telegram show our commands: to everybody in `language`, to others in their own."""
    for scope, names in _SCOPES:
        await bot.set_my_commands(menu(names, language, zone), scope)
        for other in LANGUAGES:
            await bot.set_my_commands(menu(names, other, zone), scope, language_code=other)


async def missing_menus(bot: Bot, language: str, zone: ZoneInfo) -> bool:
    """Whether Telegram shows other commands than ours."""
    for scope, names in _SCOPES:
        shown = await bot.get_my_commands(scope)
        if list(shown) != menu(names, language, zone):
            return True
    return False
