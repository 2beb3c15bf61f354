"""Dates as people type them."""

import contextlib
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_date
from hypothesis import example, given
from hypothesis import strategies as st

from bot.dates import NoSuchMoment, NotUnderstood, Why, read_moment

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)  # a Monday, 10:00 in Paris


def meant(typed: str) -> str:
    """The moment meant, in Paris."""
    return read_moment(typed, PARIS, NOW, 18).astimezone(PARIS).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("14 janvier 2027 à 18h30", "2027-01-14 18:30"),
        ("jeudi 14 janvier 2027 à 18 h", "2027-01-14 18:00"),
        ("14/01/2027 18:30", "2027-01-14 18:30"),
        ("14/01/2027 18.30", "2027-01-14 18:30"),
        ("14/01/2027, 18h et quart", "2027-01-14 18:15"),
        ("14 janvier, 18h moins le quart", "2027-01-14 17:45"),
        ("14/01/2027 18h 30min", "2027-01-14 18:30"),
        ("14 janvier à 9 heures du soir", "2027-01-14 21:00"),
        ("14/12/27 à midi", "2027-12-14 12:00"),
        ("14 janvier à midi et demi", "2027-01-14 12:30"),
        ("14 janvier à minuit", "2027-01-15 00:00"),
        ("2027-07-14", "2027-07-14 18:00"),
        ("2027-01-14T18:30", "2027-01-14 18:30"),
        ("1er août", "2027-08-01 18:00"),
        ("14 fév 2027", "2027-02-14 18:00"),
        ("29 février", "2028-02-29 18:00"),
        ("5 january", "2028-01-05 18:00"),
        ("January 14, 2027 at 6:30 pm", "2027-01-14 18:30"),
        ("14.02.2027 9 heures", "2027-02-14 09:00"),
        ("demain", "2027-01-12 18:00"),
        ("Demain à 9h", "2027-01-12 09:00"),
        ("après-demain", "2027-01-13 18:00"),
        ("tomorrow at noon", "2027-01-12 12:00"),
        ("vendredi à 18h", "2027-01-15 18:00"),
        ("lundi à 18h", "2027-01-11 18:00"),
        ("lundi à 9h", "2027-01-18 09:00"),
        ("jeudi prochain", "2027-01-14 18:00"),
        ("lundi prochain", "2027-01-18 18:00"),
        ("next thursday", "2027-01-14 18:00"),
        ("dans 2 heures", "2027-01-11 12:00"),
        ("dans 3 jours", "2027-01-14 18:00"),
        ("dans trois semaines à midi", "2027-02-01 12:00"),
        ("in 2 weeks", "2027-01-25 18:00"),
        ("ce soir", "2027-01-11 18:00"),
        ("ce soir à 8h", "2027-01-11 20:00"),
        ("31 octobre 2027 à 2h30", "2027-10-31 02:30"),
    ],
)
def test_what_is_meant(typed: str, expected: str) -> None:
    assert meant(typed) == expected


def test_an_hour_that_comes_twice_is_the_first_one() -> None:
    assert read_moment("31/10/2027 2h30", PARIS, NOW, 18) == datetime(
        2027, 10, 31, 0, 30, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("30 février 2027", Why.day),
        ("31/04/2027", Why.day),
        ("14/01/2027 25h", Why.hour),
        ("14 janvier à 13 pm", Why.hour),
        ("lundi 14 janvier 2027", Why.weekday),
        ("28/03/2027 2h30", Why.skipped),
    ],
)
def test_what_does_not_exist(typed: str, why: Why) -> None:
    with pytest.raises(NoSuchMoment) as refused:
        read_moment(typed, PARIS, NOW, 18)
    assert refused.value.why is why


@pytest.mark.parametrize(
    "typed",
    [
        "bientôt",
        "le 14",
        "14.02",
        "14/01/2027 entre 8h et 18h",
        "14 janvier ou 15 janvier",
        "14 janvier 18h 19h",
        "jeudi, pas le 14 janvier",
        "dans 2 heures à 18h",
        "1 2 3",
        "",
    ],
)
def test_what_is_not_a_date_refuses(typed: str) -> None:
    with pytest.raises(NotUnderstood):
        read_moment(typed, PARIS, NOW, 18)


# fmt: off
SCRAPS = [
    "14", "1", "31", "99", "9999", "h", ":", ".", "/", "-", "janvier", "fev", "lundi", "demain",
    "dans", "heures", "midi", "minuit", "soir", "du", "et quart", "pm", "le", "à", "2027", "27",
    "18h", "prochain", "next", "in", "31/12/9999",
]
# fmt: on
days = st.dates(date(2027, 1, 11), date(2028, 12, 31))
hours = st.times().map(lambda at: at.replace(second=0, microsecond=0))
templates = {
    "fr": ("EEEE d MMMM y", "d MMM y", "dd/MM/yyyy", "dd/MM/yy", "y-MM-dd"),
    "en": ("EEEE d MMMM y", "MMMM d, y", "d MMM y"),
}


@given(days, hours, st.sampled_from([(lang, t) for lang in templates for t in templates[lang]]))
@example(date(2027, 2, 28), time(18), ("fr", "d MMM y"))
def test_a_date_that_is_written_out_is_read_back(
    day: date, at: time, written: tuple[str, str]
) -> None:
    language, template = written
    clock = f"à {at.hour} h {at.minute:02d}" if language == "fr" else f"at {at:%H:%M}"
    typed = f"{format_date(day, template, locale=language)} {clock}"
    wall = datetime.combine(day, at, PARIS)
    exists = wall.astimezone(UTC).astimezone(PARIS).replace(tzinfo=None) == wall.replace(
        tzinfo=None
    )
    if exists:
        assert read_moment(typed, PARIS, NOW, 18) == wall
    else:
        with pytest.raises(NoSuchMoment):
            read_moment(typed, PARIS, NOW, 18)


@given(days, st.text("bcfgjkmnpqrvwxz", min_size=2, max_size=8), st.sampled_from([True, False]))
def test_a_word_that_is_not_understood_refuses(day: date, word: str, first: bool) -> None:
    spelled = f"{day:%d/%m/%Y}"
    typed = f"{word} {spelled}" if first else f"{spelled} {word}"
    with pytest.raises(NotUnderstood):
        read_moment(typed, PARIS, NOW, 18)


@given(st.integers(1, 200))
def test_days_ahead_are_counted(count: int) -> None:
    expected = (NOW.astimezone(PARIS).date() + timedelta(days=count)).isoformat()
    assert meant(f"dans {count} jours").startswith(expected)


@given(st.text(max_size=60))
def test_anything_else_is_named(typed: str) -> None:
    with contextlib.suppress(NotUnderstood, NoSuchMoment):
        read_moment(typed, PARIS, NOW, 18)


@given(st.lists(st.sampled_from(SCRAPS), max_size=9))
def test_scraps_of_dates_never_fail(scraps: list[str]) -> None:
    with contextlib.suppress(NotUnderstood, NoSuchMoment):
        read_moment(" ".join(scraps), PARIS, NOW, 18)
