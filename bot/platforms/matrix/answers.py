"""What belongs together: files that were sent one after the other, and the words right after."""

from collections.abc import Iterable, Iterator

from bot.platforms.matrix.events import NOT_TAKEN, Arrival

MOST = 10  # files of one answer


def answers(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    """What was said in one room, in order: alone, or with what goes on with it."""
    together: list[Arrival] = []
    for arrival in arrivals:
        if together and not _goes_on(together, arrival):
            yield together
            together = []
        together.append(arrival)
    if together:
        yield together


def may_go_on(together: list[Arrival]) -> bool:
    """Whether something that is said soon may go with the end of an answer."""
    return _is_file(together[-1]) and len(together) <= MOST


def _goes_on(together: list[Arrival], arrival: Arrival) -> bool:
    last, next_one = together[-1].incoming, arrival.incoming
    if not may_go_on(together):
        return False
    if (last.sender, last.thread) != (next_one.sender, next_one.thread):
        return False
    return len(together) < MOST if _is_file(arrival) else _is_words(arrival)


def _is_file(arrival: Arrival) -> bool:
    return arrival.sent is not None or arrival.incoming.problem == NOT_TAKEN


def _is_words(arrival: Arrival) -> bool:
    """Whether it is words that may go with files: no command, no change of what was said before."""
    incoming = arrival.incoming
    is_new = incoming.edits is None and incoming.withdraws is None and incoming.choice is None
    return is_new and bool(incoming.text) and not (incoming.text or "").startswith(("!", "/"))
