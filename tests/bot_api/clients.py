"""python-telegram-bot's own Bot on this server, as it comes."""

import io
from collections.abc import Coroutine
from typing import Any

import pytest
from PIL import Image
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest
from telegram.request import HTTPXRequest

from tests.bot_api.server import BotApi


def stock_bot(api: BotApi, token: str | None = None) -> Bot:
    """A bot over httpx; use it as a context."""
    plain = {"verify": False}  # no certificates are read, which would take a while
    return Bot(
        token or api.token,
        base_url=f"{api.url}/bot",
        base_file_url=f"{api.url}/file/bot",
        request=HTTPXRequest(httpx_kwargs=plain),
        get_updates_request=HTTPXRequest(httpx_kwargs=plain),
    )


def keyboard(*labels: str, data: str = "a:1") -> InlineKeyboardMarkup:
    """One row of buttons, all with the same data."""
    row = [InlineKeyboardButton(label, callback_data=data) for label in labels]
    return InlineKeyboardMarkup([row])


def picture(width: int = 64, height: int = 48) -> bytes:
    """A JPEG of that size in pixels."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "JPEG")
    return out.getvalue()


async def refused(asked: Coroutine[Any, Any, Any], *words: str) -> None:
    """Await a call that must fail with 400 and these words."""
    with pytest.raises(BadRequest) as raised:
        await asked
    for word in words:
        assert word.lower() in str(raised.value).lower()
