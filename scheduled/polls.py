"""Polls close by themselves, are counted, and everybody who could vote is told."""

from datetime import datetime

from bot.rendering import texts_for
from bot.settings import Settings
from bot.texts import Texts
from bot.ticker import Job
from bot.wording import Count, Subject, chart_of
from storage.broadcasts import Unasked
from storage.store import Store


def jobs(settings: Settings) -> list[Job]:
    texts = texts_for(settings.language, settings.zone)
    return [
        Job("close polls", close_due, next_due=_next_closing, settled=True),
        Job("announce results", announce, prepare=lambda store, now: charts(store, now, texts)),
    ]


def _next_closing(store: Store) -> datetime | None:
    return store.polls.next_closing()


def close_due(store: Store, now: datetime) -> None:
    """Close the polls whose time has come.

    Args:
        now: the moment up to which everything received is applied, so that no ballot received
            before the closing is left out.
    """
    for poll_id in store.polls.due(now):
        store.polls.close(poll_id, now)


def charts(store: Store, now: datetime, texts: Texts) -> dict[int, bytes] | None:
    """The picture of each result that nobody was told yet."""
    waiting = store.polls.unannounced()
    return {poll_id: _chart(store, poll_id, now, texts) for poll_id in waiting} or None


def announce(store: Store, now: datetime, drawn: dict[int, bytes]) -> None:
    """Tell the results, each once: counted here, and said to everybody as it was counted."""
    for poll_id, picture in sorted(drawn.items()):
        poll = store.polls.announce(poll_id, now)
        if poll is None:  # another process was faster
            continue
        poll.chart_id = store.files.add(picture, "image/png", now)
        store.session.flush()
        count = Count.of(poll, store, now).kept()
        store.deliveries.end_ballots(poll_id, now)
        store.deliveries.notify(
            "polls.result",
            {"poll": poll_id, "count": count},
            store.broadcasts.unmuted(store.polls.told_result(poll, now), Unasked.result),
            now,
        )


def _chart(store: Store, poll_id: int, now: datetime, texts: Texts) -> bytes:
    poll = store.polls.get(poll_id)
    assert poll is not None
    return chart_of(Subject.of(poll, store), Count.of(poll, store, now), texts)
