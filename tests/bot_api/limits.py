"""What Telegram refuses for being too long, too large or malformed.

Numbers: core.telegram.org/bots/api (sendMessage, InlineKeyboardButton, BotCommand,
answerCallbackQuery, sendMediaGroup, "Sending files", getFile); the keyboard: limits.tginfo.me.
Words: tdlib/telegram-bot-api Client.cpp, tdlib/td, or what users report; those for captions,
albums, photos and menus were not checked against a source, so rely on the code 400 there.
"""

import io
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from tests.bot_api.errors import Refused, bad

MB = 1024 * 1024


@dataclass
class Limits:
    """Telegram's limits; a test may lower one to keep its data small.

    Lengths are in Unicode characters, as TDLib's `utf8_length`; sizes are in bytes.
    """

    text: int = 4096
    caption: int = 1024
    toast: int = 200
    callback_data: int = 64
    buttons: int = 100
    buttons_in_row: int = 8
    commands: int = 100
    command_name: int = 32
    command_description: int = 256
    album_least: int = 2
    album_most: int = 10
    download: int = 20 * MB
    upload: int = 50 * MB
    photo: int = 10 * MB
    photo_sides: int = 10_000  # width and height together
    photo_ratio: int = 20
    description: int = 512
    short_description: int = 120
    delete_within: int = 48 * 3600  # seconds
    callback_patience: float = 60.0  # seconds; Telegram's own is not documented


_COMMAND = re.compile(r"[a-z0-9_]+")
_OTHER_ACTIONS = (
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "pay",
)


def check_keyboard(rows: Any, limits: Limits) -> None:
    """The rows of an inline keyboard.

    Telegram lays out more than eight in a row as it likes; here that is an error.
    """
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad('field "inline_keyboard" must be an Array of Arrays')
    if sum(map(len, rows)) > limits.buttons:
        raise bad("reply markup is too long")
    for row in rows:
        if len(row) > limits.buttons_in_row:
            raise bad("reply markup is too long")
        for button in row:
            _check_button(button, limits)


def _check_button(button: Any, limits: Limits) -> None:
    if not isinstance(button, dict):
        raise bad("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    label = button.get("text")
    if not isinstance(label, str) or not label.strip():
        raise bad("can't parse inline keyboard button: button text must be non-empty")
    if "callback_data" in button:
        if not 1 <= len(str(button["callback_data"]).encode()) <= limits.callback_data:
            raise bad("BUTTON_DATA_INVALID")
    elif "url" in button:
        _check_url(str(button["url"]))
    elif not any(name in button for name in _OTHER_ACTIONS):
        raise bad("Text buttons are unallowed in the inline keyboard")


def _check_url(url: str) -> None:
    """An address without a dot in its host, such as localhost, is refused (tdlib/td, Url.cpp)."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host = parts.hostname or ""
    if parts.scheme == "tg":
        return
    if parts.scheme not in ("http", "https") or "." not in host.strip("."):
        raise bad(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")


def check_commands(commands: Any, limits: Limits) -> None:
    if not isinstance(commands, list):
        raise bad("expected an Array of BotCommand")
    if len(commands) > limits.commands:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        name = str(command.get("command", "")).removeprefix("/")
        if not _COMMAND.fullmatch(name) or len(name) > limits.command_name:
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description", "")).strip()) <= limits.command_description:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")


def check_upload(kind: str, data: bytes, limits: Limits) -> None:
    """A file from the bot: 50 MB, a photo 10 MB with sane sides ("Sending files", sendPhoto)."""
    if not data:
        raise bad("file must be non-empty")
    if len(data) > limits.upload:
        raise Refused(413, "Request Entity Too Large")
    if kind != "photo":
        return
    if len(data) > limits.photo:
        raise bad(
            f"file of size {len(data)} bytes is too big for a photo; "
            f"the maximum size is {limits.photo} bytes"
        )
    width, height = photo_size(data)
    flat = max(width, height) > limits.photo_ratio * min(width, height)
    if flat or width + height > limits.photo_sides:
        raise bad("PHOTO_INVALID_DIMENSIONS")


def photo_size(data: bytes) -> tuple[int, int]:
    """Width and height, read from the header only."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except (OSError, ValueError, Image.DecompressionBombError):
        raise bad("IMAGE_PROCESS_FAILED") from None
