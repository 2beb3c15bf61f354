"""Opening a poll, for the secretariat: all that it will be is shown before it is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from bot import routing
from bot.forms import Choose, Field, Form, Given, Lines, Moment, Open, Problem, ShortText, YesNo
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import secretariat
from bot.routing import choice, number
from bot.texts import normalise
from bot.wording import Subject
from handlers.people import do
from storage.broadcasts import Unasked
from storage.groups import WorkingGroup
from storage.polls import Electorate, Poll
from storage.recommendations import Draft
from storage.rooms import POLL
from storage.store import Store

OWN, STANDARD = "own", "standard"


@dataclass(frozen=True)
class Known(Field):
    """Something that is known from the beginning: never asked, but shown in the review.

    The answer is the arguments of the message `<noun>.<name>_shown`.
    """

    fixed: ClassVar[bool] = True

    def read(self, given: Given) -> Any:
        raise Problem("forms.choose")

    def show(self, noun: str, answer: Any) -> Label:
        return Words(f"{noun}.{self.name}_shown", answer)


@dataclass(frozen=True)
class Options(Lines):
    """Options that differ by more than case and accents."""

    def read(self, given: Given) -> list[str]:
        lines = super().read(given)
        if len({normalise(line) or line for line in lines}) < len(lines):
            raise Problem("polls.options_alike")
        return lines


@choice("polls.ask", number, who=secretariat)
def ask(request: Request, store: Store, text_id: int) -> Open:
    return Open(poll_form, about=str(text_id) if text_id else "")


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    told = {f"told_{one}": _told(one, request, store) for one in Electorate}
    known: dict[str, Any] = {**told, "hidden": "yes"}
    if not about:
        return known
    draft = store.recommendations.draft(number(about))
    if draft is None:
        raise Refused("people.stale_choice")
    shown = {"public_id": draft.public_id, "title": draft.title, "number": draft.number}
    tied = _tied(draft, store)
    groups = [{"theme": str(one.theme), "name": one.name} for one in tied]
    return {**known, "draft": shown, "posted": {"groups": groups}}


def _tied(draft: Draft, store: Store) -> list[WorkingGroup]:
    """The working groups on its theme that are tied to a chat group."""
    return store.rooms.on_theme(draft.theme) if draft.theme is not None else []


def _told(electorate: Electorate, request: Request, store: Store) -> dict[str, int]:
    """How many a poll would ask and tell."""
    persons, organisations, told = store.polls.electors_to_be(electorate, request.now)
    return {"persons": persons, "organisations": organisations, "told": told}


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    draft = store.recommendations.draft(number(about)) if about else None
    closes_at = datetime.fromisoformat(answers["closes_at"])
    if closes_at <= request.now:
        raise Refused("polls.closing_passed")
    if draft is not None and draft.number != answers["draft"]["number"]:
        raise Refused("polls.newer_version", draft=draft, choices=[do("poll", "polls.run")])
    poll = store.polls.open(
        answers["question"] or "",
        electorate=Electorate(answers["electorate"]),
        closes_at=closes_at,
        now=request.now,
        text_version_id=draft.version_id if draft else None,
        options=answers["options"] or (),
        several=answers["several"] == "several",
        hidden=answers["hidden"] != "no",
        created_by=request.person,
    )
    request.note("polls.opened", f"poll:{poll.id}")
    store.deliveries.notify(
        "polls.opened",
        {"poll": poll.id},
        store.broadcasts.unmuted(store.polls.asked(poll, request.now), Unasked.poll),
        request.now,
        expires_at=closes_at,
    )
    if draft is not None and answers["posted"] is not None:
        _post(poll, draft, request, store)
    choices: list[tuple[str, Label | str]] = [(f"polls.follow:{poll.id}", "polls.follow")]
    if store.polls.may_read(poll, request.person, request.now, as_member=True):
        choices.insert(0, (f"polls.show:{poll.id}", "polls.go_vote"))
    return Reply("polls.asked", subject=Subject.of(poll, store), choices=[*choices, do("menu")])


def _post(poll: Poll, draft: Draft, request: Request, store: Store) -> None:
    """Show it to the chat groups of which the review told, as far as they are still tied."""
    for group in _tied(draft, store):
        if group.chat_id is not None:
            store.rooms.post(group.chat_id, POLL, poll.id, request.now, expires_at=poll.closes_at)


def _has_own_options(answers: Mapping[str, Any]) -> bool:
    return answers.get("style") == OWN


def _asks_question(answers: Mapping[str, Any]) -> bool:
    """A draft with the standard options needs no other question."""
    return "draft" not in answers or _has_own_options(answers)


def _is_posted(answers: Mapping[str, Any]) -> bool:
    return bool(answers.get("posted", {}).get("groups"))


def _asks(electorate: Electorate) -> Callable[[Mapping[str, Any]], bool]:
    return lambda answers: answers.get("electorate") == electorate


poll_form = routing.form(
    Form(
        "poll",
        "polls",
        (
            Known("draft", when=lambda answers: "draft" in answers),
            ShortText("question", at_most=300, when=_asks_question),
            Choose("style", (STANDARD, OWN)),
            Options("options", at_least=2, at_most=10, longest=80, when=_has_own_options),
            Choose("several", ("one", "several"), when=_has_own_options),
            Choose("electorate", Electorate),
            *(Known(f"told_{one}", when=_asks(one)) for one in Electorate),
            Moment("closes_at"),
            YesNo("hidden"),
            Known("posted", when=_is_posted),
        ),
        submit=_submit,
        begin=_begin,
        who=secretariat,
        send="polls.poll_send",
    )
)
