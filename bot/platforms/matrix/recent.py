"""The last so many of something that never ends."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Remembers the last so many things by their keys."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[K, V] = {}

    def first(self, key: K, value: V) -> V:
        """What the key was first given; it is this, if it is new."""
        known = self._known.setdefault(key, value)
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return known

    def __contains__(self, key: object) -> bool:
        return key in self._known
