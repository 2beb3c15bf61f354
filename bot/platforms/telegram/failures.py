"""Errors of Telegram as the named failures of a delivery."""

from collections.abc import Iterable
from datetime import timedelta

from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bot.platforms.base import SendFailed
from bot.platforms.telegram.transport import Away, NotSent
from storage.deliveries import Failure

TOKEN_WAIT = 60.0  # seconds: an operator may put a refused token right
FLOOD_WAIT = 1.0  # seconds, when a refusal does not say how long

# What Telegram says of a chat that takes nothing more, in small letters.
_CLOSED = (
    ("blocked by the user", Failure.blocked),
    ("can't initiate conversation", Failure.blocked),
    ("can't send messages to the user", Failure.blocked),
    ("user is deactivated", Failure.deleted),
    ("bot was kicked", Failure.removed),
    ("bot is not a member", Failure.removed),
    ("chat not found", Failure.not_found),
    ("user not found", Failure.not_found),
    ("peer_id_invalid", Failure.not_found),
    ("chat was deleted", Failure.not_found),
    ("chat was deactivated", Failure.not_found),
)


def says(error: TelegramError, some: Iterable[str]) -> bool:
    """Whether an error says one of these, given in small letters."""
    said = error.message.lower()
    return any(one in said for one in some)


def failure(error: TelegramError) -> SendFailed:
    """What an error of a call means for what was to be sent.

    What is not known to have been refused is in doubt.
    """
    if isinstance(error, RetryAfter):
        return SendFailed(Failure.refused, wait=seconds(error.retry_after), for_all=True)
    if isinstance(error, ChatMigrated):
        return SendFailed(Failure.not_found, moved_to=str(error.new_chat_id))
    if isinstance(error, InvalidToken):
        return SendFailed(Failure.unreachable, wait=TOKEN_WAIT, for_all=True)
    if isinstance(error, Forbidden | BadRequest):
        return SendFailed(_closed(error) or Failure.refused, final=True)
    if isinstance(error, NotSent | Away):
        return SendFailed(Failure.unreachable)
    if says(error, ("too many requests",)):
        return SendFailed(Failure.refused, wait=FLOOD_WAIT, for_all=True)
    # A network error of no other kind is a refusal by its status, such as 413.
    if type(error) is NetworkError:
        return SendFailed(Failure.refused, final=True)
    return SendFailed(Failure.in_doubt)


def _closed(error: TelegramError) -> Failure | None:
    return next((reason for said, reason in _CLOSED if says(error, (said,))), None)


def seconds(given: float | timedelta) -> float:
    """A duration as python-telegram-bot gives it."""
    return given.total_seconds() if isinstance(given, timedelta) else float(given)
