"""Dates and hours as people type them, in one zone.

A small grammar: each piece is recognised, and a word that is left over refuses. Nothing is guessed.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import get_day_names, get_month_names

from bot.texts import LANGUAGES, normalise


class NotUnderstood(Exception):
    """What was typed is not a date, or not only a date."""


class Why(StrEnum):
    """Why a moment does not exist."""

    day = "day"  # 30 February
    hour = "hour"  # 25 o'clock
    weekday = "weekday"  # a Monday that is a Thursday
    skipped = "skipped"  # the hour that is left out when clocks go forward


class NoSuchMoment(Exception):
    """The day or the hour does not exist; `why` says which."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


def _names(names: Callable[..., Any], *widths: str) -> dict[str, int]:
    return {
        normalise(name): number
        for language in LANGUAGES
        for width in widths
        for number, name in names(width, locale=language).items()
    }


def _months() -> dict[str, int]:
    """Months by name, and by the beginnings that mean one only (« fév », not « jui »)."""
    names = _names(get_month_names, "wide", "abbreviated")
    meant: dict[str, set[int]] = {}
    for name, number in names.items():
        meant.setdefault(name[:3], set()).add(number)
    return names | {short: min(which) for short, which in meant.items() if len(which) == 1}


_MONTHS = _months()
_WEEKDAYS = _names(get_day_names, "wide")
_DAYS_AHEAD = {
    "aujourd'hui": 0, "today": 0, "ce soir": 0, "tonight": 0, "this evening": 0,
    "apres-demain": 2, "apres demain": 2, "the day after tomorrow": 2, "day after tomorrow": 2,
    "demain": 1, "tomorrow": 1,
}  # fmt: skip
_EVENING = ("ce soir", "tonight", "this evening")
_NUMBERS = {"un": 1, "une": 1, "a": 1, "an": 1, "one": 1, "deux": 2, "two": 2, "trois": 3,
            "three": 3, "quatre": 4, "four": 4, "cinq": 5, "five": 5, "six": 6}  # fmt: skip
_YEARS = range(1900, 3000)
_FILLERS = {"le", "la", "a", "au", "the", "at", "on", "of", "de", "du", "ce", "this", "pour", "by",
            "jusque", "jusqu'a", "jusqu'au", "until", "till", "partir", "des", "from"}  # fmt: skip


def _any(words: object) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))  # type: ignore[call-overload]


_HOUR_WORD = r"(?:heures?|hours?|hrs?|h)"
_PIECES: dict[str, str] = {
    "iso": r"(?P<iy>\d{4})-(?P<im>\d{1,2})-(?P<id>\d{1,2})(?:[t ](?P<ih>\d{1,2}):(?P<imin>\d{2}))?",
    "slashed": r"(?P<sd>\d{1,2})(?P<sep>[/.-])(?P<sm>\d{1,2})(?P=sep)(?P<sy>\d{4}|\d{2})\b",
    "yearless": r"(?P<yd>\d{1,2})/(?P<ym>\d{1,2})\b(?!/)",
    "named": rf"(?P<nd>\d{{1,2}})(?:er|st|nd|rd|th)?(?: of)? (?P<nm>{_any(_MONTHS)})\b\.?"
    rf"(?:,? (?P<ny>\d{{4}}|\d{{2}})\b(?! ?{_HOUR_WORD}\b| ?[:.]\d| ?[ap]\.?m))?",
    "english": rf"(?P<em>{_any(_MONTHS)})\b\.? (?P<ed>\d{{1,2}})(?:st|nd|rd|th)?\b(?! ?[:.h]\d)"
    rf"(?:,? (?P<ey>\d{{4}})\b)?",
    "within": rf"(?:dans|in|d'ici) (?P<count>\d{{1,3}}|{_any(_NUMBERS)}) "
    r"(?P<unit>minutes?|min|heures?|hours?|h|jours?|days?|semaines?|weeks?)\b",
    "ahead": rf"(?:d')?(?P<ahead>{_any(_DAYS_AHEAD)})\b",
    "weekday": rf"(?:(?P<before>next|this) )?(?P<weekday>{_any(_WEEKDAYS)})\b"
    r"(?P<after> prochaine?\b)?",
    "word": r"(?P<word>midi|minuit|noon|midnight)\b(?P<wquarter> et quart| et demie?)?",
    "ampm": r"(?P<ah>\d{1,2})(?:[:.](?P<amin>\d{2}))? ?(?P<half>[ap])\.?m\b\.?",
    "clock": rf"(?P<ch>\d{{1,2}}) ?(?:{_HOUR_WORD}|:)(?: ?(?P<cmin>[0-5]\d))?(?: ?min(?:utes?)?)?\b"
    r"(?P<quarter> et quart| et demie?| moins le quart)?"
    r"(?P<part> du matin| du soir| de l'apres-midi| in the (?:morning|afternoon|evening))?",
    "dotted": r"(?P<dh>\d{1,2})\.(?P<dmin>1[3-9]|[2-5]\d|00)\b",
}
_PIECE = re.compile("|".join(f"(?P<{name}_>{piece})" for name, piece in _PIECES.items()))
_WORD = re.compile(r"[^\s,;]+")


@dataclass
class _Read:
    """What was understood so far: each thing once."""

    today: date
    now: datetime
    day: date | None = None
    weekday: int | None = None
    strictly: bool = False  # "next": not today
    clock: time | None = None
    end_of_day: bool = False
    evening: bool = False
    exact: datetime | None = None

    def set_day(self, day: date) -> None:
        if self.day is not None:
            raise NotUnderstood
        self.day = day

    def set_clock(self, hour: int, minute: int = 0) -> None:
        if self.clock is not None:
            raise NotUnderstood
        try:
            self.clock = time(hour, minute)
        except ValueError:
            raise NoSuchMoment(Why.hour) from None


def read_moment(typed: str, zone: ZoneInfo, now: datetime, hour: int) -> datetime:
    """A moment in UTC from « jeudi 14 janvier 2027 à 18h30 », « demain à midi », `2027-01-14`…

    Without a year, the next such day is meant; without a day, today's. Midnight ends its day. An
    hour that comes twice, when clocks go back, is the first one.

    Args:
        hour: used when none is typed.

    Raises:
        NotUnderstood: something in it is not part of a date.
        NoSuchMoment
    """
    read = _Read(now.astimezone(zone).date(), now)
    text, at = _folded(typed), 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is not None:
            _take(piece, read)
            at = piece.end()
            continue
        word = _WORD.match(text, at)
        if word is None:
            at += 1
        elif word[0] in _FILLERS:
            at = word.end()
        else:
            raise NotUnderstood
    return _moment(read, zone, hour)


def working_day(day: date) -> date:
    """That day, or the Monday after a week-end."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def _folded(typed: str) -> str:
    """No case, no accent, one kind of apostrophe and of space."""
    decomposed = unicodedata.normalize("NFKD", typed.casefold().replace("’", "'"))
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(letters.split())


def _take(piece: re.Match[str], read: _Read) -> None:
    got = piece.groupdict()
    match next(name for name in _PIECES if got[f"{name}_"] is not None):
        case "iso":
            read.set_day(_date(got["iy"], got["im"], got["id"]))
            if got["ih"] is not None:
                read.set_clock(int(got["ih"]), int(got["imin"]))
        case "slashed":
            read.set_day(_date(got["sy"], got["sm"], got["sd"]))
        case "yearless":
            read.set_day(_next(got["ym"], got["yd"], read.today))
        case "named":
            read.set_day(_named(got["ny"], got["nm"], got["nd"], read.today))
        case "english":
            read.set_day(_named(got["ey"], got["em"], got["ed"], read.today))
        case "within":
            _take_within(got["count"], got["unit"], read)
        case "ahead":
            read.set_day(read.today + timedelta(days=_DAYS_AHEAD[got["ahead"]]))
            read.evening = got["ahead"] in _EVENING
        case "weekday":
            if read.weekday is not None:
                raise NotUnderstood
            read.weekday = _WEEKDAYS[got["weekday"]]
            read.strictly = bool(got["after"]) or got["before"] == "next"
        case "word":
            is_noon = got["word"] in ("midi", "noon")
            read.end_of_day = not is_noon
            read.set_clock(12 if is_noon else 0, _minutes(got["wquarter"]))
        case "ampm":
            twelve = int(got["ah"])
            if not 1 <= twelve <= 12:
                raise NoSuchMoment(Why.hour)
            read.set_clock(twelve % 12 + (12 if got["half"] == "p" else 0), int(got["amin"] or 0))
        case "clock":
            _take_clock(got["ch"], got["cmin"], got["quarter"], got["part"], read)
        case "dotted":
            read.set_clock(int(got["dh"]), int(got["dmin"]))


def _take_within(count: str, unit: str, read: _Read) -> None:
    number = _NUMBERS.get(count) or int(count)
    if unit.startswith("min"):
        read.exact = read.now + timedelta(minutes=number)
    elif unit.startswith("h"):
        read.exact = read.now + timedelta(hours=number)
    else:
        days = number * (1 if unit[0] in "jd" else 7)
        read.set_day(read.today + timedelta(days=days))


def _take_clock(
    hour: str, minute: str | None, quarter: str | None, part: str | None, read: _Read
) -> None:
    if minute and quarter:
        raise NotUnderstood
    after_noon = part is not None and not part.endswith(("matin", "morning"))
    if part is not None and not 1 <= int(hour) <= 12:
        raise NoSuchMoment(Why.hour)
    at = int(hour) % 12 + (12 if after_noon else 0) if part is not None else int(hour)
    if quarter is not None and "moins" in quarter:
        read.set_clock((at - 1) % 24, 45)
    else:
        read.set_clock(at, int(minute or 0) or _minutes(quarter))


def _minutes(quarter: str | None) -> int:
    if quarter is None:
        return 0
    return 15 if quarter.endswith("quart") else 30


def _moment(read: _Read, zone: ZoneInfo, hour: int) -> datetime:
    if read.exact is not None:
        if read.day is not None or read.clock is not None or read.weekday is not None:
            raise NotUnderstood
        return read.exact.astimezone(UTC).replace(second=0, microsecond=0)
    if read.day is None and read.weekday is None and read.clock is None:
        raise NotUnderstood
    clock = read.clock or time(hour)
    if read.evening and clock.hour < 12 and not read.end_of_day:
        clock = clock.replace(hour=clock.hour + 12)  # « ce soir à 8h »
    day = read.day
    if day is None:
        day = read.today if read.weekday is None else _coming(read, clock, zone)
    elif read.weekday is not None and day.weekday() != read.weekday:
        raise NoSuchMoment(Why.weekday)
    if read.end_of_day and clock.hour == 0:
        day += timedelta(days=1)
    local = datetime.combine(day, clock, zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise NoSuchMoment(Why.skipped)
    return moment


def _coming(read: _Read, clock: time, zone: ZoneInfo) -> date:
    """The next such day of the week: today only if the hour is still to come."""
    assert read.weekday is not None
    ahead = (read.weekday - read.today.weekday()) % 7
    gone = datetime.combine(read.today, clock, zone) <= read.now and not read.end_of_day
    if ahead == 0 and (read.strictly or gone):
        ahead = 7
    return read.today + timedelta(days=ahead)


def _named(year: str | None, month: str, day: str, today: date) -> date:
    number = str(_MONTHS[normalise(month)])
    return _next(number, day, today) if year is None else _date(year, number, day)


def _next(month: str, day: str, today: date) -> date:
    """The next such day of the year; 29 February may be some years away."""
    for year in range(today.year, today.year + 8):
        try:
            found = date(year, int(month), int(day))
        except ValueError:
            continue
        if found >= today:
            return found
    raise NoSuchMoment(Why.day)


def _date(year: str, month: str, day: str) -> date:
    number = int(year) + (2000 if len(year) == 2 else 0)
    try:
        found = date(number, int(month), int(day))
    except ValueError:
        raise NoSuchMoment(Why.day) from None
    if number not in _YEARS:
        raise NotUnderstood
    return found
