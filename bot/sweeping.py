"""The command that says what is kept for how long, and what would go by now."""

from collections import Counter

from bot.cli import opened
from bot.clock import Clock
from bot.rendering import texts_for
from bot.retention import RULES, would_go
from bot.settings import load


def retention() -> None:
    """Say how long each kind of data is kept, and how many rows would go by now.

    Nothing is touched: `run` sweeps every hour by itself.
    """
    settings = load()
    texts = texts_for("en", settings.zone)
    with opened(settings) as database:
        found = database.write_now(lambda store: would_go(store, Clock().now()))
    for rule in RULES:
        line = texts.plain("retention.line", {"rule": rule})
        print(f"{rule.name}: {line} {_counted(found.get(rule.name))}")


def _counted(rows: Counter[str] | None) -> str:
    if not rows:
        return "Nothing would go."
    tables = ", ".join(f"{count} of {table}" for table, count in sorted(rows.items()))
    return f"Would go or be emptied: {tables}."
