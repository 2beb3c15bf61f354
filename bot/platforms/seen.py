"""What `preau doctor` finds out about a platform."""

from dataclasses import dataclass, field


@dataclass
class Seen:
    """What keeps a platform from working, and what else is worth a line."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
