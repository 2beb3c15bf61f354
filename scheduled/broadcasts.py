"""Broadcasts leave once they can no longer be cancelled; their cards count up."""

from bot.ticker import Job


def jobs() -> list[Job]:
    return []
