"""A calendar file says what the meeting is, to a parser that did not write it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from ical.calendar import Calendar
from ical.calendar_stream import IcsCalendarStream
from ical.event import Event

from bot.documents.calendar import NOBODY, Entry, calendar_file
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
AGENDA = "1. Les achats, les prêts ; le reste\n2. C:\\nouveau \\; « fin »\n" * 20


def read(entry: Entry) -> tuple[Calendar, Event]:
    calendar = IcsCalendarStream.calendar_from_ics(calendar_file(entry).decode())
    [event] = calendar.events
    return calendar, event


def test_it_is_read_back_as_it_was() -> None:
    calendar, event = read(ENTRY)
    assert (calendar.method, calendar.version) == ("PUBLISH", "2.0")
    assert (event.uid, event.sequence, event.status) == ("5f0c@preau", 3, "CONFIRMED")
    assert (event.dtstart, event.dtend) == (START, START + timedelta(hours=2))
    assert (event.created, event.dtstamp, event.last_modified) == (
        NOW,
        ENTRY.changed_at,
        ENTRY.changed_at,
    )
    assert event.url == event.location == ENTRY.link
    assert event.summary == ENTRY.title
    assert event.description is None


def test_it_names_the_group_and_invites_nobody() -> None:
    _, event = read(ENTRY)
    assert event.organizer is not None
    assert (event.organizer.common_name, str(event.organizer.uri)) == (ENTRY.organizer, NOBODY)
    assert event.attendees == [], "with attendees it would have to be a REQUEST"


def test_a_cancelled_one_takes_itself_out() -> None:
    calendar, event = read(replace(ENTRY, sequence=4, cancelled=True))
    assert (calendar.method, event.status) == ("CANCEL", "CANCELLED")
    assert (event.uid, event.sequence) == (ENTRY.uid, 4)


def test_long_words_are_folded_and_marks_escaped() -> None:
    entry = replace(ENTRY, description=AGENDA, place="Salle 4 ; au fond, à gauche \\n")
    lines = calendar_file(entry).split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert not [line for line in lines if b"\n" in line]
    assert len([line for line in lines if line.startswith(b" ")]) > 10
    _, event = read(entry)
    assert (event.description, event.location) == (AGENDA, entry.place)


@given(st.text(min_size=1, max_size=300).map(clean).filter(bool))
def test_no_words_of_a_person_leave_their_line(typed: str) -> None:
    """Whatever an agenda or a place says, it adds no line of its own to the file."""
    calendar, event = read(replace(ENTRY, description=typed, place=typed))
    assert event.description == event.location == typed
    assert (calendar.extras, event.extras, event.attendees) == ([], [], [])
    assert event.uid == ENTRY.uid
