"""The organisations as a table: one line a name that an organisation bears, or bore."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from itertools import pairwise

from bot.tables import Fault, Line, read_table, write_table
from bot.texts import normalise
from storage.organisations import OrganisationName

COLUMNS = ("id", "depuis", "jusqu_a", "nom", "nom_court", "signataire", "college")
LONGEST = {"nom": 200, "nom_court": 80, "college": 40}  # characters
YES, NO = "oui", "non"
TRUTHS = {
    "oui": True, "yes": True, "vrai": True, "true": True, "1": True,
    "non": False, "no": False, "faux": False, "false": False, "0": False,
}  # fmt: skip
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_DATES = {
    re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII): "%Y-%m-%d",
    re.compile(r"\d{1,2}/\d{1,2}/\d{4}", re.ASCII): "%d/%m/%Y",
}


@dataclass(frozen=True)
class Name:
    """A name borne from a day on, until the day from which it is borne no more."""

    since: date
    until: date | None
    name: str
    short: str


@dataclass(frozen=True)
class Entry:
    """An organisation with all its names, the oldest first."""

    id: str
    is_signatory: bool
    college: str | None
    names: tuple[Name, ...]

    def kept(self) -> list[OrganisationName]:
        """Its names, to be kept."""
        return [
            OrganisationName(
                organisation_id=self.id,
                starts_on=one.since,
                ends_on=one.until,
                name=one.name,
                short_name=one.short,
            )
            for one in self.names
        ]


@dataclass(frozen=True)
class _Row:
    """A line as it was understood; None stands for what was not."""

    line: int
    id: str | None
    since: date | None
    until: date | None
    name: str
    short: str
    is_signatory: bool | None
    college: str


class Unreadable(Exception):
    """A table in which something is wrong, with all that is."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = sorted(faults)


def signatories() -> bytes:
    """The table of the 11 signatories of the convention of 1 October 2015."""
    return (files("bot") / "data" / "organisations.csv").read_bytes()


def read_organisations(data: bytes) -> list[Entry]:
    """The organisations of a table, in its order.

    Raises:
        Unreadable: something is wrong.
    """
    lines, faults = read_table(data, COLUMNS)
    rows = [_row(line, faults) for line in lines]
    grouped: dict[str, list[_Row]] = {}
    for row in rows:
        if row.id is not None:
            grouped.setdefault(row.id, []).append(row)
    for same in grouped.values():
        faults += _disagreements(same)
    faults += _taken(rows)
    if not rows and not faults:
        faults.append(Fault(1, "no organisation"))
    if faults:
        raise Unreadable(faults)
    return [_entry(key, same) for key, same in grouped.items()]


def write_organisations(entries: Sequence[Entry]) -> bytes:
    """The table of some organisations, which reads back as them."""
    return write_table(COLUMNS, rows_of(entries))


def rows_of(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """The lines of that table."""
    return [
        (
            entry.id,
            name.since.isoformat(),
            name.until.isoformat() if name.until else "",
            name.name,
            name.short,
            YES if entry.is_signatory else NO,
            entry.college or "",
        )
        for entry in entries
        for name in entry.names
    ]


def _row(line: Line, faults: list[Fault]) -> _Row:
    """A line as it is understood; what is not goes to `faults`."""

    def wrong(said: str) -> None:
        faults.append(Fault(line.number, said))

    def day(column: str) -> date | None:
        typed = line.cells.get(column, "")
        found = _date(typed)
        if typed and found is None:
            wrong(f"{column}: {typed[:40]} is not a date (2015-10-01 or 01/10/2015)")
        return found

    cells = line.cells
    for column, longest in LONGEST.items():
        if len(cells.get(column, "")) > longest:
            wrong(f"{column}: more than {longest} characters")
    for column in ("id", "depuis", "nom", "nom_court", "signataire"):
        if cells.get(column) == "":
            wrong(f"{column}: empty")
    key = cells.get("id", "")
    if key and not _ID.fullmatch(key):
        wrong("id: only a-z, 0-9 and hyphens, 40 at most")
    since, until = day("depuis"), day("jusqu_a")
    if since is not None and until is not None and until <= since:
        wrong("jusqu_a: not after depuis")
    said = cells.get("signataire", "")
    if said and said.casefold() not in TRUTHS:
        wrong(f"signataire: {said[:40]} is neither oui nor non")
    return _Row(
        line.number,
        key if _ID.fullmatch(key) else None,
        since,
        until,
        cells.get("nom", ""),
        cells.get("nom_court", ""),
        TRUTHS.get(said.casefold()),
        cells.get("college", ""),
    )


def _date(typed: str) -> date | None:
    for shape, pattern in _DATES.items():
        if shape.fullmatch(typed):
            try:
                return datetime.strptime(typed, pattern).date()  # noqa: DTZ007 (a date)
            except ValueError:
                return None
    return None


def _disagreements(same: list[_Row]) -> list[Fault]:
    """What the lines of one organisation do not agree on."""
    first, faults = same[0], []
    for row in same[1:]:
        if row.is_signatory is not first.is_signatory and None not in (
            row.is_signatory,
            first.is_signatory,
        ):
            faults.append(Fault(row.line, f"signataire: not as in line {first.line}"))
        if row.college != first.college:
            faults.append(Fault(row.line, f"college: not as in line {first.line}"))
    dated = sorted((row for row in same if row.since is not None), key=lambda row: row.since)  # type: ignore[arg-type, return-value]
    for one, after in pairwise(dated):
        assert after.since is not None
        if one.since == after.since:
            said = f"depuis: as in line {one.line}, of the same organisation"
            faults.append(Fault(after.line, said))
        elif one.until is None or one.until > after.since:
            said = f"depuis: the name in line {one.line} is still borne then"
            faults.append(Fault(after.line, said))
    return faults


def _taken(rows: list[_Row]) -> list[Fault]:
    """The names that two organisations would bear on the same day."""
    faults, known = [], dict[str, list[_Row]]()
    for row in rows:
        if not row.name or row.since is None or row.id is None:
            continue
        alike = known.setdefault(normalise(row.name), [])
        other = next((one for one in alike if one.id != row.id and _meet(one, row)), None)
        if other is not None:
            faults.append(Fault(row.line, f"nom: that of {other.id} in line {other.line}"))
        alike.append(row)
    return faults


def _meet(one: _Row, other: _Row) -> bool:
    """Whether two names are borne on some same day."""
    assert one.since is not None
    assert other.since is not None
    ends_first = one.until is not None and one.until <= other.since
    return not (ends_first or (other.until is not None and other.until <= one.since))


def _entry(key: str, rows: list[_Row]) -> Entry:
    names = []
    for row in rows:
        assert row.since is not None
        names.append(Name(row.since, row.until, row.name, row.short))
    is_signatory = rows[0].is_signatory
    assert is_signatory is not None
    ordered = tuple(sorted(names, key=lambda name: name.since))
    return Entry(key, is_signatory, rows[0].college or None, ordered)
