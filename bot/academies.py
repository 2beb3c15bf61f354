"""The académies by code; `handlers.academies` finds one by whatever people call it."""

import csv
from functools import cache
from importlib.resources import files


@cache
def table(name: str) -> list[dict[str, str]]:
    """A table that comes with Préau, row by row."""
    text = (files("handlers") / "data" / f"{name}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def names() -> dict[str, str]:
    """The name of each académie or vice-rectorat, by code."""
    return {row["code"]: row["name"] for row in table("academies")}
