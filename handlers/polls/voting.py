"""Voting: what awaits me, a poll with its options, two taps to a counted ballot, a reason."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select

from bot import routing
from bot.forms import Form, LongText, Open
from bot.messages import Label, Refused, Reply, Request, Words
from bot.routing import Recipient, anyone, choice, command, link, notice, number
from bot.wording import Subject, listed
from handlers.people import do
from handlers.polls import results, rooms
from storage.deliveries import ballot_of
from storage.organisations import MandateKind
from storage.polls import (
    Cast,
    Closed,
    Electorate,
    NotElector,
    NotSignedIn,
    Press,
    Superseded,
    Voice,
    WrongChoice,
    chosen,
)
from storage.store import Store


@dataclass(frozen=True)
class Other:
    """An organisation's ballot that somebody else cast.

    Attributes:
        by: their mandate for it, if they still hold one.
        voted: what they chose, for who may replace it.
    """

    name: str
    by: MandateKind | None
    voted: list[Label]


@dataclass(frozen=True)
class Say:
    """What a person has to say in a poll, as messages word it.

    Attributes:
        own: whether a ballot of their own goes with a press.
        organisations: whose ballots go with a press.
        voted, reason: what the ballots that they cast say.
        replaces: ballots by others, which a press would replace.
        settled: ballots by others, which they may not replace.
    """

    own: bool
    organisations: list[str]
    voted: list[Label]
    reason: str | None
    replaces: list[Other]
    settled: list[Other]

    @classmethod
    def of(cls, subject: Subject, voices: list[Voice], store: Store, now: datetime) -> "Say":
        speaks = any(one.organisation_id is not None for one in voices)
        names = store.organisations.names(now.date()) if speaks else {}
        others = [one for one in voices if one.organisation_id and one.choices and not one.mine]
        by = {one.elector_id: _mandate(one, store, now) for one in others}

        def other(voice: Voice) -> Other:
            voted = [subject.option(option) for option in chosen(voice.choices or 0)]
            return Other(_name(voice, names), by[voice.elector_id], voted)

        mine = next((one for one in voices if one.mine), None)
        organisations = [
            _name(one, names) for one in voices if one.may_cast and one.organisation_id is not None
        ]
        return cls(
            own=any(one.organisation_id is None for one in voices) or not voices,
            organisations=listed(organisations),
            voted=[subject.option(option) for option in chosen(mine.choices or 0)] if mine else [],
            reason=mine.reason if mine else None,
            replaces=[other(one) for one in others if one.may_cast],
            settled=[other(one) for one in others if not one.may_cast],
        )

    @property
    def may_press(self) -> bool:
        return self.own or bool(self.organisations)


def _name(voice: Voice, names: Mapping[str, str]) -> str:
    key = voice.organisation_id or ""
    return names.get(key, key)


def _mandate(voice: Voice, store: Store, now: datetime) -> MandateKind | None:
    """What whoever cast an organisation's ballot is to it."""
    if voice.cast_by is None:
        return None
    mandates = store.organisations.mandates_of(voice.cast_by, now)
    return next(
        (one.kind for one in mandates if one.organisation_id == voice.organisation_id), None
    )


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
    awaiting = [poll for poll, done in open_polls if not done]
    signed_out = not as_member and _is_member(request, store)
    if len(open_polls) == 1 and awaiting and not closed and not signed_out:
        return card(Subject.of(awaiting[0], store), store, request.person, request.now)
    choices: list[tuple[str, Label | str]] = [
        (
            f"polls.show:{poll.id}",
            Words("polls.line", {"subject": Subject.of(poll, store), "done": done}),
        )
        for poll, done in open_polls
    ]
    choices += [
        (
            f"polls.result:{poll.id}",
            Words("polls.result_line", {"subject": Subject.of(poll, store)}),
        )
        for poll in closed
    ]
    return Reply(
        "polls.list",
        awaiting=len(awaiting),
        open=len(open_polls),
        signed_out=signed_out,
        choices=[*choices, do("menu")],
    )


def _is_member(request: Request, store: Store) -> bool:
    """Whether this person would have a role if they were signed in."""
    roles = store.grants.roles_of(request.person, request.now)
    return bool(roles or store.organisations.mandates_of(request.person, request.now))


@link("vote", number)
@choice("polls.show", number)
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
    if not voices and subject.poll.electorate is not Electorate.public:
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
    replies: list[Reply | None] = []
    for request, (poll_id, _) in asked:
        cast = next(casts[poll_id])
        replies.append(_voted(cast, request, store) if cast is not None else None)
    return replies


def _voted(cast: Cast, request: Request, store: Store) -> Reply:
    """The card with what was cast."""
    subject, received = Subject.of(cast.poll, store), request.incoming.received_at
    return _card("polls.voted", subject, cast.voices, store, received)


@choice(
    "polls.vote",
    number,
    number,
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
    except (Closed, NotElector, NotSignedIn, Superseded) as error:
        raise _refused(error, poll_id, request, store) from None
    if request.in_group:
        return rooms.counted(cast, store, received)
    _tell_overruled(cast, request, store)
    return _voted(cast, request, store)


def _refused(error: Exception, poll_id: int, request: Request, store: Store) -> Refused:
    """Why nothing was counted, and what can be done instead."""
    poll = store.polls.get(poll_id)
    if request.in_group and poll is not None:
        return rooms.refused(error, poll)
    if isinstance(error, Closed) and poll is not None and poll.cancelled_at is not None:
        return Refused("polls.is_cancelled", subject=Subject.of(poll, store), choices=[do("polls")])
    if isinstance(error, Closed):
        return Refused("polls.closed", choices=[do("polls")])
    if isinstance(error, NotSignedIn):
        return Refused("polls.sign_in", choices=[do("polls"), do("menu")])
    if isinstance(error, Superseded) and poll is not None:
        voices = store.polls.voices(poll_id, request.person, request.now)
        say = Say.of(Subject.of(poll, store), voices, store, request.now)
        choices = [(f"polls.show:{poll_id}", "polls.see_vote"), do("polls")]
        return Refused("polls.superseded", voice=say, choices=choices)
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


@notice("polls.overruled")
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


@choice("polls.reason", number)
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
    except (NotElector, NotSignedIn) as error:
        raise _refused(error, poll_id, request, store) from None
    choices = [(f"polls.show:{poll_id}", "polls.see_vote"), do("polls")]
    if not explained:
        raise Refused("polls.vote_first", choices=choices)
    return Reply("polls.reason_kept", choices=choices)


reason_form = routing.form(
    Form("reason", "polls", (LongText("reason", at_most=500),), submit=_explain, reviewed=False)
)


@notice("polls.opened")
def opened(recipient: Recipient, store: Store, poll: int) -> Reply | None:
    """A poll opened: the card itself, so that the next tap is the vote."""
    found = store.polls.get(poll)
    if found is None or found.closed_at is not None or found.closes_at <= recipient.now:
        return None
    subject = Subject.of(found, store)
    return card(subject, store, recipient.person_id, recipient.now, "polls.opened")
