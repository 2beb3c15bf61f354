"""What is counted as it is done, and what is answered where there is too much of it."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from bot.messages import Refused, Request
from bot.platforms.base import Outcome
from storage.conversations import Context, Seen
from storage.limits import MESSAGES, NEW_FOR, UPLOADED, UPLOADS, Limit
from storage.store import Store


def spend(request: Request, store: Store, limit: Limit, weight: int = 1) -> None:
    """Count that a person does something once more; what they do next may have to wait.

    Raises:
        Refused: it is too much for now; it says when to come back.
    """
    verdict = store.rates.count(limit, request.person, request.now, weight)
    if not verdict.is_taken:
        onward = [("people.menu", "people.see_menu")]
        raise Refused("limits.too_much", what=limit.name, until=verdict.until, choices=onward)
    request.slow(verdict.delay)


def spend_files(request: Request, store: Store) -> None:
    """Count the files that came with an update.

    Raises:
        Refused: they are too many, or too large in all.
    """
    incoming = request.incoming
    files = (*incoming.photos, *incoming.documents, *incoming.voices)
    if files:
        spend(request, store, UPLOADS, len(files))
        spend(request, store, UPLOADED, math.ceil(sum(map(len, files)) / 1024))


def too_many_files(store: Store, context: Context, now: datetime) -> Outcome | None:
    """What to answer who sent too many files already, before the next is fetched."""
    if all(store.rates.peek(one, context.person_id, now).is_taken for one in (UPLOADS, UPLOADED)):
        return None
    return Outcome(Seen.new, problem="limits.too_many_files")


def too_many(context: Context, now: datetime) -> Outcome:
    """What to answer who said too much in this minute."""
    wait = seconds(context.fresh_at or now + MESSAGES.window, now)
    return Outcome(Seen.new, wait=wait, language=context.language)


def seconds(until: datetime, now: datetime) -> int:
    """Whole seconds until a moment, one at least."""
    return max(math.ceil((until - now).total_seconds()), 1)


def newcomers(store: Store, contexts: Sequence[Context], now: datetime) -> set[int]:
    """The accounts of those who are new."""
    new = {one.account_id for one in contexts if one.created_at > now - NEW_FOR}
    return new - store.newcomers.members(new, now) if new else new


def measured(outcome: Outcome, request: Request, new: Collection[int]) -> Outcome:
    """An outcome with what says how soon more is taken there, and who goes first."""
    context = request.context
    rest = max(request.rest, MESSAGES.delay(context.recent + 1))
    is_new = context.account_id in new
    if not rest and not is_new:
        return outcome
    return replace(outcome, rest=rest, newcomer=is_new, begun=context.begun and is_new)
