"""The questions about a meeting that no other form asks."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bot.dates import NoSuchMoment, NotUnderstood, Why, read_moment
from bot.forms import Answers, Choose, Field, Given, Moment, Problem, ShortText
from bot.messages import Label, Words

LONGEST = timedelta(hours=24)


def zone_of(answers: Answers) -> ZoneInfo:
    """The time zone of the hours that are given."""
    return ZoneInfo(answers["zone"])


def start_of(answers: Answers) -> datetime:
    """The start in UTC.

    Raises:
        NoSuchMoment: clocks go forward over that hour, in that zone.
    """
    return _start_in(zone_of(answers), answers["starts"])


def _start_in(zone: ZoneInfo, starts: str) -> datetime:
    """When the clocks of a zone say so: of an hour that comes twice, the one meant, else the first.

    Raises:
        NoSuchMoment: clocks go forward over that hour.
    """
    meant = datetime.fromisoformat(starts)
    first = meant.replace(tzinfo=zone)
    second = first.replace(fold=1)
    moment = (second if second.utcoffset() == meant.utcoffset() else first).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != meant.replace(tzinfo=None):
        raise NoSuchMoment(Why.skipped)
    return moment


def _here(given: Given) -> ZoneInfo:
    """The meeting's zone; the committee's, as long as none was chosen."""
    return zone_of(given.answers) if "zone" in given.answers else given.zone


@dataclass(frozen=True)
class Zone(Choose):
    """The time zone of the hours, by the name of a place."""

    def _label(self, noun: str, value: str) -> Label:
        return Words(f"{noun}.time_of", {"zone": value})


@dataclass(frozen=True)
class Starts(Moment):
    """A day and an hour in the meeting's own zone, kept as its clocks say it.

    Their offset from UTC is kept too, to tell which is meant of an hour that comes twice; in
    another zone, the hour counts and not the offset.
    """

    hour: int = 14
    offered: tuple[int, ...] = (7, 14, 21)

    def read(self, given: Given) -> str:
        zone = _here(given)
        moment = datetime.fromisoformat(super().read(replace(given, zone=zone)))
        return moment.astimezone(zone).isoformat()

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return super().choices(noun, replace(given, zone=_here(given)))

    def show(self, noun: str, answer: Any) -> Label:
        return Words(f"{noun}.local", {"at": datetime.fromisoformat(answer)})

    def understood(self, given: Given, answer: Any) -> Label | None:
        zone = _here(given)
        return super().understood(replace(given, zone=zone), _start_in(zone, answer).isoformat())


@dataclass(frozen=True)
class Ends(Field):
    """When it ends: an hour of that day, or later. Kept in minutes, so that it follows the start.

    Some lengths are `offered`, in minutes.
    """

    offered: tuple[int, ...] = (60, 90, 120, 180)

    def read(self, given: Given) -> int:
        if given.value is not None:
            if given.value not in map(str, self.offered):
                raise Problem("forms.choose")
            return int(given.value)
        try:
            start = start_of(given.answers)
            end = read_moment(given.text, zone_of(given.answers), start, hour=18)
        except (NotUnderstood, KeyError):
            raise Problem("meetings.no_hour") from None
        except NoSuchMoment as none:
            raise Problem("forms.no_such_moment", why=none.why) from None
        if end <= start:
            raise Problem("meetings.ends_before")
        if end - start > LONGEST:
            raise Problem("meetings.too_long")
        return int((end - start).total_seconds()) // 60

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        try:
            start = start_of(given.answers)
        except (KeyError, NoSuchMoment):  # it is not known yet, or has to be changed
            return [(str(one), self.show(noun, one)) for one in self.offered]
        zone = zone_of(given.answers)
        ends = {one: (start + timedelta(minutes=one)).astimezone(zone) for one in self.offered}
        return [
            (str(minutes), Words(f"{noun}.until", {"at": end, "minutes": minutes}))
            for minutes, end in ends.items()
        ]

    def show(self, noun: str, answer: Any) -> Label:
        return Words(f"{noun}.lasts", {"minutes": answer})


@dataclass(frozen=True)
class Link(Field):
    """An address of the web, whole."""

    free: ClassVar[bool] = True

    at_most: int = 300

    def read(self, given: Given) -> str:
        link = ShortText(self.name, at_most=self.at_most).read(given)
        try:
            address = urlsplit(link)
            named = address.hostname or ""
        except ValueError:
            raise Problem("meetings.no_address") from None
        is_web = address.scheme in ("http", "https") and "." in named
        if not is_web or " " in link or address.username is not None:
            raise Problem("meetings.no_address")
        return link
