"""The labels that Préau words itself fit on buttons of a narrow phone, so that they are buttons."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jinja2 import UndefinedError

from bot.forms import Given
from bot.platforms.telegram.wording import LONG_LABEL
from bot.routing import FORMS
from bot.texts import LANGUAGES, Texts
from tests.conftest import NOW

ZONE = ZoneInfo("Europe/Paris")
HANDLERS = Path(__file__).parents[3] / "handlers"


def named() -> Iterator[str]:
    """The messages that handlers name as the labels of choices: second in a pair."""
    for path in HANDLERS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Tuple) and len(node.elts) == 2:
                for label in ast.walk(node.elts[1]):
                    if isinstance(label, ast.Constant) and isinstance(label.value, str):
                        yield label.value


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_choices_of_a_question_are_short(language: str) -> None:
    texts = Texts(language, ZONE)
    given = [Given(now=NOW + timedelta(days=30 * month), zone=ZONE) for month in range(12)]
    labels = {
        texts.label(label)
        for form in FORMS.values()
        for one in form.fields
        if getattr(one, "propose", None) is None  # a person's own words
        for when in given
        for _, label in one.choices(form.noun, when)
    }
    assert len(labels) > 50
    assert {label for label in labels if len(label) > LONG_LABEL} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_leads_on_is_short(language: str) -> None:
    texts = Texts(language, ZONE)
    known = {f"{path.stem}.{name}" for path in locales() for name in texts.macros(path.stem)}
    wanted = {form.send for form in FORMS.values()} | set(named())
    wanted |= {f"{form.noun}.{form.name}_extras" for form in FORMS.values()}
    wanted |= {name for name in known if name.startswith("people.do_")}
    labels = {}
    for name in wanted & known:
        try:
            labels[name] = texts.plain(name)
        except (TypeError, UndefinedError):  # it is worded with what others wrote
            continue
    assert len(labels) > 100
    assert {name: said for name, said in labels.items() if len(said) > LONG_LABEL} == {}


def locales() -> list[Path]:
    return sorted((HANDLERS.parent / "locales" / "fr").glob("*.jinja"))
