"""Broadcasts: what the secretariat says to many.

`composing` writes and previews one, `confirming` lets it leave, `following` watches it, `telling`
words it for who receives it, `stopping` is for those who want no more.
"""

from handlers.broadcasts import composing, confirming, following, stopping, telling

__all__ = ["composing", "confirming", "following", "stopping", "telling"]
