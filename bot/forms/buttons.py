"""Opening a form, and what its buttons do."""

import secrets
from dataclasses import replace

from bot import routing
from bot.forms import EDIT, REVIEW, Given, Open, Problem
from bot.forms.filling import Filling
from bot.messages import Refused, Reply, Request, Words
from bot.restricting import check_act
from bot.rights import anyone
from bot.routing import FORMS, choice, form_action
from storage.store import Store

LONGEST_TAG = 4


def open_form(opened: Open, request: Request, store: Store) -> routing.Answer:
    """Open a form, or offer to continue its draft."""
    form, key = opened.form, opened.key
    check_act("", form.noun, request, store)
    form.who.check(request)
    if not opened.fresh and store.conversations.draft(request.person, key) is not None:
        request.context.form = None
        choices = [
            (form_action("resume", key), "forms.resume"),
            (form_action("restart", key), "forms.restart"),
        ]
        named = Words(f"{form.noun}.{form.name}_form")
        return Reply("forms.continue_draft", choices=choices, form=named)
    begun = form.begin(request, store, opened.about) if form.begin else {}
    state = replace(form.start({**begun, **opened.given}), tag=secrets.token_hex(2))
    filling = Filling(request, store, form, key, state)
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
        raise Refused("forms.stale", choices=[("people.menu", "people.see_menu")])
    filling.form.who.check(request)
    return filling


def _tag(text: str) -> str:
    if len(text) > LONGEST_TAG:
        raise ValueError(text)
    return text


def _tagged(request: Request, store: Store, key: str, tag: str) -> Filling:
    """The open form, if the button is of this draft: an old one sends no other."""
    filling = _current(request, store, key)
    if filling.state.tag != tag:
        raise Refused("forms.stale", choices=[("people.menu", "people.see_menu")])
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


@choice("form.send", _key, _tag, who=anyone)
def send(request: Request, store: Store, key: str, tag: str) -> routing.Answer:
    if request.context.form is None and store.conversations.draft(request.person, key) is None:
        return Reply(acknowledge="forms.sent_already")
    filling = _tagged(request, store, key, tag)
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


@choice("form.cancel", _key, _tag, who=anyone)
def cancel(request: Request, store: Store, key: str, tag: str) -> routing.Answer:
    return _tagged(request, store, key, tag).stop()


@choice("form.back", _key, str, who=anyone)
def back(request: Request, store: Store, key: str, step: str) -> routing.Answer:
    return _move(request, store, key, step, "back")


@choice("form.resume", _key, who=anyone)
def resume(request: Request, store: Store, key: str) -> routing.Answer:
    filling = Filling.open_in(request, store, key)
    if filling is None:
        raise Refused("forms.no_draft")
    filling.form.who.check(request)
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
