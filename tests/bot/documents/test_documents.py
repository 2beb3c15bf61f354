"""Charts and codes: pure functions from data to bytes."""

import io

import pytest
from PIL import Image

from bot.documents.charts import WIDTH, Bar, bar_chart
from bot.documents.qr import qr_png, qr_terminal

BARS = [Bar("Pour", (12, 7)), Bar("Contre, $x_1$ \\frac {", (0, 0)), Bar("خيار 😀 " * 8, (3, 1))]


def test_a_chart_is_the_same_for_the_same_data() -> None:
    one, two = (
        bar_chart("Un réseau fiable ? " * 12, BARS, ["Personnes", "Organisations"], "x")
        for _ in "12"
    )
    assert one == two
    assert Image.open(io.BytesIO(one)).width == WIDTH


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_chart_of_nothing_is_a_chart(count: int) -> None:
    assert bar_chart("", [Bar("", (0,))] * count, ["Personnes"]).startswith(b"\x89PNG")


def test_a_code_is_a_picture_or_characters() -> None:
    assert Image.open(io.BytesIO(qr_png("http://192.0.2.1/?key=x"))).format == "PNG"
    assert len(qr_terminal("http://192.0.2.1/?key=x").splitlines()) > 10
