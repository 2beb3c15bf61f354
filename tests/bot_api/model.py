"""Users' chats, messages and files, and how the Bot API shows them."""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

ChatType = Literal["private", "group", "supergroup", "channel"]
Standing = Literal["member", "administrator", "left", "kicked"]


@dataclass(frozen=True)
class Button:
    label: str
    data: str | None = None
    url: str | None = None


@dataclass(eq=False)
class File:
    """A file, by either side; `size` may be declared larger than what is held."""

    id: str
    unique: str
    kind: str
    name: str
    mime: str
    data: bytes
    size: int
    path: str
    width: int = 0
    height: int = 0

    def as_json(self) -> Any:
        """A Voice, Document and so on; for a photo, its two sizes."""
        found: dict[str, Any] = {
            "file_id": self.id,
            "file_unique_id": self.unique,
            "file_size": self.size,
        }
        if self.kind == "photo":
            small = {**found, "file_id": f"{self.id}-s", "file_unique_id": f"{self.unique}s"}
            return [
                {**small, "width": 90, "height": 67, "file_size": min(self.size, 1200)},
                {**found, "width": self.width, "height": self.height},
            ]
        found["mime_type"] = self.mime
        if self.kind in ("document", "audio", "video", "animation"):
            found["file_name"] = self.name
        if self.kind in ("voice", "audio", "video", "animation"):
            found["duration"] = 1
        if self.kind in ("video", "animation"):
            found |= {"width": 320, "height": 240}
        return found


@dataclass(eq=False)
class Message:
    """A message of anybody.

    Attributes:
        text: what is read: the text, or the caption.
        html: the text as the bot gave it, tags and all.
        content: the fields that make it a text, a photo, a poll…
        date: seconds since 1970; a test may make a message older.
        edited: how many times.
        thread: the forum topic, or None.
    """

    id: int
    chat: "Chat"
    sender: dict[str, Any]
    by_bot: bool
    date: int
    content: dict[str, Any]
    text: str = ""
    html: str = ""
    rows: list[list[dict[str, Any]]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    thread: int | None = None
    quiet: bool = False
    reply_to: "Message | None" = None
    edited: int = 0
    edit_date: int = 0
    deleted: bool = False
    at: float = field(default_factory=time.monotonic)  # when it was said, monotonic

    @property
    def buttons(self) -> list[list[Button]]:
        return [
            [Button(cell["text"], cell.get("callback_data"), cell.get("url")) for cell in row]
            for row in self.rows
        ]

    @property
    def labels(self) -> list[str]:
        return [cell["text"] for row in self.rows for cell in row]

    def as_json(self, *, with_reply: bool = True) -> dict[str, Any]:
        found: dict[str, Any] = {
            "message_id": self.id,
            "from": self.sender,
            "chat": self.chat.as_json(),
            "date": self.date,
        }
        if self.thread is not None:
            found["message_thread_id"] = self.thread
            found["is_topic_message"] = True
        if self.reply_to is not None and with_reply:
            found["reply_to_message"] = self.reply_to.as_json(with_reply=False)
        if self.edit_date:
            found["edit_date"] = self.edit_date
        found |= self.content
        if self.rows:
            found["reply_markup"] = {"inline_keyboard": self.rows}
        return found


class Chat:
    """One chat, private or not; message ids count per chat.

    Args:
        shown: the fields of the Bot API's Chat that never change here, but for the title.
        keep: how many messages are remembered; None is all.
    """

    def __init__(self, shown: dict[str, Any], keep: int | None) -> None:
        self.shown = shown
        self.by_id: dict[int, Message] = {}
        self.bot_is: Standing = "member"
        self.known = shown["type"] != "private"  # the bot may write there
        self.moved_to: int | None = None
        self.topics: dict[int, str] = {}
        self.closed_topics: set[int] = set()
        self.members: dict[int, Standing] = {}
        self.actions: list[str] = []  # what sendChatAction showed
        self.bot_spoke = False  # it is the only bot, so the last that spoke
        self.version = 0  # grows with every change, for the page
        self._keep = keep
        self._last = 0

    @property
    def id(self) -> int:
        return int(self.shown["id"])

    @property
    def type(self) -> ChatType:
        kind: ChatType = self.shown["type"]
        return kind

    @property
    def is_forum(self) -> bool:
        return bool(self.shown.get("is_forum"))

    @property
    def messages(self) -> list[Message]:
        """Everybody's, oldest first, the deleted among them."""
        return list(self.by_id.values())

    @property
    def from_bot(self) -> list[Message]:
        """What the bot has said and not deleted."""
        return [one for one in self.by_id.values() if one.by_bot and not one.deleted]

    @property
    def newest(self) -> Message:
        """The bot's last message that stands."""
        for message in reversed(self.by_id.values()):
            if message.by_bot and not message.deleted:
                return message
        raise AssertionError(f"the bot has said nothing in {self.shown}")

    def as_json(self) -> dict[str, Any]:
        return self.shown

    def next_id(self) -> int:
        self._last += 1
        return self._last

    def add(self, message: Message) -> None:
        self.by_id[message.id] = message
        self.bot_spoke = self.bot_spoke or message.by_bot
        self.version += 1
        if self._keep is not None and len(self.by_id) > self._keep:
            del self.by_id[next(iter(self.by_id))]

    def standing(self, message_id: int) -> Message | None:
        """A message that was not deleted."""
        message = self.by_id.get(message_id)
        return None if message is None or message.deleted else message


@dataclass(frozen=True)
class Toast:
    """What answerCallbackQuery showed to somebody; an empty text only stops the waiting."""

    text: str
    alert: bool
    url: str | None


@dataclass
class Press:
    """A press that waits for its answer."""

    id: str
    user: int
    at: float
    toasts: list[Toast]
