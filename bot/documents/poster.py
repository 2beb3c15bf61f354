"""An A4 poster with a QR code, for the wall of a school: black on white, its words selectable."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.documents.charts import FAMILY, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 210.0, 297.0  # millimetres: A4
MARGIN = 20.0
CODE = 100.0  # millimetres at most: read from a few metres
QUIET = 4  # modules of white around a QR code, as the norm asks
INCH = 25.4
TITLE, LEAD, PLAIN, SMALL = 34, 19, 15, 10.5  # points
POINT = INCH / 72  # millimetres


@dataclass(frozen=True)
class Poster:
    """What a poster says, from top to bottom.

    Attributes:
        title: in large letters, at most some 60 characters.
        lead: one or two sentences.
        link: what the QR code holds.
        typed: the same for who types it: an address, without what a hand cannot copy.
        steps: how to do it, numbered.
        small: who asks, and what becomes of what is told.
    """

    title: str
    lead: str
    link: str
    typed: Sequence[str]
    steps: Sequence[str]
    small: str


def poster_pdf(poster: Poster) -> bytes:
    """A PDF of one page. The same poster gives the same bytes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    said = {"Title": poster.title, "Creator": "Préau", "CreationDate": None}
    drawn = io.BytesIO()
    # Fonts as they are, not as drawings: what is written can be copied, and read out.
    with rc_context({"pdf.fonttype": 42}):
        canvas = FigureCanvasPdf(figure_of(poster))
        canvas.print_pdf(drawn, metadata=said)  # type: ignore[no-untyped-call]
    return drawn.getvalue()


def figure_of(poster: Poster) -> "Figure":
    """The poster before it is drawn."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / INCH, HEIGHT / INCH), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, 0)
    axes.axis("off")
    head = [
        _Paragraph(poster.title, TITLE, bold=True, after=6),
        _Paragraph(poster.lead, LEAD, after=8),
    ]
    foot = [_Paragraph(line, PLAIN, bold=True, centred=True, after=2) for line in poster.typed]
    foot += [
        _Paragraph(f"{number}. {step}", PLAIN, before=8 if number == 1 else 0, after=3)
        for number, step in enumerate(poster.steps, 1)
    ]
    foot.append(_Paragraph(poster.small, SMALL, before=4))
    y = MARGIN
    for paragraph in head:
        y = paragraph.write(axes, y)
    left = HEIGHT - MARGIN - y - sum(paragraph.height for paragraph in foot)
    side = min(CODE, left)
    _draw_code(axes, poster.link, y, side)
    y += side
    for paragraph in foot:
        y = paragraph.write(axes, y)
    return figure


@dataclass(frozen=True)
class _Paragraph:
    """Words in lines that fit, with the space before and after them in millimetres."""

    text: str
    size: float
    bold: bool = False
    centred: bool = False
    before: float = 0.0
    after: float = 0.0

    @property
    def lines(self) -> list[str]:
        lines = [""]
        for word in one_line(self.text).split(" "):
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and self._wide(longer) > WIDTH - 2 * MARGIN:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    @property
    def height(self) -> float:
        return self.before + len(self.lines) * self._step + self.after

    def write(self, axes: "Axes", y: float) -> float:
        """Write it from `y` on; return where it ends."""
        for rank, line in enumerate(self.lines):
            axes.text(
                WIDTH / 2 if self.centred else MARGIN,
                y + self.before + rank * self._step,
                line,
                size=self.size,
                weight=self._weight,
                family=FAMILY,
                color="black",
                ha="center" if self.centred else "left",
                va="top",
                parse_math=False,
            )
        return y + self.height

    @property
    def _weight(self) -> str:
        return "bold" if self.bold else "normal"

    @property
    def _step(self) -> float:
        return self.size * POINT * 1.35

    def _wide(self, line: str) -> float:
        """How many millimetres a line takes."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import TextToPath

        font = FontProperties(family=FAMILY, size=self.size, weight=self._weight)
        wide, _, _ = TextToPath().get_text_width_height_descent(line, font, ismath=False)
        return float(wide) * POINT


def _draw_code(axes: "Axes", link: str, y: float, side: float) -> None:
    """Draw a QR code as squares, so that it is sharp at any size."""
    import segno
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    modules = [list(row) for row in segno.make_qr(link, error="m").matrix]
    module = side / (len(modules) + 2 * QUIET)
    left, top = (WIDTH - side) / 2 + QUIET * module, y + QUIET * module
    squares = [
        Rectangle((left + column * module, top + row * module), module, module)
        for row, line in enumerate(modules)
        for column, dark in enumerate(line)
        if dark
    ]
    axes.add_collection(
        PatchCollection(squares, facecolor="black", edgecolor="black", linewidth=0.1)
    )
