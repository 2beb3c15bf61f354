"""Who speaks for each organisation, until when, and who holds which role: for the secretariat.

`listing` shows organisations and people, `searching` finds them, `terms` ends mandates, `roles`
ends roles, `erasing` erases people at their request, `notices` is what people are told of it.
"""

from handlers.members import erasing, listing, notices, roles, searching, terms

__all__ = ["erasing", "listing", "notices", "roles", "searching", "terms"]
