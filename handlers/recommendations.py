"""Draft recommendations: entered and revised by the secretariat, read by those who vote."""

from collections.abc import Mapping
from typing import Any

from bot import routing
from bot.forms import UNSURE, Choose, Form, LongText, Open, ShortText
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import secretariat, voter
from bot.routing import choice, command, number
from handlers.people import do
from handlers.polls import results
from storage.recommendations import Draft, Theme, Unchanged
from storage.store import Store

LATEST = 5


@command("draft", who=secretariat)
def drafts(request: Request, store: Store) -> Reply:
    """The latest drafts, and a new one."""
    return _list(store, [("recommendations.new", "recommendations.new")])


@choice("recommendations.older", number, who=secretariat)
def older(request: Request, store: Store, before: int) -> Reply:
    return _list(store, [], before)


def _list(store: Store, choices: list[tuple[str, Label | str]], before: int | None = None) -> Reply:
    found = store.recommendations.drafts(LATEST + 1, before)
    choices += [
        (f"recommendations.show:{one.text_id}", Words("recommendations.line", {"draft": one}))
        for one in found[:LATEST]
    ]
    if len(found) > LATEST:
        last = found[LATEST - 1].text_id
        choices.append((f"recommendations.older:{last}", "recommendations.older"))
    return Reply("recommendations.drafts", choices=[*choices, do("menu")])


@choice("recommendations.new", who=secretariat)
def new(request: Request, store: Store) -> Open:
    return Open(draft_form)


@choice("recommendations.show", number, who=secretariat)
def show(request: Request, store: Store, text_id: int) -> Reply:
    draft = _draft(store, text_id)
    choices = [
        (f"polls.ask:{text_id}", "recommendations.put_to_vote"),
        (f"recommendations.revise:{text_id}", "recommendations.revise"),
        do("draft"),
    ]
    return Reply("recommendations.text", draft=draft, choices=choices)


@choice("recommendations.revise", number, who=secretariat)
def revise(request: Request, store: Store, text_id: int) -> Open:
    _draft(store, text_id)
    return Open(draft_form, about=str(text_id))


@choice("recommendations.read", number, who=voter)
def read(request: Request, store: Store, poll_id: int) -> Reply:
    """The version that a poll is on, for those who may vote in it and those who run it."""
    poll = results.found(store, poll_id)
    if poll.text_version_id is None:
        raise Refused("people.stale_choice")
    results.check_may_read(poll, request, store)
    draft = store.recommendations.version(poll.text_version_id)
    as_member = request.incoming.signed_in
    if poll.closed_at is not None:
        back = (f"polls.show:{poll_id}", "polls.back_to_poll")
    elif store.polls.may_read(poll, request.person, request.now, as_member=as_member):
        back = (f"polls.show:{poll_id}", "polls.go_vote")
    else:
        back = (f"polls.follow:{poll_id}", "polls.follow")
    return Reply("recommendations.text", draft=draft, choices=[back])


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    if not about:
        return {}
    draft = _draft(store, number(about))
    return {"title": draft.title, "body": draft.body, "theme": draft.theme or UNSURE}


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    title, body = answers["title"], answers["body"]
    theme = Theme(answers["theme"]) if answers["theme"] else None
    texts = store.recommendations
    if about:
        try:
            draft = texts.revise(number(about), title, body, theme, request.person, request.now)
        except Unchanged:
            show_it = (f"recommendations.show:{about}", "recommendations.see_text")
            raise Refused("recommendations.unchanged", choices=[show_it, do("draft")]) from None
    else:
        draft = texts.add_draft(title, body, theme, request.person, request.now)
    request.note("recommendations.saved", f"text:{draft.text_id}")
    choices = [(f"polls.ask:{draft.text_id}", "recommendations.put_to_vote"), do("menu")]
    return Reply(
        "recommendations.saved",
        draft=draft,
        polls=store.polls.open_on(draft.text_id),
        choices=choices,
    )


draft_form = routing.form(
    Form(
        "draft",
        "recommendations",
        (
            ShortText("title", at_most=150),
            LongText("body", at_most=8000),
            Choose("theme", Theme, labels="recommendations.theme", unsure=True),
        ),
        submit=_submit,
        begin=_begin,
        who=secretariat,
    )
)


def _draft(store: Store, text_id: int) -> Draft:
    draft = store.recommendations.draft(text_id)
    if draft is None:
        raise Refused("people.stale_choice")
    return draft
