"""Working groups: what there is, joining and leaving, and who leads them.

`joining` is for everybody, `members` for those who belong to one, `leading` for its chair and the
secretariat, `running` and `choosing` for the secretariat alone; `rooms` ties a chat group to one.
"""

from handlers.groups import choosing, joining, leading, members, rooms, running

__all__ = ["choosing", "joining", "leading", "members", "rooms", "running"]
