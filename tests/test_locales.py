"""Every language says the same things."""

from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from bot.texts import LANGUAGES, SOURCE

ROOT = Path(__file__).parent.parent / "locales"
NOUNS = sorted(path.stem for path in (ROOT / SOURCE).glob("*.jinja"))


def signatures(language: str, noun: str) -> dict[str, list[str]]:
    """Each macro of a noun with the names of its arguments."""
    source = (ROOT / language / f"{noun}.jinja").read_text("utf-8")
    tree = Environment(autoescape=True).parse(source)
    return {
        macro.name: [argument.name for argument in macro.args]
        for macro in tree.find_all(nodes.Macro)
    }


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != SOURCE])
@pytest.mark.parametrize("noun", NOUNS)
def test_same_messages_with_the_same_arguments(language: str, noun: str) -> None:
    assert signatures(language, noun) == signatures(SOURCE, noun)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_has_a_noun_of_its_own(language: str) -> None:
    assert sorted(path.stem for path in (ROOT / language).glob("*.jinja")) == NOUNS


def test_every_message_named_in_the_code_exists() -> None:
    """Names such as `reports.submitted` stand in handlers; a misspelt one must not wait for use."""
    import re

    known = {f"{noun}.{name}" for noun in NOUNS for name in signatures(SOURCE, noun)}
    code = [*ROOT.parent.glob("handlers/*.py"), *ROOT.parent.glob("bot/conversation.py")]
    named = {
        name
        for path in code
        for name in re.findall(
            r'(?:Reply|Refused|Words|Problem)\(\s*"([a-z_]+\.[a-z_]+)"', path.read_text()
        )
    }
    assert named
    assert named <= known, named - known
