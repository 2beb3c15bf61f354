"""Charts of results: legible on a phone, and with every number written."""

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.figure import Figure

WIDTH, DPI = 720, 100
MARGIN = 40  # pixels
FONT, SMALL = 20, 16  # points at 100 dpi: in the file 28 and 22 px, half of that on a phone
LINE = FONT * DPI / 72 * 1.35  # pixels from one line to the next
TEXT = WIDTH - 2 * MARGIN  # pixels in a line
FAMILY = "DejaVu Sans"
COLOURS = ("#1f4e79", "#d98e04")
HATCHES = ("", "//")
BAR, GAP = 52, 30  # pixels: a bar with its space, and the space between two options


_SPACED = re.compile(" ([:;!?»])")


@dataclass(frozen=True)
class Bar:
    """One option: its label, and a count for each series."""

    label: str
    values: tuple[int, ...]


def bar_chart(title: str, bars: Sequence[Bar], series: Sequence[str], footer: str = "") -> bytes:
    """A PNG of horizontal bars, 720 pixels wide.

    Args:
        title: up to 300 characters; wrapped.
        bars: one to ten options; each label is wrapped above its bars.
        series: what is counted (one or two names); the second one is hatched as well as coloured,
            so that nothing is told by colour alone. With two, a legend stands under the title.

    The same data gives the same bytes. Text is never interpreted; a character that the font does
    not have is drawn as a box.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure_of(title, bars, series, footer))
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        canvas.print_png(picture, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return picture.getvalue()


def figure_of(title: str, bars: Sequence[Bar], series: Sequence[str], footer: str = "") -> "Figure":
    """The chart before it is drawn, from top to bottom: title, legend, bars, footer."""
    from matplotlib.figure import Figure

    head = _wrapped(title, FONT + 2, "bold")
    labels = [_wrapped(bar.label) for bar in bars]
    legend = LINE * 1.4 if len(series) > 1 else 0
    top = MARGIN + len(head) * LINE * 1.1 + GAP
    rows = [
        len(label) * LINE + len(bar.values) * BAR + GAP
        for label, bar in zip(labels, bars, strict=True)
    ]
    height = top + legend + sum(rows) + (LINE if footer else 0) + MARGIN / 2
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    axes.axis("off")
    _write(axes, MARGIN, MARGIN / 2, "\n".join(head), weight="bold", size=FONT + 2)
    if legend:
        _legend(axes, series, top)
    values = [value for bar in bars for value in bar.values]
    most = max(1, *values)
    longest = TEXT - 12 - max(_wide(str(value), FONT, "bold") for value in values)
    y = top + legend
    for bar, label, row in zip(bars, labels, rows, strict=True):
        _write(axes, MARGIN, y, "\n".join(label))
        for rank, value in enumerate(bar.values):
            middle = y + len(label) * LINE + rank * BAR + BAR / 2
            length = max(value / most * longest, 3)
            _rectangle(axes, MARGIN, middle, length, BAR - 12, rank)
            _write(axes, MARGIN + length + 12, middle, str(value), weight="bold", va="center")
        y += row
    if footer:
        _write(axes, MARGIN, y, one_line(footer), color="#444444", size=SMALL)
    return figure


def _legend(axes: "Axes", series: Sequence[str], y: float) -> None:
    """What each kind of bar counts, in two halves of the line."""
    for rank, name in enumerate(series):
        x = MARGIN + rank * TEXT / 2
        _rectangle(axes, x, y + LINE / 2, 36, 24, rank)
        _write(axes, x + 48, y + LINE / 2, name, size=SMALL, va="center")


def _rectangle(
    axes: "Axes", x: float, middle: float, length: float, height: float, rank: int
) -> None:
    axes.barh(
        middle,
        length,
        height=height,
        left=x,
        color=COLOURS[rank],
        hatch=HATCHES[rank],
        edgecolor="white" if rank else COLOURS[rank],
        linewidth=0,
    )


def _write(
    axes: "Axes",
    x: float,
    y: float,
    text: str,
    *,
    size: float = FONT,
    weight: str = "normal",
    color: str = "#111111",
    va: str = "top",
) -> None:
    axes.text(
        x,
        y,
        text,
        size=size,
        weight=weight,
        color=color,
        va=va,
        parse_math=False,
        family=FAMILY,
        linespacing=1.25,
    )


def _wrapped(text: str, size: float = FONT, weight: str = "normal") -> list[str]:
    """A text in lines that fit, cut between words where that is possible."""
    lines = [""]
    for word in one_line(text).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if _wide(longer, size, weight) <= TEXT:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if _wide(lines[-1] + letter, size, weight) > TEXT:
                lines.append("")
            lines[-1] += letter
    return lines


@cache
def _ruler() -> "RendererAgg":
    from matplotlib.backends.backend_agg import RendererAgg

    return RendererAgg(1, 1, DPI)  # type: ignore[no-untyped-call]


def _wide(text: str, size: float, weight: str) -> float:
    """How many pixels a line takes."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(family=FAMILY, size=size, weight=weight)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        wide, _, _ = _ruler().get_text_width_height_descent(text, font, False)  # type: ignore[no-untyped-call]
        return float(wide)


def one_line(text: str) -> str:
    """One line, whose punctuation stays with the word before it as French wants."""
    return _SPACED.sub("\u00a0\\1", " ".join(text.split())).replace("« ", "«\u00a0")
