"""What people can do: one file a noun. Importing this package declares every command."""

from handlers import people, polls, privacy, recommendations, reports, reviews

__all__ = ["people", "polls", "privacy", "recommendations", "reports", "reviews"]
