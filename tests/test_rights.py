"""Everybody tries everything: what is declared, what docs/rights.md says and what happens agree."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cache

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot import routing
from bot.forms import Form, Open, State
from bot.forms.buttons import open_form
from bot.messages import Incoming, Refused, Request
from bot.platforms.telegram.webhook import HEADER
from bot.platforms.web.routes import Caller, WebRoute
from bot.settings import Channels, Settings
from storage.conversations import Context, Place
from storage.database import Database
from storage.grants import Role
from storage.groups import Joining, scope_of
from storage.organisations import MandateKind, OrganisationName
from storage.people import Account
from storage.store import Store
from tests import rights
from tests.compiled import Compiled
from tests.conftest import NOW, SECRET
from tests.people import Guest
from tests.rights import CONTRIBUTOR, COUNTS, EVERYWHERE, MEMBERS, NO, ROLES, Row
from tests.stage import Stage

REFUSALS = ("people.not_allowed", "people.elsewhere", "people.elsewhere_short")
NOTHING = "999999"  # the id of nothing
# What the arguments of actions may be, until one can be read: ids of nothing first.
SAMPLES = (
    NOTHING,
    "REX-2027-99999",
    "fr",
    "menu",
    "report",
    "x",
    "coming",
    "open",
    "news",
    "all",
    "organisations",
    "1",
)


@dataclass(frozen=True)
class Somewhere:
    """A place from which people ask, in one of the profiles."""

    platform: str
    channels: Channels
    signed_in: bool = True

    @property
    def counts(self) -> bool:
        """Whether roles count there."""
        strict = self.channels is Channels.strict
        return self.signed_in and not (strict and self.platform == "telegram")


PLACES = [
    Somewhere(platform, channels, signed_in)
    for channels in Channels
    for platform, signed_in in (
        ("matrix", True),
        ("telegram", True),
        ("web", True),
        ("web", False),
    )
]


def expected(row: Row, role: str, place: Somewhere) -> str | None:
    """The refusal that the reviewed table says; None if it says that they may."""
    where = row.open if place.channels is Channels.open else row.strict
    free = {EVERYWHERE: True, COUNTS: False, MEMBERS: role == CONTRIBUTOR}[where]
    there = role if place.counts else CONTRIBUTOR
    if row.may[there] != NO and (free or place.counts):
        return None
    belongs = role != CONTRIBUTOR and row.may[role] != NO
    return "people.elsewhere" if belongs and not place.counts else "people.not_allowed"


@dataclass(frozen=True)
class Cast:
    """Somebody of each role, with an account on each platform."""

    store: Store
    settings: Settings
    contexts: dict[tuple[str, str], Context]
    sessions: dict[str, int]

    def request(self, role: str, place: Somewhere) -> Request:
        """What somebody asks, from a place."""
        incoming = Incoming(
            platform=place.platform,
            chat=f"{role} there",
            sender=role,
            update_id=uuid.uuid4().hex,
            received_at=NOW,
            signed_in=place.signed_in,
            session_id=self.sessions[role] if place.platform == "web" else None,
        )
        settings = self.settings.model_copy(update={"channels": place.channels})
        context = replace(self.contexts[role, place.platform], awaiting=[])
        return Request(incoming, context, NOW, settings, self.store)


def cast(store: Store, settings: Settings) -> Cast:
    _organisation(store)
    group = store.groups.make("Un groupe", Joining.open, None, NOW)
    contexts: dict[tuple[str, str], Context] = {}
    sessions: dict[str, int] = {}
    for role in ROLES:
        person = store.people.arrive("web", role, "fr", NOW)[0].person_id
        for platform in ("web", "telegram", "matrix"):
            contexts[role, platform] = _at(platform, role, person, store)
        token = store.sessions.begin(contexts[role, "web"].account_id, NOW)
        [visitor] = store.sessions.visitors([token])
        assert visitor is not None
        sessions[role] = visitor.session_id
        if role in list(MandateKind):
            store.organisations.appoint(person, "amf", MandateKind(role), NOW)
        elif role != CONTRIBUTOR:
            in_group = role in (Role.chair, Role.rapporteur)
            scope = scope_of(group.id) if in_group else ""
            store.grants.give(person, Role(role), NOW, scope=scope)
    store.session.flush()
    return Cast(store, settings, contexts, sessions)


def _organisation(store: Store) -> None:
    name = OrganisationName(
        organisation_id="amf", starts_on=NOW.date(), name="AMF", short_name="AMF"
    )
    store.organisations.add("amf", is_signatory=True, college=None, names=[name])


def _at(platform: str, role: str, person: int, store: Store) -> Context:
    """Their conversation on a platform."""
    account = store.people.account(platform, role)
    if account is None:
        account = Account(
            person_id=person,
            platform=platform,
            address=role,
            address_index=role,
            created_at=NOW,
            last_seen_at=NOW,
        )
        store.session.add(account)
        store.session.flush()
    chat = store.people.chat(platform, f"{role} there", account_id=account.id)
    store.conversations.begin(chat, account, "", NOW)
    place = Place(platform, f"{role} there", role, "")
    return store.conversations.find([place], NOW)[place]


class Undone(Exception):
    """What was tried is undone."""


def refusal(request: Request, store: Store, ask: Callable[[], routing.Answer]) -> str | None:
    """The name of the refusal for which something was not done; None if it was not refused."""
    found = None
    with suppress(Undone), store.savepoint():
        try:
            answer = ask()
            if isinstance(answer, Open):
                open_form(answer, request, store)
        except Refused as refused:
            assert refused.reply.words is not None
            found = refused.reply.words.name
        raise Undone
    return found


def asks(row: Row, request: Request, store: Store) -> list[Callable[[], routing.Answer]]:
    """The ways in which a line of the table is asked for, about nothing that exists."""
    if row.kind == "command":
        return [lambda: routing.obey(row.name, request, store)]
    if row.kind == "choice":
        action = ":".join((row.name, *_arguments(routing.CHOICES[row.name])))
        return [lambda: routing.act(action, request, store)]
    if row.kind == "link":
        [argument] = _arguments(routing.LINKS[row.name])
        return [lambda: routing.follow(f"{row.name}-{argument}", request, store)]
    form = routing.FORMS[row.name]
    return [
        lambda: open_form(Open(form, about=NOTHING), request, store),
        lambda: _resumed(form, request, store),
    ]


def _resumed(form: Form, request: Request, store: Store) -> routing.Answer:
    """A button of a form that was begun with another role."""
    state = State(step=form.fields[0].name, answers={})
    key = f"{form.name}.{NOTHING}"
    store.conversations.save_draft(request.person, key, state.kept(), NOW)
    return routing.act(f"form.resume:{key}", request, store)


def _arguments(route: routing.Route) -> Iterator[str]:
    return (_sample(read) for read in route.arguments)


@cache
def _sample(read: Callable[[str], object]) -> str:
    for given in SAMPLES:
        with suppress(ValueError):
            read(given)
            return given
    raise AssertionError(f"no sample can be read by {read}")


# What is declared, what is reviewed


def test_the_reviewed_table_is_what_is_declared() -> None:
    """A right that is new or changed: `python -m tests.rights`, and look at what it changes."""
    assert rights.FILE.read_text("utf-8") == rights.written()


def test_every_line_of_the_table_is_read_back() -> None:
    assert rights.reviewed()[0] == rights.declared()


# Everybody tries everything


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_everybody_may_what_the_table_says(
    place: Somewhere, sqlite_url: str, compiled: Compiled
) -> None:
    settings = Settings(
        _env_file=None,
        database_url=sqlite_url,
        secret_key=SECRET,
        controller="Le comité",
        dpo_contact="dpo@example.org",
    )
    database = Database(settings.database_url, settings.secrets())
    compiled.lend(database)
    database.open()
    rows, _ = rights.reviewed()
    with closing(database):
        wrong = database.write_now(lambda store: list(_wrong(cast(store, settings), place, rows)))
    assert not wrong


def _wrong(people: Cast, place: Somewhere, rows: list[Row]) -> Iterator[str]:
    """The lines of the table that are not so."""
    for row in rows:
        for role in ROLES:
            request = people.request(role, place)
            told = expected(row, role, place)
            for ask in asks(row, request, people.store):
                found = refusal(request, people.store, ask)
                if (found if found in REFUSALS else None) != told:
                    yield f"{row.kind} {row.name}, {role}: {found} instead of {told}"


# The routes of our HTTP server


SITE = "https://another.example"


async def test_every_route_is_declared(stage: Stage) -> None:
    _, declared = rights.reviewed()
    app = stage.web.application(stage.service.dispatcher)
    known = {f"{one.method} {one.path}" for one in rights.served()}
    served = {
        f"{one.method} {one.resource.canonical}" for one in app.router.routes() if one.resource
    }
    assert {one for one in served if not one.startswith("HEAD")} <= known
    assert declared == {
        f"{one.method} {rights.shown_path(one.path)}": str(one.who) for one in rights.served()
    }


async def status_of(guest: Guest, route: WebRoute, **headers: str) -> tuple[int, str]:
    """What a route answers: its status, and the name of the error if there is one."""
    path = route.path.replace("{name}", "nothing")
    body = {"id": uuid.uuid4().hex, "text": "menu"} if route.method == "POST" else None
    address = guest.base + path
    async with guest.http.request(route.method, address, headers=headers, json=body) as got:
        if got.content_type != "application/json":
            return got.status, ""
        return got.status, str((await got.json()).get("error", ""))


async def test_every_route_asks_for_what_is_declared(stage: Stage) -> None:
    guest = await stage.guest()
    of_session = (Caller.session, Caller.session_on_page)
    of_page = (Caller.page, Caller.session_on_page)
    for route in stage.web.routes(stage.service.dispatcher):
        refused = await status_of(stage.stranger(), route) == (403, "no_session")
        assert refused == (route.who in of_session), route.path
        refused = await status_of(guest, route, Origin=SITE) == (403, "bad_origin")
        assert refused == (route.who in of_page), route.path
        if route.who in of_session and route.method == "POST":
            assert (await status_of(guest, route))[0] == 200


async def test_metrics_are_for_this_machine(stage: Stage) -> None:
    monitored = stage.web.routes(stage.service.dispatcher)
    [route] = [one for one in monitored if one.who is Caller.monitor]
    assert (await status_of(stage.stranger(), route))[0] == 200
    forwarded = {"X-Forwarded-For": "198.51.100.1"}
    assert (await status_of(stage.stranger(), route, **forwarded))[0] == 404


async def test_telegram_brings_its_secret() -> None:
    [route] = [one for one in rights.served() if one.who is Caller.telegram]
    app = web.Application()
    app.add_routes([route.definition()])
    async with TestClient(TestServer(app)) as client:
        for secret, status in (("", 403), ("another", 403), (rights.SECRET, 200)):
            async with client.post(route.path, data="{", headers={HEADER: secret}) as got:
                assert got.status == status
