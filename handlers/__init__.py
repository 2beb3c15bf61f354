"""What people can do: one file a noun. Importing this package declares every command."""

from handlers import (
    broadcasts,
    groups,
    meetings,
    people,
    polls,
    privacy,
    recommendations,
    reports,
    reviews,
    threads,
)

__all__ = [
    "broadcasts",
    "groups",
    "meetings",
    "people",
    "polls",
    "privacy",
    "recommendations",
    "reports",
    "reviews",
    "threads",
]
