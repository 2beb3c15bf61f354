"""The calls that are made most, past the checks and copies that `telegram.Bot` makes of each.

They go through our transport, with the same errors and timeouts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from telegram import Bot
from telegram.request import BaseRequest, RequestData


@dataclass(frozen=True)
class _Written:
    """What our transport reads of a `RequestData`: here, parameters that are written already."""

    json_parameters: Mapping[str, str]
    contains_files = False


async def call(
    bot: Bot,
    method: str,
    *,
    request: BaseRequest | None = None,
    read_timeout: float | None = None,
    **parameters: str | None,
) -> Any:
    """Call a method of the Bot API; return its result as it came.

    Args:
        request: the transport; by default the bot's.
        read_timeout: seconds for the answer to come; by default the transport's.
        parameters: as they are written; None is left out.

    Raises:
        telegram.error.TelegramError: as the same call of the bot would.
    """
    written = _Written({name: value for name, value in parameters.items() if value is not None})
    return await (request or bot.request).post(
        f"{bot.base_url}/{method}",
        cast(RequestData, written),
        read_timeout=BaseRequest.DEFAULT_NONE if read_timeout is None else read_timeout,
    )
