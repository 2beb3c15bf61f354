"""Quick polls: opened by the secretariat, voted in two taps, counted by the clock.

`voting` is for electors, `results` for everybody who may read them, `running` and `opening` for the
secretariat, `rooms` for groups.
"""

from handlers.polls import opening, results, rooms, running, voting

__all__ = ["opening", "results", "rooms", "running", "voting"]
