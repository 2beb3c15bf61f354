"""Meetings: reminders leave when they are due."""

from bot.ticker import Job


def jobs() -> list[Job]:
    return []
