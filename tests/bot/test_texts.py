"""How moments are said."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bot.dates import read_moment
from bot.texts import LANGUAGES, Texts

PARIS = ZoneInfo("Europe/Paris")
FIRST = datetime(2026, 12, 1, 18, tzinfo=PARIS)


def test_the_first_of_a_month_is_said_as_the_french_do() -> None:
    french, english = Texts("fr", PARIS), Texts("en", PARIS)
    assert french.moment(FIRST) == "mardi 1er décembre 2026 à 18 h (heure de Paris)"
    assert french.day(FIRST) == "1er décembre 2026"
    assert french.day(FIRST.replace(day=11)) == "11 décembre 2026"
    assert english.day(FIRST) == "1 December 2026"


def test_a_day_that_is_near_is_said_shortly() -> None:
    assert Texts("fr", PARIS).soon(FIRST) == "Mardi 1er décembre, 18 h"
    assert Texts("en", PARIS).soon(FIRST) == "Tuesday 1 December, 18:00"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("way", ["soon", "local", "day"])
def test_what_is_said_can_be_typed(language: str, way: str) -> None:
    said = getattr(Texts(language, PARIS), way)(FIRST)
    assert read_moment(said, PARIS, datetime(2026, 11, 20, tzinfo=UTC), 18) == FIRST
