"""The one page, its style and its scripts, kept in memory."""

import hashlib
import re

from aiohttp import web

from bot.platforms.web.demo import Demo
from bot.platforms.web.language import COOKIE, language_of
from bot.platforms.web.routes import Caller, WebRoute, get
from bot.platforms.web.templates import FOLDER, TEMPLATES
from bot.rendering import texts_for
from bot.settings import Settings
from bot.texts import LANGUAGES

_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
_IMPORT = re.compile(rb"(from '\./\w+\.js)'")
_WORD = re.compile(r"\bwords\.(\w+)")
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_FRESH = {"Cache-Control": "no-cache"}
_ASKED_FOR = ("chat.js", "demo.js")  # by the page itself; they import all others
_COMMANDS = ("help", "privacy", "settings")  # of the menu, between « menu » and « quitter »
A_YEAR = 31_536_000  # seconds


class Page:
    """The chat page in each language, and in the demo the four personas side by side.

    Statics are asked for with the version of them all, also by a script that imports another: a
    browser fetches each once, and keeps it for ever.
    """

    def __init__(self, settings: Settings, demo: Demo | None) -> None:
        self.statics = {
            entry.name: entry.read_bytes()
            for entry in FOLDER.iterdir()
            if entry.name.rpartition(".")[2] in _TYPES
        }
        digest = hashlib.sha256(b"".join(self.statics[name] for name in sorted(self.statics)))
        self.version = digest.hexdigest()[:12]
        for name in self._scripts():
            versioned = rf"\1?v={self.version}'".encode()
            self.statics[name] = _IMPORT.sub(versioned, self.statics[name])
        # The words that stand in the page only; the scripts may say all others.
        self._written = (self._named("jinja") | set(_COMMANDS)) - self._named("js")
        self.settings = settings
        self.demo = demo
        self._rendered: dict[tuple[str, str, bool], tuple[str, str]] = {}

    def routes(self) -> list[WebRoute]:
        routes = [
            get("/", self.index, who=Caller.anyone),
            get("/static/{name}", self.static, who=Caller.anyone),
        ]
        demo = [get("/demo", self.together, who=Caller.anyone)]
        return routes + demo if self.demo is not None else routes

    async def index(self, request: web.Request) -> web.Response:
        """The chat page; `framed` leaves out the demo's bar."""
        return self._page(request, "index.html.jinja", framed="framed" in request.query)

    async def together(self, request: web.Request) -> web.Response:
        return self._page(request, "demo.html.jinja")

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        content = self.statics.get(name)
        if content is None:
            raise web.HTTPNotFound
        response = web.Response(
            body=content,
            content_type=_TYPES[name.rpartition(".")[2]],
            charset="utf-8",
            headers=_FOREVER if request.query.get("v") == self.version else _FRESH,
        )
        response.enable_compression()
        return response

    def _page(self, request: web.Request, template: str, *, framed: bool = False) -> web.Response:
        language = language_of(request, self.settings.language)
        key = (template, language, framed)
        if key not in self._rendered:
            html = self._render(*key)
            self._rendered[key] = html, hashlib.sha256(html.encode()).hexdigest()[:16]
        html, tag = self._rendered[key]
        headers = {**_FRESH, "Vary": "Cookie", "ETag": f'"{tag}"'}
        if any(one.value == tag for one in request.if_none_match or ()):
            response = web.Response(status=304, headers=headers)
        else:
            response = web.Response(
                text=html, content_type="text/html", charset="utf-8", headers=headers
            )
            response.enable_compression()
        if request.query.get("lang") == language:
            response.set_cookie(COOKIE, language, max_age=A_YEAR, samesite="Lax")
        return response

    def _named(self, ending: str) -> set[str]:
        """The words that files of one kind name."""
        wanted = [one for one in FOLDER.iterdir() if one.name.endswith(f".{ending}")]
        return {name for one in wanted for name in _WORD.findall(one.read_text("utf-8"))}

    def _scripts(self) -> list[str]:
        return sorted(name for name in self.statics if name.endswith(".js"))

    def _render(self, template: str, language: str, framed: bool) -> str:
        texts = texts_for(language, self.settings.zone)

        def command(name: str) -> str:
            return "/" + texts.plain(f"commands.{name}").partition("|")[0]

        personas = [
            {"key": key, "label": texts.plain(f"web.persona_{key}")}
            for key in (self.demo.accounts if self.demo is not None and not framed else ())
        ]
        words = {name: texts.plain(f"web.{name}") for name in texts.macros("web")}
        return TEMPLATES.get_template(template).render(
            language=texts.language,
            languages=[(key, texts.plain(f"people.language_{key}")) for key in LANGUAGES],
            words=words,
            spoken={name: words[name] for name in words if name not in self._written},
            says=[(command(name), texts.plain(f"web.{name}")) for name in _COMMANDS],
            leaving=command("leave"),
            personas=personas,
            together=template == "demo.html.jinja",
            scripts=[name for name in self._scripts() if name not in _ASKED_FOR],
            version=self.version,
            zone=self.settings.timezone,
        )
