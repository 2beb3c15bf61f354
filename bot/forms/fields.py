"""The questions of a form: what each one asks, offers, understands and shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from bot.dates import NoSuchMoment, NotUnderstood, read_moment, working_day
from bot.markup import clean
from bot.messages import Label, Said, Words

Answers = Mapping[str, Any]
UNSURE = "unsure"
SURE, NOT_SURE = "sure", "not_sure"


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


class Redo(Exception):
    """Instead of an answer, another question is asked again."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Given:
    """What the person gave: typed text or a chosen value; and when, and where.

    `partial` is what they already gave for the same field, `answers` for all of them.
    """

    text: str = ""
    value: str | None = None
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
        skippable: asked as the others are, and can be skipped.
        once: never asked again of the same person, who is told so.
        when: whether it is asked at all, given the answers before it.
    """

    name: str
    optional: bool = field(default=False, kw_only=True)
    skippable: bool = field(default=False, kw_only=True)
    once: bool = field(default=False, kw_only=True)
    when: Callable[[Answers], bool] | None = field(default=None, kw_only=True)

    free: ClassVar[bool] = False  # any words are an answer, even those of a command
    fixed: ClassVar[bool] = False  # known from the beginning: shown in the review, never asked
    counted: ClassVar[bool] = True  # among the questions of which the number is told
    by_label: ClassVar[bool] = False  # a few words of a label choose it
    clear: ClassVar[str] = "forms.clear"  # the label for taking the answer back

    @property
    def can_be_skipped(self) -> bool:
        return self.optional or self.skippable

    @property
    def values(self) -> tuple[str, ...]:
        """The values that its choices always have."""
        return ()

    def applies(self, answers: Answers) -> bool:
        return self.when is None or self.when(answers)

    def read(self, given: Given) -> Any:
        """The answer in what was given; raise `Problem`, `More` or `Redo`."""
        raise NotImplementedError

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        """What can be chosen: values and labels."""
        return []

    def show(self, noun: str, answer: Any) -> Label:
        """An answer, for the review."""
        return Said(str(answer))

    def question(self, noun: str, answers: Answers) -> Label:
        """What is asked, given the answers before it."""
        return Words(f"{noun}.{self.name}_ask")

    def answered(self, answers: Answers) -> bool:
        """Whether it need not be asked any more."""
        return self.name in answers

    def settle(self, answers: Answers, answer: Any) -> Answers:
        """All the answers, once this one is given."""
        return {**answers, self.name: answer}

    def begun(self, given: Given) -> bool:
        """Whether a part of the answer is there already, and the rest is asked."""
        return given.partial is not None

    def counts(self, digits: str, given: Given) -> bool:
        """Whether a typed number is the position of a choice here."""
        return True

    def understood(self, given: Given, answer: Any) -> Label | None:
        """What to say of an answer that was not taken as it was typed."""
        return None


def _typed(given: Given) -> str:
    text = clean(given.text)
    if not text:
        raise Problem("forms.empty")
    return text


@dataclass(frozen=True)
class LongText(Field):
    """Some paragraphs. One shorter than `meagre` characters gets one follow-up question."""

    free: ClassVar[bool] = True

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

    free: ClassVar[bool] = True

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
        grave: values that are asked a second time, as `<noun>.<name>_more`, before they count.
    """

    by_label: ClassVar[bool] = True

    among: type[StrEnum] | tuple[str, ...] = ()
    labels: str | None = None
    unsure: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    grave: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        values = self.among if isinstance(self.among, tuple) else tuple(map(str, self.among))
        return (*values, *self.refused, *((UNSURE,) if self.unsure else ()))

    def read(self, given: Given) -> str:
        value = given.value
        if given.partial is not None and value == SURE:
            return str(given.partial)
        if given.partial is not None and value == NOT_SURE:
            raise More(None)
        if value is None or value not in self.values:
            raise Problem("forms.choose")
        if value in self.refused:
            raise Problem(self.refused[value])
        if value in self.grave:
            raise More(value)
        return value

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        values = (SURE, NOT_SURE) if given.partial is not None else self.values
        return [(value, self._label(noun, value)) for value in values]

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
    """Up to some photos, sent one by one or together: `Form.add_photos` keeps them as they come.

    Args:
        documents: whether PDF files are taken too.
        voices: whether voice notes are taken too; they count among the most allowed.
    """

    by_label: ClassVar[bool] = True
    clear: ClassVar[str] = "forms.remove_photos"

    at_most: int = 5
    documents: bool = False
    voices: bool = False

    def read(self, given: Given) -> list[int]:
        if given.value == "enough" and self.begun(given):
            return list(given.answers[self.name])
        raise Problem("forms.photo_wanted")

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        return [("enough", Words("forms.enough"))] if self.begun(given) else []

    def show(self, noun: str, answer: Any) -> Label:
        return Words("forms.photos", {"count": len(answer)})

    def begun(self, given: Given) -> bool:
        return bool(given.answers.get(self.name))


@dataclass(frozen=True)
class Find(Field):
    """One of many, by what people type.

    Args:
        search: the values that a text may mean; several are offered to choose from.
        name_of: the name of a value; None if there is no such value.
        explain: what to say of the value found in a text.
        others: values besides those that are searched, labelled `<noun>.<name>_<value>`.
    """

    search: Callable[[str], Sequence[str]] = field(default=lambda _: ())
    name_of: Callable[[str], str | None] = field(default=str)
    explain: Callable[[str, str], Label | None] = field(default=lambda _typed, _value: None)
    others: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        return self.others

    def read(self, given: Given) -> str:
        if given.value is not None:
            if given.value not in self.others and self.name_of(given.value) is None:
                raise Problem("forms.not_found")
            return given.value
        found = self.search(_typed(given))
        if not found:
            raise Problem("forms.not_found")
        if len(found) > 1:
            raise More(list(found[:9]))
        return found[0]

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        values = (*(given.partial or ()), *self.others)
        return [(value, self.show(noun, value)) for value in values]

    def show(self, noun: str, answer: Any) -> Label:
        if answer in self.others:
            return Words(f"{noun}.{self.name}_{answer}")
        return Said(self.name_of(answer) or answer)

    def counts(self, digits: str, given: Given) -> bool:
        """A number is looked for (a département); one digit chooses among what was found."""
        return len(digits) == 1 and self.begun(given)

    def understood(self, given: Given, answer: Any) -> Label | None:
        return self.explain(given.text, answer)


@dataclass(frozen=True)
class Lines(Field):
    """Several short texts, one a line."""

    free: ClassVar[bool] = True

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

    Args:
        past: the message for one that is not in the future.
    """

    at_most: timedelta = timedelta(days=366)
    hour: int = 18
    offered: tuple[int, ...] = (2, 7, 14)
    past: str = "forms.past"

    def moment(self, given: Given) -> datetime:
        """The moment that was typed, or chosen."""
        try:
            typed = given.value or _typed(given)
            return read_moment(typed, given.zone, given.now, self.hour)
        except NotUnderstood:
            raise Problem("forms.no_date") from None
        except NoSuchMoment as none:
            raise Problem("forms.no_such_moment", why=none.why) from None

    def read(self, given: Given) -> str:
        moment = self.moment(given)
        if moment <= given.now:
            raise Problem(self.past)
        if moment > given.now + self.at_most:
            raise Problem("forms.too_far")
        return moment.isoformat()

    def choices(self, noun: str, given: Given) -> list[tuple[str, Label]]:
        today = given.now.astimezone(given.zone).date()
        days = [working_day(today + timedelta(days=ahead)) for ahead in self.offered]
        return [
            (
                f"{day}",
                Words("forms.offered_moment", {"at": datetime.combine(day, time(self.hour))}),
            )
            for day in dict.fromkeys(days)
        ]

    def show(self, noun: str, answer: Any) -> Label:
        return Words("forms.moment", {"at": datetime.fromisoformat(answer)})

    def understood(self, given: Given, answer: Any) -> Label | None:
        """Of an hour that comes twice, when clocks go back, say that the first one is meant."""
        first = datetime.fromisoformat(answer).astimezone(given.zone)
        second = first.replace(fold=1)
        return Words("forms.first_of_two") if first.utcoffset() != second.utcoffset() else None
