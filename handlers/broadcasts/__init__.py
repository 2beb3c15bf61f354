"""Broadcasts: what the secretariat says to many.

`composing` writes and previews one, `following` confirms and watches it, `telling` words it for
who receives it, `stopping` is for those who want no more.
"""

from handlers.broadcasts import composing, following, stopping, telling

__all__ = ["composing", "following", "stopping", "telling"]
