"""The bot of the settings, over the transport of our own."""

from telegram import Bot

from bot.platforms.telegram.transport import AiohttpRequest
from bot.settings import Settings


def make_bot(settings: Settings) -> Bot:
    """A bot that has not spoken to Telegram yet; `TELEGRAM_TOKEN` must be set."""
    assert settings.telegram_token is not None
    base = settings.telegram_api_url
    request = AiohttpRequest()
    return Bot(
        settings.telegram_token.get_secret_value(),
        base_url=f"{base}/bot",
        base_file_url=f"{base}/file/bot",
        request=request,
        get_updates_request=request,  # `Polling` has its own
    )


async def username(settings: Settings) -> str:
    """The name by which people find the bot.

    Raises:
        TelegramError: Telegram does not answer, or does not know the token.
    """
    bot = make_bot(settings)
    try:
        await bot.initialize()
        return bot.username
    finally:  # also of a caller that waits no longer
        await bot.shutdown()
