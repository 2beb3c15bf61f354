"""Results, and the reasons given: for those who could vote, and for those who run polls."""

from typing import Any

from bot.messages import Attachment, Label, Refused, Reply, Request, Words
from bot.rights import elsewhere, secretariat, voter
from bot.routing import Recipient, choice, notice, number
from bot.wording import Count, Subject
from handlers.people import do
from handlers.polls.saying import Say
from storage.polls import Electorate, Poll
from storage.store import Store

REASONS = 8  # in one message


@choice("polls.result", number, who=voter)
def result(request: Request, store: Store, poll_id: int) -> Reply:
    poll = found(store, poll_id)
    check_may_read(poll, request, store)
    subject = Subject.of(poll, store)
    if poll.cancelled_at is not None:
        return Reply("polls.is_cancelled", subject=subject, choices=[do("polls"), do("menu")])
    if poll.closed_at is None and poll.hidden:
        again = [(f"polls.show:{poll_id}", "polls.see_vote"), do("polls")]
        raise Refused("polls.not_counted", subject=subject, choices=again)
    return _result(subject, Count.of(poll, store, request.now))


def of_members(store: Store, poll: int, **_: Any) -> bool:
    """Whether a poll is the committee's, and not a public consultation."""
    found = store.polls.get(poll)
    return found is None or found.electorate is not Electorate.public


@notice("polls.result", reserved=of_members)
def told_result(
    recipient: Recipient, store: Store, poll: int, count: dict[str, Any] | None = None
) -> Reply:
    """A result, counted once when it was announced."""
    closed = found(store, poll)
    kept = Count.from_kept(count) if count else Count.of(closed, store, recipient.now)
    return _result(Subject.of(closed, store), kept)


def _result(subject: Subject, count: Count) -> Reply:
    """The result in words, and the same as a picture."""
    poll, files = subject.poll, []
    if poll.chart_id is not None:
        files = [Attachment(poll.chart_id, Words("polls.chart", {"subject": subject}), "image/png")]
    choices: list[tuple[str, Label | str]] = []
    if subject.draft is not None:
        read = Words("polls.read_text", {"number": subject.draft.number})
        choices.append((f"recommendations.read:{poll.id}", read))
    if count.reasons and poll.closed_at is not None:
        label = Words("polls.read_reasons", {"count": count.reasons})
        choices.append((f"polls.reasons:{poll.id}:0", label))
    return Reply(
        "polls.result",
        subject=subject,
        count=count,
        options=subject.options,
        colleges=[
            (one, [pair for pair in zip(subject.options, one.voices, strict=True) if pair[1]])
            for one in count.colleges
        ],
        files=files,
        choices=[*choices, do("polls")],
    )


@choice("polls.reasons", number, number, who=voter)
def reasons(request: Request, store: Store, poll_id: int, first: int) -> Reply:
    """Some of the reasons; the secretariat reads them before the closing too, and can hide one."""
    poll = found(store, poll_id)
    check_may_read(poll, request, store)
    runs = secretariat(request)
    if poll.closed_at is None and not runs:
        raise Refused("polls.reasons_later", subject=Subject.of(poll, store), choices=[do("polls")])
    total = store.polls.count_reasons(poll_id)
    given = store.polls.reasons(poll_id, REASONS, first)
    choices: list[tuple[str, Label | str]] = []
    if runs:
        choices += [
            (
                f"polls.hide:{poll_id}:{one.elector_id}",
                Words("polls.hide_reason", {"rank": first + rank}),
            )
            for rank, one in enumerate(given, start=1)
        ]
    if first + REASONS < total:
        choices.append((f"polls.reasons:{poll_id}:{first + REASONS}", "polls.more_reasons"))
    choices.append((f"polls.show:{poll_id}", "polls.back_to_poll"))
    return Reply(
        "polls.reasons",
        subject=Subject.of(poll, store),
        reasons=[one.text for one in given],
        first=first,
        total=total,
        choices=choices,
    )


@choice("polls.hide", number, number, who=secretariat)
def hide(request: Request, store: Store, poll_id: int, elector_id: int) -> Reply:
    """Hide a reason that breaks the rules; the vote stays counted."""
    found(store, poll_id)
    store.polls.drop_reason(poll_id, elector_id)
    request.note("polls.reason_hidden", f"poll:{poll_id}")
    choices = [(f"polls.reasons:{poll_id}:0", "polls.see_reasons"), do("poll", "polls.run")]
    return Reply("polls.reason_hidden", choices=choices)


def found(store: Store, poll_id: int) -> Poll:
    poll = store.polls.get(poll_id)
    if poll is None:
        raise Refused("people.stale_choice")
    return poll


def check_may_read(poll: Poll, request: Request, store: Store) -> None:
    """Refuse who has no say in a poll and does not run it."""
    as_member = request.incoming.signed_in
    if secretariat(request) or store.polls.may_read(
        poll, request.person, request.now, as_member=as_member
    ):
        return
    if not as_member:
        raise not_here(request)
    onward = [do("polls"), do("menu")]
    voices = store.polls.voices(poll.id, request.person, request.now)
    if voices:  # of terms that are over
        say = Say.of(Subject.of(poll, store), voices, store, request.now)
        raise Refused("polls.mandate_over", voice=say, choices=onward)
    raise Refused("polls.not_elector", choices=onward)


def not_here(request: Request) -> Refused:
    """Why the members' polls are neither shown nor voted in here, and what to do."""
    if request.belongs:
        return elsewhere(request)
    return Refused("polls.sign_in", choices=[do("polls"), do("menu")])
