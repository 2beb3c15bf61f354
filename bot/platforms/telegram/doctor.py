"""What an operator wants to know of Telegram: the token, the webhook, the bot's own settings.

It only asks, and never for updates: that would end the poll of whoever receives them.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from telegram import User, WebhookInfo
from telegram.error import InvalidToken, TelegramError

from bot.platforms.seen import Seen
from bot.platforms.telegram.bots import make_bot
from bot.platforms.telegram.menus import missing_menus
from bot.platforms.telegram.updates import ALLOWED
from bot.platforms.telegram.webhook import path_of
from bot.settings import FREE_RATE, Settings

PATIENCE = 5.0  # seconds for all of it
RECENT = timedelta(hours=1)  # a webhook that failed since may fail still
LONGEST_SHOWN = 200  # characters of what Telegram says


def examine(settings: Settings, *, serving: bool) -> Seen:
    """Ask Telegram about our bot; change nothing.

    Args:
        settings: `TELEGRAM_TOKEN` must be set.
        serving: whether `run` serves now, beside us.
    """
    return asyncio.run(look(settings, datetime.now(UTC), serving=serving))


async def look(settings: Settings, now: datetime, *, serving: bool) -> Seen:
    """As `examine`, in an event loop."""
    seen, bot = Seen(), make_bot(settings)
    try:
        async with asyncio.timeout(PATIENCE):
            await bot.initialize()
            webhook, menus_missing = await asyncio.gather(
                bot.get_webhook_info(), missing_menus(bot, settings.language, settings.zone)
            )
            _tell_bot(seen, bot.bot, settings, serving=serving, menus_missing=menus_missing)
            _tell_webhook(seen, webhook, settings, now, serving=serving)
    except InvalidToken:
        seen.problems.append("PREAU_TELEGRAM_TOKEN: Telegram does not know it (ask @BotFather)")
    except TimeoutError:
        seen.problems.append(f"Telegram did not answer within {PATIENCE:g} s")
    except TelegramError as error:
        seen.problems.append(f"Telegram does not answer: {error.message[:LONGEST_SHOWN]}")
    finally:
        await bot.shutdown()
    return seen


def _tell_bot(
    seen: Seen, bot: User, settings: Settings, *, serving: bool, menus_missing: bool
) -> None:
    way = "polled" if settings.telegram_webhook_url is None else "by webhook"
    seen.notes.append(f"Telegram: @{bot.username}, id {bot.id}, {way}")
    if bot.can_read_all_group_messages:
        seen.notes.append(
            "Telegram gives the bot all that is said in groups: "
            "turn privacy mode on (@BotFather, /setprivacy, Enable)"
        )
    if not bot.can_join_groups:
        seen.notes.append("the bot cannot be added to groups (@BotFather, /setjoingroups)")
    if menus_missing and serving:
        seen.notes.append("Telegram shows other commands than ours: restart `preau run`")
    elif menus_missing:
        seen.notes.append("Telegram does not show our commands yet: `preau run` sets them")
    if settings.telegram_rate > FREE_RATE:
        seen.notes.append(
            f"PREAU_TELEGRAM_RATE is over {FREE_RATE}: without paid broadcasts "
            "(@BotFather) Telegram refuses what is too much"
        )


def _tell_webhook(
    seen: Seen, webhook: WebhookInfo, settings: Settings, now: datetime, *, serving: bool
) -> None:
    ours = _our_address(settings)
    waiting = webhook.pending_update_count
    if webhook.url != ours:
        _tell_other_address(seen, webhook.url, ours, serving=serving)
    elif ours:
        _tell_errors(seen, webhook, now)
        lacking = sorted(set(ALLOWED) - set(webhook.allowed_updates or ALLOWED))
        if lacking:
            seen.problems.append(
                f"the webhook does not bring {', '.join(lacking)}: restart `preau run`"
            )
    if waiting:
        seen.notes.append(
            f"updates that wait at Telegram, which keeps them for 24 hours: {waiting}"
        )
    if not ours and not webhook.url:
        seen.notes.append(
            "whether another process polls for this bot cannot be seen without disturbing it: "
            "`preau run` then logs 409"
        )


def _our_address(settings: Settings) -> str:
    """Where Telegram is to post; empty if it is polled."""
    if settings.telegram_webhook_url is None:
        return ""
    assert settings.telegram_token is not None
    return settings.telegram_webhook_url + path_of(settings.telegram_token.get_secret_value())


def _tell_other_address(seen: Seen, found: str, ours: str, *, serving: bool) -> None:
    """Telegram brings updates in another way than the settings say."""
    way = f"posts to {_site(found)}" if found else "waits to be polled"
    if found and _site(found) == _site(ours):
        way = f"posts to {_site(found)} under another path"
    if serving:
        seen.problems.append(
            f"Telegram {way}, which is not as set: another program changed it; "
            "stop that one, then restart `preau run`"
        )
    else:
        seen.notes.append(f"Telegram {way} as yet: `preau run` changes it, and loses nothing")


def _tell_errors(seen: Seen, webhook: WebhookInfo, now: datetime) -> None:
    """The last try that failed; Telegram remembers it long after it is over."""
    at = webhook.last_error_date
    if at is None:
        return
    said = (webhook.last_error_message or "no reason")[:LONGEST_SHOWN]
    line = f"the last error of the webhook, {_ago(now - at)} ago: {said}"
    is_open = now - at < RECENT and webhook.pending_update_count > 0
    (seen.problems if is_open else seen.notes).append(line)


def _site(url: str) -> str:
    """An address without its path, which may hold the token of somebody else's program."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _ago(age: timedelta) -> str:
    """A duration in its largest unit."""
    seconds = max(0, int(age.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
