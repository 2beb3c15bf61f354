"""The steps of a form: from a state and an answer, purely, to the next state.

Going back, skipping, reviewing, changing an answer and continuing a draft come with every form.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.forms.fields import UNSURE, Answers, Field, Given, More, Photos, Problem, Redo
from bot.forms.sources import Sources
from bot.rights import Right

REVIEW, EDIT = "review", "edit"


@dataclass(frozen=True)
class State:
    """Where a person is in a form. It is kept as plain data in their draft.

    Attributes:
        step: the field being asked, or `review`, or `edit`.
        answers: by field; None for one that was skipped.
        trail: the fields answered, in order, for going back.
        partial: what was given so far for the field being asked.
        extras: whether the optional fields are being asked.
        editing: whether the field is asked again from the review.
        tag: tells this draft from others of the same form.
        sources: the messages that the typed answers stand in, by field (`bot.forms.sources`).
        files: the message that each photo came in, by the photo's id, where messages have ids.
    """

    step: str
    answers: dict[str, Any]
    trail: tuple[str, ...] = ()
    partial: Any = None
    extras: bool = False
    editing: bool = False
    tag: str = ""
    sources: Sources = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

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
        who: who may fill it; checked at each answer.
        begin: answers known before the first question, from the request, the store and `about`.
        halt: the name of a message if these answers end the form, and all that the person wrote
            is erased.
        reviewed: whether answers are shown again before they are sent.
        review: the arguments of the words that end the review, from the answers.
        shows: the subject that its questions show, from what it is about; see `Reply`.
        send: the name of the label that sends them.
    """

    name: str
    noun: str
    fields: tuple[Field, ...]
    submit: Callable[..., Any]
    who: Right
    begin: Callable[..., dict[str, Any]] | None = None
    halt: Callable[[Answers], str | None] = lambda _: None
    reviewed: bool = True
    review: Callable[[Answers], Mapping[str, Any]] = lambda _: {}
    shows: Callable[[str], str | None] = lambda _: None
    send: str = "forms.send"

    def field(self, name: str) -> Field | None:
        return next((one for one in self.fields if one.name == name), None)

    @property
    def photos(self) -> Photos | None:
        """The field that keeps photos, if the form has one."""
        return next((one for one in self.fields if isinstance(one, Photos)), None)

    def start(self, given: Mapping[str, Any]) -> State:
        return self._onward(State(step="", answers=dict(given)))

    def resume(self, state: State) -> State:
        """A draft in this version of the form; where that changed, at its first unanswered step."""
        trail = tuple(name for name in state.trail if self.field(name))
        state = self._with_older_photos(replace(state, trail=trail))
        asked = self.field(state.step)
        if asked is not None and asked.applies(state.answers):
            return state
        if state.step in (REVIEW, EDIT) and self.complete(state):
            return state
        return self._onward(state)

    def complete(self, state: State) -> bool:
        """Whether it can be sent: every required question that applies has its answer."""
        return self._next(state.answers, extras=False) is None

    def is_blank(self, state: State) -> bool:
        """Whether the person has given nothing yet."""
        photos = self.photos is not None and state.answers.get(self.photos.name)
        return not state.trail and state.partial is None and not photos

    def submitted(self, state: State) -> dict[str, Any]:
        """What is sent: what it began with, and the answers that apply; None for the others."""
        answers = {**dict.fromkeys(one.name for one in self.fields), **state.answers}
        for one in self.fields:
            if not one.applies(state.answers) or answers[one.name] == UNSURE:
                answers[one.name] = None
        return answers

    def first(self, state: State) -> str:
        """The name of the first question; its words say how to stop."""
        asked = (one for one in self.fields if not one.fixed and one.applies(state.answers))
        return next(asked).name

    def progress(self, state: State) -> tuple[int, int] | None:
        """Which required question is asked, and out of how many.

        None when that says nothing, or when an answer could make them more.
        """
        asked = self.field(state.step)
        if asked is None or asked.optional or not asked.counted or state.editing:
            return None
        counted = [one for one in self.fields if one.counted and not (one.optional or one.fixed)]
        later = counted[counted.index(asked) :] if asked in counted else []
        if not all(one.applies(state.answers) for one in later):
            return None
        required = [one.name for one in counted if one.applies(state.answers)]
        done = sum(name in state.trail for name in required if name != state.step)
        left = sum(name not in state.answers for name in required if name != state.step)
        return (done + 1, done + 1 + left) if done + left else None

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
        except Redo as redo:
            return self.edit(state, redo.name)
        return self._answered(state, answer)

    def revise(self, state: State, name: str, given: Given) -> State:
        """Take an earlier answer anew, from the edited message that it stood in; stay at this step.

        Raises:
            Problem: it cannot be taken; the state stays as it was.
        """
        if name == state.step:
            return self.advance(replace(state, partial=None), given)
        revised = self.advance(replace(state, step=name, partial=None), given)
        asked = self.field(name)
        if revised.partial is not None and asked is not None and asked.free:  # asked for before
            revised = replace(revised, answers={**state.answers, name: revised.partial})
        elif revised.partial is not None:  # it wants a complement now: it is asked again
            return replace(revised, editing=state.step == REVIEW)
        return self.resume(replace(state, answers=revised.answers))

    def add_photos(self, state: State, photos: Sequence[int]) -> tuple[State, list[int]]:
        """Keep photos, at whatever step they come; return also those beyond the most allowed.

        The field for photos is left by itself once it is full.
        """
        assert self.photos is not None
        name, at_most = self.photos.name, self.photos.at_most
        already = list(state.answers.get(name) or [])
        room = max(at_most - len(already), 0)
        kept, surplus = [*already, *photos[:room]], list(photos[room:])
        if state.step == name and len(kept) == at_most and not surplus:
            return self._answered(state, kept), surplus
        return replace(state, answers={**state.answers, name: kept}), surplus

    def withdraw(self, state: State, name: str) -> State:
        """Take an answer out, and ask for it again."""
        left = replace(self._without(state, name), partial=None, editing=False)
        asked = self.field(name)
        if asked is None or asked.fixed or not asked.applies(left.answers):
            return self.resume(left)
        return replace(left, step=name)

    def withdraw_photos(self, state: State, photos: Collection[int]) -> State:
        """Take some photos out; stay at this step if that can be."""
        assert self.photos is not None
        name = self.photos.name
        left = [one for one in state.answers[name] if one not in photos]
        if left:
            return replace(state, answers={**state.answers, name: left})
        return self.resume(self._without(state, name))

    def skip(self, state: State) -> State:
        """Leave an optional question, with what was already given for it."""
        if state.editing:
            return self.back(state)
        asked = self._optional(state)
        had = state.answers.get(asked.name)
        return self._answered(state, had if state.partial is None else state.partial)

    def keep(self, state: State) -> State:
        """Leave a question that is asked again with the answer it had."""
        if state.editing:
            return self.back(state)
        if state.answers.get(state.step) is None:
            raise Problem("forms.choose")
        return self._answered(state, state.answers[state.step])

    def clear(self, state: State) -> State:
        """Take back the answer to an optional question."""
        self._optional(state)
        return self._answered(state, None)

    def back(self, state: State) -> State:
        """To the question before, or out of a change; from the first one, nothing changes."""
        if state.step == EDIT or state.editing:
            return replace(state, step=REVIEW, partial=None, editing=False)
        trail = state.trail
        while trail:
            *before, last = trail
            trail, asked = tuple(before), self.field(last)
            if asked is not None and asked.applies(state.answers):
                return replace(state, step=last, trail=trail, partial=None)
        raise Problem("forms.first_question")

    def edit(self, state: State, name: str) -> State:
        """Ask one field again."""
        asked = self.field(name)
        if asked is None or asked.fixed or not asked.applies(state.answers):
            raise Problem("forms.choose")
        return replace(state, step=name, partial=None, editing=True)

    def add_extras(self, state: State) -> State:
        """Ask the optional questions."""
        return self._onward(replace(state, extras=True))

    def _optional(self, state: State) -> Field:
        asked = self.field(state.step)
        if asked is None or not asked.can_be_skipped:
            raise Problem("forms.cannot_skip")
        return asked

    def _answered(self, state: State, answer: Any) -> State:
        asked = self.field(state.step)
        settled = asked.settle(state.answers, answer) if asked else state.answers
        answers = dict(settled)
        trail = tuple(name for name in state.trail if name != state.step)
        return self._onward(replace(state, answers=answers, trail=(*trail, state.step)))

    def _without(self, state: State, name: str) -> State:
        """As if a question had never been answered."""
        return replace(
            state,
            answers={one: answer for one, answer in state.answers.items() if one != name},
            trail=tuple(one for one in state.trail if one != name),
            sources={one: pieces for one, pieces in state.sources.items() if one != name},
        )

    def _onward(self, state: State) -> State:
        step = self._next(state.answers, state.extras) or REVIEW
        return replace(state, step=step, partial=None, editing=False)

    def _next(self, answers: Answers, extras: bool) -> str | None:
        for one in self.fields:
            wanted = not one.answered(answers) and not one.fixed and one.applies(answers)
            if wanted and (extras or not one.optional):
                return one.name
        return None

    def _with_older_photos(self, state: State) -> State:
        """Drafts once kept the photos of an open question as its partial answer."""
        if self.photos is None or state.step != self.photos.name or state.partial is None:
            return state
        return self.add_photos(replace(state, partial=None), state.partial)[0]


@dataclass(frozen=True)
class Open:
    """What a handler returns to open a form.

    Args:
        about: what it is about (an id), if anything; each has a draft of its own.
        given: answers known already, besides those that the form begins with.
        fresh: begin anew even if there is a draft.
        with_kept: take what was said outside any form as if it were typed now.
    """

    form: Form
    about: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    with_kept: bool = False

    @property
    def key(self) -> str:
        return f"{self.form.name}.{self.about}" if self.about else self.form.name
