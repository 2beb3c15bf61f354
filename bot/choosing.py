"""What is typed to choose: a number, a label or another name of it, in a message that offers it."""

from collections.abc import Sequence
from typing import Any

from bot import routing
from bot.forms.filling import LONGEST_NAME, SHORTEST_PART
from bot.messages import Reply, Request, Words
from bot.rendering import texts_for, title
from bot.texts import normalise
from storage.conversations import UNSENT
from storage.store import Store

PEOPLE = "people"  # the noun of the labels that others use as well

Offer = tuple[str, Sequence[str]]  # how a message begins, and an action in it with its label


def is_number(typed: str) -> bool:
    return typed.isascii() and typed.isdigit()


def pointed_at(request: Request, store: Store) -> str | None:
    """The action that a number, or a label, chooses in the message of ours to which it replies.

    Where no form is open, a few words of the label do. What begins a thread under a message of ours
    replies to that one.
    """
    incoming, context, typed = request.incoming, request.context, request.text
    begins = context.form is None and not context.awaiting
    replied = incoming.replied or (incoming.under if begins else None)
    if replied is None or len(typed) > LONGEST_NAME:
        return None
    choices = store.deliveries.choices_of(request.context.chat_id, replied)
    if not is_number(typed):
        fitting = _labelled(typed, choices, loosely=request.context.form is None)
        return _only(fitting or _named(typed, choices, request))
    position = int(typed[:6]) - 1
    return choices[position][0] if 0 <= position < len(choices) else None


def _labelled(typed: str, choices: Sequence[Sequence[str]], *, loosely: bool) -> set[str]:
    """The actions whose label is what was typed, or loosely has these words in a row."""
    wanted = normalise(typed)
    names = [(action, normalise(label)) for action, label in choices]
    fitting = {action for action, name in names if wanted and name == wanted}
    if not fitting and loosely and len(wanted) >= SHORTEST_PART:
        fitting = {action for action, name in names if f" {wanted} " in f" {name} "}
    return fitting


def _named(typed: str, choices: Sequence[Sequence[str]], request: Request) -> set[str]:
    """The actions of which what was typed is another name, such as « non »."""
    texts, wanted = texts_for(request.context.language, request.zone), normalise(typed)
    return {
        action
        for action, label in choices
        for noun in (action.partition(".")[0], PEOPLE)
        if wanted in texts.names_of(noun, label)
    }


def _only(actions: set[str]) -> str | None:
    """Nobody guesses which of several was meant."""
    return next(iter(actions)) if len(actions) == 1 else None


def said_of_last(request: Request, store: Store) -> tuple[list[Offer], bool]:
    """The choices whose label, or another name of it, was typed as a whole; whether one is meant.

    They stand in the messages that await an answer; or, by its label, one in what came unasked
    shortly before. « Oui » is said of the newest: of one before it, that is to be asked.
    """
    if len(request.text) > LONGEST_NAME:
        return [], False
    waiting = awaited(request, store)
    offers = [(said, choice) for said, actions in waiting for choice in actions]
    choices = [choice for _, choice in offers]
    fitting, newest = _labelled(request.text, choices, loosely=False), choices
    if not fitting:
        fitting = _named(request.text, choices, request)
        newest = waiting[-1][1] if waiting else []
    if fitting:
        is_meant = fitting <= {action for action, _ in newest}
        return [one for one in offers if one[1][0] in fitting], is_meant
    unasked = store.deliveries.offered(request.context.chat_id, unasked=True)
    choices = [choice for one in unasked for choice in one]
    action = _only(_labelled(request.text, choices, loosely=False))
    return ([("", [action, request.text])] if action else []), True


def one_of(
    fitting: Sequence[Offer], request: Request, store: Store, *, is_meant: bool = True
) -> routing.Answer:
    """Do what was chosen; if it may be several things, or was not meant, ask which."""
    choices = {
        action: Words("people.number_of", {"title": title, "label": label})
        for title, (action, label) in fitting
    }
    if len(choices) == 1 and is_meant:
        return routing.act(next(iter(choices)), request, store)
    return Reply("people.which_message", choices=list(choices.items()), said=request.text)


def awaited(request: Request, store: Store) -> list[tuple[str, list[list[str]]]]:
    """The messages that a number may answer: how each begins, and what it offers."""
    return offered_in(request.context.awaiting, request, store)


def offered_in(
    awaiting: list[Any], request: Request, store: Store
) -> list[tuple[str, list[list[str]]]]:
    """As `awaited`, of some entries of `Conversation.awaiting`."""
    found = [(said, actions) for message, _, said, actions in awaiting if message[:1] != UNSENT]
    numbers = [int(message[1:]) for message, *_ in awaiting if message[:1] == UNSENT]
    chat_id, now = request.context.chat_id, request.now
    bodies = store.deliveries.standing(chat_id, numbers, now) if numbers else []
    return [*found, *((title(body), body["choices"]) for body in bodies if body.get("choices"))]
