"""The yardstick: a bare python-telegram-bot echo, with its stock transport.

Usage: python -m benchmarks.echo BASE_URL sequential|concurrent
"""

import sys

from telegram import Update
from telegram.ext import Application, ContextTypes, MessageHandler, filters


async def echo(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
    assert update.message is not None
    assert update.message.text is not None
    await update.message.reply_text(update.message.text)


def main() -> None:
    base, manner = sys.argv[1:]
    builder = Application.builder().token("1:benchmark").base_url(f"{base}/bot")
    application = builder.concurrent_updates(manner == "concurrent").build()
    application.add_handler(MessageHandler(filters.TEXT, echo))
    application.run_polling(bootstrap_retries=3)


if __name__ == "__main__":
    main()
