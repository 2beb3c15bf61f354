"""A Bot API server on loopback that enforces Telegram's limits and rates and fails on demand.

Use it in a test's own event loop, with people who say and press:

    async with BotApi() as api:
        anna = api.user("Anna")
        anna.say("bonjour")
        await api.idle()
        anna.press("Menu")
        assert "Bonjour" in anna.chat.newest.text
"""

from tests.bot_api.faults import Fault, Faults
from tests.bot_api.groups import Channel, Group
from tests.bot_api.limits import Limits
from tests.bot_api.model import Button, Chat, File, Message, Toast
from tests.bot_api.people import User
from tests.bot_api.rates import Rates
from tests.bot_api.server import TOKEN, USERNAME, BotApi, Call

__all__ = [
    "TOKEN",
    "USERNAME",
    "BotApi",
    "Button",
    "Call",
    "Channel",
    "Chat",
    "Fault",
    "Faults",
    "File",
    "Group",
    "Limits",
    "Message",
    "Rates",
    "Toast",
    "User",
]
