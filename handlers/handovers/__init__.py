"""« Je passe la main »: a delegate has a substitute vote, in one poll or during a period.

`giving` is what they do, `period` asks from when until when, `telling` is what the two are told.
"""

from handlers.handovers import giving, telling

__all__ = ["giving", "telling"]
