"""Invitations: `asking` makes them, for the secretariat; `redeeming` is for whoever is invited."""

from handlers.invitations import asking, redeeming

__all__ = ["asking", "redeeming"]
