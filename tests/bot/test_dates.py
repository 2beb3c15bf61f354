"""Dates as people type them."""

import contextlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dates import NoSuchMoment, NotUnderstood, read_moment

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("14 janvier 2027 à 18h30", "2027-01-14T17:30"),
        ("jeudi 14 janvier 2027 à 18 h", "2027-01-14T17:00"),
        ("14/01/2027 18:30", "2027-01-14T17:30"),
        ("2027-07-14", "2027-07-14T16:00"),
        ("1er août", "2027-08-01T16:00"),
        ("5 january", "2028-01-05T17:00"),
        ("14.02.2027 9 heures", "2027-02-14T08:00"),
    ],
)
def test_what_is_meant(typed: str, expected: str) -> None:
    assert read_moment(typed, PARIS, NOW, 18).strftime("%Y-%m-%dT%H:%M") == expected


@pytest.mark.parametrize(
    "typed", ["30 février 2027", "28/03/2027 2h30", "31/04/2027", "14/01/2027 25h"]
)
def test_what_does_not_exist(typed: str) -> None:
    with pytest.raises(NoSuchMoment):
        read_moment(typed, PARIS, NOW, 18)


@given(st.text(max_size=60))
def test_anything_else_is_named(typed: str) -> None:
    with contextlib.suppress(NotUnderstood, NoSuchMoment):
        read_moment(typed, PARIS, NOW, 18)
