"""A form is data: fields in order. `advance` is pure: a state and an answer give the next state.

Going back, skipping, reviewing, changing an answer and continuing a draft come with every form.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from bot.dates import NoSuchMoment, NotUnderstood, read_moment, working_day
from bot.markup import clean
from bot.messages import Label, Said, Words

Answers = Mapping[str, Any]
REVIEW, EDIT = "review", "edit"
UNSURE = "unsure"


class Problem(Exception):
    """An answer that cannot be taken, with the name of the message that says why."""

    def __init__(self, name: str, /, **arguments: Any) -> None:
        super().__init__(name)
        self.words = Words(name, arguments)


class More(Exception):
    """An answer that is kept but wants a complement before the next field."""

    def __init__(self, partial: Any) -> None:
        super().__init__()
        self.partial = partial


@dataclass(frozen=True)
class Given:
    """What the person gave: typed text, a chosen value, or files; and when, and where.

    `partial` is what they already gave for the same field, `answers` for the others.
    """

    text: str = ""
    value: str | None = None
    files: tuple[int, ...] = ()
    problem: str | None = None
    now: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    partial: Any = None
    answers: Answers = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """One question. Its words are `<noun>.<name>_ask`, `_name` (in the review), and so on.

    Args:
        name: the answer's name; a form that changed resumes by it.
        optional: asked only on request, and can be skipped.
        when: whether it is asked at all, given the answers before it.
    """

    name: str
    optional: bool = field(default=False, kw_only=True)
    when: Callable[[Answers], bool] | None = field(default=None, kw_only=True)

    def applies(self, answers: Answers) -> bool:
        return self.when is None or self.when(answers)

    def read(self, given: Given) -> Any:
        """The answer in what was given; raise `Problem` or `More`."""
        raise NotImplementedError

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        """What can be chosen: values and labels."""
        return []

    def show(self, noun: str, answer: Any) -> Label:
        """An answer, for the review."""
        return Said(str(answer))


def _typed(given: Given) -> str:
    if given.files or given.problem:
        raise Problem("forms.text_wanted")
    text = clean(given.text)
    if not text:
        raise Problem("forms.empty")
    return text


@dataclass(frozen=True)
class LongText(Field):
    """Some paragraphs. One shorter than `meagre` characters gets one follow-up question."""

    at_most: int = 4000
    meagre: int = 0

    def read(self, given: Given) -> str:
        if given.value == "enough" and given.partial:
            return str(given.partial)
        text = _typed(given)
        whole = f"{given.partial}\n{text}" if given.partial else text
        if len(whole) > self.at_most:
            raise Problem("forms.too_long", length=len(whole), at_most=self.at_most)
        if len(whole) < self.meagre and not given.partial:
            raise More(whole)
        return whole

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [("enough", Words("forms.enough"))] if given.partial else []


@dataclass(frozen=True)
class ShortText(Field):
    """One line. One may be proposed from the answers before."""

    at_most: int = 120
    propose: Callable[[Answers], str] | None = None

    def read(self, given: Given) -> str:
        if given.value is not None and self.propose is not None:
            return self.propose(given.answers)
        text = " ".join(_typed(given).split())
        if len(text) > self.at_most:
            raise Problem("forms.too_long", length=len(text), at_most=self.at_most)
        return text

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [("proposed", Said(self.propose(given.answers)))] if self.propose else []


@dataclass(frozen=True)
class Choose(Field):
    """One of a few. Labels are `<labels>_<value>`, by default `<noun>.<name>_<value>`.

    Args:
        unsure: whether *I don't know* may be answered.
        refused: values that are offered but answered with a message instead.
    """

    among: type[StrEnum] | tuple[str, ...] = ()
    labels: str | None = None
    unsure: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> tuple[str, ...]:
        values = self.among if isinstance(self.among, tuple) else tuple(map(str, self.among))
        return (*values, *self.refused, *((UNSURE,) if self.unsure else ()))

    def read(self, given: Given) -> str | None:
        value = given.value
        if value is None:
            raise Problem("forms.choose")
        if value in self.refused:
            raise Problem(self.refused[value])
        if value not in self.values:
            raise Problem("forms.choose")
        return value

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [(value, self._label(noun, value)) for value in self.values]

    def show(self, noun: str, answer: Any) -> Label:
        return self._label(noun, answer)

    def _label(self, noun: str, value: str) -> Label:
        if value == UNSURE:
            return Words("forms.unsure")
        return Words(f"{self.labels or f'{noun}.{self.name}'}_{value}")


@dataclass(frozen=True)
class YesNo(Choose):
    among: type[StrEnum] | tuple[str, ...] = ("yes", "no")
    labels: str | None = "forms.answer"


@dataclass(frozen=True)
class Photos(Field):
    """Up to some photos, sent one by one or together."""

    at_most: int = 5

    def read(self, given: Given) -> list[int]:
        already = list(given.partial or [])
        if given.value == "enough" and already:
            return already
        if given.problem:
            raise Problem(given.problem)
        if not given.files:
            raise Problem("forms.photo_wanted")
        photos = [*already, *given.files]
        if len(photos) > self.at_most:
            raise Problem("forms.too_many_photos", at_most=self.at_most)
        if len(photos) == self.at_most:
            return photos
        raise More(photos)

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [("enough", Words("forms.enough_photos"))] if given.partial else []

    def show(self, noun: str, answer: Any) -> Label:
        return Words("forms.photos", {"count": len(answer)})


@dataclass(frozen=True)
class Find(Field):
    """One of many, by what people type: the search gives `(value, name)` candidates."""

    search: Callable[[str], Sequence[tuple[str, str]]] = field(default=lambda _: ())
    name_of: Callable[[str], str | None] = field(default=str)
    unsure: bool = False

    def read(self, given: Given) -> str:
        if given.value is not None:
            if given.value != UNSURE and self.name_of(given.value) is None:
                raise Problem("forms.not_found")
            return given.value
        found = self.search(_typed(given))
        if not found:
            raise Problem("forms.not_found")
        if len(found) > 1:
            raise More([value for value, _ in found[:9]])
        return found[0][0]

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        found: list[tuple[str, Label]] = [
            (value, self.show(noun, value)) for value in given.partial or ()
        ]
        return [*found, (UNSURE, self.show(noun, UNSURE))] if self.unsure else found

    def show(self, noun: str, answer: Any) -> Label:
        if answer == UNSURE:
            return Words(f"{noun}.{self.name}_{UNSURE}")
        return Said(self.name_of(answer) or answer)


@dataclass(frozen=True)
class Lines(Field):
    """Several short texts, one a line."""

    at_least: int = 2
    at_most: int = 10
    longest: int = 80

    def read(self, given: Given) -> list[str]:
        lines = [" ".join(line.split()) for line in _typed(given).splitlines()]
        lines = list(dict.fromkeys(line for line in lines if line))
        if not self.at_least <= len(lines) <= self.at_most:
            raise Problem("forms.lines", at_least=self.at_least, at_most=self.at_most)
        longest = max(lines, key=len)
        if len(longest) > self.longest:
            raise Problem("forms.too_long", length=len(longest), at_most=self.longest)
        return lines

    def show(self, noun: str, answer: Any) -> Label:
        return Said(" / ".join(answer))


@dataclass(frozen=True)
class Moment(Field):
    """A date and an hour in the future, typed as people do, kept in UTC.

    Working days some `offered` days ahead are offered too, at `hour` o'clock.
    """

    at_most: timedelta = timedelta(days=366)
    hour: int = 18
    offered: tuple[int, ...] = (2, 7, 14)

    def read(self, given: Given) -> str:
        try:
            typed = given.value or _typed(given)
            moment = read_moment(typed, given.zone, given.now, self.hour)
        except NotUnderstood:
            raise Problem("forms.no_date") from None
        except NoSuchMoment:
            raise Problem("forms.no_such_moment") from None
        if moment <= given.now:
            raise Problem("forms.past")
        if moment > given.now + self.at_most:
            raise Problem("forms.too_far")
        return moment.isoformat()

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        today = given.now.astimezone(given.zone).date()
        days = [working_day(today + timedelta(days=ahead)) for ahead in self.offered]
        return [
            (
                f"{day}",
                Words("forms.moment", {"at": datetime.combine(day, time(self.hour), given.zone)}),
            )
            for day in dict.fromkeys(days)
        ]

    def show(self, noun: str, answer: Any) -> Label:
        return Words("forms.moment", {"at": datetime.fromisoformat(answer)})


@dataclass(frozen=True)
class State:
    """Where a person is in a form. It is kept as plain data in their draft.

    Attributes:
        step: the field being asked, or `review`, or `edit`.
        answers: by field; None for one that was skipped.
        trail: the fields answered, in order, for going back.
        partial: what was given so far for the field being asked.
        extras: whether the optional fields are being asked.
    """

    step: str
    answers: dict[str, Any]
    trail: tuple[str, ...] = ()
    partial: Any = None
    extras: bool = False

    def kept(self) -> dict[str, Any]:
        return {**vars(self), "trail": list(self.trail)}

    @classmethod
    def from_kept(cls, kept: Mapping[str, Any]) -> "State":
        return cls(**{**kept, "trail": tuple(kept["trail"])})


@dataclass(frozen=True)
class Form:
    """Questions in order, then a review, then `submit`.

    Args:
        name: short; it is in every action of the form.
        noun: where its words stand.
        fields: the required ones come first.
        submit: called with the request, the store, what the form is about, and the answers.
        begin: answers known before the first question, from the request, the store and `about`.
        who: who may fill it; checked at each answer.
        halt: the name of a message if these answers end the form and erase its draft.
        reviewed: whether answers are shown again before they are sent.
    """

    name: str
    noun: str
    fields: tuple[Field, ...]
    submit: Callable[..., Any]
    begin: Callable[..., dict[str, Any]] | None = None
    who: Callable[..., bool] = lambda _: True
    halt: Callable[[Answers], str | None] = lambda _: None
    reviewed: bool = True

    def field(self, name: str) -> Field | None:
        return next((one for one in self.fields if one.name == name), None)

    def start(self, given: Mapping[str, Any]) -> State:
        return self._onward(State(step="", answers=dict(given)))

    def resume(self, state: State) -> State:
        """A draft in this version of the form; if that changed, at its first unanswered step."""
        trail = tuple(name for name in state.trail if self.field(name))
        known = state.step in (REVIEW, EDIT) or self.field(state.step) is not None
        state = replace(state, trail=trail)
        return state if known else self._onward(replace(state, partial=None))

    def complete(self, state: State) -> bool:
        """Whether it can be sent: every required question that applies has its answer."""
        return self._next(state.answers, extras=False) is None

    def advance(self, state: State, given: Given) -> State:
        """Take an answer to the field being asked.

        Raises:
            Problem: it cannot be taken; the state stays as it was.
        """
        asked = self.field(state.step)
        if asked is None:
            raise Problem("forms.choose")
        try:
            answer = asked.read(replace(given, partial=state.partial, answers=state.answers))
        except More as more:
            return replace(state, partial=more.partial)
        return self._answered(state, answer)

    def skip(self, state: State) -> State:
        asked = self.field(state.step)
        if asked is None or not asked.optional:
            raise Problem("forms.cannot_skip")
        if state.partial is not None:
            return self._answered(state, state.partial)
        return self._answered(state, None)

    def back(self, state: State) -> State:
        """To the question before; from the first one, nothing changes."""
        if state.step == EDIT:
            return replace(state, step=REVIEW)
        if not state.trail:
            raise Problem("forms.first_question")
        return replace(state, step=state.trail[-1], trail=state.trail[:-1], partial=None)

    def edit(self, state: State, name: str) -> State:
        """Ask one field again."""
        if self.field(name) is None:
            raise Problem("forms.choose")
        return replace(state, step=name, partial=None)

    def add_extras(self, state: State) -> State:
        """Ask the optional questions."""
        return self._onward(replace(state, extras=True))

    def _answered(self, state: State, answer: Any) -> State:
        answers = {**state.answers, state.step: answer}
        trail = tuple(name for name in state.trail if name != state.step)
        return self._onward(
            replace(state, answers=answers, trail=(*trail, state.step), partial=None)
        )

    def _onward(self, state: State) -> State:
        return replace(state, step=self._next(state.answers, state.extras) or REVIEW)

    def _next(self, answers: Answers, extras: bool) -> str | None:
        for one in self.fields:
            wanted = one.name not in answers and one.applies(answers)
            if wanted and (extras or not one.optional):
                return one.name
        return None


@dataclass(frozen=True)
class Open:
    """What a handler returns to open a form.

    Args:
        about: what it is about (an id), if anything; each has a draft of its own.
        given: answers known already, besides those that the form begins with.
        fresh: begin anew even if there is a draft.
    """

    form: Form
    about: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False

    @property
    def key(self) -> str:
        return f"{self.form.name}.{self.about}" if self.about else self.form.name
