"""Pages that anybody may read without an account: the notice about data, and a form to ask."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from markupsafe import Markup

from bot.clock import Clock
from bot.data_requests import told
from bot.documents.notice import parts_of
from bot.limiting import seconds
from bot.markup import clean
from bot.notices import full_notice_arguments
from bot.platforms.web.bodies import read_form
from bot.platforms.web.language import language_of
from bot.platforms.web.routes import Caller, WebRoute, get, post
from bot.platforms.web.safety import Denied, check_origin, client_address
from bot.platforms.web.templates import TEMPLATES
from bot.refusing import Refusals
from bot.rendering import texts_for
from bot.routing import PUBLIC_ID
from bot.settings import Settings
from bot.texts import LANGUAGES, Texts
from storage.data_requests import Asked, DataRequest, RequestKind
from storage.database import Database
from storage.limits import DATA_REQUESTS, Verdict
from storage.store import Store

NOTICE, REQUEST = "/confidentialite", "/demande"
# What is asked, how long an answer may be, and whether one is needed.
FIELDS = {"name": (200, True), "contact": (300, True), "report": (40, False), "said": (4000, True)}
ONE_LINE = ("name", "contact", "report")
TRAP = "website"  # people do not see it: what fills it in is a machine


@dataclass(frozen=True)
class Filled:
    """The form as it was sent, and what is wrong with it, by field."""

    given: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, form: Mapping[str, str]) -> "Filled":
        given = {name: clean(form.get(name, "")) for name in FIELDS}
        given |= {name: " ".join(given[name].split()) for name in ONE_LINE}
        given["kind"] = form.get("kind", "")
        problems = {
            name: "page_too_long" if len(given[name]) > at_most else "page_missing_here"
            for name, (at_most, needed) in FIELDS.items()
            if len(given[name]) > at_most or (needed and not given[name])
        }
        if given["report"] and PUBLIC_ID.search(given["report"].upper()) is None:
            problems.setdefault("report", "page_no_report")
        if not any(one == "@" or one.isdigit() for one in given["contact"]):
            problems.setdefault("contact", "page_no_contact")
        if given["kind"] not in tuple(RequestKind):
            problems["kind"] = "page_missing_here"
        if form.get(TRAP):
            problems[TRAP] = "page_trapped"
        return cls(given, problems)

    @property
    def asked(self) -> Asked:
        return Asked(
            RequestKind(self.given["kind"]),
            self.given["said"],
            name=self.given["name"],
            contact=self.given["contact"],
            report=self.given["report"] or None,
        )


class Public:
    """The pages, which need no script."""

    def __init__(self, settings: Settings, database: Database, clock: Clock, style: str) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.style = style
        self._refused = Refusals()

    def routes(self) -> list[WebRoute]:
        return [
            get(NOTICE, self.notice, who=Caller.anyone),
            get(REQUEST, self.form, who=Caller.anyone),
            post(REQUEST, self.ask, who=Caller.page),
        ]

    async def notice(self, request: web.Request) -> web.Response:
        """The whole notice (GDPR, article 13)."""
        texts = self._texts(request)
        markup = texts.markup("privacy.notice", full_notice_arguments(self.settings))
        return self._page(request, "notice.html.jinja", parts=parts_of(markup))

    async def form(self, request: web.Request) -> web.Response:
        return self._page(request, "request.html.jinja", filled=Filled())

    async def ask(self, request: web.Request) -> web.Response:
        """Take a request: 200 with its number once it is committed."""
        check_origin(request, self.settings.public_url)
        try:
            filled = await self._filled(request)
        except Denied as denied:
            given = {"filled": Filled(), "denied": denied.name}
            return self._page(request, "request.html.jinja", status=denied.status, **given)
        if filled.problems:
            return self._page(request, "request.html.jinja", status=422, filled=filled)
        address = client_address(request, self.settings.trusted_proxies)
        refused, asked = await self._kept(filled.asked, address)
        if refused is not None:
            given = {"filled": filled, "often": True}
            page = self._page(request, "request.html.jinja", status=429, **given)
            page.headers["Retry-After"] = str(seconds(refused, self.clock.now()))
            return page
        return self._page(request, "requested.html.jinja", number=asked[0], due=asked[1])

    async def _filled(self, request: web.Request) -> Filled:
        """What was sent; refuse all while nothing is collected."""
        if not self.settings.collects:
            raise Denied("not_open", 403)
        return Filled.read(await read_form(request))

    async def _kept(self, asked: Asked, address: str) -> tuple[datetime | None, Any]:
        """Keep a request; its number, and when it is due. Too many come from there: until when."""
        now = self.clock.now()
        refused = self._refused.until(address, now)
        if refused is not None:
            return refused, None

        def keep(store: Store) -> tuple[Verdict, Any]:
            verdict = store.rates.count(DATA_REQUESTS, address, now)
            if not verdict.is_taken:
                return verdict, None
            made: DataRequest = store.data_requests.add(asked, now)
            told(store, made, now)
            return verdict, (made.public_id, made.due_at)

        verdict, kept = await self.database.write(keep, last=True)
        await asyncio.sleep(verdict.delay)
        if verdict.is_taken:
            return None, kept
        self._refused.add(address, verdict.until)
        return verdict.until, None

    def _texts(self, request: web.Request) -> Texts:
        return texts_for(language_of(request, self.settings.language), self.settings.zone)

    def _page(
        self, request: web.Request, template: str, *, status: int = 200, **given: Any
    ) -> web.Response:
        texts = self._texts(request)

        def say(name: str, **arguments: Any) -> Markup:
            return Markup(texts.markup(name, arguments))  # noqa: S704 (rendered and escaped)

        html = TEMPLATES.get_template(template).render(
            say=say,
            language=texts.language,
            languages=[(key, texts.plain(f"people.language_{key}")) for key in LANGUAGES],
            here=request.path,
            notice=NOTICE,
            request=REQUEST,
            kinds=tuple(RequestKind),
            limits={name: at_most for name, (at_most, _) in FIELDS.items()},
            trap=TRAP,
            style=self.style,
            **given,
        )
        headers = {"Cache-Control": "no-store", "Vary": "Cookie"}
        response = web.Response(
            text=html, status=status, content_type="text/html", charset="utf-8", headers=headers
        )
        response.enable_compression()
        return response
