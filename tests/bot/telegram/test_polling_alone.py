"""What one poll makes of an answer."""

from typing import Any

import pytest
from telegram import Bot, Update

from bot.platforms.telegram.polling import Polling
from bot.platforms.telegram.transport import AiohttpRequest


async def test_what_comes_twice_in_one_answer_is_taken_once() -> None:
    taken, request = [], AiohttpRequest()
    bot = Bot("1:nobody", request=request, get_updates_request=request)

    async def take(update: Update, body: dict[str, Any]) -> None:
        taken.append(update.update_id)

    async def answer(*_: Any, **__: Any) -> tuple[int, bytes]:
        return (
            200,
            b'{"ok": true, "result": [{"update_id": 8}, {"update_id": 7}, {"update_id": 8}]}',
        )

    polled = Polling(bot, take)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AiohttpRequest, "do_request", answer)
        await polled._once()
    assert taken == [7, 8]
