"""A meeting as a calendar file (iCalendar, RFC 5545), that any calendar opens."""

from dataclasses import dataclass
from datetime import datetime

MEDIA_TYPE = "text/calendar"
NOBODY = "invalid:nomail"  # an organizer is required; there is nobody to write to


@dataclass(frozen=True)
class Entry:
    """An entry of a calendar.

    Attributes:
        uid: its name for ever: a calendar that has it replaces it.
        sequence: its revision: the highest counts.
        organizer: who calls, by name.
    """

    uid: str
    sequence: int
    made_at: datetime
    changed_at: datetime
    starts_at: datetime
    ends_at: datetime
    title: str
    organizer: str
    place: str | None = None
    link: str | None = None
    description: str | None = None
    cancelled: bool = False


def calendar_file(entry: Entry) -> bytes:
    """The file that puts an entry into a calendar, replaces it there, or takes it out.

    Hours are in UTC: each calendar shows its own reader's, and needs no table of zones.
    """
    from icalendar import Calendar, Event, vCalAddress  # only when somebody calls a meeting

    organizer = vCalAddress(NOBODY)
    organizer.params["CN"] = entry.organizer
    event = Event()
    event.add("uid", entry.uid)
    event.add("sequence", entry.sequence)
    event.add("dtstamp", entry.changed_at)
    event.add("created", entry.made_at)
    event.add("last-modified", entry.changed_at)
    event.add("dtstart", entry.starts_at)
    event.add("dtend", entry.ends_at)
    event.add("summary", entry.title)
    event.add("organizer", organizer)
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    for name, value in (
        ("location", entry.place or entry.link),
        ("url", entry.link),
        ("description", entry.description),
    ):
        if value:
            event.add(name, value)
    calendar = Calendar()
    calendar.add("prodid", "-//Préau//FR")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if entry.cancelled else "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
