"""Quick polls: opened by the secretariat, voted in two taps, counted by the clock.

`voting` is for electors, `results` for everybody who may read them, `running` and `opening` for the
secretariat.
"""

from handlers.polls import opening, results, running, voting

__all__ = ["opening", "results", "running", "voting"]
