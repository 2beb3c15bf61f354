"""The one page, its style and its script, kept in memory."""

import hashlib
from importlib.resources import files

from aiohttp import web
from jinja2 import Environment
from markupsafe import Markup

from bot.markup import as_page
from bot.platforms.web.demo import Demo
from bot.rendering import texts_for
from bot.settings import Settings

_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-cache"}


class Page:
    def __init__(self, settings: Settings, demo: Demo | None) -> None:
        folder = files("bot.platforms.web") / "page"
        self.statics = {
            entry.name: entry.read_bytes()
            for entry in folder.iterdir()
            if entry.name.rpartition(".")[2] in _TYPES
        }
        digest = hashlib.sha256(b"".join(self.statics[name] for name in sorted(self.statics)))
        self.version = digest.hexdigest()[:12]
        self.settings = settings
        self.demo = demo
        self.chat = self._render((folder / "index.html.jinja").read_text("utf-8"))
        self.side_by_side = self._render((folder / "demo.html.jinja").read_text("utf-8"))

    def routes(self) -> list[web.RouteDef]:
        routes = [web.get("/", self.index), web.get("/static/{name}", self.static)]
        return [*routes, web.get("/demo", self.together)] if self.demo is not None else routes

    async def index(self, _: web.Request) -> web.Response:
        return _page(self.chat)

    async def together(self, _: web.Request) -> web.Response:
        return _page(self.side_by_side)

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        content = self.statics.get(name)
        if content is None:
            raise web.HTTPNotFound
        fresh = request.query.get("v") == self.version
        response = web.Response(
            body=content,
            content_type=_TYPES[name.rpartition(".")[2]],
            charset="utf-8",
            headers=_FOREVER if fresh else _FRESH,
        )
        response.enable_compression()
        return response

    def _render(self, template: str) -> str:
        settings = self.settings
        texts = texts_for(settings.language, settings.zone)

        def words(name: str) -> Markup:
            return Markup(as_page(texts.markup(name)))  # noqa: S704 (rendered, escaped)

        demo = None
        if self.demo is not None:
            personas = [
                {"key": key, "label": texts.plain(f"web.persona_{key}")}
                for key in self.demo.accounts
            ]
            demo = {"personas": personas}
        return (
            Environment(autoescape=True)
            .from_string(template)
            .render(
                language=texts.language,
                words={name: texts.plain(f"web.{name}") for name in texts.macros("web")},
                welcome=words("people.welcome"),
                notice=words("privacy.notice_short"),
                demo=demo,
                version=self.version,
            )
        )


def _page(html: str) -> web.Response:
    response = web.Response(text=html, content_type="text/html", charset="utf-8", headers=_FRESH)
    response.enable_compression()
    return response
