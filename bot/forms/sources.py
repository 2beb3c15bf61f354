"""Which messages the typed answers of a form stand in: editing one there changes the answer.

Taking one back takes it out.
"""

from collections.abc import Mapping, Sequence

# A message, or several separated by spaces; the words; what stands between these and the next ones.
Piece = list[str]
Sources = Mapping[str, Sequence[Piece]]  # by field


def joined(pieces: Sequence[Piece]) -> str:
    """The words of several messages, as one answer."""
    return "".join(words + glue for _, words, glue in pieces[:-1]) + pieces[-1][1]


def followed(before: Sequence[Piece], pieces: Sequence[Piece]) -> list[Piece]:
    """An answer, and what completes it on a line of its own."""
    *others, (message, words, _) = before
    return [*others, [message, words, "\n"], *pieces]


def standing(sources: Sources) -> dict[str, str]:
    """Each message in which typed answers stand, with its words."""
    pieces = [piece for several in sources.values() for piece in several]
    return {one: words for messages, words, _ in pieces for one in messages.split()}


def edited(sources: Sources, message: str, text: str) -> tuple[str, list[Piece]] | None:
    """The field that an edited message belongs to, and the pieces with its new words.

    None if there is no such field, or if nothing changed: Telegram also tells of edits that leave
    the words as they were.
    """
    for name, pieces in sources.items():
        if [message, text] in ([one, words] for one, words, _ in pieces):
            return None
        if any(one == message for one, _, _ in pieces):
            return name, [
                [one, text if one == message else words, glue] for one, words, glue in pieces
            ]
    return None


def withdrawn(sources: Sources, message: str) -> tuple[str, list[Piece]] | None:
    """The field that a message which was taken back belongs to, and the pieces that are left."""
    for name, pieces in sources.items():
        left = [piece for piece in pieces if message not in piece[0].split()]
        if len(left) < len(pieces):
            return name, left
    return None
