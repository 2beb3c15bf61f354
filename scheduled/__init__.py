"""What time does: one file a noun. Due rows in the database are the truth."""

from bot.settings import Settings
from bot.ticker import Job
from scheduled import (
    approvals,
    audit,
    broadcasts,
    data_requests,
    erasures,
    exports,
    handovers,
    invitations,
    keys,
    limits,
    linking,
    meetings,
    members,
    polls,
    retention,
    reviews,
    rooms,
    threads,
)


def jobs(settings: Settings) -> list[Job]:
    """Every periodic job."""
    return [
        *polls.jobs(settings),
        *reviews.jobs(settings),
        *meetings.jobs(),
        *rooms.jobs(),
        *members.jobs(),
        *handovers.jobs(),
        *invitations.jobs(settings),
        *broadcasts.jobs(),
        *threads.jobs(settings),
        *audit.jobs(),
        *approvals.jobs(),
        *data_requests.jobs(),
        *exports.jobs(settings),
        *erasures.jobs(settings),
        *keys.jobs(),
        *linking.jobs(),
        *limits.jobs(),
        *retention.jobs(settings),
    ]
