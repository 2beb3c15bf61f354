"""From when until when a delegate hands over."""

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, ClassVar

from bot.forms import Given, Moment, Problem
from bot.messages import Label, Words

AT_ONCE = "now"
LONGEST = timedelta(days=366)


@dataclass(frozen=True)
class Beginning(Moment):
    """At once, or at a moment to come; a day that is typed without an hour begins at midnight."""

    by_label: ClassVar[bool] = True

    at_most: timedelta = LONGEST
    hour: int = 0
    offered: tuple[int, ...] = ()

    def read(self, given: Given) -> str:
        if given.value == AT_ONCE:
            return AT_ONCE
        today = given.now.astimezone(given.zone).date()
        if self.moment(given) == datetime.combine(today, time(), given.zone):
            return AT_ONCE
        return _within_term(super().read(given), given)

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [(AT_ONCE, Words(f"{noun}.at_once"))]

    def show(self, noun: str, answer: Any) -> Label:
        return Words(f"{noun}.at_once") if answer == AT_ONCE else super().show(noun, answer)

    def understood(self, given: Given, answer: Any) -> Label | None:
        return None if answer == AT_ONCE else super().understood(given, answer)


@dataclass(frozen=True)
class Ending(Moment):
    """After the beginning, from which days are counted."""

    at_most: timedelta = LONGEST
    offered: tuple[int, ...] = (7, 14, 28)
    past: str = "handovers.not_after"

    def read(self, given: Given) -> str:
        return _within_term(super().read(_once_begun(given)), given)

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [
            (value, label)
            for value, label in super().choices(noun, _once_begun(given))
            if self._can_be(replace(given, value=value))
        ]

    def _can_be(self, given: Given) -> bool:
        try:
            self.read(given)
        except Problem:
            return False
        return True


def _once_begun(given: Given) -> Given:
    """As if what is handed over had begun."""
    begins = given.answers.get("handed_from", AT_ONCE)
    if begins == AT_ONCE:
        return given
    return replace(given, now=max(given.now, datetime.fromisoformat(begins)))


def _within_term(answer: str, given: Given) -> str:
    """A moment at which neither mandate is over."""
    term = given.answers.get("term")
    if term is not None and datetime.fromisoformat(answer) > datetime.fromisoformat(term):
        raise Problem("handovers.after_term", at=datetime.fromisoformat(term))
    return answer
