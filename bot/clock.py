"""The one business clock. Tests and the demo move it; leases and pace use monotonic time."""

from datetime import UTC, datetime, timedelta


class Clock:
    """What time it is, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class MovableClock(Clock):
    """A clock that runs, and can be set forward. It never goes back."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self._ahead = ahead

    @property
    def ahead(self) -> timedelta:
        """How far it is ahead of real time."""
        return self._ahead

    def now(self) -> datetime:
        return super().now() + self._ahead

    def advance_to(self, moment: datetime) -> None:
        self._ahead += max(moment - self.now(), timedelta())
