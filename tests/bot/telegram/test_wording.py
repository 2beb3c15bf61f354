"""Bodies as Telegram's messages: nothing lost, nothing too long, every tag closed."""

import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from bot.markup import as_plain, clean, marked
from bot.platforms.telegram.wording import as_telegram, keyboard, parts, plain_toast

TAGS = {"b", "i", "u", "s", "a", "code", "pre", "blockquote"}
BLANK = re.compile(r"[^\S\u00a0\u202f]+")  # where a text may be cut between words
FAMILY = "👨‍👩‍👧‍👦"


class _Reader(HTMLParser):
    """Reads HTML as strictly as Telegram: known tags only, closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert [name for name, _ in attrs] == (["href"] if tag == "a" else [])
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(telegram: str) -> str:
    """The text of Telegram's HTML, once it was checked."""
    reader = _Reader()
    reader.feed(telegram)
    reader.close()
    assert not reader.open
    return reader.text


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def body(
    markup: str = "", choices: list[list[str]] | None = None, files: list[list[Any]] | None = None
) -> dict[str, Any]:
    return {"markup": markup, "choices": choices or [], "files": files or []}


def shown(choices: list[list[str]]) -> list[list[str]]:
    return [[button.text for button in row] for row in keyboard(choices)[0]]


def _assert_whole(markup: str, made: list[dict[str, Any]]) -> None:
    texts = [read(as_telegram(part["markup"])) for part in made]
    assert all(units(text) <= 4096 for text in texts)
    assert all(clean(text) for text in texts)
    expected = html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"<br ?/?>", "\n", markup)))
    assert "".join("".join(texts).split()) == "".join(expected.split())
    if all(units(word) < 3000 for word in BLANK.split(expected)):
        assert _words(" ".join(texts)) == _words(expected)


def _words(text: str) -> list[str]:
    return [word.strip() for word in BLANK.split(text) if word.strip()]


signs = st.sampled_from([*"aé ’\n\t.!?&<>\"'*_/=", "\u00a0", "👩‍🏫", FAMILY, "🇫🇷"])
typed = st.builds(
    lambda some, more, times: ("".join(some) + more) * times,
    st.lists(signs, max_size=60),
    st.text(max_size=60),
    st.sampled_from([1, 30, 200]),
)


@given(typed.map(clean).filter(bool))
def test_what_people_type_is_said_whole(text: str) -> None:
    for markup in (str(escape(text)), str(marked(text))):
        _assert_whole(markup, parts(body(markup)))


tagged = st.tuples(st.sampled_from(["b", "em", "code", "pre", "blockquote"]), typed)


@given(st.lists(tagged, max_size=4))
def test_tags_are_closed_and_opened_again_across_messages(pieces: list[tuple[str, str]]) -> None:
    markup = "".join(f"<{tag}>{escape(clean(text))}</{tag}><br>" for tag, text in pieces)
    markup = f'<a href="https://exemple.fr/?a=1&amp;b=2"><u>{markup}</u>.</a>'
    _assert_whole(markup, parts(body(markup)))


@given(st.text(st.sampled_from("ab<>/=\"'& &;brihef \n"), max_size=60))
def test_no_markup_at_all_makes_unbalanced_html(anything: str) -> None:
    read(as_telegram(anything))


@pytest.mark.parametrize(
    ("markup", "telegram"),
    [
        ("Bonjour", "Bonjour"),
        ("a<br>b<br/>c<BR />d", "a\nb\nc\nd"),
        ("<strong>a</strong> <em>b</em>", "<b>a</b> <i>b</i>"),
        ("<b>a <i>b</b> c</i>", "<b>a <i>b</i></b><i> c</i>"),
        ("<b>a", "<b>a</b>"),
        ("a</b>", "a"),
        ("<p>a</p><script>b</script>", "ab"),
        ("l&#39;A &#34;B&#34; &nbsp;&lt;b&gt; &amp;amp;", "l'A \"B\" \xa0&lt;b&gt; &amp;amp;"),
        ('<a href="https://a.fr/?b&amp;c" class="x">d</a>', '<a href="https://a.fr/?b&amp;c">d</a>'),
        ("<a>d</a>", "d"),
        ("<blockquote>a</blockquote><blockquote>b</blockquote>",) * 2,
    ],
)  # fmt: skip
def test_canonical_markup_becomes_html_of_telegram(markup: str, telegram: str) -> None:
    assert as_telegram(markup) == telegram
    assert as_telegram(telegram) == telegram


def test_a_long_text_is_cut_between_paragraphs() -> None:
    paragraphs = ["mot " * 400 + str(number) for number in range(7)]
    made = parts(body("\n\n".join(paragraphs)))
    assert [part["markup"] for part in made] == [
        "\n\n".join(paragraphs[at : at + 2]) for at in (0, 2, 4, 6)
    ]


@pytest.mark.parametrize("between", ["\n", ". ", " "])
def test_else_between_lines_or_sentences_or_words(between: str) -> None:
    made = parts(body(between.join(["a-b" * 300] * 10)))
    assert len(made) == 3
    assert {part["markup"].rstrip(".")[-3:] for part in made} == {"a-b"}
    assert {part["markup"][:3] for part in made} == {"a-b"}


def test_a_short_title_does_not_stand_alone_before_a_long_text() -> None:
    first, second = parts(body("Titre\n\n" + "mot " * 1500))
    assert len(first["markup"]) > 4000
    assert second["markup"].startswith("mot")


def test_a_french_sign_stays_with_its_word() -> None:
    made = parts(body("a" * 4094 + "\u00a0! b"))
    assert made[0]["markup"] == "a" * 4094 + "\u00a0!"
    made = parts(body("a" * 2000 + " " + "b" * 2094 + "\u00a0! c"))
    assert [part["markup"][-1] for part in made] == ["a", "c"]


def test_a_text_without_any_space_is_cut_between_emoji() -> None:
    made = parts(body(FAMILY * 500))
    assert {part["markup"].replace(FAMILY, "") for part in made} == {""}
    assert all(units(part["markup"]) > 4000 for part in made[:-1])


def test_4096_units_are_one_message_and_one_more_is_two() -> None:
    assert len(parts(body("a" * 4096))) == 1
    assert len(parts(body("a" * 4097))) == 2
    assert len(parts(body("😀" * 2048))) == 1
    assert len(parts(body("😀" * 2049))) == 2
    assert len(parts(body("&lt;" * 4096))) == 1  # what counts is what is read
    assert len(parts(body("<b>" + "a" * 4096 + "</b>"))) == 1


def test_choices_go_with_the_last_message() -> None:
    choices = [["polls.vote:1:1", "Pour"], ["polls.vote:1:2", "Contre"]]
    made = parts(body("mot " * 3000, choices))
    assert [part["choices"] for part in made] == [[], [], choices]
    assert parts(body("Votez", choices)) == [body("Votez", choices)]


PICTURE = [1, "Plan de la salle", "image/png"]
PAGES = [2, "Compte rendu", "application/pdf"]


def pictures(count: int) -> list[list[Any]]:
    return [[number, "Image jointe", "image/jpeg"] for number in range(count)]


def test_one_file_with_a_short_text_is_one_message() -> None:
    choices = [["a", "Oui"]]
    for file in (PICTURE, PAGES):
        assert parts(body("a" * 1024, choices, [file])) == [body("a" * 1024, choices, [file])]
        assert parts(body("😀" * 513, choices, [file])) == [
            body("", [], [file]),
            body("😀" * 513, choices),
        ]


def test_several_files_go_first_pictures_together() -> None:
    files = [
        *pictures(12),
        PAGES,
        [3, "Message vocal", "audio/ogg"],
        [4, "Réunion", "text/calendar"],
    ]
    made = parts(body("Voici", [["a", "Merci"]], files))
    assert [len(part["files"]) for part in made] == [10, 2, 1, 1, 1, 0]
    assert [file for part in made for file in part["files"]] == files
    assert made[-1] == body("Voici", [["a", "Merci"]])
    assert all(part["markup"] == "" and part["choices"] == [] for part in made[:-1])


def test_files_alone_say_what_they_are_if_that_is_all_there_is() -> None:
    assert parts(body("", [], [["1", "L'<été>", "image/png"]])) == [
        body("L&#39;&lt;été&gt;", [], [["1", "L'<été>", "image/png"]])
    ]
    assert parts(body(" \n", [], pictures(3))) == [body("", [], pictures(3))]
    choices = [["a", "Oui"]]
    assert parts(body("", choices, pictures(3)))[-1] == body("…", choices)


@pytest.mark.parametrize("markup", ["", " \n ", "<b></b>", "<br>", "\u200b"])
def test_nothing_is_said_with_a_sign(markup: str) -> None:
    assert parts(body(markup)) == [body("…")]


def test_short_labels_stand_two_by_two_and_all_are_equally_wide() -> None:
    labels = ["Oui", "Non", "Peut-être"]
    choices = [[f"a:{number}", label] for number, label in enumerate(labels)]
    assert shown(choices) == [["Oui", "Non"], ["Peut-être"]]
    assert shown([*choices, ["b", "Une réponse plus longue"]]) == [
        ["Oui"],
        ["Non"],
        ["Peut-être"],
        ["Une réponse plus longue"],
    ]
    rows, listed = keyboard(choices)
    assert [button.callback_data for row in rows for button in row] == [one[0] for one in choices]
    assert listed == ""
    assert keyboard([]) == ([], "")


def test_labels_too_long_for_a_button_are_listed_in_the_text() -> None:
    long = "Généraliser les manuels numériques <libres> dans toutes les académies"
    choices = [[f"a:{number}", f"{long} {number}"] for number in range(9)] + [["b", "Non"]]
    assert shown(choices) == [["1", "2", "3", "4", "5"], ["6", "7", "8", "9", "10"]]
    [made] = parts(body("Votez", choices))
    lines = as_plain(made["markup"]).splitlines()
    assert lines[:3] == ["Votez", "", f"1. {long} 0"]
    assert lines[-1] == "10. Non"
    assert made["choices"] == choices


@given(st.integers(1, 110), st.integers(0, 5000))
def test_listed_labels_stay_within_the_limit(count: int, length: int) -> None:
    choices = [[f"a:{number}", "Un choix " * 22] for number in range(count)]
    made = parts(body("a" * length, choices))
    assert all(units(as_plain(part["markup"])) <= 4096 for part in made)
    assert made[-1]["choices"] == choices
    assert sum(part["markup"].count("Un choix") for part in made) == count * 22


def test_at_most_100_buttons_and_the_others_can_be_typed() -> None:
    choices = [[f"a:{number}", "Oui"] for number in range(130)]
    rows, listed = keyboard(choices)
    assert sum(map(len, rows)) == 100
    assert max(map(len, rows)) == 5
    assert listed.endswith("130. Oui")


@pytest.mark.parametrize(
    ("label", "button"),
    [("", "…"), (" \n ", "…"), ("\u200b\u2060", "…"), ("a\nb  c", "a b c"), ("<b>&", "<b>&")],
)
def test_odd_labels_make_buttons(label: str, button: str) -> None:
    assert shown([["a", label]]) == [[button]]


def test_an_address_opens_a_page() -> None:
    [[page, other]], _ = keyboard([["https://preau.fr/r", "Lire"], ["a", "Non"]])
    assert (page.url, page.callback_data) == ("https://preau.fr/r", None)
    assert (other.url, other.callback_data) == (None, "a")


@given(typed)
def test_a_toast_is_short(text: str) -> None:
    toast = plain_toast(text)
    assert units(toast) <= 200
    assert toast == text.strip() or toast.endswith("…")
