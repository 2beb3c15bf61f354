"""What people type is kept as they see it, and pages show it with French spacing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.markup import as_page, beginning, clean


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
