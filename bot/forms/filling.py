"""A form being filled in one conversation: what is asked, understood and kept, and its buttons."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot import routing
from bot.forms import EDIT, REVIEW, Field, Form, Given, Open, Photos, Problem, State
from bot.messages import Attachment, Label, Refused, Reply, Request, Words
from bot.rendering import texts_for
from bot.routing import FORMS, anyone, choice, form_action
from bot.texts import normalise
from storage.store import Store

LONGEST_NAME = 100  # characters: what is longer is no name of a choice
SHORTEST_PART = 3  # characters by which a longer name may be meant


@dataclass
class Filling:
    """A form being filled in one conversation.

    Attributes:
        key: the name of the draft: the form's, and after a dot what it is about.
        note: said before the next question, once.
    """

    request: Request
    store: Store
    form: Form
    key: str
    state: State
    note: Label | None = None

    @classmethod
    def open_in(cls, request: Request, store: Store, key: str | None = None) -> "Filling | None":
        """The form of a key, or the one that is open, with its draft."""
        key = key or request.context.form
        form = FORMS.get(key.partition(".")[0]) if key else None
        if key is None or form is None:
            return None
        kept = store.conversations.draft(request.person, key)
        if kept is None:
            return None
        state = State.from_kept(kept)
        if any(one.fixed and one.name not in state.answers for one in form.fields) and form.begin:
            begun = form.begin(request, store, key.partition(".")[2])
            state = replace(state, answers={**begun, **state.answers})
        return cls(request, store, form, key, form.resume(state))

    @property
    def title(self) -> Label:
        """What the form is about, in a sentence."""
        return Words(f"{self.form.noun}.{self.form.name}_form")

    @property
    def asked(self) -> Field | None:
        return self.form.field(self.state.step)

    @property
    def offered(self) -> list[tuple[str, Label]]:
        """The actions and labels shown at this step, as they were numbered."""
        if self.state.step == REVIEW:
            return self._review_choices()
        asked = self.asked
        if asked is None:
            return [
                (self._action("edit", one.name), Words(f"{self.form.noun}.{one.name}_name"))
                for one in self.form.fields
                if not one.fixed
                and one.applies(self.state.answers)
                and one.name in self.state.answers
            ]
        given, has_answer = self._given(), self.state.answers.get(asked.name) is not None
        choices: list[tuple[str, Label]] = [
            (self._action("answer", asked.name, value), label)
            for value, label in asked.choices(self.form.noun, given)
        ]
        if has_answer and not isinstance(asked, Photos):
            choices.append((self._action("keep", asked.name), Words("forms.keep")))
        if has_answer and asked.optional:
            choices.append((self._action("clear", asked.name), Words(asked.clear)))
        elif self.state.editing and not has_answer:
            choices.append((self._action("keep", asked.name), Words("forms.leave_empty")))
        elif asked.optional and not asked.begun(given):
            choices.append((self._action("skip", asked.name), Words("forms.skip")))
        return choices

    def at(self, digits: str) -> str | None:
        """The action that a typed number chooses, if numbers are positions at this step."""
        if self.asked is not None and not self.asked.counts(digits, self._given()):
            return None
        position = int(digits[:6]) - 1
        return self.offered[position][0] if 0 <= position < len(self.offered) else None

    def named(self, typed: str, *, loosely: bool = False) -> str | None:
        """The action whose label was typed: as a whole, or loosely, by a few words of it."""
        wanted = normalise(typed)
        if len(wanted) > LONGEST_NAME or len(wanted) < (SHORTEST_PART if loosely else 1):
            return None
        texts = texts_for(self.request.context.language, self.request.zone)
        names = [(action, name) for action, label in self.offered for name in texts.names(label)]
        ways: list[Callable[[str], bool]] = [lambda name: name == wanted]
        if loosely and (self.asked is None or self.asked.by_label):
            ways = [
                lambda name: name.startswith(wanted),
                lambda name: f" {wanted} " in f" {name} ",
                lambda name: f" {wanted}" in f" {name}",
            ]
        for fits in ways:
            found = {action for action, name in names if fits(name)}
            if len(found) == 1:
                return found.pop()
        return None

    def takes(self, typed: str) -> bool:
        """Whether typed words are an answer to what is asked."""
        try:
            self.form.advance(self.state, replace(self._given(), text=typed))
        except Problem:
            return False
        return True

    def take(self, given: Given) -> routing.Answer:
        """Take an answer; if it cannot be taken, say why and ask again."""
        asked, known = self.asked, self._given()
        given = replace(known, text=given.text, value=given.value)
        try:
            state = self.form.advance(self.state, given)
        except Problem as problem:
            return self.ask(problem)
        if asked is not None and given.text and state.step != self.state.step:
            self.note = asked.understood(given, state.answers[asked.name]) or self.note
        return self.go(state)

    def take_kept(self) -> routing.Answer:
        """Take what was said outside any form; it stays kept if it cannot be taken."""
        kept = self.request.context.kept or ""
        try:
            state = self.form.advance(self.state, replace(self._given(), text=kept))
        except Problem as problem:
            return self.ask(problem)
        self.request.context.kept = None
        return self.go(state)

    def take_photos(self) -> Problem | None:
        """Keep the photos that came, whatever is asked; return why some were not."""
        field, problem = self.form.photos, self.request.incoming.problem
        if field is None:
            self.store.files.drop(list(self.request.files))
            return Problem("forms.no_photo")
        if problem is not None:
            return Problem(problem)
        self.state, surplus = self.form.add_photos(self.state, self.request.files)
        self.keep()
        self.store.files.drop(surplus)
        if surplus:
            return Problem("forms.too_many_photos", at_most=field.at_most)
        if self.state.step != field.name:
            kept = "document" if self.request.incoming.documents else "photo"
            self.note = Words(f"forms.{kept}_kept", {"form": self.title})
        return None

    def go(self, state: State) -> routing.Answer:
        """Keep the new state and show what comes next."""
        self.state = state
        halted = self.form.halt(state.answers)
        if halted is not None:
            self.store.forget_writings(self.request.person, self.request.now)
            self.request.context.form = self.request.context.kept = None
            return Reply(halted, forget_from=1)
        if state.step == REVIEW and not self.form.reviewed:
            return self.send()
        return self.step()

    def navigate(self, name: str) -> routing.Answer:
        """Do what a word for moving in a form says."""
        if name == "help":
            return [Reply("forms.help"), self.ask()]
        if name == "cancel":
            return self.stop()
        move = {"back": self.form.back, "skip": self.form.skip, "clear": self.form.clear}
        try:
            return self.go(move.get(name, self.form.keep)(self.state))
        except Problem as problem:
            return self.ask(problem)

    def stop(self) -> Reply:
        """Close the form; its draft stays, unless nothing was given."""
        self.request.context.form = None
        if self.form.is_blank(self.state):
            self.drop()
            return Reply("forms.stopped", choices=[("people.menu", "people.see_menu")])
        choices = [
            (form_action("resume", self.key), "forms.resume"),
            (form_action("drop", self.key), "forms.drop"),
            ("people.menu", "people.see_menu"),
        ]
        return Reply("forms.cancelled", choices=choices)

    def send(self) -> routing.Answer:
        """Hand the answers over; the draft goes only if they are taken."""
        if not self.form.complete(self.state):
            self.state = self.form.resume(self.state)
            return self.step()
        about = self.key.partition(".")[2]
        reply = self.form.submit(self.request, self.store, about, self.form.submitted(self.state))
        self.drop()
        return reply  # type: ignore[no-any-return]

    def keep(self) -> None:
        """Keep the draft; the form is the one that is open."""
        self.store.conversations.save_draft(
            self.request.person, self.key, self.state.kept(), self.request.now
        )
        self.request.context.form = self.key

    def drop(self) -> None:
        self.store.conversations.drop_draft(self.request.person, self.key)
        self.request.context.form = None

    def step(self) -> Reply:
        """Keep the draft, and ask or show what this step is about."""
        self.keep()
        return self.ask()

    def ask(self, problem: Problem | None = None) -> Reply:
        """The question, or the review; first the reason why the last answer was not taken."""
        asked, state, noun = self.asked, self.state, self.form.noun
        answer = state.answers.get(state.step)
        has_answer = answer is not None and state.partial is None
        is_first = state.step in (REVIEW, self.form.first(state))
        try:
            self.form.back(state)
        except Problem:
            can_go_back = False
        else:
            can_go_back = state.step != REVIEW
        return Reply(
            "forms.question",
            choices=self.offered,
            files=self._photos() if state.step == REVIEW else (),
            note=self.note,
            problem=problem.words if problem else None,
            current=asked.show(noun, answer) if asked and has_answer else None,
            question=self._question(),
            once=asked is not None and asked.once and not has_answer,
            progress=self.form.progress(state),
            can_go_back=can_go_back,
            is_first=is_first,
        )

    def _question(self) -> Label:
        noun, asked = self.form.noun, self.asked
        if self.state.step == REVIEW:
            last = Words(f"{noun}.{self.form.name}_review")
            return Words("forms.review", {"lines": self._lines(), "last": last})
        if asked is None:
            return Words("forms.edit")
        return Words(f"{noun}.{asked.name}_{'more' if asked.begun(self._given()) else 'ask'}")

    def _given(self) -> Given:
        """What was given so far for the field being asked."""
        return Given(
            now=self.request.now,
            zone=self.request.zone,
            partial=self.state.partial,
            answers=self.state.answers,
        )

    def _action(self, verb: str, *arguments: str) -> str:
        return form_action(verb, self.key, *arguments)

    def _lines(self) -> list[tuple[Label, Label]]:
        noun, answers = self.form.noun, self.state.answers
        return [
            (Words(f"{noun}.{one.name}_name"), one.show(noun, answers[one.name]))
            for one in self.form.fields
            if one.applies(answers) and answers.get(one.name) is not None
        ]

    def _photos(self) -> list[Attachment]:
        field = self.form.photos
        kept = (self.state.answers.get(field.name) if field else None) or ()
        if field is not None and field.documents:
            types = [(one, self.store.files.media_type(one)) for one in kept]
            return [attachment(one, media_type) for one, media_type in types if media_type]
        return [
            Attachment(photo, Words("forms.photo_name", {"rank": rank}))
            for rank, photo in enumerate(kept, start=1)
        ]

    def _review_choices(self) -> list[tuple[str, Label]]:
        choices: list[tuple[str, Label]] = [(self._action("send"), Words(self.form.send))]
        answers = self.state.answers
        if any(one.optional and one.name not in answers for one in self.form.fields):
            choices.append(
                (self._action("extras"), Words(f"{self.form.noun}.{self.form.name}_extras"))
            )
        choices.append((self._action("change"), Words("forms.change")))
        choices.append((self._action("cancel"), Words("forms.cancel")))
        return choices


def attachment(file_id: int, media_type: str) -> Attachment:
    """A picture or a document, named for what it is."""
    kind = "picture" if media_type.startswith("image/") else "document"
    return Attachment(file_id, Words(f"forms.{kind}_name"), media_type)


def open_form(opened: Open, request: Request, store: Store) -> routing.Answer:
    """Open a form, or offer to continue its draft."""
    form, key = opened.form, opened.key
    if not form.who(request):
        raise Refused("people.not_allowed")
    if not opened.fresh and store.conversations.draft(request.person, key) is not None:
        request.context.form = None
        choices = [
            (form_action("resume", key), "forms.resume"),
            (form_action("restart", key), "forms.restart"),
        ]
        named = Words(f"{form.noun}.{form.name}_form")
        return Reply("forms.continue_draft", choices=choices, form=named)
    begun = form.begin(request, store, opened.about) if form.begin else {}
    filling = Filling(request, store, form, key, form.start({**begun, **opened.given}))
    filling.keep()
    takes_kept = opened.with_kept and request.context.kept is not None
    return filling.take_kept() if takes_kept else filling.ask()


def _key(text: str) -> str:
    if text.partition(".")[0] not in FORMS:
        raise ValueError(text)
    return text


def _current(request: Request, store: Store, key: str) -> Filling:
    """The form that a button belongs to, if it is the open one."""
    filling = Filling.open_in(request, store) if request.context.form == key else None
    if filling is None:
        raise Refused("forms.stale")
    if not filling.form.who(request):
        raise Refused("people.not_allowed")
    return filling


@choice("form.answer", _key, str, str, who=anyone)
def answer(request: Request, store: Store, key: str, step: str, value: str) -> routing.Answer:
    filling = _current(request, store, key)
    if filling.state.step != step:
        return filling.ask(Problem("forms.already_answered"))
    return filling.take(Given(value=value))


def _move(request: Request, store: Store, key: str, step: str, name: str) -> routing.Answer:
    filling = _current(request, store, key)
    if filling.state.step != step:
        return filling.ask(Problem("forms.already_answered"))
    return filling.navigate(name)


@choice("form.skip", _key, str, who=anyone)
def skip(request: Request, store: Store, key: str, step: str) -> routing.Answer:
    return _move(request, store, key, step, "skip")


@choice("form.keep", _key, str, who=anyone)
def keep(request: Request, store: Store, key: str, step: str) -> routing.Answer:
    return _move(request, store, key, step, "keep")


@choice("form.clear", _key, str, who=anyone)
def clear(request: Request, store: Store, key: str, step: str) -> routing.Answer:
    return _move(request, store, key, step, "clear")


@choice("form.send", _key, who=anyone)
def send(request: Request, store: Store, key: str) -> routing.Answer:
    filling = _current(request, store, key)
    return filling.send() if filling.state.step == REVIEW else filling.ask()


@choice("form.extras", _key, who=anyone)
def extras(request: Request, store: Store, key: str) -> routing.Answer:
    filling = _current(request, store, key)
    return filling.go(filling.form.add_extras(filling.state))


@choice("form.change", _key, who=anyone)
def change(request: Request, store: Store, key: str) -> routing.Answer:
    filling = _current(request, store, key)
    return filling.go(replace(filling.state, step=EDIT, partial=None, editing=False))


@choice("form.edit", _key, str, who=anyone)
def edit(request: Request, store: Store, key: str, name: str) -> routing.Answer:
    filling = _current(request, store, key)
    try:
        return filling.go(filling.form.edit(filling.state, name))
    except Problem as problem:
        return filling.ask(problem)


@choice("form.cancel", _key, who=anyone)
def cancel(request: Request, store: Store, key: str) -> routing.Answer:
    return _current(request, store, key).stop()


@choice("form.resume", _key, who=anyone)
def resume(request: Request, store: Store, key: str) -> routing.Answer:
    filling = Filling.open_in(request, store, key)
    if filling is None:
        raise Refused("forms.no_draft")
    if not filling.form.who(request):
        raise Refused("people.not_allowed")
    return filling.step()


@choice("form.restart", _key, who=anyone)
def restart(request: Request, store: Store, key: str) -> routing.Answer:
    name, _, about = key.partition(".")
    store.conversations.drop_draft(request.person, key)
    return Open(FORMS[name], about, fresh=True)


@choice("form.drop", _key, who=anyone)
def drop(request: Request, store: Store, key: str) -> Reply:
    store.conversations.drop_draft(request.person, key)
    if request.context.form == key:
        request.context.form = None
    return Reply("forms.dropped", replace=True)
