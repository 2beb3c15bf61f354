"""Telegram: python-telegram-bot's `Bot` and types, over a transport of our own."""

import os

os.environ.setdefault("PTB_TIMEDELTA", "1")  # its durations are timedeltas, without a warning
