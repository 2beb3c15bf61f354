"""What each error of Telegram means for what was to be sent."""

import pytest
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from bot.platforms.telegram.failures import failure
from bot.platforms.telegram.transport import Away, Cut, NotSent
from storage.deliveries import Failure


@pytest.mark.parametrize(
    ("error", "reason", "final"),
    [
        (Forbidden("Forbidden: bot was blocked by the user"), "blocked", True),
        (Forbidden("Forbidden: bot can't initiate conversation with a user"), "blocked", True),
        (Forbidden("Forbidden: user is deactivated"), "deleted", True),
        (Forbidden("Forbidden: bot was kicked from the supergroup chat"), "removed", True),
        (Forbidden("Forbidden: bot is not a member of the supergroup chat"), "removed", True),
        (Forbidden("Forbidden: something else"), "refused", True),
        (BadRequest("Bad Request: chat not found"), "not_found", True),
        (BadRequest("Bad Request: PEER_ID_INVALID"), "not_found", True),
        (BadRequest("Bad Request: message is too long"), "refused", True),
        (NetworkError("Request Entity Too Large (413)"), "refused", True),
        (Away("HTTP status 502"), "unreachable", False),
        (NotSent("refused"), "unreachable", False),
        (Cut("reset"), "in_doubt", False),
        (TimedOut(), "in_doubt", False),
        (TelegramError("Invalid server response"), "in_doubt", False),
    ],
)
def test_what_an_error_means(error: TelegramError, reason: str, final: bool) -> None:
    failed = failure(error)
    assert (failed.reason, failed.final) == (Failure(reason), final)
    assert (failed.wait, failed.for_all, failed.moved_to) == (0, False, None)


def test_errors_which_concern_every_message() -> None:
    flood, vague = failure(RetryAfter(7)), failure(NetworkError("Too Many Requests (429)"))
    token, moved = failure(InvalidToken()), failure(ChatMigrated(-100))
    assert (flood.reason, flood.wait, flood.for_all, flood.final) == (
        Failure.refused,
        7,
        True,
        False,
    )
    assert (vague.wait, vague.for_all) == (1, True)
    assert (token.reason, token.wait, token.for_all) == (Failure.unreachable, 60, True)
    assert (moved.moved_to, moved.final, moved.for_all) == ("-100", False, False)
