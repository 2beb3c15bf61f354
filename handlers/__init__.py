"""What people can do: one file a noun. Importing this package declares every command."""

from handlers import (
    broadcasts,
    groups,
    invitations,
    meetings,
    people,
    polls,
    privacy,
    recommendations,
    references,
    reports,
    reviews,
    threads,
)

__all__ = [
    "broadcasts",
    "groups",
    "invitations",
    "meetings",
    "people",
    "polls",
    "privacy",
    "recommendations",
    "references",
    "reports",
    "reviews",
    "threads",
]
