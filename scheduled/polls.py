"""Polls close by themselves, are counted, and everybody who could vote is told."""

from datetime import datetime

from bot.rendering import texts_for
from bot.settings import Settings
from bot.texts import Texts
from bot.ticker import Job
from bot.wording import Subject
from storage.polls import Electorate
from storage.store import Store


def jobs(settings: Settings) -> list[Job]:
    texts = texts_for(settings.language, settings.zone)
    return [
        Job("close polls", close_due, next_due=_next_closing),
        Job("announce results", announce, prepare=lambda store, now: charts(store, texts)),
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


def charts(store: Store, texts: Texts) -> dict[int, bytes] | None:
    """The picture of each result that nobody was told yet."""
    waiting = store.polls.unannounced()
    return {poll_id: _chart(store, poll_id, texts) for poll_id in waiting} or None


def announce(store: Store, now: datetime, drawn: dict[int, bytes]) -> None:
    """Tell the results, each once."""
    for poll_id in store.polls.unannounced():
        if poll_id not in drawn:
            continue
        poll = store.polls.announce(poll_id, now)
        poll.chart_id = store.files.add(drawn[poll_id], "image/png", now)
        public = poll.electorate is Electorate.public
        could_vote = store.polls.voters(poll_id) if public else store.polls.could_vote(poll_id, now)
        store.deliveries.notify("polls.result", {"poll": poll_id}, could_vote, now)


def _chart(store: Store, poll_id: int, texts: Texts) -> bytes:
    from bot.documents.charts import Bar, bar_chart  # matplotlib: only when a poll ends

    poll = store.polls.get(poll_id)
    assert poll is not None
    subject, tally = Subject.of(poll, store), store.polls.tally(poll)
    counts = []
    if poll.electorate is not Electorate.organisations:
        counts.append((texts.plain("polls.persons"), tally.persons))
    if poll.electorate in (Electorate.organisations, Electorate.both):
        counts.append((texts.plain("polls.organisations"), tally.organisations))
    bars = [
        Bar(texts.label(subject.option(position)), tuple(voices[position] for _, voices in counts))
        for position in range(poll.size)
    ]
    return bar_chart(
        texts.label(subject.question),
        bars,
        [series for series, _ in counts],
        texts.plain("polls.chart_footer", {"subject": subject}),
    )
