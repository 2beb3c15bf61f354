"""A poll as a group is shown it: everybody there may read the card, whoever they are.

The question and the options of a poll are shown, since who runs it chose to. The title of a draft
is shown only in a public consultation, and so is a result; both are else in one's own chat. What
somebody voted is shown nowhere but there.
"""

from datetime import datetime

from bot.messages import Label, Refused, Reply, Request, Words
from bot.rights import secretariat
from bot.routing import OPENS_PRIVATELY, Recipient, choice, notice, number
from bot.wording import Count, Subject, listed
from handlers.polls import results
from storage.deliveries import subject
from storage.polls import (
    Cast,
    Closed,
    Electorate,
    HandedOver,
    Poll,
    Superseded,
    TermOver,
    Turnout,
    chosen,
)
from storage.rooms import POLL
from storage.store import Store

MOST = 10  # offered at once


def offer(request: Request, store: Store) -> Reply:
    """The open polls that the secretariat may show here; others are told so."""
    if not secretariat(request):
        ways = [(OPENS_PRIVATELY, "people.see_private")]
        return Reply("polls.only_secretariat", choices=ways, to_all=True)
    found = store.polls.under_way(request.now)[:MOST]
    choices: list[tuple[str, Label | str]] = [
        (f"polls.show_here:{one.id}", Words("polls.show_here", {"name": _name(one, store)}))
        for one in found
    ]
    return Reply("polls.room_offer", count=len(found), choices=choices, to_all=True)


def _name(poll: Poll, store: Store) -> Label:
    """What a poll is called before it is decided that everybody may read its question."""
    if poll.electorate is Electorate.public:
        return Subject.of(poll, store).question
    return Words("polls.room_name", {"poll": poll})


@choice("polls.show_here", number, who=secretariat, in_groups=True)
def show_here(request: Request, store: Store, poll_id: int) -> Reply:
    poll = results.found(store, poll_id)
    if not request.in_group:
        raise Refused("people.stale_choice")
    if poll.closed_at is not None or poll.closes_at <= request.now:
        raise Refused("polls.closed_already")
    chat, offered = request.context.chat_id, request.incoming.message
    if not store.rooms.show(chat, POLL, poll_id, request.now, offered):
        raise Refused("people.shown_already")
    return card(poll, store, request.now, chosen_here=True)


def card(poll: Poll, store: Store, now: datetime, *, chosen_here: bool = False) -> Reply:
    """A poll, one tap a vote, and how many voted; once it is over, what came of it.

    Args:
        chosen_here: it takes the place of the offer in which it was chosen.
    """
    about, shown = Subject.of(poll, store), subject(POLL, poll.id)
    choices: list[tuple[str, Label | str]] = []
    if poll.closed_at is None:
        choices = [
            (f"polls.vote:{poll.id}:{position}", option)
            for position, option in enumerate(about.options)
        ]
    choices.append((f"{OPENS_PRIVATELY}vote-{poll.id}", "people.see_private"))
    counted = poll.closed_at is not None and poll.cancelled_at is None
    if counted and poll.electorate is Electorate.public:
        return Reply(
            "polls.result",
            subject=about,
            count=Count.of(poll, store, now),
            options=about.options,
            colleges=[],
            choices=choices,
            shows=shown,
            to_all=True,
        )
    return Reply(
        "polls.room_card",
        subject=about,
        question=_question(about),
        turnout=_turnout(poll, store),
        choices=choices,
        replace=chosen_here,
        acknowledge="people.shown_here" if chosen_here else None,
        shows=shown,
        to_all=True,
    )


def _turnout(poll: Poll, store: Store) -> Turnout:
    """How many voted. In a consultation, which may be large, whoever could vote did."""
    if poll.electorate is not Electorate.public:
        return store.polls.turnout(poll.id)
    voted = (store.polls.ballots(poll.id), 0)
    return Turnout(voted, voted)


def _question(about: Subject) -> Label:
    """What is asked, without the title of a draft that not everybody may read."""
    if about.poll.question or about.draft is None or about.poll.electorate is Electorate.public:
        return about.question
    return Words("polls.room_question", {"draft": about.draft})


def counted(cast: Cast, store: Store, now: datetime) -> Reply:
    """What is said to who voted here, and to nobody else.

    Nobody is overruled from a group: whose ballot would be replaced is said only in one's own chat.
    """
    if cast.overruled:
        raise Refused("polls.room_overrules")
    about = Subject.of(cast.poll, store)
    mine = [one for one in cast.voices if one.mine and one.may_cast]
    keys = [one.organisation_id for one in mine if one.organisation_id is not None]
    names = store.organisations.names(now.date(), short=True) if keys else {}
    said = {
        "voted": [about.option(option) for option in chosen(mine[0].choices or 0)],
        "own": len(keys) < len(mine),
        "organisations": listed([names.get(key, key) for key in keys]),
    }
    return Reply(acknowledge=Words("polls.voice", said))


def refused(error: Exception, poll: Poll) -> Refused:
    """Why nothing was counted, in the few words that a toast holds."""
    if isinstance(error, Closed):
        return Refused("polls.room_cancelled" if poll.cancelled_at else "polls.closed")
    if isinstance(error, Superseded):
        return Refused("polls.room_superseded")
    if isinstance(error, HandedOver):
        return Refused("polls.room_handed_over")
    if isinstance(error, TermOver):
        return Refused("polls.room_term_over")
    return Refused("polls.no_voice")


@notice("polls.group_card", reserved=results.of_members)
def redrawn(recipient: Recipient, store: Store, poll: int) -> Reply:
    return card(results.found(store, poll), store, recipient.now)
