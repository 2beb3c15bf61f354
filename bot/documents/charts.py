"""Charts of results: legible on a phone, and with every number written."""

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, DPI = 720, 100
FONT = 19  # points at 100 dpi: 26 px in the file, about 12 px in a bubble on a phone
LABEL, TITLE = 44, 38  # characters in a line
COLOURS = ("#1f4e79", "#d98e04")
HATCHES = ("", "//")
BAR = 52  # pixels


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
            so that nothing is told by colour alone.

    The same data gives the same bytes. Text is never interpreted; a character that the font does
    not have is drawn as a box.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    head = wrap(_plain(title), TITLE) or [""]
    labels = [wrap(_plain(bar.label), LABEL) or [""] for bar in bars]
    line = FONT * DPI / 72 * 1.35
    rows = [len(label) * line + len(series) * BAR + 30 for label in labels]
    top, bottom = len(head) * line * 1.1 + 40, line * 2.4
    height = top + sum(rows) + bottom
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    axes.axis("off")
    _write(axes, 40, 24, "\n".join(head), weight="bold", size=FONT + 2)
    most = max([1, *(value for bar in bars for value in bar.values)])
    y = top
    for bar, label, row in zip(bars, labels, rows, strict=True):
        _write(axes, 40, y, "\n".join(label))
        at = y + len(label) * line + 6
        for rank, value in enumerate(bar.values):
            length = max(value / most * (WIDTH - 160), 3)
            axes.barh(
                at + BAR / 2 - 4,
                length,
                height=BAR - 12,
                left=40,
                color=COLOURS[rank],
                hatch=HATCHES[rank],
                edgecolor="white" if rank else COLOURS[rank],
                linewidth=0,
            )
            _write(axes, 52 + length, at + BAR / 2 - 4, str(value), weight="bold", va="center")
            at += BAR
        y += row
    _legend(axes, series, y + 8)
    if footer:
        _write(axes, WIDTH - 40, y + 8, _plain(footer), ha="right", color="#444444", size=FONT - 3)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        canvas.print_png(picture, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return picture.getvalue()


def _legend(axes: "Axes", series: Sequence[str], y: float) -> None:
    x = 40.0
    for rank, name in enumerate(series):
        axes.barh(
            y + 14,
            30,
            height=22,
            left=x,
            color=COLOURS[rank],
            hatch=HATCHES[rank],
            edgecolor="white" if rank else COLOURS[rank],
            linewidth=0,
        )
        _write(axes, x + 40, y + 2, name, size=FONT - 3)
        x += 70 + len(name) * FONT * 0.8


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
    ha: str = "left",
) -> None:
    axes.text(
        x,
        y,
        text,
        size=size,
        weight=weight,
        color=color,
        va=va,
        ha=ha,
        parse_math=False,
        family="DejaVu Sans",
        linespacing=1.25,
    )


def _plain(text: str) -> str:
    """One line, whose punctuation stays with the word before it as French wants."""
    return _SPACED.sub("\u00a0\\1", " ".join(text.split())).replace("« ", "«\u00a0")
