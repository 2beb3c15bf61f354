"""What time does: one file a noun. Due rows in the database are the truth."""

from bot.settings import Settings
from bot.ticker import Job
from scheduled import broadcasts, meetings, polls, retention, reviews, rooms, threads


def jobs(settings: Settings) -> list[Job]:
    """Every periodic job."""
    return [
        *polls.jobs(settings),
        *reviews.jobs(settings),
        *meetings.jobs(),
        *rooms.jobs(),
        *broadcasts.jobs(),
        *threads.jobs(settings),
        *retention.jobs(settings),
    ]
