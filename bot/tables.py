"""Tables that people make with a spreadsheet, read as they come: every problem with its line."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SEPARATORS = (",", ";", "\t")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Controls (those that turn the direction of writing too), halves of letters, ends of lines.
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Where a spreadsheet, whatever separator it goes by, would read a formula; and one that is guarded.
_FORMULA = re.compile(r"""(?:^|(?<=[,;\t\r\n"]))(?='*[=+\-@\t\r])""")
_GUARDED = re.compile(r"""(?:^|(?<=[,;\t\r\n"]))'(?='*[=+\-@\t\r])""")

# What French letters become where UTF-8 is taken for Windows-1252, of which these are the signs
# that follow; and where Mac Roman is, of which some stay letters.
_HIGH = "\x80-\xbf" + bytes(range(0x80, 0xA0)).decode("cp1252", "ignore")
_SMALL = "a-zà-öø-ÿœ"
_LETTER = f"A-ZÀ-ÖØ-ÞŒ{_SMALL}"
_BROKEN = re.compile(
    rf"[\x80-\x9f]|[ÃÂÅâ][{_HIGH}]"
    rf"|(?:(?<=[{_SMALL}])[ŽŠ]|(?<=[{_LETTER}])[ƒˆ™])(?=[{_LETTER}])"
)


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        number: where it begins in the file, counted from 1.
        cells: what stands in each column that the file has.
    """

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong in a file, and in which line."""

    line: int
    said: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.said}"


def read_table(data: bytes, columns: Sequence[str]) -> tuple[list[Line], list[Fault]]:
    """The lines of a table in UTF-8 or Windows-1252, with a comma, semicolon or tab between cells.

    Args:
        columns: those that there are, in any order.

    Returns:
        The lines that could be read, and all that is wrong.
    """
    text, faults = _decoded(data)
    faults = faults or _broken(text)
    if faults:
        return [], faults
    rows = _rows(text, faults, _separator(text, columns))
    first = next(rows, None)
    if first is None:
        return [], [*faults, Fault(1, "the file is empty")]
    number, header = first
    names = [name.strip().casefold() for name in header]
    faults += [Fault(number, said) for said in _wrong_header(names, columns)]
    lines = []
    for number, row in rows:
        if any(cell.strip() for cell in row[len(names) :]) or len(row) < len(names):
            faults.append(Fault(number, f"{len(row)} cells instead of {len(names)}"))
        cells = {
            name: _GUARDED.sub("", cell.strip()) for name, cell in zip(names, row, strict=False)
        }
        for name, cell in cells.items():
            if any(unicodedata.category(letter) in UNSEEN for letter in cell):
                faults.append(Fault(number, f"{name}: a line break or a control character"))
        lines.append(Line(number, cells))
    return lines, faults


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A table in UTF-8, marked as such, with semicolons: a French spreadsheet opens it as it is.

    An apostrophe keeps what people wrote from being a formula.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_FORMULA.sub("'", cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _decoded(data: bytes) -> tuple[str, list[Fault]]:
    """A file as text: in UTF-8, or else in Windows-1252; never in some of each."""
    if data.startswith(UTF_16):
        return "", [Fault(1, "the file is in UTF-16: save it as CSV in UTF-8")]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        lines = data.split(b"\n")
    in_utf8 = any(not line.isascii() and _is(line, "utf-8") for line in lines)
    encoding = "utf-8" if in_utf8 else "cp1252"
    wrong = [number for number, line in enumerate(lines, 1) if not _is(line, encoding)]
    named = "UTF-8, as others are" if in_utf8 else "UTF-8 or Windows-1252"
    if wrong:
        return "", [Fault(number, f"letters that are not in {named}") for number in wrong]
    return data.decode(encoding), []


def _broken(text: str) -> list[Fault]:
    """The lines in which letters were written in an encoding that they were not read in."""
    said = "letters that were read in a wrong encoding: save it as CSV in UTF-8"
    lines = enumerate(text.split("\n"), 1)
    return [Fault(number, said) for number, line in lines if _BROKEN.search(line)]


def _is(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _separator(text: str, columns: Sequence[str]) -> str:
    """What stands between cells: what makes the most of the known columns in the header."""
    header = next((line for line in text.splitlines() if line.strip()), "")

    def known(separator: str) -> tuple[int, int]:
        cells = [cell.strip(' "').casefold() for cell in header.split(separator)]
        return len(set(cells) & set(columns)), len(cells)

    return max(SEPARATORS, key=known)


def _rows(text: str, faults: list[Fault], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the line where it begins. It ends where quotes are wrong."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            faults.append(Fault(begins, "a quotation mark that is not closed, or out of place"))
            return
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield begins, row
        begins = reader.line_num + 1


def _wrong_header(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    unknown = [name for name in dict.fromkeys(names) if name not in columns]
    missing = [name for name in columns if name not in names]
    twice = [name for name in columns if names.count(name) > 1]
    return [
        *(f"a column that is not known: {name or '(no name)'}" for name in unknown),
        *(f"a column that is missing: {name}" for name in missing),
        *(f"a column that is there twice: {name}" for name in twice),
    ]
