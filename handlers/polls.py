"""Quick polls: opened by the secretariat, voted in two taps, counted by the clock."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot import routing
from bot.forms import Choose, Form, Lines, LongText, Moment, Open, ShortText, YesNo
from bot.messages import Attachment, Label, Refused, Reply, Request, Words
from bot.routing import Recipient, anyone, choice, command, notice, number, secretariat
from bot.wording import Subject
from handlers.people import do
from storage.polls import (
    Closed,
    Electorate,
    NotElector,
    Poll,
    Voice,
    WrongChoice,
    chosen,
)
from storage.store import Store

OWN, STANDARD = "own", "standard"


# Voting


@command("polls", who=anyone)
def polls(request: Request, store: Store) -> Reply:
    """What awaits this person first, then what they voted, then the last results."""
    open_polls = store.polls.awaiting(request.person, request.now)
    awaiting = [poll for poll, done in open_polls if not done]
    if len(open_polls) == 1 and awaiting:
        return card(Subject.of(awaiting[0], store), store, request.person, request.now)
    choices = [_line(poll, done, store) for poll, done in open_polls]
    choices += [
        (
            f"polls.result:{poll.id}",
            Words("polls.result_line", {"subject": Subject.of(poll, store)}),
        )
        for poll in store.polls.closed(request.person, request.now)
    ]
    return Reply(
        "polls.list", awaiting=len(awaiting), open=len(open_polls), choices=[*choices, do("menu")]
    )


def _line(poll: Poll, done: bool, store: Store) -> tuple[str, Label | str]:
    subject = Subject.of(poll, store)
    return f"polls.show:{poll.id}", Words("polls.line", {"subject": subject, "done": done})


@choice("polls.show", number)
def show(request: Request, store: Store, poll_id: int) -> Reply:
    poll = _poll(store, poll_id)
    if poll.closed_at is not None:
        return result(request, store, poll_id)
    if not store.polls.may_read(poll, request.person, request.now):
        raise Refused("polls.not_elector", choices=[do("polls")])
    return card(Subject.of(poll, store), store, request.person, request.now)


def card(
    subject: Subject, store: Store, person: int, now: datetime, name: str = "polls.card"
) -> Reply:
    """A poll with its options, and what this person's ballots say."""
    voices = store.polls.voices(subject.poll.id, person, now)
    return _card(name, subject, voices, store, now)


def _card(
    name: str,
    subject: Subject,
    voices: list[Voice],
    store: Store,
    now: datetime,
    *,
    is_answer: bool = False,
) -> Reply:
    """A card; as an answer, it takes the place of the card that was pressed."""
    poll = subject.poll
    voted = next((voice.choices for voice in voices if voice.choices is not None), None)
    choices: list[tuple[str, Label | str]] = [
        (f"polls.vote:{poll.id}:{position}", subject.option(position))
        for position in range(poll.size)
    ]
    if subject.draft is not None:
        choices.append((f"recommendations.read:{poll.id}", "polls.read_text"))
    if not poll.hidden:
        choices.append((f"polls.result:{poll.id}", "polls.see_count"))
    if voted is not None:
        choices.append((f"polls.reason:{poll.id}", "polls.add_reason"))
    return Reply(
        name,
        subject=subject,
        voices=_names(voices, store, now),
        voted=[subject.option(position) for position in chosen(voted or 0)],
        choices=choices,
        replace=is_answer,
        acknowledge="polls.counted" if is_answer else None,
    )


@choice("polls.vote", number, number)
def vote(request: Request, store: Store, poll_id: int, option: int) -> Reply:
    """Cast every ballot this person may cast."""
    received = request.incoming.received_at
    try:
        poll, voices = store.polls.press(poll_id, request.person, option, received)
    except Closed:
        raise Refused("polls.closed", choices=[do("polls")]) from None
    except NotElector:
        raise Refused("polls.not_elector", choices=[do("polls")]) from None
    except WrongChoice:
        raise Refused("polls.choose_one") from None
    return _card("polls.voted", Subject.of(poll, store), voices, store, received, is_answer=True)


@choice("polls.reason", number)
def reason(request: Request, store: Store, poll_id: int) -> Open:
    _poll(store, poll_id)
    return Open(reason_form, about=str(poll_id), fresh=True)


def _explain(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    poll = _poll(store, number(about))
    if poll.closed_at is not None or request.incoming.received_at >= poll.closes_at:
        raise Refused("polls.closed", choices=[do("polls")])
    store.polls.explain(poll.id, request.person, answers["reason"])
    return Reply(
        "polls.reason_kept", choices=[(f"polls.show:{poll.id}", "polls.see_vote"), do("polls")]
    )


reason_form = routing.form(
    Form("reason", "polls", (LongText("reason", at_most=500),), submit=_explain, reviewed=False)
)


@notice("polls.opened")
def opened(recipient: Recipient, store: Store, poll: int) -> Reply | None:
    """A poll opened: the card itself, so that the next tap is the vote."""
    found = store.polls.get(poll)
    if found is None or found.closes_at <= recipient.now:
        return None
    subject = Subject.of(found, store)
    return card(subject, store, recipient.person_id, recipient.now, "polls.opened")


@notice("polls.result")
def told_result(recipient: Recipient, store: Store, poll: int) -> Reply:
    return _result(_poll(store, poll), store, recipient.now)


@choice("polls.result", number)
def result(request: Request, store: Store, poll_id: int) -> Reply:
    poll = _poll(store, poll_id)
    if not store.polls.may_read(poll, request.person, request.now) and not secretariat(request):
        raise Refused("polls.not_elector", choices=[do("polls")])
    if poll.closed_at is None and poll.hidden:
        raise Refused("polls.not_counted")
    return _result(poll, store, request.now)


def _result(poll: Poll, store: Store, now: datetime) -> Reply:
    """The result in words, and the same as a picture."""
    subject = Subject.of(poll, store)
    tally = store.polls.tally(poll)
    names = store.organisations.names(now.date(), short=True)
    rows = [
        (
            subject.option(position),
            tally.persons[position],
            tally.organisations[position],
            sorted(names.get(one, one) for one, held in tally.named.items() if position in held),
        )
        for position in range(poll.size)
    ]
    files = []
    if poll.chart_id is not None:
        files = [Attachment(poll.chart_id, Words("polls.chart", {"subject": subject}), "image/png")]
    return Reply(
        "polls.result",
        subject=subject,
        tally=tally,
        rows=rows,
        reasons=store.polls.reasons(poll.id),
        files=files,
        choices=[do("polls")],
    )


def _names(voices: list[Voice], store: Store, now: datetime) -> list[str]:
    """The organisations whose ballot goes with a press."""
    ids = [voice.organisation_id for voice in voices if voice.organisation_id is not None]
    names = store.organisations.names(now.date()) if ids else {}
    return [names.get(one, one) for one in ids]


# Opening


@command("poll", who=secretariat)
def poll(request: Request, store: Store) -> Reply:
    """A question on a draft, or on nothing but itself."""
    choices: list[tuple[str, Label | str]] = [
        (f"polls.ask:{one.text_id}", Words("recommendations.line", {"draft": one}))
        for one in store.recommendations.drafts()[:5]
    ]
    return Reply("polls.new", choices=[*choices, ("polls.ask:0", "polls.ask_freely"), do("menu")])


@choice("polls.ask", number, who=secretariat)
def ask(request: Request, store: Store, text_id: int) -> Open:
    return Open(poll_form, about=str(text_id) if text_id else "")


def _begin(request: Request, store: Store, about: str) -> dict[str, Any]:
    if not about:
        return {}
    if store.recommendations.draft(number(about)) is None:
        raise Refused("people.stale_choice")
    return {"on_text": True}


def _submit(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    draft = store.recommendations.draft(number(about)) if about else None
    electorate = Electorate(answers["electorate"])
    closes_at = datetime.fromisoformat(answers["closes_at"])
    if closes_at <= request.now:
        raise Refused("polls.closing_passed")
    poll = store.polls.open(
        answers.get("question") or "",
        electorate=electorate,
        closes_at=closes_at,
        now=request.now,
        text_version_id=draft.version_id if draft else None,
        options=answers["options"] or (),
        several=answers["several"] == "several",
        hidden=answers["hidden"] != "no",
        created_by=request.person,
    )
    public = electorate is Electorate.public
    recipients = (
        store.people.everybody() if public else store.polls.could_vote(poll.id, request.now)
    )
    store.deliveries.notify(
        "polls.opened", {"poll": poll.id}, recipients, request.now, expires_at=closes_at
    )
    choices = [(f"polls.show:{poll.id}", "polls.go_vote"), do("menu")]
    return Reply("polls.asked", subject=Subject.of(poll, store), choices=choices)


def _has_own_options(answers: Mapping[str, Any]) -> bool:
    return answers.get("style") == OWN


poll_form = routing.form(
    Form(
        "poll",
        "polls",
        (
            ShortText("question", at_most=300, when=lambda answers: not answers.get("on_text")),
            Choose("style", (STANDARD, OWN)),
            Lines("options", at_least=2, at_most=10, longest=80, when=_has_own_options),
            Choose("several", ("one", "several"), when=_has_own_options),
            Choose("electorate", Electorate),
            Moment("closes_at"),
            YesNo("hidden", optional=True),
        ),
        submit=_submit,
        begin=_begin,
        who=secretariat,
    )
)


def _poll(store: Store, poll_id: int) -> Poll:
    poll = store.polls.get(poll_id)
    if poll is None:
        raise Refused("people.stale_choice")
    return poll
