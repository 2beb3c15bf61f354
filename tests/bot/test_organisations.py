"""The table of organisations: what is written reads back; what is wrong is told with its line."""

import codecs
import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.organisations import (
    COLUMNS,
    LONGEST,
    Entry,
    Name,
    Unreadable,
    read_organisations,
    signatories,
    write_organisations,
)

FIRST = date(2015, 10, 1)
words = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=["C", "Z"],
        include_characters=" ,;\"'",
        exclude_characters="ÃÂÅâŽŠƒˆ™",  # with some others, what was read in a wrong encoding
    ),
    min_size=1,
    max_size=60,
).filter(lambda text: text == text.strip() != "")
keys = st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True)


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    """Organisations whose names are all different."""
    made = []
    for rank, key in enumerate(draw(st.lists(keys, min_size=1, max_size=4, unique=True))):
        day, names = draw(st.dates(date(1990, 1, 1), date(2030, 1, 1))), []
        for number in range(draw(st.integers(1, 3))):
            since = day + timedelta(days=draw(st.integers(0, 400)))
            day = since + timedelta(days=draw(st.integers(1, 400)))
            name = f"{draw(words)} z{rank}z{number}"
            names.append(Name(since, day, name, draw(words)))
        if draw(st.booleans()):
            names[-1] = Name(names[-1].since, None, names[-1].name, names[-1].short)
        college = draw(st.none() | words.filter(lambda text: len(text) <= LONGEST["college"]))
        made.append(Entry(key, draw(st.booleans()), college, tuple(names)))
    return made


def faults(data: bytes) -> list[tuple[int, str]]:
    with pytest.raises(Unreadable) as wrong:
        read_organisations(data)
    return [(fault.line, fault.said) for fault in wrong.value.faults]


@given(entries())
def test_what_is_written_reads_back(made: list[Entry]) -> None:
    assert read_organisations(write_organisations(made)) == made


@given(entries(), st.sampled_from([",", ";", "\t"]), st.permutations(COLUMNS), st.booleans())
def test_whatever_stands_between_and_in_whatever_order(
    made: list[Entry], separator: str, order: list[str], dashed: bool
) -> None:
    """As spreadsheets write it: with a mark of UTF-8, other lines' ends, dates of ours."""

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    def day(value: date | None) -> str:
        return "" if value is None else f"{value}" if dashed else f"{value:%d/%m/%Y}"

    lines = [separator.join(order)]
    for entry in made:
        for name in entry.names:
            row = {
                "id": entry.id,
                "depuis": day(name.since),
                "jusqu_a": day(name.until),
                "nom": cell(name.name),
                "nom_court": cell(name.short),
                "signataire": "Oui" if entry.is_signatory else "NON",
                "college": cell(entry.college or ""),
            }
            lines.append(separator.join(row[column] for column in order))
    text = "\r\n".join([*lines, separator * 6, "", ""])
    assert read_organisations(codecs.BOM_UTF8 + text.encode()) == made


BROKEN = [
    ("depuis", "2015-02-30", "depuis: 2015-02-30 is not a date"),
    ("depuis", "octobre 2015", "depuis: octobre 2015 is not a date"),
    ("depuis", "", "depuis: empty"),
    ("jusqu_a", "1/1/15", "jusqu_a: 1/1/15 is not a date"),
    ("jusqu_a", "1980-01-01", "jusqu_a: not after depuis"),
    ("jusqu_a", "2015-10-01", "jusqu_a: not after depuis"),
    ("nom", "", "nom: empty"),
    ("nom", "x" * 201, "nom: more than 200 characters"),
    ("nom", "a\nb", "nom: a line break"),
    ("nom", "a\x00b", "nom: a line break or a control character"),
    ("nom", "a\u202eb", "nom: a line break or a control character"),
    ("nom", "a\u2028b", "nom: a line break or a control character"),
    ("nom_court", "", "nom_court: empty"),
    ("nom_court", "x" * 81, "nom_court: more than 80 characters"),
    ("college", "x" * 41, "college: more than 40 characters"),
    ("signataire", "", "signataire: empty"),
    ("signataire", "peut-être", "signataire: peut-être is neither oui nor non"),
    ("id", "", "id: empty"),
    ("id", "AMF", "id: only a-z"),
    ("id", "a:b", "id: only a-z"),
    ("id", "x" * 41, "id: only a-z"),
]


@given(st.data(), st.sampled_from(BROKEN), st.sampled_from(BROKEN))
def test_every_fault_is_told_with_its_line(
    data: st.DataObject, one: tuple[str, str, str], two: tuple[str, str, str]
) -> None:
    """Two faults, in two lines, among lines that are right."""
    count = data.draw(st.integers(2, 6))
    first, second = data.draw(
        st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True)
    )
    rows = [dict(zip(COLUMNS, _row(number), strict=True)) for number in range(count)]
    for rank, (column, value, _) in ((first, one), (second, two)):
        rows[rank][column] = value
    lines, begins, line = [",".join(COLUMNS)], [], 2
    for row in rows:
        begins.append(line)
        text = ",".join('"' + row[column] + '"' for column in COLUMNS)
        line += text.count("\n") + 1
        lines.append(text)
    told = faults("\n".join(lines).encode())
    for rank, (_, _, said) in ((first, one), (second, two)):
        assert any(where == begins[rank] and words.startswith(said) for where, words in told)
    assert {where for where, _ in told} == {begins[first], begins[second]}


def _row(number: int) -> tuple[str, ...]:
    return (f"o{number}", "2015-10-01", "", f"Organisation {number}", f"O{number}", "oui", "")


def table(*rows: str, header: str = ",".join(COLUMNS)) -> bytes:
    return "\n".join([header, *rows]).encode()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            ["a,2015-10-01,,A,A,oui,", "a,2016-10-01,,B,B,oui,"],
            [(3, "depuis: the name in line 2 is still borne then")],
        ),
        (
            ["a,2015-10-01,2017-01-01,A,A,oui,", "a,2016-10-01,,B,B,oui,"],
            [(3, "depuis: the name in line 2 is still borne then")],
        ),
        (
            ["a,2015-10-01,2016-10-01,A,A,oui,x", "a,2016-10-01,,B,B,non,y"],
            [(3, "college: not as in line 2"), (3, "signataire: not as in line 2")],
        ),
        (
            ["a,2015-10-01,,A,A,oui,", "a,2015-10-01,,A,A,oui,"],
            [(3, "depuis: as in line 2, of the same organisation")],
        ),
        (
            ["a,2015-10-01,,Même nom,A,oui,", "b,2016-10-01,,même  nom,B,oui,"],
            [(3, "nom: that of a in line 2")],
        ),
        (["a,2015-10-01,,A,A,oui"], [(2, "6 cells instead of 7")]),
        (["a,2015-10-01,,A,A,oui,,x"], [(2, "8 cells instead of 7")]),
        ([], [(1, "no organisation")]),
        (
            ['a,2015-10-01,,"A,A,oui,', "b,2015-10-01,,B,B,oui,"],
            [(2, "a quotation mark that is not closed, or out of place")],
        ),
    ],
)
def test_lines_that_do_not_agree(rows: list[str], told: list[tuple[int, str]]) -> None:
    assert faults(table(*rows)) == told


def test_a_name_may_be_borne_by_another_afterwards() -> None:
    data = table("a,2015-10-01,2016-01-01,Nom,A,oui,", "b,2016-01-01,,Nom,B,oui,")
    assert [entry.id for entry in read_organisations(data)] == ["a", "b"]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (
            "id,depuis,jusqu_a,libelle,nom_court,signataire,college",
            ["a column that is missing: nom", "a column that is not known: libelle"],
        ),
        (
            "id,depuis,jusqu_a,nom,nom_court,signataire,college,nom",
            ["a column that is there twice: nom"],
        ),
        (
            "id,depuis,jusqu_a,nom,nom_court,signataire,college,",
            ["a column that is not known: (no name)"],
        ),
    ],
)
def test_a_header_that_is_not_ours(header: str, told: list[str]) -> None:
    found = faults(header.encode())
    assert found == [(1, said) for said in told]


def test_a_wrong_header_hides_no_other_fault() -> None:
    header = "id,depuis,jusqu_a,libelle,nom_court,signataire,college"
    found = faults(table("a,hier,,A,A,oui,", header=header))
    assert (2, "depuis: hier is not a date (2015-10-01 or 01/10/2015)") in found
    assert len(found) == 3


def test_windows_1252_and_never_some_of_each() -> None:
    row = "men,2015-10-01,,Éducation nationale,Éducation,oui,état"
    data = "\n".join([",".join(COLUMNS), row]).encode("cp1252")
    [entry] = read_organisations(data)
    assert (entry.names[0].name, entry.college) == ("Éducation nationale", "état")
    mixed = data + "\nb,2015-10-01,,Économie,É,oui,".encode()
    assert faults(mixed) == [(2, "letters that are not in UTF-8, as others are")]
    assert faults(data + b"\nb,2015-10-01,,\x81,B,oui,") == [
        (3, "letters that are not in UTF-8 or Windows-1252")
    ]


def test_utf_16_is_named() -> None:
    [(line, said)] = faults(table("a,2015-10-01,,A,A,oui,").decode().encode("utf-16"))
    assert (line, "UTF-16" in said) == (1, True)


@pytest.mark.parametrize("data", [b"", b"\n\n", codecs.BOM_UTF8])
def test_an_empty_file(data: bytes) -> None:
    assert faults(data) == [(1, "the file is empty")]


@given(st.binary(max_size=300))
def test_whatever_bytes_come(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read_organisations(data)


def test_the_eleven_signatories() -> None:
    """With their names of 2015 and of today; the table is written as we write it."""
    found = read_organisations(signatories())
    assert write_organisations(found) == signatories()
    assert len(found) == 11
    assert all(entry.is_signatory for entry in found)
    assert {entry.names[0].since for entry in found} == {FIRST}
    assert all(entry.names[-1].until is None for entry in found)
    today = {entry.id: entry.names[-1].name for entry in found}
    assert today["arf"] == "Régions de France"
    assert today["amgvf"] == "France urbaine"


def test_a_large_table_is_read_in_a_moment() -> None:
    rows = [f"o{number},2015-10-01,,nom {number},n,oui,\n" for number in range(20_000)]
    started = time.perf_counter()
    assert len(read_organisations("".join([",".join(COLUMNS) + "\n", *rows]).encode())) == 20_000
    assert time.perf_counter() - started < 10
