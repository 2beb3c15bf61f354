"""Who is refused for a while, in memory: a flood then costs no more than a look at that."""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime

MOST = 10_000  # of whom it is remembered


class Refusals:
    def __init__(self) -> None:
        self._until: OrderedDict[Hashable, datetime] = OrderedDict()

    def add(self, who: Hashable, until: datetime) -> bool:
        """Remember that somebody is refused for a while; whether that is new."""
        is_new = self._until.get(who) != until
        self._until[who] = until
        self._until.move_to_end(who)
        if len(self._until) > MOST:
            self._until.popitem(last=False)
        return is_new

    def until(self, who: Hashable, now: datetime) -> datetime | None:
        """Until when somebody is refused, if they are."""
        until = self._until.get(who)
        if until is not None and until <= now:
            del self._until[who]
            return None
        return until
