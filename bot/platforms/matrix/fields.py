"""Fields of what anybody may have written: each as what it should be, or as nothing."""

import re
from collections.abc import Mapping
from typing import Any

# A text of half a character, or with a zero, can be kept nowhere.
_HALF = re.compile("[\ud800-\udfff]")
_EVENT_ID = re.compile(r"\$[!-~]{1,254}")


def mapping(value: object) -> Mapping[str, Any]:
    """An object; an empty one if it is something else."""
    return value if isinstance(value, dict) else {}


def words(value: object) -> str:
    """A text that can be kept; an empty one if it is something else."""
    return _HALF.sub("\ufffd", value).replace("\0", "") if isinstance(value, str) else ""


def event_id(value: object) -> str | None:
    """The id of an event; None if it is something else."""
    return value if isinstance(value, str) and _EVENT_ID.fullmatch(value) else None


def size(value: object) -> int:
    """A number of bytes; 0 if it is something else, or is not said."""
    is_size = isinstance(value, int) and not isinstance(value, bool)
    return max(value, 0) if is_size and isinstance(value, int) else 0
