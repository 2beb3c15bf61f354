"""What people type is kept as they see it, and pages show it with French spacing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.markup import as_page, as_plain, beginning, clean, marked


@pytest.mark.parametrize(
    "unseen",
    ["\u200b", "\u200e", "\u200f", "\u2060", "\u200d", "\u200c", "\ufe0f", "\ufeff", "\u00ad",
     "\u202e\u202c", "\u3164", "\x00\x07", " \u200b \u2060\n"],
)  # fmt: skip
def test_what_cannot_be_seen_is_nothing(unseen: str) -> None:
    assert clean(unseen) == ""
    assert clean(f"{unseen}a") == "a"


@pytest.mark.parametrize("text", ["👨‍👩‍👧", "❤️", "🏴‍☠️ et 1️⃣", "می‌خواهم", "a\nb"])
def test_what_holds_signs_together_stays(text: str) -> None:
    assert clean(text) == text


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


def test_french_signs_stay_with_their_words_on_a_page() -> None:
    markup = 'Que dire ? « Oui » : <a href="/a : b?c ;">là !</a>\nFin ; &amp; ok'
    assert as_page(markup) == (
        "Que dire\u202f? «\u202fOui\u202f»\u202f: "
        '<a href="/a : b?c ;">là\u202f!</a><br>Fin\u202f; &amp; ok'
    )


@given(st.text(), st.integers(10, 80))
def test_a_beginning_is_one_short_line(text: str, at_most: int) -> None:
    shown = beginning(text, at_most)
    assert len(shown) <= at_most + 1
    assert "\n" not in shown


def test_a_beginning_shows_where_a_line_ended() -> None:
    assert beginning("Journée à Lyon\n\n Elle  aura lieu") == "Journée à Lyon\u00a0· Elle aura lieu"
    assert beginning("Journée à Lyon\nElle aura lieu", 18) == "Journée à Lyon…"


@pytest.mark.parametrize(
    ("typed", "markup"),
    [
        ("*gras* et _italique_", "<b>gras</b> et <em>italique</em>"),
        ("*a _b_ c*", "<b>a <em>b</em> c</b>"),
        ("*a _b* c_", "<b>a _b</b> c_"),
        ("2*3*4, a_b_c, * * et _ _", "2*3*4, a_b_c, * * et _ _"),
        ("<b>x</b> & y", "&lt;b&gt;x&lt;/b&gt; &amp; y"),
        (
            "Voir https://x.fr/a_b_c?d=1&e=2.",
            'Voir <a href="https://x.fr/a_b_c?d=1&amp;e=2">https://x.fr/a_b_c?d=1&amp;e=2</a>.',
        ),
        ("[ici](https://x.fr)", '<a href="https://x.fr">ici</a>'),
        ("[ici](javascript:x)", "[ici](javascript:x)"),
        ('https://x.fr/"onload=x', '<a href="https://x.fr/">https://x.fr/</a>&#34;onload=x'),
    ],
)
def test_what_is_typed_for_bold_and_links_becomes_markup(typed: str, markup: str) -> None:
    assert marked(typed) == markup


_OURS = re.compile(r'</?(?:b|em)>|<a href="https?://[^"<>]+">|</a>')


@given(st.text(alphabet="*_[]()<>&\"' ab\n:/.", max_size=40) | st.text(max_size=40))
def test_no_tag_is_made_but_ours_and_each_is_closed(typed: str) -> None:
    made = marked(f"{typed} https://x.fr {typed}")
    assert not re.search("[<>]", _OURS.sub("", made))
    opened: list[str] = []
    for tag in _OURS.findall(made):
        name = tag.strip("</>")[0]
        if tag.startswith("</"):
            assert opened.pop() == name
        else:
            opened.append(name)
    assert opened == []


def test_a_bare_address_is_said_once() -> None:
    assert as_plain(marked("https://x.fr et [ici](https://y.fr)")) == (
        "https://x.fr et ici (https://y.fr)"
    )
