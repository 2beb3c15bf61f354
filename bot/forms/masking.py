"""The question whether to mask what may tell who somebody is, asked if anything was found."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bot.forms.fields import Answers, Choose, Given, Problem, Redo
from bot.masking import Piece, find, mask
from bot.messages import Label, Words

MASK, KEEP, REWRITE = "mask", "keep", "rewrite"
SHOWN = 8  # pieces in a question


@dataclass(frozen=True)
class Masking(Choose):
    """Masks the answers to some questions, or keeps them as they are; it forces nothing.

    Its answer is what was kept: it is asked again of what is found later.

    Args:
        texts: the names of these questions.
    """

    counted: ClassVar[bool] = False

    among: tuple[str, ...] = field(default=(MASK, KEEP, REWRITE))
    texts: tuple[str, ...] = ()

    def applies(self, answers: Answers) -> bool:
        return next(self._left(answers), None) is not None

    def answered(self, answers: Answers) -> bool:
        return not self.applies(answers)

    def question(self, noun: str, answers: Answers) -> Label:
        found = list(dict.fromkeys(piece.text for _, piece in self._left(answers)))
        given = {"pieces": found[:SHOWN], "more": max(len(found) - SHOWN, 0)}
        return Words(f"{noun}.{self.name}_ask", given)

    def show(self, noun: str, answer: Any) -> Label:
        return Words(f"{noun}.{self.name}_{KEEP}")

    def read(self, given: Given) -> str:
        if given.value not in self.values:
            raise Problem("forms.choose")
        if given.value == REWRITE:
            raise Redo(next(name for name, _ in self._left(given.answers)))
        return str(given.value)

    def settle(self, answers: Answers, answer: Any) -> Answers:
        """With each text masked, or with what is kept."""
        if answer == MASK:
            masked = {name: mask(answers[name]) for name in self._written(answers)}
            return {**answers, **masked}
        kept = [piece.text for _, piece in self._left(answers)]
        return {**answers, self.name: [*(answers.get(self.name) or ()), *kept]}

    def _written(self, answers: Answers) -> list[str]:
        return [name for name in self.texts if isinstance(answers.get(name), str)]

    def _left(self, answers: Answers) -> Iterator[tuple[str, Piece]]:
        """What is found, and was not kept before."""
        kept = answers.get(self.name) or ()
        for name in self._written(answers):
            for piece in find(answers[name]):
                if piece.text not in kept:
                    yield name, piece
