"""Every language says the same things."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jinja2 import Environment, nodes

from bot.forms import Choose, Given
from bot.routing import COMMANDS, FORMS, words
from bot.texts import LANGUAGES, SOURCE, Texts, normalise
from handlers import academies
from storage.deliveries import Failure

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


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/*.jinja")), ids=lambda path: str(path)[-30:])
def test_a_message_is_worded_once(path: Path) -> None:
    names = re.findall(r"{%-? *macro (\w+)", path.read_text("utf-8"))
    assert len(names) == len(set(names)), {one for one in names if names.count(one) > 1}


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != SOURCE])
@pytest.mark.parametrize("noun", NOUNS)
def test_same_messages_with_the_same_arguments(language: str, noun: str) -> None:
    assert signatures(language, noun) == signatures(SOURCE, noun)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_has_a_noun_of_its_own(language: str) -> None:
    assert sorted(path.stem for path in (ROOT / language).glob("*.jinja")) == NOUNS


CODE = [*ROOT.parent.glob("handlers/**/*.py"), *ROOT.parent.glob("bot/**/*.py")]
KNOWN = {f"{noun}.{name}" for noun in NOUNS for name in signatures(SOURCE, noun)}


def test_every_message_named_in_the_code_exists() -> None:
    """Names such as `reports.submitted` stand in handlers; a misspelt one must not wait for use."""
    named = {
        name
        for path in CODE
        for name in re.findall(
            r'(?:Reply|Refused|Words|Problem|acknowledge=)\(?\s*"([a-z_]+\.[a-z_]+)"',
            path.read_text(),
        )
    }
    assert named
    assert named <= KNOWN, named - KNOWN


def test_every_choice_of_a_command_has_its_words() -> None:
    done = {
        f"people.do_{name}"
        for path in CODE
        for name in re.findall(r'\bdo\("(\w+)"\)', path.read_text())
    }
    assert done
    assert done <= KNOWN, done - KNOWN


def test_every_form_has_its_words() -> None:
    for declared in FORMS.values():
        wanted = {f"{declared.name}_form"}
        wanted |= {f"{one.name}_ask" for one in declared.fields if not one.fixed}
        if declared.reviewed:
            wanted |= {f"{declared.name}_review", *(f"{one.name}_name" for one in declared.fields)}
        missing = {f"{declared.noun}.{name}" for name in wanted} - KNOWN
        assert missing == set()


def test_a_command_word_names_one_command() -> None:
    for language in LANGUAGES:
        texts = Texts(language, ZoneInfo("UTC"))
        named: dict[str, str] = {}
        for name in texts.macros("commands"):
            for word in texts.plain(f"commands.{name}").split("|"):
                assert normalise(word), name
                assert named.setdefault(normalise(word), name) == name, word
        assert {words()[word] for word in named} <= set(COMMANDS)


def test_no_command_word_is_a_place() -> None:
    """Else it could not leave the question where a place is asked.

    Languedoc and French Polynesia begin so; who means the settings there can type a slash. So can
    who wants to call a meeting there: where a place is asked, « réunion » is the island.
    """
    places = {word for word in words() if academies.search(word)}
    island = {"reunion", "reunions", "nouvelle reunion"}
    hand = {f"{word} la main" for word in ("passer", "je passe", "reprendre", "je reprends")}
    assert places <= {"langue", "francais", "have a nice day"} | island | hand


@pytest.mark.parametrize("language", LANGUAGES)
def test_other_words_of_choices_fit_only_one(language: str) -> None:
    """`<label>_words` are what may be typed for a label: one word, one choice of a question."""
    texts = Texts(language, ZoneInfo("UTC"))
    for declared in FORMS.values():
        for one in declared.fields:
            if not isinstance(one, Choose):
                continue
            seen: dict[str, str] = {}
            for value, label in one.choices(declared.noun, Given()):
                for name in texts.names(label):
                    assert seen.setdefault(name, value) == value, name


LONGEST_SENTENCE = 15  # words
MINE = (
    "data_requests",
    "exports",
    "forms",
    "groups",
    "handovers",
    "masking",
    "members",
    "people",
    "privacy",
    "reports",
    "retention",
    "threads",
)


@pytest.mark.parametrize("noun", MINE)
def test_french_sentences_are_short(noun: str) -> None:
    source = (ROOT / SOURCE / f"{noun}.jinja").read_text("utf-8")
    plain = re.sub(r"\{[{%#].*?[}%#]\}|<[^>]+>", " ", source, flags=re.DOTALL)
    sentences = re.split(r"[.?!:](?:\s|$)|\n", plain)
    long = [one for one in sentences if len(re.findall(r"[\w'’-]+", one)) > LONGEST_SENTENCE]
    assert long == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", list(Failure))
def test_every_failure_has_its_words(language: str, reason: Failure) -> None:
    said = Texts(language, ZoneInfo("UTC")).plain("broadcasts.failure", {"reason": str(reason)})
    assert said.strip() != reason
