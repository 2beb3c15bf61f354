"""A calendar file says what the meeting is, to any calendar."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from bot.documents.calendar import Entry, calendar_file
from bot.markup import clean

NOW = datetime(2027, 1, 11, 9, tzinfo=UTC)
START = datetime(2027, 1, 22, 13, tzinfo=UTC)
ENTRY = Entry(
    uid="5f0c@preau",
    sequence=3,
    made_at=NOW,
    changed_at=NOW + timedelta(days=1),
    starts_at=START,
    ends_at=START + timedelta(hours=2),
    title="Réunion du groupe « Le réseau »",
    organizer='Le groupe "Réseau"; à Paris',
    link="https://visio.example.org/a?b=1;c=2,3",
)


def read(entry: Entry) -> tuple[Any, Any]:
    calendar = Calendar.from_ical(calendar_file(entry))
    [event] = calendar.walk("VEVENT")
    return calendar, event


def test_it_is_read_back_as_it_was() -> None:
    calendar, event = read(ENTRY)
    assert calendar["METHOD"] == "REQUEST"
    assert (event["UID"], event["SEQUENCE"], event["STATUS"]) == ("5f0c@preau", 3, "CONFIRMED")
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (START, START + timedelta(hours=2))
    assert event["URL"] == event["LOCATION"] == ENTRY.link
    assert event["SUMMARY"] == ENTRY.title
    assert "DESCRIPTION" not in event


def test_a_cancelled_one_takes_itself_out() -> None:
    calendar, event = read(replace(ENTRY, sequence=4, cancelled=True))
    assert (calendar["METHOD"], event["STATUS"]) == ("CANCEL", "CANCELLED")
    assert (event["UID"], event["SEQUENCE"]) == (ENTRY.uid, 4)


@given(st.text(min_size=1, max_size=300).map(clean).filter(bool))
def test_no_words_of_a_person_leave_their_line(typed: str) -> None:
    """Whatever an agenda or a place says, it adds no line of its own to the file."""
    _, event = read(replace(ENTRY, description=typed, place=typed))
    assert str(event["DESCRIPTION"]) == typed
    assert str(event["LOCATION"]) == typed
    assert {name for name in event if name.startswith("X-")} == set()
    assert event["UID"] == ENTRY.uid


def test_its_lines_are_short_and_end_as_the_norm_wants() -> None:
    lines = calendar_file(replace(ENTRY, description="é" * 500)).split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert not [line for line in lines if b"\n" in line]
