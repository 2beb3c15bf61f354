"""People with the Telegram app: they say, press, send, block, and look at what came back."""

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from bot.texts import normalise
from tests.bot_api import things
from tests.bot_api.markup import entities_of
from tests.bot_api.methods import member
from tests.bot_api.model import Chat, File, Message, Press, Standing, Toast
from tests.bot_api.world import World

if TYPE_CHECKING:
    from tests.bot_api.groups import Group


class User:
    """Somebody with an account. Each act returns its update's id, None if the bot gets none.

    Attributes:
        chat: the private chat with the bot.
        toasts: what the answers to presses showed, oldest first.

    Args:
        known: whether the bot may write already, as to somebody who has opened the chat.
    """

    def __init__(
        self,
        world: World,
        first_name: str,
        *,
        last_name: str = "",
        username: str = "",
        language: str = "fr",
        known: bool = False,
        number: int | None = None,
    ) -> None:
        self.world = world
        self.shown: dict[str, Any] = {
            "id": number or world.next_user_id(),
            "is_bot": False,
            "first_name": first_name,
        }
        named = {"last_name": last_name, "username": username, "language_code": language}
        self.shown |= {name: value for name, value in named.items() if value}
        self.chat = world.private_chat(self.shown)
        world.people[self.id] = self
        self.chat.known = known
        self.toasts: list[Toast] = []
        self._pressed: list[str] = []

    @property
    def id(self) -> int:
        return int(self.shown["id"])

    @property
    def waits(self) -> int:
        """How many presses have had no answer."""
        self._pressed = [one for one in self._pressed if one in self.world.presses]
        return len(self._pressed)

    def say(
        self,
        text: str,
        *,
        reply_to: Message | int | None = None,
        thread: int | None = None,
        in_group: "Group | None" = None,
    ) -> int | None:
        """Send a text of at most 4096 characters; see `paste` for more."""
        assert 1 <= len(text) <= self.world.limits.text, "a client cuts what is longer"
        content: dict[str, Any] = {"text": text}
        entities = entities_of(text)
        if entities:
            content["entities"] = entities
        return self._send(content, text, reply_to=reply_to, thread=thread, in_group=in_group)

    def paste(self, text: str, *, in_group: "Group | None" = None) -> list[int | None]:
        """Send a long text in the pieces that clients cut, at a blank where there is one."""
        most = self.world.limits.text
        sent = []
        while text:
            piece = text[:most]
            if len(text) > most:
                cut = max(piece.rfind("\n"), piece.rfind(" "))
                piece = piece[:cut] if cut > most // 2 else piece
            sent.append(self.say(piece, in_group=in_group))
            text = text[len(piece) :].lstrip()
        return sent

    def start(self, payload: str = "") -> int | None:
        """Open the bot, by a link `?start=payload` perhaps; this unblocks it as well."""
        if self.id in self.world.blocked_by:
            self.unblock()
        return self.say(f"/start {payload}".strip())

    def press(
        self,
        what: str | Message = "",
        *,
        data: str | None = None,
        chat: "Chat | Group | None" = None,
        inaccessible: bool = False,
    ) -> int | None:
        """Press a button.

        Args:
            what: its label or how it begins, the newest first; or a message, for its first button.
            data: sends this instead of the button's own, as a modified client can.
            chat: where to look; the private chat by default.
            inaccessible: the message comes without its content, as one that is too old.
        """
        place = self.chat if chat is None else chat if isinstance(chat, Chat) else chat.chat
        if isinstance(what, Message):
            message, cell = what, (what.rows[0][0] if what.rows else {})
        else:
            message, cell = self._button(place, what, forged=data is not None)
        if data is None and "url" in cell:
            return self._follow(str(cell["url"]))
        shown = message.as_json()
        if inaccessible:
            shown = {"chat": message.chat.as_json(), "message_id": message.id, "date": 0}
        press = Press(self.world.next_press_id(), self.id, time.monotonic(), self.toasts)
        if len(self._pressed) > 1000:
            self._pressed = [one for one in self._pressed if one in self.world.presses]
        self._pressed.append(press.id)
        body = {
            "id": press.id,
            "from": self.shown,
            "message": shown,
            "chat_instance": str(message.chat.id * 7919),
            "data": cell.get("callback_data", "") if data is None else data,
        }
        # Presses are in the order of who presses (Client.cpp, add_new_callback_query).
        return self.world.press(press, body, self.id)

    def _button(self, chat: Chat, label: str, *, forged: bool) -> tuple[Message, dict[str, Any]]:
        if forged and not label:
            return chat.newest, {}
        wanted = normalise(label)
        begins: tuple[Message, dict[str, Any]] | None = None
        for message in reversed(chat.by_id.values()):
            if message.deleted or not message.by_bot:
                continue
            for row in message.rows:
                for cell in row:
                    name = normalise(cell["text"])
                    if cell["text"] == label or (wanted and name == wanted):
                        return message, cell
                    if begins is None and wanted and name.startswith(wanted):
                        begins = (message, cell)
        if begins is None:
            labels = [label for one in chat.from_bot for label in one.labels]
            raise AssertionError(f"no button {label!r} among {labels[-12:]}")
        return begins

    def _follow(self, url: str) -> int | None:
        """Open a link to the bot, as its `?start=` button does."""
        parts = urlsplit(url)
        if parts.path.strip("/").lower() != self.world.username.lower():
            raise AssertionError(f"the button opens {url}")
        return self.start(parse_qs(parts.query).get("start", [""])[0])

    def send_photo(
        self, data: bytes, *, caption: str = "", album: str | None = None, **where: Any
    ) -> int | None:
        """A compressed photo; those of one `album` share its id."""
        file = self.world.file("photo", data, "photo.jpg", "image/jpeg")
        return self._send_file(file, caption, album, where)

    def send_document(
        self,
        data: bytes,
        name: str = "document.pdf",
        mime: str | None = None,
        *,
        caption: str = "",
        album: str | None = None,
        size: int | None = None,
        **where: Any,
    ) -> int | None:
        """A file; `size` in bytes declares it larger than it is."""
        file = self.world.file("document", data, name, mime, size)
        return self._send_file(file, caption, album, where)

    def send_voice(
        self, data: bytes = b"OggS", *, size: int | None = None, **where: Any
    ) -> int | None:
        file = self.world.file("voice", data, "voice.oga", "audio/ogg", size)
        return self._send_file(file, "", None, where)

    def send_video(self, data: bytes = b"video", *, caption: str = "", **where: Any) -> int | None:
        file = self.world.file("video", data, "video.mp4", "video/mp4")
        return self._send_file(file, caption, None, where)

    def send_sticker(self, **where: Any) -> int | None:
        return self._send(things.sticker(self.world), "", **where)

    def send_poll(self, question: str = "Une question ?", **where: Any) -> int | None:
        return self._send(things.poll(self.world, question), "", **where)

    def send_dice(self, **where: Any) -> int | None:
        return self._send(things.DICE, "", **where)

    def send_location(self, **where: Any) -> int | None:
        return self._send(things.LOCATION, "", **where)

    def send_contact(self, **where: Any) -> int | None:
        return self._send(things.CONTACT, "", **where)

    def send_raw(self, content: dict[str, Any], **where: Any) -> int | None:
        """A message of any other kind: the fields of its content."""
        return self._send(content, "", **where)

    def edit(self, message: Message | int, text: str, *, chat: Chat | None = None) -> int | None:
        """Give one's message other words: its text, or its caption."""
        place = chat or self.chat
        found = message if isinstance(message, Message) else place.by_id[message]
        found.text = text
        found.content["caption" if found.files else "text"] = text
        found.edited += 1
        found.edit_date = int(self.world.now())
        found.chat.version += 1
        return self.world.tell("edited_message", found)

    @property
    def last(self) -> Message:
        """One's newest message in the private chat."""
        mine = [one for one in self.chat.by_id.values() if one.sender is self.shown]
        return mine[-1]

    def delete(self, message: Message) -> None:
        """Delete a message for both; a bot is not told."""
        message.deleted = True
        message.chat.version += 1

    def block(self) -> int | None:
        self.world.blocked_by.add(self.id)
        return self._membership("member", "kicked")

    def unblock(self) -> int | None:
        self.world.blocked_by.discard(self.id)
        return self._membership("kicked", "member")

    def delete_account(self) -> None:
        """A bot is not told; it finds `user is deactivated`."""
        self.world.deleted_users.add(self.id)

    def _membership(self, before: Standing, after: Standing) -> int | None:
        body = {
            "chat": self.chat.as_json(),
            "from": self.shown,
            "date": int(self.world.now()),
            "old_chat_member": member(self.world.bot, before),
            "new_chat_member": member(self.world.bot, after),
        }
        return self.world.updates.push("my_chat_member", body, self.id)

    def _send_file(
        self, file: File, caption: str, album: str | None, where: dict[str, Any]
    ) -> int | None:
        content: dict[str, Any] = {file.kind: file.as_json()}
        if caption:
            content["caption"] = caption
        if album:
            content["media_group_id"] = album
        return self._send(content, caption, files=[file], **where)

    def _send(
        self,
        content: dict[str, Any],
        text: str,
        *,
        files: list[File] | None = None,
        reply_to: Message | int | None = None,
        thread: int | None = None,
        in_group: "Group | None" = None,
    ) -> int | None:
        world = self.world
        chat = self.chat if in_group is None else in_group.chat
        if chat is self.chat:
            assert self.id not in world.blocked_by, "unblock the bot to write to it"
            chat.known = True
        replied = chat.by_id[reply_to] if isinstance(reply_to, int) else reply_to
        message = world.put(
            chat,
            self.shown,
            content,
            text=text,
            files=files or [],
            thread=thread,
            reply_to=replied,
        )
        if not world.reads(chat, message):
            return None
        return world.tell("message", message)
