"""Fills an empty database with the demo's committee, from `data/*.toml`."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from bot.answering import NOTICE
from bot.demo import working
from bot.messages import Reply
from bot.organisations import read_organisations, signatories
from bot.rendering import render, texts_for, title
from bot.routing import NOTICES, Recipient
from bot.settings import Settings
from bot.texts import Texts
from bot.wording import Count, Subject, chart_of
from storage.conversations import Awaited, Place
from storage.deliveries import Outgoing, numbered
from storage.grants import Role
from storage.organisations import MandateKind
from storage.people import Person, Profile
from storage.polls import Electorate, Poll
from storage.recommendations import Theme
from storage.reports import Content, Level, Report, ReportKind
from storage.store import Store

PERSONAS = {"teacher": "t1", "parent": "p1", "delegate": "d1", "secretariat": "s1"}
PLATFORM = "web"
FOUNDED = timedelta(days=400)  # before now: every term has begun
GROUPED = timedelta(days=90)  # before now: the groups have met
WELCOMED = timedelta(days=30)  # before now: pages begin before the first vote that is told


def address_of(key: str) -> str:
    """The web address of a seeded person. It is no secret: a session needs a token."""
    return f"demo-{key}"


def seed(store: Store, settings: Settings, now: datetime) -> None:
    """Seed an empty database; one that has people is left as it is."""
    if store.organisations.names(now.date()):
        return
    _organisations(store)
    people = _people(store, settings, now)
    _reports(store, people, now)
    drafts = _drafts(store, people, now)
    texts = texts_for(settings.language, settings.zone)
    told = _polls(store, people, drafts, now, texts)

    def tell(at: datetime, notice: str, arguments: dict[str, Any], to: Iterable[int]) -> None:
        told.append(_Told(at, notice, arguments, frozenset(to)))

    working.seed_groups(store, _read("groups"), people, now - GROUPED)
    working.seed_meetings(store, _read("meetings"), people, now, texts, tell)
    working.seed_threads(store, _read("threads"), people, now, tell)
    for row in _read("people"):
        if "persona" in row:
            _fill_page(store, row, people[row["key"]], told, texts, now)
    working.seed_broadcasts(store, _read("broadcasts"), people, now, texts)


def _read(name: str) -> list[dict[str, Any]]:
    table = tomllib.loads((files("bot.demo") / "data" / f"{name}.toml").read_text("utf-8"))
    rows: list[dict[str, Any]] = next(iter(table.values()))
    return rows


def _organisations(store: Store) -> None:
    """The 11 signatories, and three associated organisations, which are fictional."""
    associated = (files("bot.demo") / "data" / "organisations.csv").read_bytes()
    for entry in (*read_organisations(signatories()), *read_organisations(associated)):
        store.organisations.add(
            entry.id,
            is_signatory=entry.is_signatory,
            college=entry.college,
            names=entry.kept(),
        )
    store.session.flush()


def _people(store: Store, settings: Settings, now: datetime) -> dict[str, int]:
    people = {}
    since = now - FOUNDED
    for row in _read("people"):
        account, _ = store.people.arrive(PLATFORM, address_of(row["key"]), settings.language, since)
        chat = store.people.chat(PLATFORM, account.address, account_id=account.id)
        store.conversations.begin(chat, account, "", since)
        person = store.session.get_one(Person, account.person_id)
        person.name, person.academie = row["name"], row["academie"]
        person.profile = Profile(row["profile"])
        account.last_seen_at = now  # who was silent for a year would be forgotten at once
        if "organisation" in row:
            kind = MandateKind(row["mandate"])
            store.organisations.appoint(person.id, row["organisation"], kind, since)
        if "role" in row:
            store.grants.give(person.id, Role(row["role"]), since)
        people[row["key"]] = person.id
    store.session.flush()
    return people


@dataclass(frozen=True)
class _Told:
    """What some people were told, and when."""

    at: datetime
    notice: str
    arguments: dict[str, Any]
    people: frozenset[int]


def _fill_page(
    store: Store,
    row: dict[str, Any],
    person: int,
    told: list[_Told],
    texts: Texts,
    now: datetime,
) -> None:
    """Put on a persona's page what they would find there: each thing at its time."""
    address = address_of(row["key"])
    place = Place(PLATFORM, address, address, "")
    context = store.conversations.find([place], now)[place]
    leads = bool(store.groups.led_by(person, now))
    said = [(now - WELCOMED, _welcome(row, leads=leads))]
    for one in sorted(told, key=lambda one: one.at):
        if person in one.people:
            recipient = Recipient(person, context.chat_id, one.at)
            reply = NOTICES[one.notice](recipient, store, **one.arguments)
            if reply is not None:
                said.append((one.at, reply))
    for at, reply in said:
        body = render(reply, texts)
        events = numbered(context, [Outgoing(body)], at)
        store.deliveries.put_on_pages([(context, events)])
        entry = [events[0].message, NOTICE, title(body), body["choices"]]
        store.conversations.await_numbers([Awaited(context.chat_id, entry)])


def _welcome(row: dict[str, Any], *, leads: bool) -> Reply:
    """A welcome that offers first what this person comes for."""
    first = "review" if "role" in row else "polls" if "mandate" in row else "report"
    names = [first, *(["meeting"] if leads else []), "menu"]
    choices = [(f"people.do:{name}", f"people.do_{name}") for name in names]
    return Reply("people.start", choices=choices)


def _reports(store: Store, people: dict[str, int], now: datetime) -> None:
    for row in sorted(_read("reports"), key=lambda row: -int(row["days_ago"])):
        author = store.people.get(people[row["author"]])
        told_at = now - timedelta(days=row["days_ago"])
        content = Content(
            story=row["story"].strip(),
            kind=ReportKind(row["kind"]),
            theme=Theme(row["theme"]),
            publishable=row["publishable"],
            title=row["title"],
            level=Level(row["level"]) if "level" in row else None,
            equipment=row.get("equipment"),
            advice=row.get("advice"),
            relayed=row["relayed"],
        )
        report = store.reports.submit(author.id, author.profile, author.academie, content, told_at)
        reader = people[row.get("reader", "s1")]
        _review(store, report, row, reader, told_at + timedelta(hours=20))


def _review(store: Store, report: Report, row: dict[str, Any], reviewer: int, at: datetime) -> None:
    """Bring a report to the state that the data says."""
    if row["state"] == "submitted":
        return
    report.claim(reviewer, at)
    match row["state"]:
        case "published":
            store.reports.publish(report, reviewer, at)
        case "returned":
            report.send_back(reviewer, row["question"], at)
        case "withdrawn":
            report.release(reviewer, at)
            store.reports.withdraw(report, at)
    store.session.flush()


def _drafts(store: Store, people: dict[str, int], now: datetime) -> dict[str, int]:
    """The version of each draft, by key."""
    versions = {}
    for row in sorted(_read("texts"), key=lambda row: -int(row["days_ago"])):
        at = now - timedelta(days=row["days_ago"])
        body, theme = row["body"].strip(), Theme(row["theme"])
        draft = store.recommendations.add_draft(row["title"], body, theme, people["s1"], at)
        versions[row["key"]] = draft.version_id
    return versions


def _polls(
    store: Store, people: dict[str, int], drafts: dict[str, int], now: datetime, texts: Texts
) -> list[_Told]:
    told = []
    for row in _read("polls"):
        opened_at = now - timedelta(days=row["opened_days_ago"])
        poll = store.polls.open(
            row.get("question", ""),
            electorate=Electorate(row["electorate"]),
            closes_at=_closing(row, now),
            now=opened_at,
            text_version_id=drafts.get(row.get("draft", "")),
            options=row.get("options", ()),
            several=row.get("several", False),
            created_by=people["s1"],
        )
        for rank, (key, *cast) in enumerate(row["ballots"]):
            at = opened_at + timedelta(hours=2 + rank)
            options = [choice for choice in cast if isinstance(choice, int)]
            store.polls.cast(poll.id, people[key], options, at, as_member=True)
            for reason in cast:
                if isinstance(reason, str):
                    store.polls.explain(poll.id, people[key], reason, at, as_member=True)
        if "closed_days_ago" in row:
            told.append(_closed(store, poll, texts))
        else:
            asked = frozenset(store.session.scalars(store.polls.asked(poll, now)))
            told.append(_Told(opened_at, "polls.opened", {"poll": poll.id}, asked))
    return told


def _closed(store: Store, poll: Poll, texts: Texts) -> _Told:
    """Close and announce a poll at the time at which it closed."""
    at = poll.closes_at
    store.polls.close(poll.id, at)
    store.polls.announce(poll.id, at)
    count = Count.of(poll, store, at)
    picture = chart_of(Subject.of(poll, store), count, texts)
    poll.chart_id = store.files.add(picture, "image/png", at)
    store.session.flush()
    told = frozenset(store.session.scalars(store.polls.told_result(poll, at)))
    return _Told(at, "polls.result", {"poll": poll.id, "count": count.kept()}, told)


def _closing(row: dict[str, Any], now: datetime) -> datetime:
    """Days from now, or before it, at 17:00 in UTC (18:00 in Paris in winter)."""
    days = row["closes_in_days"] if "closes_in_days" in row else -row["closed_days_ago"]
    return (now + timedelta(days=days)).replace(hour=17, minute=0, second=0, microsecond=0)
