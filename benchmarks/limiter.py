"""A yardstick: python-telegram-bot's own rate limiter, as it comes, sends to many chats.

Usage: python -m benchmarks.limiter BASE_URL TOKEN FIRST_CHAT COUNT (in `.venv-bench`)
"""

import asyncio
import sys

from telegram.error import TelegramError
from telegram.ext import AIORateLimiter, Application

RETRIES = 100  # by default it tries once, and what is refused is lost


async def send_to_all(base: str, token: str, first: int, count: int) -> None:
    limiter = AIORateLimiter(max_retries=RETRIES)
    made = Application.builder().token(token).base_url(f"{base}/bot").rate_limiter(limiter).build()

    async def send(chat: int) -> None:
        try:
            await made.bot.send_message(chat, "bonjour")
        except TelegramError as error:
            print(type(error).__name__, file=sys.stderr)

    async with made:
        await asyncio.gather(*(send(first + number) for number in range(count)))


if __name__ == "__main__":
    asyncio.run(send_to_all(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
