"""A form being filled in one conversation: what is asked, understood and kept, and its buttons."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from bot import routing, voice
from bot.answering import EARLIER, REPLY
from bot.forms import REVIEW, Field, Form, Given, LongText, Photos, Problem, State
from bot.forms.sources import Piece, Sources, edited, followed, joined, standing, withdrawn
from bot.messages import Attachment, Label, Reply, Request, Words
from bot.rendering import texts_for
from bot.routing import FORMS, form_action
from bot.texts import normalise
from storage.store import Store

LONGEST_NAME = 100  # characters: what is longer is no name of a choice
SOME_WORDS = 4  # from which on what is typed is no slip in choosing
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
        lacks = any(one.fixed and one.name not in state.answers for one in form.fields)
        if lacks and form.begin and form.who(request):
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
        if has_answer and asked.can_be_skipped:
            choices.append((self._action("clear", asked.name), Words(asked.clear)))
        elif self.state.editing and not has_answer:
            choices.append((self._action("keep", asked.name), Words("forms.leave_empty")))
        elif asked.can_be_skipped and not asked.begun(given):
            choices.append((self._action("skip", asked.name), Words("forms.skip")))
        return choices

    def at(self, digits: str) -> str | None:
        """The action that a typed number chooses, if numbers are positions at this step."""
        if self.asked is not None and not self.asked.counts(digits, self._given()):
            return None
        position, shown = int(digits[:6]) - 1, [*self.offered, *self.ways]
        return shown[position][0] if 0 <= position < len(shown) else None

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
        sources = self._sources(asked, given)
        try:
            state = self.form.advance(self.state, given)
        except Problem as problem:
            if given.text:  # it may be mended where it stands
                self.state = replace(self.state, sources=sources)
                self.keep()
            return self.ask(problem)
        if asked is not None and state.step != self.state.step:
            self.note = self._note_of(asked, given, state.answers.get(asked.name)) or self.note
        return self.go(replace(state, sources=sources))

    def _note_of(self, asked: Field, given: Given, answer: Any) -> Label | None:
        """What is said of an answer that was taken: how it was understood, or what was pressed.

        Where the question itself goes, nothing else shows what was chosen.
        """
        if given.text:
            return asked.understood(given, answer)
        if not self._is_in_place or answer is None:
            return None
        return Words("forms.chosen", {"answer": asked.show(self.form.noun, answer)})

    @property
    def _is_in_place(self) -> bool:
        """Whether what is said takes the place of the message whose button was pressed."""
        return self.request.buttons_stay and self.request.incoming.choice is not None

    def revise(self, message: str, text: str) -> routing.Answer:
        """Take the new words of a message that answered a question; others change nothing here.

        What comes next is asked where the form is open.
        """
        found = edited(self.state.sources, message, text)
        field = self.form.field(found[0]) if found else None
        if found is None or field is None:
            return None
        name, pieces = found
        called = Words(f"{self.form.noun}.{name}_name")
        given = self._meant(name, joined(pieces))
        try:
            state = self.form.revise(self.state, name, given)
        except Problem as problem:
            self.note = Words("forms.not_revised", {"name": called})
            return self.ask(problem)
        understood = field.understood(given, state.answers.get(name)) if given.text else None
        self.note = understood or Words("forms.revised", {"name": called})
        state = replace(state, sources={**self.state.sources, name: pieces})
        is_open = self.key == self.request.context.form
        if is_open or self.form.halt(state.answers) is not None:
            return self.go(state)
        self.state = state
        self._save()
        return Reply("forms.revised", name=called)

    def withdraw(self, message: str) -> bool:
        """Take out of the draft what stood in a message that was taken back; whether any did."""
        before = self.state
        self._withdraw_photos(message)
        found = withdrawn(self.state.sources, message)
        if found is not None:
            name, pieces = found
            self.state = self._left_of(name, pieces)
            self.note = Words("forms.withdrawn", {"name": Words(f"{self.form.noun}.{name}_name")})
        if self.state is before:
            return False
        self._save()
        self.store.erased = True
        return True

    def _left_of(self, name: str, pieces: Sequence[Piece]) -> State:
        """The state with what is left of an answer, if that is one; else it is asked again."""
        if pieces:
            try:
                state = self.form.revise(self.state, name, self._meant(name, joined(pieces)))
            except Problem:
                pass
            else:
                return replace(state, sources={**self.state.sources, name: pieces})
        return self.form.withdraw(self.state, name)

    def _withdraw_photos(self, message: str) -> None:
        field, files = self.form.photos, self.state.files
        kept = (self.state.answers.get(field.name) if field else None) or ()
        gone = [one for one in kept if files.get(str(one)) == message]
        if gone:
            self.state = self.form.withdraw_photos(self.state, gone)
            self.store.files.drop(gone)
            self.note = Words("forms.file_withdrawn")

    def _meant(self, name: str, typed: str) -> Given:
        """What typed words are to a question: a choice by its number or its label, or words."""
        answers = {one: answer for one, answer in self.state.answers.items() if one != name}
        state = replace(self.state, step=name, answers=answers, partial=None, editing=False)
        there = replace(self, state=state)
        is_position = typed.isascii() and typed.isdigit() and not typed.startswith("0")
        action = (there.at(typed) if is_position else None) or there.named(typed)
        known = replace(self._given(), partial=None)
        verb = self._action("answer", name, "")
        if action is not None and action.startswith(verb):
            return replace(known, value=action.removeprefix(verb))
        return replace(known, text=typed)

    def _sources(self, asked: Field | None, given: Given) -> Sources:
        """Where the typed answers stand, with the one that is being given."""
        sources, incoming = dict(self.state.sources), self.request.incoming
        if asked is None:
            return sources
        before = sources.pop(asked.name, None)
        completes = self.state.partial is not None
        if completes and not asked.free:  # what was typed first means nothing without it
            return sources
        pieces = incoming.stands_in
        if completes and not given.text:  # it is left as it is
            pieces = [*before] if before else []
        elif completes:
            pieces = followed(before, pieces) if before else []
        return {**sources, asked.name: pieces} if pieces else sources

    def goes_on(self, typed: str) -> bool:
        """Whether words that are no answer to what is asked are more of the text before it."""
        last = self.form.field(self.state.trail[-1]) if self.state.trail else None
        if not isinstance(last, LongText) or len(typed.split()) < SOME_WORDS:
            return False
        whole = f"{self.state.answers[last.name]}\n{typed}"
        return len(whole) <= last.at_most

    def go_on(self, typed: str) -> routing.Answer:
        """Add them to it, and ask again: people tell a story in several messages."""
        name, sources = self.state.trail[-1], dict(self.state.sources)
        answers = {**self.state.answers, name: f"{self.state.answers[name]}\n{typed}"}
        if name in sources:
            sources[name] = followed(sources[name], self.request.incoming.stands_in)
        self.note = Words("forms.added", {"name": Words(f"{self.form.noun}.{name}_name")})
        return self.go(replace(self.state, answers=answers, sources=sources))

    def take_kept(self) -> routing.Answer:
        """Take what was said outside any form; it stays kept if it cannot be taken."""
        kept = self.request.context.kept or ""
        try:
            state = self.form.advance(self.state, replace(self._given(), text=kept))
        except Problem as problem:
            return self.ask(problem)
        said_in = self.request.context.kept_pieces()
        self.request.context.kept = None
        sources = dict(self.state.sources)
        if said_in:
            sources[self.state.step] = [[" ".join(them), said, "\n"] for them, said in said_in]
        return self.go(replace(state, sources=sources))

    def take_files(self) -> Problem | None:
        """Keep the files that came, whatever is asked; return why some were not."""
        incoming, field, files = self.request.incoming, self.form.photos, self.request.files
        problem = Problem(incoming.problem, **incoming.about) if incoming.problem else None
        if not files:
            return problem
        if field is None or (incoming.voices and not field.voices):
            self.store.files.drop(list(files))
            return Problem("forms.no_voice" if incoming.voices else "forms.no_photo")
        came = zip(files, incoming.brought_in, strict=True)
        known = {str(file_id): message for file_id, message in came if message is not None}
        self.state, surplus = self.form.add_photos(self.state, files)
        self.state = replace(self.state, files={**self.state.files, **known})
        self.keep()
        self.store.files.drop(surplus)
        if surplus:
            return Problem("forms.too_many_photos", at_most=field.at_most)
        if self.state.step != field.name:
            kept = "voice" if incoming.voices else "document" if incoming.documents else "photo"
            self.note = Words(f"forms.{kept}_kept", {"form": self.title, "count": len(files)})
        if incoming.voices and self.state.step == self.form.first(self.state):
            self.note = Words("forms.voice_wants_words")
        return problem

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
            state = move.get(name, self.form.keep)(self.state)
            if name in ("skip", "clear"):  # what was typed is not meant any more
                kept = {one: at for one, at in state.sources.items() if one != self.state.step}
                state = replace(state, sources=kept)
            return self.go(state)
        except Problem as problem:
            return self.ask(problem)

    def stop(self) -> Reply:
        """Close the form; its draft stays, unless nothing was given."""
        self.request.context.form = None
        if self.form.is_blank(self.state):
            self.drop()
            menu = [("people.menu", "people.see_menu")]
            return Reply("forms.stopped", choices=menu, replace=self._is_in_place)
        choices = [
            (form_action("resume", self.key), "forms.resume"),
            (form_action("drop", self.key), "forms.drop"),
            ("people.menu", "people.see_menu"),
        ]
        return Reply("forms.cancelled", choices=choices, replace=self._is_in_place)

    def send(self) -> routing.Answer:
        """Hand the answers over; the draft goes only if they are taken."""
        if not self.form.complete(self.state):
            self.state = self.form.resume(self.state)
            return self.step()
        about = self.key.partition(".")[2]
        said = {**dict.fromkeys(self.state.files.values(), ""), **standing(self.state.sources)}
        counted = [(self.request.person, message, words) for message, words in said.items()]
        self.store.counted.add(self.form.noun, counted, self.request.now)
        reply = self.form.submit(self.request, self.store, about, self.form.submitted(self.state))
        self.drop()
        if isinstance(reply, Reply) and self._is_in_place and not reply.files:
            reply.replace = True
        return reply  # type: ignore[no-any-return]

    def keep(self) -> None:
        """Keep the draft; the form is the one that is open."""
        self._save()
        self.request.context.form = self.key

    def _save(self) -> None:
        self.store.conversations.save_draft(
            self.request.person, self.key, self.state.kept(), self.request.now
        )

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
        self._take_numbers()
        answer = state.answers.get(state.step)
        has_answer = answer is not None and state.partial is None
        files = self._photos() if state.step == REVIEW else []
        return Reply(
            "forms.question",
            choices=[*self.offered, *self.ways],
            files=files,
            replace=self._is_in_place and not files,
            note=self.note,
            problem=problem.words if problem else None,
            current=asked.show(noun, answer) if asked and has_answer else None,
            question=self._question(),
            once=asked is not None and asked.once and not has_answer,
            progress=self.form.progress(state),
            can_go_back=self._can_go_back and not self.request.buttons_stay,
            is_first=self._is_first or self.request.buttons_stay,
            shows=self.form.shows(self.key.partition(".")[2]),
        )

    def _take_numbers(self) -> None:
        """Have numbers answer what is asked now, not what was answered before."""
        context = self.request.context
        context.awaiting = [
            [message, EARLIER if kind == REPLY else kind, *shown]
            for message, kind, *shown in context.awaiting
        ]

    @property
    def ways(self) -> list[tuple[str, Label]]:
        """Where nothing has to be typed, the ways back and out; elsewhere they are typed."""
        if not self.request.buttons_stay:
            return []
        ways: list[tuple[str, Label]] = []
        if self._can_go_back:
            ways.append((self._action("back", self.state.step), Words("forms.go_back")))
        if not self._is_first:
            ways.append((self._action("cancel", self.state.tag), Words("forms.go_out")))
        return ways

    @property
    def _is_first(self) -> bool:
        return self.state.step in (REVIEW, self.form.first(self.state))

    @property
    def _can_go_back(self) -> bool:
        if self.state.step == REVIEW:
            return False
        try:
            self.form.back(self.state)
        except Problem:
            return False
        return True

    def _question(self) -> Label:
        noun, asked = self.form.noun, self.asked
        if self.state.step == REVIEW:
            given = self.form.review(self.state.answers)
            last = Words(f"{noun}.{self.form.name}_review", given)
            return Words("forms.review", {"lines": self._lines(), "last": last})
        if asked is None:
            return Words("forms.edit")
        if asked.begun(self._given()):
            return Words(f"{noun}.{asked.name}_more")
        return asked.question(noun, self.state.answers)

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
            (Words(f"{noun}.{one.name}_name"), self._shown(one, answers[one.name]))
            for one in self.form.fields
            if one.applies(answers) and answers.get(one.name) is not None
        ]

    def _shown(self, field: Field, answer: Any) -> Label:
        """An answer, for the review; of photos and voice notes, how many of each."""
        if not isinstance(field, Photos) or not field.voices:
            return field.show(self.form.noun, answer)
        types = self.store.files.media_types(answer)
        voices = sum(one == voice.MEDIA_TYPE for one in types.values())
        numbers = {"photos": len(types) - voices, "voices": voices}
        return Words("forms.photos_and_voices", numbers)

    def _photos(self) -> list[Attachment]:
        field = self.form.photos
        kept = (self.state.answers.get(field.name) if field else None) or ()
        types = self.store.files.media_types(kept)
        if field is not None and field.documents:
            return [attachment(one, media_type) for one, media_type in types.items()]
        return [
            Attachment(one, Words(f"forms.{kind}_name", {"rank": rank}), types[one])
            for one, kind, rank in ranked(types)
        ]

    def _review_choices(self) -> list[tuple[str, Label]]:
        choices: list[tuple[str, Label]] = [
            (self._action("send", self.state.tag), Words(self.form.send))
        ]
        answers = self.state.answers
        if any(one.optional and one.name not in answers for one in self.form.fields):
            choices.append(
                (self._action("extras"), Words(f"{self.form.noun}.{self.form.name}_extras"))
            )
        choices.append((self._action("change"), Words("forms.change")))
        choices.append((self._action("cancel", self.state.tag), Words("forms.cancel")))
        return choices


def ranked(types: Mapping[int, str]) -> list[tuple[int, str, int]]:
    """Files with what each is, `photo` or `voice`, and its rank among these."""
    ranks = {"photo": count(1), "voice": count(1)}
    kinds = [(one, "voice" if types[one] == voice.MEDIA_TYPE else "photo") for one in types]
    return [(one, kind, next(ranks[kind])) for one, kind in kinds]


def attachment(file_id: int, media_type: str) -> Attachment:
    """A picture or a document, named for what it is."""
    kind = "picture" if media_type.startswith("image/") else "document"
    return Attachment(file_id, Words(f"forms.{kind}_name"), media_type)
