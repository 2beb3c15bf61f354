"""Invitations. For the secretariat: `asking` for one, `making` it, `listing` those that serve.

`redeeming` is for whoever is invited; `notices` is what who invited is told of it.
"""

from handlers.invitations import asking, listing, making, notices, redeeming

__all__ = ["asking", "listing", "making", "notices", "redeeming"]
