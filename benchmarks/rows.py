"""The rows of the table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison: `ratio` is ours to the baseline, `ok` whether it reaches the aim."""

    name: str
    ours: float
    baseline: float
    unit: str
    better: str
    ratio: float
    aim: float
    ok: bool


def higher(name: str, ours: float, baseline: float, aim: float, unit: str = "votes/s") -> Row:
    ratio = ours / baseline
    return Row(name, ours, baseline, unit, "higher", ratio, aim, ratio >= aim)


def lower(name: str, ours: float, baseline: float, unit: str, aim: float = 1.0) -> Row:
    ratio = ours / baseline
    return Row(name, ours, baseline, unit, "lower", ratio, aim, ratio <= aim)
