"""What is held about a person, and their rights over it."""

from handlers.privacy import changing, erasing, reading

__all__ = ["changing", "erasing", "reading"]
