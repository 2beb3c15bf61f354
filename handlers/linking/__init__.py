"""One person on several chats: accounts that become one's, and part again."""

from handlers.linking import accounts, agreeing, codes, deciding

__all__ = ["accounts", "agreeing", "codes", "deciding"]
