"""The truth that the server holds: one bot, its people, chats, files and updates."""

import itertools
import json
import mimetypes
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tests.bot_api.errors import Refused, bad
from tests.bot_api.faults import Faults
from tests.bot_api.limits import Limits, photo_size
from tests.bot_api.model import Chat, File, Message, Press
from tests.bot_api.updates import Updates
from tests.bot_api.webhook import Webhook

if TYPE_CHECKING:
    from tests.bot_api.groups import Group
    from tests.bot_api.people import User

GROUP_BASE = -5_000
SUPERGROUP_BASE = -1_000_000_000_000  # their ids begin with -100 (core.telegram.org/api/bots/ids)


class World:
    """Everything; the server reads calls and asks here.

    Args:
        token: its part before the colon is the bot's id.
        keep: how many messages a chat remembers; None is all.
    """

    def __init__(self, token: str, username: str, keep: int | None, seed: int) -> None:
        self.token = token
        self.keep = keep
        self.limits = Limits()
        self.faults = Faults(seed)
        self.updates = Updates(self.faults)
        self.webhook = Webhook(self.updates, self.faults)
        self.now: Callable[[], float] = time.time  # seconds; a test may set another clock
        self.privacy = True  # as BotFather's /setprivacy
        self.bot: dict[str, Any] = {
            "id": int(token.partition(":")[0]),
            "is_bot": True,
            "first_name": "Préau",
            "username": username,
        }
        self.people: dict[int, User] = {}
        self.groups: dict[int, Group] = {}
        self.chats: dict[int, Chat] = {}
        self.deleted_users: set[int] = set()
        self.blocked_by: set[int] = set()
        self.files: dict[str, File] = {}
        self.paths: dict[str, File] = {}
        self.presses: OrderedDict[str, Press] = OrderedDict()
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.texts: dict[tuple[str, str], str] = {}  # description and the like, by language
        self._ids = itertools.count(1)
        self._user_ids = itertools.count(700_000_001)
        self._group_ids = itertools.count(1)

    @property
    def username(self) -> str:
        return str(self.bot["username"])

    # Chats

    def private_chat(self, user: dict[str, Any]) -> Chat:
        shown = {"id": user["id"], "type": "private", "first_name": user["first_name"]}
        for name in ("last_name", "username"):
            if user.get(name):
                shown[name] = user[name]
        return self._add(Chat(shown, self.keep))

    def group_chat(self, title: str, *, supergroup: bool, forum: bool) -> Chat:
        number = next(self._group_ids)
        if not (supergroup or forum):
            shown: dict[str, Any] = {"id": GROUP_BASE - number, "type": "group", "title": title}
            shown["all_members_are_administrators"] = True
        else:
            shown = {"id": SUPERGROUP_BASE - number, "type": "supergroup", "title": title}
        if forum:
            shown["is_forum"] = True
        return self._add(Chat(shown, self.keep))

    def channel_chat(self, title: str) -> Chat:
        number = next(self._group_ids)
        shown = {"id": SUPERGROUP_BASE - number, "type": "channel", "title": title}
        return self._add(Chat(shown, self.keep))

    def _add(self, chat: Chat) -> Chat:
        self.chats[chat.id] = chat
        return chat

    def next_user_id(self) -> int:
        return next(self._user_ids)

    def chat(self, asked: Any, *, to_write: bool = True) -> Chat:
        """The chat that a call means (words of Client.cpp, `check_chat_access`).

        Raises:
            Refused: there is none, or the bot may not write there.
        """
        if asked in (None, ""):
            raise bad("chat_id is empty")
        try:
            chat = self.chats.get(int(asked))
        except (TypeError, ValueError):
            chat = None
        if chat is None:
            raise bad("chat not found")
        if chat.type == "private":
            self._check_person(chat, to_write)
        elif chat.moved_to is not None and to_write:
            raise Refused(
                400,
                "group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": chat.moved_to},
            )
        elif chat.bot_is == "kicked":
            raise Refused(403, f"bot was kicked from the {chat.type} chat")
        elif chat.bot_is == "left":
            raise Refused(403, f"bot is not a member of the {chat.type} chat")
        return chat

    def _check_person(self, chat: Chat, to_write: bool) -> None:
        if chat.id in self.deleted_users and to_write:
            raise Refused(403, "user is deactivated")
        if not chat.known:
            # Met in a group only: Telegram knows the person, but they never opened the chat.
            if any(chat.id in other.members for other in self.chats.values()):
                raise Refused(403, "bot can't initiate conversation with a user")
            raise bad("chat not found")
        if chat.id in self.blocked_by and to_write:
            raise Refused(403, "bot was blocked by the user")

    # Files

    def file(
        self, kind: str, data: bytes, name: str, mime: str | None = None, size: int | None = None
    ) -> File:
        """Keep a file; `size` declares another than that of its bytes."""
        number = next(self._ids)
        extension = name.rpartition(".")[2] if "." in name else "bin"
        file = File(
            id=f"AgAD{kind}{number}",
            unique=f"u{number}",
            kind=kind,
            name=name,
            mime=mime or mimetypes.guess_type(name)[0] or "application/octet-stream",
            data=data,
            size=len(data) if size is None else size,
            path=f"{kind}s/file_{number}.{extension}",
        )
        if kind == "photo":
            file.width, file.height = _sides(data)
            self.files[f"{file.id}-s"] = file
        self.files[file.id] = file
        self.paths[file.path] = file
        return file

    # Messages

    def put(
        self,
        chat: Chat,
        sender: dict[str, Any],
        content: dict[str, Any],
        *,
        text: str = "",
        html: str = "",
        files: Iterable[File] = (),
        rows: list[list[dict[str, Any]]] | None = None,
        thread: int | None = None,
        reply_to: Message | None = None,
        quiet: bool = False,
    ) -> Message:
        """A new message in a chat; nobody is told of it here."""
        message = Message(
            id=chat.next_id(),
            chat=chat,
            sender=sender,
            by_bot=sender is self.bot,
            date=int(self.now()),
            content=content,
            text=text,
            html=html,
            rows=rows or [],
            files=list(files),
            thread=thread,
            quiet=quiet,
            reply_to=reply_to,
        )
        chat.add(message)
        return message

    def tell(self, kind: str, message: Message) -> int | None:
        """Give a message to the bot; None if it is not to see it."""
        return self.updates.push(kind, message.as_json(), message.chat.id)

    def press(self, press: Press, body: dict[str, Any], queue: int) -> int | None:
        self.presses[press.id] = press
        if len(self.presses) > 20_000:
            self.presses.popitem(last=False)
        return self.updates.push("callback_query", body, queue)

    def next_press_id(self) -> str:
        return str(4_000_000_000_000_000_000 + next(self._ids))

    def reads(self, chat: Chat, message: Message, *, service: bool = False) -> bool:
        """Whether the bot gets a message (core.telegram.org/bots/features#privacy-mode).

        In a group with privacy mode: commands to it, commands to nobody if it was the last bot
        to speak, replies to it, mentions of it, and what Telegram itself says (`service`).
        """
        if chat.type in ("private", "channel"):
            return True
        if chat.bot_is in ("left", "kicked"):
            return False
        if service or not self.privacy or chat.bot_is == "administrator":
            return True
        if message.reply_to is not None and message.reply_to.by_bot:
            return True
        mention = f"@{self.username}".lower()
        text = message.text.lower()
        if text.startswith("/"):
            command = text.split()[0]
            return command.endswith(mention) if "@" in command else chat.bot_spoke
        return mention in text


def _sides(data: bytes) -> tuple[int, int]:
    """A photo's sides; a test may send bytes that are none."""
    try:
        return photo_size(data)
    except Refused:
        return 1280, 960


def as_object(given: Any) -> Any:
    """A parameter that is JSON, whether it came as text or inside a JSON body."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except ValueError:
        raise bad("can't parse JSON-encoded parameter") from None
