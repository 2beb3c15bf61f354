"""Following and cancelling polls, for the secretariat."""

from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import secretariat
from bot.routing import Recipient, choice, command, notice, number
from bot.wording import Subject
from handlers.people import do
from handlers.polls import results
from storage.polls import Poll
from storage.store import Store

LATEST = 5


@command("poll", who=secretariat)
def poll(request: Request, store: Store) -> Reply:
    """The polls under way, and a new one: on a draft, or on nothing but itself."""
    return _offered(request, store)


@choice("polls.older", number, who=secretariat)
def older(request: Request, store: Store, before: int) -> Reply:
    return _offered(request, store, before)


def _offered(request: Request, store: Store, before: int | None = None) -> Reply:
    under_way = store.polls.under_way(request.now) if before is None else []
    choices: list[tuple[str, Label | str]] = [
        (
            f"polls.follow:{one.id}",
            Words("polls.follow_line", {"subject": Subject.of(one, store)}),
        )
        for one in under_way
    ]
    drafts = store.recommendations.drafts(LATEST + 1, before)
    choices += [
        (f"polls.ask:{one.text_id}", Words("recommendations.line", {"draft": one}))
        for one in drafts[:LATEST]
    ]
    if len(drafts) > LATEST:
        choices.append((f"polls.older:{drafts[LATEST - 1].text_id}", "recommendations.older"))
    choices += [("polls.ask:0", "polls.ask_freely"), do("menu")]
    return Reply("polls.new", open=len(under_way), choices=choices)


@choice("polls.follow", number, who=secretariat)
def follow(request: Request, store: Store, poll_id: int) -> Reply:
    """How many voted, never what."""
    poll = results.found(store, poll_id)
    if poll.closed_at is not None:
        return results.result(request, store, poll_id)
    subject, reasons = Subject.of(poll, store), store.polls.count_reasons(poll_id)
    choices: list[tuple[str, Label | str]] = []
    if store.polls.may_read(poll, request.person, request.now, as_member=True):
        choices.append((f"polls.show:{poll_id}", "polls.go_vote"))
    if subject.draft is not None:
        read = Words("polls.read_text", {"number": subject.draft.number})
        choices.append((f"recommendations.read:{poll_id}", read))
    if reasons:
        label = Words("polls.read_reasons", {"count": reasons})
        choices.append((f"polls.reasons:{poll_id}:0", label))
    choices += [(f"polls.cancel:{poll_id}", "polls.cancel"), do("poll", "polls.run")]
    turnout = store.polls.turnout(poll_id)
    return Reply("polls.followed", subject=subject, turnout=turnout, choices=choices)


@choice("polls.cancel", number, who=secretariat)
def cancel(request: Request, store: Store, poll_id: int) -> Reply:
    subject = Subject.of(_open(store, poll_id), store)
    choices = [
        (f"polls.follow:{poll_id}", "polls.keep_open"),
        (f"polls.cancel_now:{poll_id}", "polls.cancel_now"),
    ]
    return Reply("polls.confirm_cancel", subject=subject, choices=choices)


@choice("polls.cancel_now", number, who=secretariat)
def cancel_now(request: Request, store: Store, poll_id: int) -> Reply:
    """Nothing more is counted, and there is no result; who was asked is told."""
    poll = store.polls.cancel(_open(store, poll_id).id, request.now)
    if poll is None:
        raise Refused("polls.closed_already", choices=[do("poll", "polls.run"), do("menu")])
    request.note("polls.cancelled", f"poll:{poll_id}")
    store.deliveries.end_ballots(poll_id, request.now)
    store.deliveries.notify(
        "polls.cancelled",
        {"poll": poll_id},
        store.polls.asked(poll, request.now),
        request.now,
    )
    subject = Subject.of(poll, store)
    return Reply(
        "polls.is_cancelled", subject=subject, choices=[do("poll", "polls.run"), do("menu")]
    )


@notice("polls.cancelled", reserved=results.of_members)
def cancelled(recipient: Recipient, store: Store, poll: int) -> Reply:
    subject = Subject.of(results.found(store, poll), store)
    return Reply("polls.is_cancelled", subject=subject, choices=[do("polls")])


def _open(store: Store, poll_id: int) -> Poll:
    poll = results.found(store, poll_id)
    if poll.closed_at is not None:
        raise Refused("polls.closed_already", choices=[do("poll", "polls.run"), do("menu")])
    return poll
