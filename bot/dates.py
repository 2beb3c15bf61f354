"""Dates and hours as people type them, in one zone."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from babel.dates import get_month_names

from bot.texts import LANGUAGES, normalise


class NotUnderstood(Exception):
    """No date was found in what was typed."""


class NoSuchMoment(Exception):
    """The day or the hour does not exist (30 February, a night when clocks change)."""


def _months() -> dict[str, int]:
    return {
        normalise(name): number
        for language in LANGUAGES
        for width in ("wide", "abbreviated")
        for number, name in get_month_names(width, locale=language).items()
    }


_MONTHS = _months()
_YEAR_FIRST = re.compile(r"\b(\d{4}) (\d{1,2}) (\d{1,2})\b")
_DAY_FIRST = re.compile(r"\b(\d{1,2})(?:er|st|nd|rd|th)? (\d{1,2}|[a-z]+)(?: (\d{4}))?\b")
_HOUR = re.compile(r"\b(\d{1,2}) ?(?:h|heures?|:) ?([0-5]\d)?\b", re.IGNORECASE)


def read_moment(typed: str, zone: ZoneInfo, now: datetime, hour: int) -> datetime:
    """A moment in UTC from « 14 janvier 2027 à 18h30 », « 14/01/2027 18:30 » or `2027-01-14`.

    Args:
        hour: used when none is typed. Without a year, the next such day after `now` is meant.

    Raises:
        NotUnderstood, NoSuchMoment
    """
    clock = _HOUR.search(typed)
    at = _time(clock, hour)
    rest = normalise(typed[: clock.start()] + " " + typed[clock.end() :] if clock else typed)
    local = datetime.combine(_day(rest, now.astimezone(zone).date()), at, zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise NoSuchMoment
    return moment


def working_day(day: date) -> date:
    """That day, or the Monday after a week-end."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def _time(clock: re.Match[str] | None, hour: int) -> time:
    if clock is None:
        return time(hour)
    try:
        return time(int(clock[1]), int(clock[2] or 0))
    except ValueError:
        raise NoSuchMoment from None


def _day(words: str, today: date) -> date:
    year_first, day_first = _YEAR_FIRST.search(words), _DAY_FIRST.search(words)
    if year_first:
        return _date(int(year_first[1]), int(year_first[2]), int(year_first[3]))
    if day_first is None:
        raise NotUnderstood
    day, month_word, year = day_first.groups()
    month = int(month_word) if month_word.isdigit() else _MONTHS.get(month_word)
    if month is None:
        raise NotUnderstood
    if year:
        return _date(int(year), month, int(day))
    this_year = _date(today.year, month, int(day))
    return this_year if this_year >= today else _date(today.year + 1, month, int(day))


def _date(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise NoSuchMoment from None
