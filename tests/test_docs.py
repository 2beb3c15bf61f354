"""What the documents say is there, is there."""

import re
from pathlib import Path

import pytest

from bot.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_every_setting_is_explained_to_operators() -> None:
    page = (ROOT / "docs" / "operators.md").read_text("utf-8")
    _, _, after = page.partition("\n## Settings\n")
    table = [line for line in after.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    explained = {name for line in table for name in re.findall("`([A-Z_]+)`", line.split("|")[1])}
    assert explained == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    missing = [
        to for to in LINK.findall(page.read_text("utf-8")) if not (page.parent / to).exists()
    ]
    assert missing == []
