"""Charts and codes: pure functions from data to bytes."""

import io
import warnings
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox
from PIL import Image

from bot.documents.charts import WIDTH, Bar, bar_chart, figure_of
from bot.documents.qr import qr_png, qr_terminal

BARS = [Bar("Pour", (12, 7)), Bar("Contre, $x_1$ \\frac {", (0, 0)), Bar("خيار 😀 " * 8, (3, 1))]
LONG = "Une option dont le libellé est aussi long que la saisie le permet, jusqu'au bout !"
FOOTER = "VOTE-2027-001 · clos le 14 septembre 2027"
TWO = ["Personnes", "Organisations"]
CASES = {
    "a few": ("Êtes-vous favorable au projet ?", BARS, TWO),
    "ties": ("Lequel ?", [Bar("Un", (5, 5)), Bar("Deux", (5, 5))], TWO),
    "no votes": ("Lequel ?", [Bar("Un", (0, 0)), Bar("Deux", (0, 0))], TWO),
    "one series": ("Lequel ? " * 30, [Bar(LONG, (3,)), Bar("Deux", (1234567,))], ["Personnes"]),
    "ten options": ("Lequel ?", [Bar(f"{LONG[:78]} {n}", (n, 9999)) for n in range(10)], TWO),
    "no spaces": ("é" * 300, [Bar("W" * 80, (1, 2)), Bar("م" * 80, (3, 4))], TWO),
    "emoji": ("😀" * 40, [Bar("👩‍👩‍👧‍👦" * 10, (1, 2)), Bar("", (0, 1))], TWO),
    "nothing": ("", [Bar("", (0,))], ["Personnes"]),
}


def boxes(title: str, bars: list[Bar], series: list[str]) -> list[Bbox]:
    """Where each text and each bar stands, in pixels."""
    figure = figure_of(title, bars, series, FOOTER)
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        canvas.draw()  # type: ignore[no-untyped-call]
    [axes] = figure.axes
    return [
        one.get_window_extent(canvas.get_renderer())  # type: ignore[no-untyped-call]
        for one in (*axes.texts, *axes.patches)
        if not hasattr(one, "get_text") or one.get_text()
    ]


@pytest.mark.parametrize("case", CASES)
def test_nothing_in_a_chart_meets_anything_else(case: str) -> None:
    found = boxes(*CASES[case])
    for one, other in combinations(found, 2):
        assert not one.overlaps(other), (one, other)
    for one in found:
        assert 0 <= one.x0 <= one.x1 <= WIDTH
        assert one.y0 >= 0


def test_a_chart_is_the_same_for_the_same_data() -> None:
    one, two = (bar_chart(*CASES["a few"], FOOTER) for _ in "12")
    assert one == two
    assert Image.open(io.BytesIO(one)).width == WIDTH


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_chart_of_nothing_is_a_chart(count: int) -> None:
    assert bar_chart("", [Bar("", (0,))] * count, ["Personnes"]).startswith(b"\x89PNG")


def test_a_code_is_a_picture_or_characters() -> None:
    assert Image.open(io.BytesIO(qr_png("http://192.0.2.1/?key=x"))).format == "PNG"
    assert len(qr_terminal("http://192.0.2.1/?key=x").splitlines()) > 10
