"""Errors of a homeserver as the named failures of a delivery."""

from typing import TypeVar

from nio import ErrorResponse

from bot.platforms.base import SendFailed
from bot.platforms.matrix.connection import ServerRefused, Unreachable
from bot.platforms.matrix.login import DEACTIVATED, TOKEN_GONE, WITHHELD
from storage.deliveries import Failure

ACCOUNT_WAIT = 30.0  # seconds: a new login, or an operator, may put our account right
LIMIT_WAIT = 1.0  # seconds, when a refusal does not say how long
LONGEST_WAIT = 600.0  # seconds that are believed

_ACCOUNT = TOKEN_GONE | WITHHELD | {DEACTIVATED}  # what is wrong with no message
TOO_MANY, TOO_LARGE = 429, 413  # statuses, which a proxy answers without a Matrix error

T = TypeVar("T")


def taken(response: T | ErrorResponse) -> T:
    """What the server answered.

    Raises:
        SendFailed: it is an error.
    """
    if isinstance(response, ErrorResponse):
        raise failure(response)
    return response


def failure(error: ErrorResponse) -> SendFailed:
    """What an error means for what was to be sent.

    Nothing is ever in doubt: what is sent again under its own transaction id is sent once.
    """
    return _judged(error.status_code, _status(error), _wait(error))


def not_reached(error: BaseException) -> SendFailed:
    """What an error of a request means that never was an answer of nio's."""
    if isinstance(error, ServerRefused):
        return _judged(error.errcode, error.status, LIMIT_WAIT)
    wait = error.wait if isinstance(error, Unreachable) else 0.0
    return SendFailed(Failure.unreachable, wait=_believed(wait))


def _judged(code: str | None, status: int, wait: float) -> SendFailed:
    if code == "M_LIMIT_EXCEEDED" or status == TOO_MANY:
        return SendFailed(Failure.refused, wait=wait, for_all=True)
    if code in _ACCOUNT:
        return SendFailed(Failure.unreachable, wait=ACCOUNT_WAIT, for_all=True)
    if status == TOO_LARGE:
        return SendFailed(Failure.refused, final=True)
    if not code or status >= 500:  # a proxy answers, or a server that is not well
        return SendFailed(Failure.unreachable)
    if code == "M_FORBIDDEN":
        return SendFailed(Failure.removed, final=True)
    return SendFailed(Failure.refused, final=True)


def _status(error: ErrorResponse) -> int:
    answer = error.transport_response
    return answer.status if answer is not None else 0


def _wait(error: ErrorResponse) -> float:
    """Seconds that a server asks us to wait, in the body or in the header."""
    if error.retry_after_ms is not None:
        return _believed(error.retry_after_ms / 1000)
    answer = error.transport_response
    try:
        return _believed(float(answer.headers["Retry-After"]))
    except (AttributeError, KeyError, ValueError):
        return LIMIT_WAIT


def _believed(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT)
