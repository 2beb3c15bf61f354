"""One update of one conversation: the open form, a command, a choice, a number, or free words."""

from dataclasses import dataclass
from typing import Any

from bot import routing
from bot.forms import EDIT, REVIEW, UNSURE, Form, Given, Open, Problem, State
from bot.markup import clean
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rendering import texts_for
from bot.routing import FORMS, anyone, choice
from bot.texts import normalise
from storage.store import Store

NAVIGATION = ("cancel", "back", "skip", "help")
AT_MOST_KEPT = 10_000


def converse(request: Request, store: Store) -> list[Reply]:
    """Answer one update; the conversation's pointers change with it."""
    incoming = request.incoming
    if incoming.joined:
        return _replies(routing.obey("start", request, store), request, store)
    if incoming.choice is not None:
        return _replies(routing.act(incoming.choice, request, store), request, store)
    name, marked = routing.command_in(request.text)
    if name is not None and (marked or request.context.form is None or name in NAVIGATION):
        return _replies(_command(name, request, store), request, store)
    if request.context.form is not None:
        return _replies(_answer(request, store), request, store)
    if request.text.isascii() and request.text.isdigit():
        return _replies(_numbered(request, store), request, store)
    if request.files or incoming.problem:
        raise Refused(incoming.problem or "people.stray_photo")
    return _replies(_stray(request, store), request, store)


def _command(name: str, request: Request, store: Store) -> routing.Answer:
    filling = _Filling.open_in(request, store)
    if filling is not None and name in NAVIGATION:
        return filling.navigate(name)
    request.context.form = None
    return routing.obey(name, request, store)


def _answer(request: Request, store: Store) -> routing.Answer:
    filling = _Filling.open_in(request, store)
    if filling is None:  # its draft went meanwhile, or its form is no longer known
        request.context.form = None
        return _stray(request, store)
    incoming = request.incoming
    typed = request.text
    if typed.isascii() and typed.isdigit() and not typed.startswith("0"):
        position = int(typed[:6]) - 1
        if position < len(filling.offered):
            return routing.act(filling.offered[position][0], request, store)
    value = filling.named(typed)
    if value is not None:
        return routing.act(value, request, store)
    return filling.take(Given(text=typed, files=request.files, problem=incoming.problem))


def _numbered(request: Request, store: Store) -> routing.Answer:
    """A number typed outside any form answers the only message that awaits one."""
    position = int(request.text[:6]) - 1
    waiting = request.context.awaiting
    if not waiting:
        return _stray(request, store)
    fitting = [
        (title, actions[position]) for _, _, title, actions in waiting if position < len(actions)
    ]
    if position < 0 or not fitting:
        return Reply("people.no_such_number")
    if len(fitting) == 1:
        return routing.act(fitting[0][1][0], request, store)
    choices = [
        (action, Words("people.number_of", {"title": title, "label": label}))
        for title, (action, label) in fitting
    ]
    return Reply("people.which_message", choices=choices, number=position + 1)


def _stray(request: Request, store: Store) -> Reply:
    """What is said outside any form is kept and offered on."""
    said = clean(request.incoming.text or "")
    if not said:
        return Reply("people.empty")
    if len(said) > AT_MOST_KEPT:
        raise Refused("forms.too_long", length=len(said), at_most=AT_MOST_KEPT)
    request.context.kept = said
    choices = [("reports.tell_kept", "people.tell_kept"), ("people.menu", "people.see_menu")]
    return Reply("people.stray", choices=choices)


def _replies(answer: routing.Answer, request: Request, store: Store) -> list[Reply]:
    if answer is None:
        return []
    if isinstance(answer, Open):
        return _open(answer, request, store)
    return [answer] if isinstance(answer, Reply) else list(answer)


def _open(opened: Open, request: Request, store: Store) -> list[Reply]:
    """Open a form, or offer to continue its draft."""
    form, key = opened.form, opened.key
    if not form.who(request):
        raise Refused("people.not_allowed")
    if not opened.fresh and store.conversations.draft(request.person, key) is not None:
        request.context.form = None
        choices = [(f"form.resume:{key}", "forms.resume"), (f"form.restart:{key}", "forms.restart")]
        return [
            Reply(
                "forms.continue_draft", choices=choices, form=Words(f"{form.noun}.{form.name}_form")
            )
        ]
    begun = form.begin(request, store, opened.about) if form.begin else {}
    filling = _Filling(request, store, form, key, form.start({**begun, **opened.given}))
    return [filling.step()]


@dataclass
class _Filling:
    """A form being filled in one conversation."""

    request: Request
    store: Store
    form: Form
    key: str
    state: State

    @classmethod
    def open_in(cls, request: Request, store: Store, key: str | None = None) -> "_Filling | None":
        key = key or request.context.form
        form = FORMS.get(key.partition(".")[0]) if key else None
        if key is None or form is None:
            return None
        kept = store.conversations.draft(request.person, key)
        if kept is None:
            return None
        return cls(request, store, form, key, form.resume(State.from_kept(kept)))

    @property
    def about(self) -> str:
        return self.key.partition(".")[2]

    @property
    def offered(self) -> list[tuple[str, Label]]:
        """The actions and labels shown at this step, as they were numbered."""
        if self.state.step == REVIEW:
            return self._review_choices()
        if self.state.step == EDIT:
            return [
                (self._action("edit", one.name), Words(f"{self.form.noun}.{one.name}_name"))
                for one in self.form.fields
                if one.applies(self.state.answers) and one.name in self.state.answers
            ]
        asked = self._asked
        given = Given(
            now=self.request.now,
            zone=self.request.zone,
            partial=self.state.partial,
            answers=self.state.answers,
        )
        choices: list[tuple[str, Label]] = [
            (self._action("answer", asked.name, value), label)
            for value, label in asked.choices(self.form.noun, given)
        ]
        if asked.optional:
            choices.append((self._action("skip", asked.name), Words("forms.skip")))
        return choices

    def named(self, typed: str) -> str | None:
        """The action whose label was typed, as a whole."""
        wanted = normalise(typed)
        if not wanted or len(wanted) > 100:
            return None
        texts = texts_for(self.request.context.language, self.request.zone)
        fits = [action for action, label in self.offered if normalise(texts.label(label)) == wanted]
        return fits[0] if len(fits) == 1 else None

    def take(self, given: Given) -> routing.Answer:
        """Take an answer; if it cannot be taken, say why and ask again."""
        given = Given(
            text=given.text,
            value=given.value,
            files=given.files,
            problem=given.problem,
            now=self.request.now,
            zone=self.request.zone,
        )
        try:
            return self.go(self.form.advance(self.state, given))
        except Problem as problem:
            return self.ask(problem)

    def go(self, state: State) -> routing.Answer:
        """Keep the new state and show what comes next."""
        self.state = state
        halted = self.form.halt(state.answers)
        if halted is not None:
            self.drop()
            self.request.context.kept = None
            return Reply(halted, forget_from=1)
        if state.step == REVIEW and not self.form.reviewed:
            return self.send()
        return self.step()

    def navigate(self, name: str) -> routing.Answer:
        try:
            match name:
                case "back":
                    return self.go(self.form.back(self.state))
                case "skip":
                    return self.go(self.form.skip(self.state))
                case "help":
                    return Reply("forms.help")
        except Problem as problem:
            return self.ask(problem)
        self.request.context.form = None
        choices = [
            (f"form.resume:{self.key}", "forms.resume"),
            (f"form.drop:{self.key}", "forms.drop"),
            ("people.menu", "people.see_menu"),
        ]
        return Reply("forms.cancelled", choices=choices)

    def send(self) -> routing.Answer:
        """Hand the answers over; the draft goes only if they are taken."""
        if not self.form.complete(self.state):
            return self.step()
        unanswered = dict.fromkeys(one.name for one in self.form.fields)
        answers = {
            name: None if value == UNSURE else value
            for name, value in {**unanswered, **self.state.answers}.items()
        }
        reply = self.form.submit(self.request, self.store, self.about, answers)
        self.drop()
        return reply  # type: ignore[no-any-return]

    def drop(self) -> None:
        self.store.conversations.drop_draft(self.request.person, self.key)
        self.request.context.form = None

    def step(self) -> Reply:
        """Keep the draft, and ask or show what this step is about."""
        self.store.conversations.save_draft(
            self.request.person, self.key, self.state.kept(), self.request.now
        )
        self.request.context.form = self.key
        return self.ask()

    def ask(self, problem: Problem | None = None) -> Reply:
        """The question, or the review; first the reason why the last answer was not taken."""
        self.request.context.form = self.key
        noun = self.form.noun
        trouble = problem.words if problem else None
        if self.state.step == REVIEW:
            question = Words(
                "forms.review",
                {"lines": self._lines(), "last": Words(f"{noun}.{self.form.name}_review")},
            )
        elif self.state.step == EDIT:
            question = Words("forms.edit")
        elif self.state.partial is not None:
            question = Words(f"{noun}.{self._asked.name}_more")
        else:
            question = Words(f"{noun}.{self._asked.name}_ask")
        return Reply(
            "forms.question",
            choices=self.offered,
            problem=trouble,
            question=question,
            can_go_back=bool(self.state.trail) and self.state.step != REVIEW,
            is_first=self.state.step in (REVIEW, self.form.fields[0].name),
        )

    @property
    def _asked(self) -> Any:
        return self.form.field(self.state.step)

    def _action(self, verb: str, *arguments: str) -> str:
        return ":".join((f"form.{verb}", self.key, *arguments))

    def _lines(self) -> list[tuple[Label, Label]]:
        noun, answers = self.form.noun, self.state.answers
        return [
            (Words(f"{noun}.{one.name}_name"), one.show(noun, answers[one.name]))
            for one in self.form.fields
            if one.applies(answers) and answers.get(one.name) is not None
        ]

    def _review_choices(self) -> list[tuple[str, Label]]:
        choices: list[tuple[str, Label]] = [(self._action("send"), Words("forms.send"))]
        answers = self.state.answers
        if any(one.optional and one.name not in answers for one in self.form.fields):
            choices.append(
                (self._action("extras"), Words(f"{self.form.noun}.{self.form.name}_extras"))
            )
        choices.append((self._action("change"), Words("forms.change")))
        choices.append((self._action("cancel"), Words("forms.cancel")))
        return choices


def _key(text: str) -> str:
    if text.partition(".")[0] not in FORMS:
        raise ValueError(text)
    return text


def _current(request: Request, store: Store, key: str) -> _Filling:
    """The form that a button belongs to, if it is the open one."""
    filling = _Filling.open_in(request, store) if request.context.form == key else None
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


@choice("form.skip", _key, str, who=anyone)
def skip(request: Request, store: Store, key: str, step: str) -> routing.Answer:
    filling = _current(request, store, key)
    if filling.state.step != step:
        return filling.ask(Problem("forms.already_answered"))
    return filling.navigate("skip")


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
    filling.state = State(**{**vars(filling.state), "step": EDIT})
    return filling.step()


@choice("form.edit", _key, str, who=anyone)
def edit(request: Request, store: Store, key: str, name: str) -> routing.Answer:
    filling = _current(request, store, key)
    try:
        return filling.go(filling.form.edit(filling.state, name))
    except Problem as problem:
        return filling.ask(problem)


@choice("form.cancel", _key, who=anyone)
def cancel(request: Request, store: Store, key: str) -> routing.Answer:
    return _current(request, store, key).navigate("cancel")


@choice("form.resume", _key, who=anyone)
def resume(request: Request, store: Store, key: str) -> routing.Answer:
    filling = _Filling.open_in(request, store, key)
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
    request.context.form = None
    return Reply("forms.dropped", replace=True)
