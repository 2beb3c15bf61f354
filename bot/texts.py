"""Every word it says: Jinja2 macros under `locales/`, one file a noun, one macro a message."""

import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import format_decimal
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from bot.markup import as_plain, tidy
from bot.messages import Label, Said, Words

SOURCE = "fr"
LANGUAGES = ("fr", "en")


@cache
def _read(language: str, noun: str) -> str:
    return (files("locales") / language / f"{noun}.jinja").read_text("utf-8")


@dataclass(frozen=True)
class Clock:
    """What the clock of a zone says, in words."""

    zone: str
    day: str
    hour: str


class Texts:
    """Renders messages in one language, with times in one zone."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.language = language if language in LANGUAGES else SOURCE
        self.zone = zone
        self._environment = Environment(
            autoescape=True,
            undefined=StrictUndefined,
            loader=FunctionLoader(lambda noun: _read(self.language, noun)),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "moment": self.moment,
            "day": self.day,
            "clocks": self.clocks,
            "local": self.local,
            "soon": self.soon,
            "hour": self.hour,
            "number": self.number,
            "lasting": self.lasting,
            "listed": self.listed,
        }
        self._environment.globals["say"] = self.say
        self._environment.globals["say_message"] = self._say_message
        self._modules: dict[str, Any] = {}
        self._labels: dict[str, str] = {}

    def markup(self, name: str, arguments: Mapping[str, Any] | None = None) -> str:
        """Render a message as canonical markup; raise `KeyError` if there is no such message."""
        noun, _, message = name.partition(".")
        module = self._modules.get(noun)
        if module is None:
            module = self._modules[noun] = self._environment.get_template(noun).module
        macro = getattr(module, message, None)
        if macro is None:
            raise KeyError(f"no message {name} in {self.language}")
        return tidy(str(macro(**(arguments or {}))))

    def plain(self, name: str, arguments: Mapping[str, Any] | None = None) -> str:
        return as_plain(self.markup(name, arguments))

    def say(self, label: Label) -> Markup:
        """A label inside a message: another message, or a person's words, escaped."""
        if isinstance(label, Said):
            return escape(label.text)
        return Markup(self.markup(label.name, label.arguments))  # noqa: S704 (rendered and escaped)

    def _say_message(self, name: str, /, **arguments: Any) -> Markup:
        return self.say(Words(name, arguments))

    def label(self, label: Label) -> str:
        """A label as plain text, for a button. One without arguments is worded once."""
        if isinstance(label, Said):
            return label.text
        if label.arguments:
            return self.plain(label.name, label.arguments)
        if label.name not in self._labels:
            self._labels[label.name] = self.plain(label.name)
        return self._labels[label.name]

    def names(self, label: Label) -> list[str]:
        """What may be typed for a label, as compared: itself, and the words of `<name>_words`."""
        named = [self.label(label)]
        if isinstance(label, Words):
            with suppress(KeyError):
                named += self.plain(f"{label.name}_words").split("|")
        return [normalise(one) for one in named]

    def names_of(self, noun: str, label: str) -> list[str]:
        """As `names`, of a label of a noun's that was worded before and takes no arguments."""
        with suppress(FileNotFoundError):  # there are no words of that noun
            macros = self._environment.get_template(noun).module
            for name in self.macros(noun):
                plain = hasattr(macros, f"{name}_words") and not getattr(macros, name).arguments
                if plain and self.label(Words(f"{noun}.{name}")) == label:
                    return self.names(Words(f"{noun}.{name}"))
        return []

    def moment(self, at: datetime) -> str:
        """« jeudi 14 janvier 2027 à 18 h (heure de Paris) »."""
        return _moment(at, self.zone, self.language)

    def clocks(self, at: datetime, zones: Sequence[str] = ()) -> "list[Clock]":
        """What the clock says at a moment: here first, then in the zones where it differs."""
        shown: dict[datetime, Clock] = {}
        for key in (self.zone.key, *zones):
            local = at.astimezone(ZoneInfo(key))
            day, hour = _day_and_hour(local, self.language)
            shown.setdefault(local.replace(tzinfo=None), Clock(key, day, hour))
        return list(shown.values())

    def local(self, at: datetime) -> str:
        """« jeudi 14 janvier 2027 à 18 h », as it is, without naming a zone."""
        day, hour = _day_and_hour(at, self.language)
        return f"{day} {'à' if self.language == 'fr' else 'at'} {hour}"

    def soon(self, at: datetime) -> str:
        """« Lundi 30 novembre, 18 h », as it is, of a day that is near: short, for a button."""
        pattern = _of_month(at, "EEEE d MMMM", self.language)
        day = format_date(at.date(), pattern, locale=self.language)
        return f"{day[:1].upper()}{day[1:]}, {_day_and_hour(at, self.language)[1]}"

    def hour(self, at: datetime) -> str:
        """« 18 h », as it is."""
        return _day_and_hour(at, self.language)[1]

    def day(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        pattern = _of_month(local, "d MMMM y", self.language)
        return format_date(local.date(), pattern, locale=self.language)

    def number(self, value: int) -> str:
        return format_decimal(value, locale=self.language)

    def lasting(self, time: timedelta) -> str:
        """« 3 h », « 2 j »: about how long, a minute at least."""
        time = max(time, timedelta(minutes=1))
        return format_timedelta(time, threshold=1, format="short", locale=self.language)

    def listed(self, items: list[str]) -> str:
        """« A, B et C »."""
        return format_list([str(item) for item in items], locale=self.language)

    def macros(self, noun: str) -> list[str]:
        """The names of a noun's messages."""
        module = self._environment.get_template(noun).module
        return [name for name in vars(module) if not name.startswith("_")]


@lru_cache(1024)  # many people read of the same closing
def _moment(at: datetime, zone: ZoneInfo, language: str) -> str:
    day, hour = _day_and_hour(at.astimezone(zone), language)
    if language == "fr":
        return f"{day} à {hour} (heure {_place(zone)})"
    return f"{day} at {hour} ({_city(zone)} time)"


def _day_and_hour(local: datetime, language: str) -> tuple[str, str]:
    """« jeudi 14 janvier 2027 », « 18 h »."""
    pattern = _of_month(local, "EEEE d MMMM y", language)
    day = format_date(local.date(), pattern, locale=language)
    if language == "fr":
        return day, f"{local.hour} h" + (f" {local.minute:02d}" if local.minute else "")
    return day, format_time(local.time(), "H:mm", locale=language)


def _of_month(day: datetime, pattern: str, language: str) -> str:
    """A pattern of Babel; in French, the first day of a month is « 1er »."""
    return pattern.replace("d ", "d'er' ") if language == "fr" and day.day == 1 else pattern


def _city(zone: ZoneInfo) -> str:
    return zone.key.rpartition("/")[2].replace("_", " ")


_PLACES = {
    "Indian/Reunion": "de La Réunion",
    "America/Guadeloupe": "de Guadeloupe",
    "America/Martinique": "de Martinique",
    "America/Cayenne": "de Guyane",
    "America/Miquelon": "de Saint-Pierre-et-Miquelon",
    "Pacific/Noumea": "de Nouméa",
}


def _place(zone: ZoneInfo) -> str:
    """« de Paris »: how French names the time of a place."""
    return _PLACES.get(zone.key, f"de {_city(zone)}")


def normalise(text: str) -> str:
    """Words as they are compared: no case, no accent, no punctuation between them."""
    decomposed = unicodedata.normalize("NFD", text.casefold())
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    letters = letters.replace("œ", "oe").replace("æ", "ae")
    return " ".join("".join(c if c.isalnum() else " " for c in letters).split())
