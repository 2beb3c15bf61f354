"""Voting: what awaits me, a poll with its options, two taps to a counted ballot, a reason."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from bot import routing
from bot.forms import Form, LongText, Open
from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import anyone, elsewhere, voter
from bot.routing import Recipient, choice, command, link, notice, number
from bot.wording import Subject
from handlers.people import do
from handlers.polls import results, rooms
from handlers.polls.saying import Say
from storage.deliveries import ballot_of
from storage.grants import Role
from storage.organisations import MandateKind
from storage.polls import (
    Bar,
    Cast,
    Closed,
    Electorate,
    HandedOver,
    NotElector,
    NotSignedIn,
    Poll,
    Press,
    Standing,
    Superseded,
    TermOver,
    Voice,
    VoiceSpent,
    WrongChoice,
)
from storage.store import Store

# What is said to who may not cast the ballot of an organisation.
BARRED = {
    HandedOver: "polls.handed_over",
    Superseded: "polls.superseded",
    TermOver: "polls.term_over",
}


@command("polls", who=anyone, in_groups=True)
def polls(request: Request, store: Store) -> Reply:
    """What awaits this person first, then what they voted, then the last results.

    In a group, what may be shown there.
    """
    if request.in_group:
        return rooms.offer(request, store)
    as_member = request.incoming.signed_in
    open_polls = store.polls.awaiting(request.person, request.now, as_member=as_member)
    closed = store.polls.closed(request.person, request.now, as_member=as_member)
    awaiting = [poll for poll, one in open_polls if one is Standing.awaits]
    signed_out = None if as_member or not request.held else elsewhere(request).reply.words
    if len(open_polls) == 1 and awaiting and not closed and not signed_out:
        return card(Subject.of(awaiting[0], store), store, request.person, request.now)
    choices: list[tuple[str, Label | str]] = [
        (
            f"polls.show:{poll.id}",
            Words("polls.line", {"subject": Subject.of(poll, store), "standing": one}),
        )
        for poll, one in open_polls
    ]
    choices += [
        (
            f"polls.result:{poll.id}",
            Words("polls.result_line", {"subject": Subject.of(poll, store)}),
        )
        for poll in closed
    ]
    if Role.delegate in request.roles:
        choices.append(("handovers.manage", "handovers.manage"))
    return Reply(
        "polls.list",
        awaiting=len(awaiting),
        open=len(open_polls),
        handed=sum(1 for _, one in open_polls if one is Standing.handed),
        signed_out=signed_out,
        choices=[*choices, do("menu")],
    )


@link("vote", number, who=voter)
@choice("polls.show", number, who=voter)
def show(request: Request, store: Store, poll_id: int) -> Reply:
    poll = results.found(store, poll_id)
    results.check_may_read(poll, request, store)
    if poll.closed_at is not None:
        return results.result(request, store, poll_id)
    return card(Subject.of(poll, store), store, request.person, request.now)


def card(
    subject: Subject, store: Store, person: int, now: datetime, name: str = "polls.card"
) -> Reply:
    """A poll with its options, and what this person's ballots say."""
    voices = store.polls.voices(subject.poll.id, person, now)
    has_none = all(one.bar is Bar.over for one in voices)
    if has_none and subject.poll.electorate is not Electorate.public:
        follow = (f"polls.follow:{subject.poll.id}", "polls.follow")  # read by who runs it
        return Reply("polls.read_only", subject=subject, choices=[*_about(subject), follow])
    return _card(name, subject, voices, store, now)


def _card(name: str, subject: Subject, voices: list[Voice], store: Store, now: datetime) -> Reply:
    """A card; as the answer to a press, it takes the place of the card that was pressed."""
    poll, say = subject.poll, Say.of(subject, voices, store, now)
    choices: list[tuple[str, Label | str]] = []
    if say.may_press:
        choices += [
            (f"polls.vote:{poll.id}:{position}", _option(option, option in say.voted))
            for position, option in enumerate(subject.options)
        ]
    choices += _about(subject)
    if say.voted and poll.electorate is not Electorate.public:
        label = "polls.change_reason" if say.reason else "polls.add_reason"
        choices.append((f"polls.reason:{poll.id}", label))
    choices += _handing(poll, voices, store, now)
    if not say.may_press:
        choices.append(do("polls"))
    is_answer = name == "polls.voted"
    has_ballot = say.may_press and not poll.several and not is_answer
    return Reply(
        name,
        subject=subject,
        voice=say,
        choices=choices,
        replace=is_answer,
        acknowledge=Words("polls.counted", {"voted": say.voted}) if is_answer else None,
        ballot=subject.question if has_ballot else None,
        shows=ballot_of(poll.id) if has_ballot else None,
    )


def _handing(
    poll: Poll, voices: list[Voice], store: Store, now: datetime
) -> list[tuple[str, Label | str]]:
    """What a delegate may do instead of voting, or to vote again."""
    given = [one.handover for one in voices if one.bar is Bar.handed]
    choices: list[tuple[str, Label | str]] = [
        (f"handovers.take_back:{one}", _taking_back(one, store)) for one in given
    ]
    speaks = [
        one.organisation_id
        for one in voices
        if one.kind is MandateKind.delegate and one.may_cast and one.handover is None
    ]
    if store.handovers.possible([one for one in speaks if one is not None], now):
        choices.append((f"handovers.hand:{poll.id}", "handovers.hand"))
    return choices


def _taking_back(handover_id: int | None, store: Store) -> str:
    """A period is taken back as a whole: the button of one poll says so."""
    given = None if handover_id is None else store.handovers.get(handover_id)
    is_period = given is not None and given.poll_id is None
    return "handovers.take_back_all" if is_period else "handovers.take_back"


def _option(option: Label, is_chosen: bool) -> Label:
    """An option's button, which shows whether this one is chosen."""
    return Words("polls.option_chosen", {"option": option}) if is_chosen else option


def _about(subject: Subject) -> list[tuple[str, Label | str]]:
    """What can be read about an open poll."""
    choices: list[tuple[str, Label | str]] = []
    if subject.draft is not None:
        read = Words("polls.read_text", {"number": subject.draft.number})
        choices.append((f"recommendations.read:{subject.poll.id}", read))
    if not subject.poll.hidden:
        choices.append((f"polls.result:{subject.poll.id}", "polls.see_count"))
    return choices


def _vote_together(
    asked: Sequence[tuple[Request, Sequence[Any]]], store: Store
) -> Sequence[Reply | None]:
    """Cast what many press at the same moment; None for what has to be heard by itself."""
    presses: dict[int, list[Press]] = defaultdict(list)
    for request, (poll_id, option) in asked:
        incoming = request.incoming
        presses[poll_id].append(
            Press(request.person, option, incoming.received_at, incoming.signed_in)
        )
    casts = {
        poll_id: iter(store.polls.press_together(poll_id, some))
        for poll_id, some in presses.items()
    }
    cards: dict[tuple[int, int | None, str | None], Reply] = {}
    replies: list[Reply | None] = []
    for request, (poll_id, _) in asked:
        cast = next(casts[poll_id])
        if cast is None:
            replies.append(None)
            continue
        [own] = cast.voices  # a ballot of their own, and the only one: nothing else shows on a card
        said_alike = poll_id, own.choices, own.reason
        if said_alike not in cards:
            cards[said_alike] = _voted(cast, request, store)
        replies.append(cards[said_alike])
    return replies


def _voted(cast: Cast, request: Request, store: Store) -> Reply:
    """The card with what was cast."""
    subject, received = Subject.of(cast.poll, store), request.incoming.received_at
    return _card("polls.voted", subject, cast.voices, store, received)


@choice(
    "polls.vote",
    number,
    number,
    who=voter,
    in_groups=True,
    secret=True,
    leads="vote",
    together=_vote_together,
    counts=True,
)
def vote(request: Request, store: Store, poll_id: int, option: int) -> Reply:
    """Cast every ballot this person may cast; tell those whom it overrules."""
    received = request.incoming.received_at
    signed_in = request.incoming.signed_in
    try:
        cast = store.polls.press(poll_id, request.person, option, received, as_member=signed_in)
    except WrongChoice:
        show_again = [(f"polls.show:{poll_id}", "polls.see_vote"), do("polls")]
        raise Refused("polls.choose_one", choices=show_again) from None
    except (Closed, NotElector, NotSignedIn, Superseded, HandedOver) as error:
        raise _refused(error, poll_id, request, store) from None
    if request.in_group:
        return rooms.counted(cast, store, received)
    _tell_overruled(cast, request, store)
    return _voted(cast, request, store)


def _refused(error: Exception, poll_id: int, request: Request, store: Store) -> Refused:
    """Why nothing was counted, and what can be done instead."""
    if isinstance(error, NotSignedIn):
        return results.not_here(request)
    poll = store.polls.get(poll_id)
    if request.in_group and poll is not None:
        return rooms.refused(error, poll)
    if isinstance(error, Closed) and poll is not None and poll.cancelled_at is not None:
        return Refused("polls.is_cancelled", subject=Subject.of(poll, store), choices=[do("polls")])
    if isinstance(error, Closed):
        return Refused("polls.closed", choices=[do("polls")])
    if isinstance(error, VoiceSpent):
        return Refused("polls.voice_spent", choices=[do("polls"), do("menu")])
    barred = next((name for kind, name in BARRED.items() if isinstance(error, kind)), None)
    if barred is not None and poll is not None:
        voices = store.polls.voices(poll_id, request.person, request.now)
        say = Say.of(Subject.of(poll, store), voices, store, request.now)
        choices = _handing(poll, voices, store, request.now)
        if not isinstance(error, TermOver):
            choices.append((f"polls.show:{poll_id}", "polls.see_vote"))
        return Refused(barred, voice=say, choices=[*choices, do("polls")])
    return Refused("polls.no_voice", choices=[do("polls"), do("menu")])


def _tell_overruled(cast: Cast, request: Request, store: Store) -> None:
    for person, organisation in cast.overruled:
        store.deliveries.notify(
            "polls.overruled",
            {"poll": cast.poll.id, "organisation": organisation},
            select(literal(person)),
            request.now,
            expires_at=cast.poll.closes_at,
        )


@notice("polls.overruled", reserved=results.of_members)
def overruled(recipient: Recipient, store: Store, poll: int, organisation: str) -> Reply | None:
    """Somebody who speaks for the organisation before you voted after you."""
    found = store.polls.get(poll)
    if found is None or found.cancelled_at is not None:
        return None
    names = store.organisations.names(recipient.now.date())
    return Reply(
        "polls.overruled",
        subject=Subject.of(found, store),
        organisation=names.get(organisation, organisation),
        choices=[(f"polls.show:{poll}", "polls.see_vote")],
    )


@choice("polls.reason", number, who=voter)
def reason(request: Request, store: Store, poll_id: int) -> Open:
    poll = results.found(store, poll_id)
    results.check_may_read(poll, request, store)
    if poll.electorate is Electorate.public:  # they would be read by everybody, unread by us
        raise Refused("polls.no_reasons", choices=[do("polls")])
    if poll.closed_at is not None:
        raise Refused("polls.reason_too_late", choices=[do("polls")])
    return Open(reason_form, about=str(poll_id), fresh=True)


def _explain(request: Request, store: Store, about: str, answers: Mapping[str, Any]) -> Reply:
    poll_id = number(about)
    try:
        explained = store.polls.explain(
            poll_id,
            request.person,
            answers["reason"],
            request.incoming.received_at,
            as_member=request.incoming.signed_in,
        )
    except Closed:
        raise Refused("polls.reason_too_late", choices=[do("polls")]) from None
    except (NotElector, NotSignedIn, HandedOver) as error:
        raise _refused(error, poll_id, request, store) from None
    choices = [(f"polls.show:{poll_id}", "polls.see_vote"), do("polls")]
    if not explained:
        raise Refused("polls.vote_first", choices=choices)
    return Reply("polls.reason_kept", choices=choices)


reason_form = routing.form(
    Form(
        "reason",
        "polls",
        (LongText("reason", at_most=500),),
        who=voter,
        submit=_explain,
        reviewed=False,
    )
)


@notice("polls.opened", reserved=results.of_members)
def opened(recipient: Recipient, store: Store, poll: int) -> Reply | None:
    """A poll opened: the card itself, so that the next tap is the vote."""
    found = store.polls.get(poll)
    if found is None or found.closed_at is not None or found.closes_at <= recipient.now:
        return None
    subject = Subject.of(found, store)
    return card(subject, store, recipient.person_id, recipient.now, "polls.opened")
