"""What the documents say is there, is there."""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from bot.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGES = ("bot", "handlers", "scheduled", "storage")
LOGS = ("info", "warning", "error", "exception")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SOURCES = [*chain.from_iterable(sorted(ROOT.glob(f"{one}/**/*.py")) for one in PACKAGES)]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def explained(title: str) -> set[str]:
    """What operators are told of under a title: the first column of its table."""
    page = (ROOT / "docs" / "operators.md").read_text("utf-8")
    _, _, after = page.partition(f"\n## {title}\n")
    table = [line for line in after.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    return {name for line in table for name in re.findall("`([^`]+)`", line.split("|")[1])}


def parts() -> Iterator[ast.AST]:
    """All that the program is made of."""
    for path in SOURCES:
        yield from ast.walk(ast.parse(path.read_text("utf-8")))


def logged() -> set[str]:
    """The events of the log, but for those that are computed."""
    calls = [one for one in parts() if isinstance(one, ast.Call) and one.args]
    return {
        event
        for call in calls
        if ast.unparse(call.func) in {f"log.{level}" for level in LOGS}
        and isinstance(call.args[0], ast.Constant)
        and isinstance(event := call.args[0].value, str)
    }


def test_every_setting_is_explained_to_operators() -> None:
    assert explained("Settings") == {name.upper() for name in Settings.model_fields}


def test_every_event_of_the_log_is_explained_to_operators() -> None:
    assert logged() <= explained("What the log says") - {"event"}


def test_every_event_that_is_explained_is_in_the_program() -> None:
    said = {one.value for one in parts() if isinstance(one, ast.Constant)}
    words = [one for one in said if isinstance(one, str)]
    for event in explained("What the log says") - {"event"}:
        pieces = [re.escape(piece.strip()) for piece in event.split("…")]
        form = re.compile(".*".join(pieces), re.DOTALL)
        assert any(form.search(one) for one in words), event


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    missing = [
        to for to in LINK.findall(page.read_text("utf-8")) if not (page.parent / to).exists()
    ]
    assert missing == []
