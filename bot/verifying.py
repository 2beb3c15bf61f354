"""The command that checks the audit log."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import Failed, Misused, opened
from bot.settings import load
from storage.audit import Head, Verified

_HEAD = re.compile(r"link (\d{1,9}) ([0-9a-f]{64})")


def verify(
    file: Annotated[
        Path | None,
        typer.Argument(help="Lines that an earlier `verify`, or the log of `run`, said."),
    ] = None,
) -> None:
    """Check the audit log: that no act in it was changed, added or taken away.

    The log alone cannot tell that its end was cut off, or that all of it was written anew: keep
    what this prints elsewhere, and give it as FILE.
    """
    noted = _noted(file) if file is not None else []
    with opened(load()) as database:
        found = database.read_now(lambda store: store.audit.verify())
    problems = [*found.problems, *_missing(noted, found)]
    if found.heads:
        print(found.heads[-1])
    print(
        f"{found.entries} acts in {len(found.heads)} links, {found.waiting} not chained yet; "
        f"the details of {found.erased} were erased"
        + (f"; {len(noted)} lines compared" if file is not None else "")
    )
    for problem in problems[1:]:
        print(problem)
    if problems:
        raise Failed(f"the audit log does not hold: {problems[0]}")


def _noted(file: Path) -> list[Head]:
    """The links that a file names, in whatever lines."""
    try:
        written = file.read_text("utf-8", errors="replace")
    except OSError as error:
        raise Misused(f"{error.strerror}: {file}") from None
    found = [Head(int(number), kept) for number, kept in _HEAD.findall(written)]
    if not found:
        raise Misused(f"{file}: it names no link of an audit log")
    return found


def _missing(noted: Iterable[Head], found: Verified) -> list[str]:
    """What was noted once, and stands in the chain no more."""
    kept = set(found.heads)
    return [f"{head}: the chain goes through it no more" for head in noted if head not in kept]
