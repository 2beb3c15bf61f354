"""Meetings: calling one, saying whether one comes, moving and cancelling it.

`listing` and `cards` are for members, `calling` and `running` for those who lead a group and for
the secretariat, `rooms` for chat groups.
"""

from handlers.meetings import calling, cards, listing, rooms, running

__all__ = ["calling", "cards", "listing", "rooms", "running"]
