"""Threads with the secretariat: what people write to it, and its answers.

`writing` is for everybody; `inbox` (what waits, and one thread) and `answering` (taking, answering,
closing) are for the secretariat.
"""

from handlers.threads import answering, inbox, writing

__all__ = ["answering", "inbox", "writing"]
