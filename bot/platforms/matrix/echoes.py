"""Our own words, which come back to us: for each of them a homeserver works out its room anew.

They carry a label by which it leaves them out of a sync (MSC2326, which Synapse knows; to another
homeserver it is nothing). Not by their sender: what our account sets in a room has to come.
"""

import time
from collections import deque
from collections.abc import Callable

from bot.platforms.matrix.recent import Recent

LABELS, NOT_LABELS = "org.matrix.labels", "org.matrix.not_labels"
OURS = "fr.preau"  # our label
REMEMBERED = 2000  # ids of what we said
MANY, LATELY = 16, 1.0  # so many beginnings and ends of calls within these seconds


class Echoes:
    """What we said lately.

    Args:
        clock: gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ids: Recent[str, bool] = Recent(REMEMBERED)
        self._times: deque[float] = deque(maxlen=MANY)

    def begin(self) -> None:
        """Note that something is about to be said."""
        self._times.append(self._clock())

    def said(self, event_id: str) -> None:
        """Note that it was said."""
        self._times.append(self._clock())
        self.came(event_id)

    def came(self, event_id: str) -> None:
        """Note that something of ours came back, perhaps of an earlier run."""
        self._ids.first(event_id, True)

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._ids

    @property
    def are_many(self) -> bool:
        """Whether we say so much just now that a sync had better leave it out."""
        return len(self._times) == MANY and self._clock() - self._times[0] <= LATELY
