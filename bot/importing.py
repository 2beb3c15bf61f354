"""The commands that bring organisations in, and give them out."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import Failed, Misused, opened
from bot.clock import Clock
from bot.exporting import kept
from bot.organisations import (
    Entry,
    Unreadable,
    read_organisations,
    signatories,
    write_organisations,
)
from bot.settings import load
from storage.audit import BY_COMMAND_LINE
from storage.store import Store

LARGEST = 1_000_000  # bytes

imports = typer.Typer(add_completion=False, rich_markup_mode=None, help="Bring something in.")
exports = typer.Typer(add_completion=False, rich_markup_mode=None, help="Give something out.")


@dataclass(frozen=True)
class Change:
    """What a table changes of one organisation, each thing in words."""

    entry: Entry
    is_new: bool
    said: list[str]


@imports.command("organisations")
def import_organisations(
    file: Annotated[Path | None, typer.Argument(help="A table; see docs/operators.md.")] = None,
    shipped: Annotated[
        bool, typer.Option("--signatories", help="Take the table of the 11 signatories.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Add organisations, and change those there are, from a table."""
    if (file is None) is not shipped:
        raise Misused("say which table: a file, or --signatories")
    entries = _read(file)
    now = Clock().now()

    def bring(store: Store) -> tuple[list[str], int]:
        known = kept(store)
        changes = [_change(one, known.get(one.id)) for one in entries]
        made = [one for one in changes if one.said]
        if made and not dry_run:
            for one in made:
                _apply(one, store)
            ids = [one.entry.id for one in made]
            act = "organisations.imported"
            store.audit.add(act, now, via=BY_COMMAND_LINE, details={"organisations": ids})
        absent = [key for key in known if key not in {one.id for one in entries}]
        return _told(changes, absent), len(made)

    with opened(load()) as database:
        told, count = database.read_now(bring) if dry_run else database.write_now(bring)
    done = f"{count} organisation{'' if count == 1 else 's'} imported"
    print(*told, "dry run: nothing was changed" if dry_run else done, sep="\n")


@exports.command("organisations")
def export_organisations(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write; by default on standard output.")
    ] = None,
) -> None:
    """Give out the organisations as the table that `import` reads."""
    with opened(load()) as database:
        data = write_organisations(list(database.read_now(kept).values()))
    if file is None:
        sys.stdout.buffer.write(data)
        return
    try:
        with file.open("xb") as out:
            out.write(data)
    except FileExistsError:
        raise Failed(f"{file} is there already: choose another name") from None
    except OSError as error:
        raise Failed(f"{error.strerror}: {file}") from None


def _read(file: Path | None) -> list[Entry]:
    """The organisations of a file, or those that come with Préau."""
    if file is None:
        return read_organisations(signatories())
    try:
        with file.open("rb") as source:
            data = source.read(LARGEST + 1)
    except OSError as error:
        raise Failed(f"{error.strerror}: {file}") from None
    if len(data) > LARGEST:
        raise Failed(f"{file} holds more than {LARGEST} bytes: it is no table of organisations")
    try:
        return read_organisations(data)
    except Unreadable as wrong:
        for fault in wrong.faults:
            print(f"preau: {file}: {fault}", file=sys.stderr)
        count = len(wrong.faults)
        problems = "1 problem" if count == 1 else f"{count} problems"
        raise Failed(f"{problems} in {file}: nothing was imported") from None


def _change(entry: Entry, kept: Entry | None) -> Change:
    if kept is None:
        said = [f"added: {entry.id}, {_borne(entry)}, {_standing(entry)}"]
        return Change(entry, True, said)
    said = []
    if _without_end(entry) != _without_end(kept):
        said.append(f"renamed: {entry.id}, {_borne(entry)}")
    if _end(entry) != _end(kept):
        end = _end(entry)
        said.append(f"ended: {entry.id}, on {end}" if end else f"ends no more: {entry.id}")
    if entry.is_signatory != kept.is_signatory:
        said.append(f"signatory changed: {entry.id}, {_standing(entry)}")
    if entry.college != kept.college:
        before, after = kept.college or "none", entry.college or "none"
        said.append(f"college changed: {entry.id}, from {before} to {after}")
    return Change(entry, False, said)


def _end(entry: Entry) -> object:
    """The day from which it bears no name any more, if there is one."""
    return entry.names[-1].until if entry.names else None


def _without_end(entry: Entry) -> list[tuple[object, ...]]:
    """Its names, but for the end of the last one."""
    rows = [(one.since, one.until, one.name, one.short) for one in entry.names]
    return [*rows[:-1], *((row[0], row[2], row[3]) for row in rows[-1:])]


def _borne(entry: Entry) -> str:
    return "; ".join(
        f"{one.name} ({one.short}) from {one.since}" + (f" to {one.until}" if one.until else "")
        for one in entry.names
    )


def _standing(entry: Entry) -> str:
    is_one = "signatory" if entry.is_signatory else "associated"
    return f"{is_one}, college {entry.college or 'none'}"


def _apply(change: Change, store: Store) -> None:
    entry = change.entry
    if change.is_new:
        store.organisations.add(
            entry.id, is_signatory=entry.is_signatory, college=entry.college, names=entry.kept()
        )
        return
    kept = store.organisations.get(entry.id)
    assert kept is not None
    kept.is_signatory, kept.college = entry.is_signatory, entry.college
    store.session.flush()
    store.organisations.rename(entry.id, entry.kept())


def _told(changes: list[Change], absent: list[str]) -> list[str]:
    """What is said of a table, a line for each thing; what stays as it is in one."""
    told = [line for one in changes for line in one.said]
    same = [one.entry.id for one in changes if not one.said]
    if same:
        told.append(f"unchanged: {', '.join(same)}")
    if absent:
        told.append(f"not in the table, left as they are: {', '.join(absent)}")
    return told
