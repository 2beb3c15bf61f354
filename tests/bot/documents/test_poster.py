"""The poster: one page of A4, whose code can be read and whose words can be copied."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pikepdf
import pytest
import segno

from bot.documents.poster import WIDTH, Poster, figure_of, poster_pdf

POSTER = Poster(
    title="Le numérique à l'école : racontez",
    lead="Parents, enseignants, agents : le comité veut connaître votre expérience.",
    link="https://preau.example.org/#code=BCDF-GHJK-MNPQ-RTVW",
    typed=("preau.example.org", "code : BCDF-GHJK-MNPQ-RTVW"),
    steps=("Visez ce carré.", "Ouvrez l'adresse.", "Racontez."),
    small="Réservé aux adultes. Le secrétariat du comité lit chaque témoignage. ",
)


def test_one_page_of_a4_that_says_what_it_is() -> None:
    with pikepdf.open(io.BytesIO(poster_pdf(POSTER))) as pdf:
        [page] = pdf.pages
        box = [float(edge) for edge in page.mediabox]
        assert box == pytest.approx([0, 0, 595.28, 841.89], abs=0.1)
        assert str(pdf.docinfo["/Title"]) == POSTER.title
        fonts = page.resources["/Font"].as_dict()
        kinds = {str(font["/Subtype"]) for font in fonts.values()}
    assert kinds <= {"/Type42", "/TrueType", "/Type0"}  # letters, not drawings of letters


def test_the_same_poster_is_the_same_file() -> None:
    assert poster_pdf(POSTER) == poster_pdf(POSTER)
    assert poster_pdf(POSTER) != poster_pdf(replace(POSTER, link=POSTER.link + "2"))


def pixels(poster: Poster, dpi: int = 150) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = figure_of(poster)
    figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, 0]


def test_its_code_is_that_of_the_link() -> None:
    """Each module is looked at in its middle, where a camera would."""
    drawn = pixels(POSTER)
    [squares] = figure_of(POSTER).axes[0].collections
    box = squares.get_datalim(squares.axes.transData)  # type: ignore[union-attr]
    modules = [list(row) for row in segno.make_qr(POSTER.link, error="m").matrix]
    side = box.width / len(modules)
    scale = drawn.shape[1] / WIDTH
    for row, line in enumerate(modules):
        for column, dark in enumerate(line):
            x, y = box.x0 + (column + 0.5) * side, box.y0 + (row + 0.5) * side
            assert (drawn[int(y * scale), int(x * scale)] < 128) == bool(dark), (row, column)


@pytest.mark.parametrize("times", [1, 4, 12])
def test_nothing_is_drawn_outside_the_margins(times: int) -> None:
    """The code gives way to long words about who answers for the data."""
    drawn = pixels(replace(POSTER, small=POSTER.small * times))
    edge = int(18 / WIDTH * drawn.shape[1])
    for side in (drawn[:edge], drawn[-edge:], drawn[:, :edge], drawn[:, -edge:]):
        assert (side > 200).all()
