"""What files are called where they are saved."""

import pytest

from bot.platforms.naming import file_name


@pytest.mark.parametrize(
    ("title", "media_type", "name"),
    [
        ("Mettre dans mon agenda", "text/calendar", "Mettre dans mon agenda.ics"),
        ("Le vote. Les chiffres sont ceux du message.", "image/png", "Le vote.png"),
        ("REX-2026-00042.", "image/jpeg", "REX-2026-00042.jpg"),
        (". ", "image/png", "preau.png"),
        ("x" * 100, "image/png", f"{'x' * 60}.png"),
    ],
)
def test_a_file_has_a_short_name(title: str, media_type: str, name: str) -> None:
    assert file_name(title, media_type) == name
