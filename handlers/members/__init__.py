"""Who speaks for each organisation, until when, and who holds which role: for the secretariat.

`listing` shows organisations and people, `terms` ends mandates, `roles` ends roles, `erasing`
erases somebody at their request, `notices` is what people are told of it.
"""

from handlers.members import erasing, listing, notices, roles, terms

__all__ = ["erasing", "listing", "notices", "roles", "terms"]
