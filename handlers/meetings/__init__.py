"""Meetings: calling one, saying whether one comes, moving and cancelling it.

`cards` is for members, `calling` and `running` for those who lead a group and for the secretariat.
"""

from handlers.meetings import calling, cards, running

__all__ = ["calling", "cards", "running"]
