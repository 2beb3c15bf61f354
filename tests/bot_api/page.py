"""The page at `/`, on which one human is several people, and what it asks for."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.bot_api.demo import Guide
from tests.bot_api.groups import Group
from tests.bot_api.markup import rendered
from tests.bot_api.model import Chat, Message
from tests.bot_api.people import User
from tests.bot_api.server import BotApi

Act = Callable[[User], int | None]
FOLDER = Path(__file__).parent / "page"
FILES = {
    "": ("index.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
}
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
SAID = {"text", "photo", "document", "voice", "video", "audio", "animation", "sticker", "poll"}
SHOWN = 200  # messages of a chat


def add_page(api: BotApi, app: web.Application, guide: Guide | None = None) -> None:
    """Serve the page; with a guide, that of the demo."""
    page = Page(api, guide or Guide())
    app.router.add_get("/{name:[a-z.]*}", page.file)
    app.router.add_get("/people/state", page.state)
    app.router.add_get("/people/file/{id}", page.sent_file)
    app.router.add_post("/people/act", page.act)


class Page:
    """Answers the page of one server."""

    def __init__(self, api: BotApi, guide: Guide) -> None:
        self.api = api
        self.guide = guide

    async def file(self, request: web.Request) -> web.StreamResponse:
        known = FILES.get(request.match_info["name"])
        if known is None:
            raise web.HTTPNotFound
        name, kind = known
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
        text = (FOLDER / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind, charset="utf-8", headers=headers)

    async def sent_file(self, request: web.Request) -> web.StreamResponse:
        file = self.api.world.files.get(request.match_info["id"])
        if file is None:
            raise web.HTTPNotFound
        headers = {"X-Content-Type-Options": "nosniff"}
        if file.kind not in ("photo", "voice"):
            headers["Content-Disposition"] = "attachment"
        return web.Response(body=file.data, content_type=file.mime, headers=headers)

    async def state(self, request: web.Request) -> web.StreamResponse:
        """What one person sees; 204 if it is what they have seen already."""
        me = self.api.users.get(int(request.query.get("me") or 0))
        chat = self.api.world.chats.get(int(request.query.get("chat") or 0))
        if chat is None and me is not None:
            chat = me.chat
        toasts = len(me.toasts) if me else 0
        version = f"{len(self.api.users)}.{len(self.api.groups)}.{toasts}"
        version += f".{self.guide.web}.{len(self.guide.invited)}"
        if chat is not None:
            version += f".{chat.id}.{chat.version}.{chat.bot_is}.{len(chat.members)}"
        if request.query.get("version") == version:
            return web.Response(status=204)
        found = {
            "version": version,
            "bot": {"name": self.api.world.bot["first_name"], "username": self.api.username},
            "people": [{"id": u.id, "name": _name(u)} for u in self.api.users.values()],
            "web": self.guide.web,
            "invited": self.guide.invited.get(me.id) if me else None,
            "groups": [self._group(one, me) for one in self.api.groups.values()],
            "toasts": [vars(toast) for toast in me.toasts] if me else [],
            "commands": self._commands(me, chat) if me and chat else [],
            "messages": [self._message(m, me) for m in chat.messages[-SHOWN:]] if chat else [],
            "blocked": bool(me and me.id in self.api.world.blocked_by),
        }
        return web.json_response(found)

    def _group(self, group: Group, me: User | None) -> dict[str, Any]:
        return {
            "id": group.id,
            "name": group.chat.shown["title"],
            "bot": group.chat.bot_is in ("member", "administrator"),
            "mine": bool(me and group.chat.members.get(me.id) in ("member", "administrator")),
            "topics": [{"id": key, "name": name} for key, name in group.chat.topics.items()],
        }

    def _commands(self, me: User, chat: Chat) -> list[dict[str, str]]:
        """The menu that the app shows (#botcommandscope, the order of scopes)."""
        language = str(me.shown.get("language_code", ""))
        kind = "all_private_chats" if chat is me.chat else "all_group_chats"
        for scope in (f"chat:{chat.id}", kind, "default"):
            for spoken in (language, ""):
                found = self.api.world.commands.get((scope, spoken))
                if found:
                    return found
        return []

    def _message(self, message: Message, me: User | None) -> dict[str, Any]:
        content = message.content
        service = not SAID.intersection(content)
        entities = content.get("entities") or content.get("caption_entities") or []
        files = [{"id": file.id, "name": file.name, "kind": file.kind} for file in message.files]
        return {
            "id": message.id,
            "mine": not service and bool(me and message.sender is me.shown),
            "service": service,
            "from": message.sender.get("first_name", ""),
            "html": rendered(message.text, entities) or _what(content),
            "rows": [[vars(cell) for cell in row] for row in message.buttons],
            "files": files,
            "edited": message.edited > 0,
            "deleted": message.deleted,
            "thread": message.thread,
            "date": message.date,
        }

    async def act(self, request: web.Request) -> web.StreamResponse:
        """One act of one person: `{"do", "me", "chat", …}`."""
        if request.headers.get("Origin", self.api.url) not in self._origins(request):
            raise web.HTTPForbidden
        asked = json.loads(await request.read())
        try:
            made = self._act(asked)
        except (AssertionError, KeyError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"made": made})

    def _origins(self, request: web.Request) -> tuple[str, ...]:
        port = self.api.url.rpartition(":")[2]
        return (self.api.url, f"http://localhost:{port}")

    def _act(self, asked: dict[str, Any]) -> int | None:
        api, do = self.api, asked["do"]
        if do == "person":
            return api.user(asked["name"] or "Quelqu'un").id
        if do == "group":
            made = api.group(asked["name"] or "Groupe", forum=bool(asked.get("forum")))
            for user in api.users.values():
                made.chat.members[user.id] = "member"
            return made.id
        me = api.users[int(asked["me"])]
        group = api.groups.get(int(asked.get("chat") or 0))
        if group is not None:
            acts: dict[str, Act] = {
                "add_bot": group.add_bot,
                "kick_bot": group.kick_bot,
                "join": group.join,
            }
            if do in acts:
                return acts[do](me)
            if do == "topic":
                return group.topic(asked["name"] or "Sujet", me)
        return self._say_or_press(do, me, group, asked)

    def _say_or_press(
        self, do: str, me: User, group: Group | None, asked: dict[str, Any]
    ) -> int | None:
        thread = asked.get("thread") or None
        chat = me.chat if group is None else group.chat
        if do == "say":
            reply = asked.get("reply_to") or None
            text = asked["text"]
            if len(text) > self.api.limits.text:
                return len(me.paste(text, in_group=group))
            return me.say(text, reply_to=reply, thread=thread, in_group=group)
        if do == "press":
            return me.press(chat.by_id[asked["message"]], data=asked["data"])
        if do == "edit":
            return me.edit(asked["message"], asked["text"], chat=chat)
        if do == "start":
            return me.start(asked.get("payload", ""))
        if do == "file":
            return self._send(me, group, asked)
        plain = {"block": me.block, "unblock": me.unblock, "delete_account": me.delete_account}
        return plain[do]()

    def _send(self, me: User, group: Group | None, asked: dict[str, Any]) -> int | None:
        data = base64.b64decode(asked["data"])
        where = {"in_group": group, "caption": asked.get("caption", "")}
        if asked["as"] == "photo":
            return me.send_photo(data, **where)
        if asked["as"] == "voice":
            return me.send_voice(data, in_group=group)
        return me.send_document(data, asked["name"], asked.get("mime") or None, **where)


def _name(user: User) -> str:
    return " ".join(str(user.shown.get(name, "")) for name in ("first_name", "last_name")).strip()


def _what(content: dict[str, Any]) -> str:
    """A word for a message without any."""
    if "new_chat_members" in content:
        names = ", ".join(str(one["first_name"]) for one in content["new_chat_members"])
        return rendered(f"→ {names}", [])
    if "forum_topic_created" in content:
        return rendered(f"# {content['forum_topic_created']['name']}", [])
    kinds = [kind for kind in content if kind not in ("media_group_id", "photo", "document")]
    return rendered(kinds[0].replace("_", " ") if kinds else "", [])
