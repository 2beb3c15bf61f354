"""What a Bot API update says, purely: what was said, or what became of a chat.

In a group only what is addressed to us is read: a command, our name, a press.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime

from telegram import (
    CallbackQuery,
    Chat,
    ChatMemberUpdated,
    Document,
    Message,
    PhotoSize,
    Update,
    User,
    Voice,
)

from bot.attachments import FileKind
from bot.messages import Incoming
from storage.deliveries import Failure

PLATFORM = "telegram"
# What we ask Telegram for (https://core.telegram.org/bots/api#getupdates): no channel posts.
ALLOWED = ["message", "edited_message", "callback_query", "my_chat_member"]
LONGEST_TEXT = 4096  # UTF-16 code units of a message; clients cut what is longer
LONG = 3000  # characters, from which on it may be the piece of something that was cut
_ENDS = (".", "!", "?", "…", ":", ";", "»")
GROUPS = (Chat.GROUP, Chat.SUPERGROUP)
OUT = ("left", "kicked")
_COMMAND = re.compile(r"(/\w+)@(\w+)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Sent:
    """A file that came with a message, not fetched yet.

    Attributes:
        size: bytes, as Telegram says; 0 if it does not.
    """

    kind: FileKind
    file_id: str
    size: int = 0


@dataclass(frozen=True)
class Arrival:
    """One update.

    Attributes:
        incoming: what was said; None if nothing was said to us.
        sent: the file that came with it.
        album: by which the messages of one album know each other.
        query: the press that waits to be acknowledged.
        chat: whose chat it is about, with what became of it: `lost`, or `moved_to`.
        number: the id of the update that says so.
    """

    incoming: Incoming | None = None
    sent: Sent | None = None
    album: str | None = None
    query: str | None = None
    chat: str = ""
    number: str = ""
    lost: Failure | None = None
    moved_to: str | None = None


NOTHING = Arrival()


@dataclass(frozen=True)
class Reader:
    """Reads updates as the bot of that id and name."""

    bot_id: int
    username: str

    def read(self, update: Update, received_at: datetime) -> Arrival:
        """What an update says; `NOTHING` of a kind that we have no use for."""
        number = str(update.update_id)
        if update.callback_query is not None:
            return self._pressed(update.callback_query, number, received_at)
        if update.my_chat_member is not None:
            return self._standing(update.my_chat_member, number, received_at)
        edited = update.edited_message
        message = edited or update.message
        if message is None or message.from_user is None:
            return NOTHING
        if message.migrate_to_chat_id is not None:
            chat, address = str(message.chat.id), str(message.migrate_to_chat_id)
            return Arrival(chat=chat, number=number, moved_to=address)
        if message.chat.type == Chat.PRIVATE:
            return self._said(message, number, received_at, is_edit=edited is not None)
        if message.chat.type in GROUPS and edited is None:
            return self._said_among(message, number, received_at)
        return NOTHING

    def _said(
        self, message: Message, number: str, received_at: datetime, *, is_edit: bool
    ) -> Arrival:
        incoming = self._incoming(message, message.from_user, number, received_at)
        text, said_as = message.text or message.caption, str(message.message_id)
        if is_edit:
            return Arrival(replace(incoming, text=text, edits=said_as)) if text else NOTHING
        replied = self._replied(message)
        incoming = replace(incoming, text=text or "", said_as=said_as, replied=replied)
        if message.text is not None:
            said = self._without_name(message.text)
            return Arrival(replace(incoming, text=said, glue=_glue(said)))
        sent, problem = _file_of(message)
        if sent is None and problem is None:
            return NOTHING  # a service message: a pinned one, a changed picture
        return Arrival(replace(incoming, problem=problem), sent, message.media_group_id)

    def _said_among(self, message: Message, number: str, received_at: datetime) -> Arrival:
        text = self._addressed(message)
        if text is None:
            return NOTHING
        incoming = self._incoming(message, message.from_user, number, received_at)
        said_as = str(message.message_id)
        return Arrival(replace(incoming, text=text, said_as=said_as, in_group=True))

    def _addressed(self, message: Message) -> str | None:
        """The words of a group's message that are for us: a command, or with our name.

        A reply is part of what people say to each other about what we said.
        """
        text = message.text or ""
        if text.startswith("/"):
            command = _COMMAND.fullmatch(text)
            is_ours = command is None or command[2].casefold() == self.username.casefold()
            return self._without_name(text) if is_ours else None
        name = re.compile(rf"@{re.escape(self.username)}\b", re.IGNORECASE)
        return name.sub("", text).strip() if name.search(text) else None

    def _without_name(self, text: str) -> str:
        """A command without the name of the bot that it is for."""
        command = _COMMAND.fullmatch(text)
        return command[1] + command[3] if command else text

    def _replied(self, message: Message) -> str | None:
        """The message of ours to which it is a reply."""
        replied = message.reply_to_message
        is_ours = replied is not None and replied.from_user and replied.from_user.id == self.bot_id
        return str(replied.message_id) if replied is not None and is_ours else None

    def _pressed(self, query: CallbackQuery, number: str, received_at: datetime) -> Arrival:
        message = query.message
        if message is None or query.data is None or message.chat.type == Chat.CHANNEL:
            return Arrival(query=query.id)
        # python-telegram-bot makes a `Message` even of one that cannot be seen any more.
        seen = isinstance(message, Message) and message.is_accessible
        accessible = message if seen and isinstance(message, Message) else None
        incoming = Incoming(
            platform=PLATFORM,
            chat=str(message.chat.id),
            sender=str(query.from_user.id),
            update_id=number,
            received_at=received_at,
            thread=_thread(accessible),
            in_group=message.chat.type in GROUPS,
            choice=query.data,
            language=_language(query.from_user),
            # One that is too old to be seen cannot be edited: the answer is a new message.
            message=str(accessible.message_id) if accessible else None,
        )
        return Arrival(incoming, query=query.id)

    def _standing(self, change: ChatMemberUpdated, number: str, received_at: datetime) -> Arrival:
        """We were blocked, added to a group, or removed from it."""
        chat, was, is_ = change.chat, change.old_chat_member.status, change.new_chat_member.status
        if is_ in OUT:
            lost = Failure.blocked if chat.type == Chat.PRIVATE else Failure.removed
            return Arrival(chat=str(chat.id), number=number, lost=lost)
        if was in OUT and chat.type in GROUPS:
            incoming = Incoming(
                platform=PLATFORM,
                chat=str(chat.id),
                sender=str(change.from_user.id),
                update_id=number,
                received_at=received_at,
                in_group=True,
                joined=True,
                language=_language(change.from_user),
            )
            return Arrival(incoming)
        return NOTHING

    def _incoming(
        self, message: Message, sender: User | None, number: str, received_at: datetime
    ) -> Incoming:
        assert sender is not None
        return Incoming(
            platform=PLATFORM,
            chat=str(message.chat.id),
            sender=str(sender.id),
            update_id=number,
            received_at=received_at,
            thread=_thread(message),
            language=_language(sender),
        )


def _language(user: User) -> str | None:
    """The language of a person's app: of « pt-BR », two letters."""
    return (user.language_code or "")[:2].lower() or None


def _thread(message: Message | None) -> str:
    """The forum topic. Elsewhere Telegram also numbers the chains of replies, which are none."""
    if message is None or not message.is_topic_message or message.message_thread_id is None:
        return ""
    return str(message.message_thread_id)


def _glue(text: str) -> str:
    """What a client took out where it cut a long paste: nothing within a word, else a blank."""
    if len(text.encode("utf-16-le")) // 2 >= LONGEST_TEXT:
        return ""
    return "\n" if len(text) < LONG or text.endswith(_ENDS) else " "


def _file_of(message: Message) -> tuple[Sent | None, str | None]:
    """The file of a message, or what is said of it if it cannot be taken."""
    if message.photo:
        return _sent(FileKind.photo, max(message.photo, key=lambda one: one.width)), None
    if message.voice is not None:
        return _sent(FileKind.voice, message.voice), None
    if message.document is not None and message.animation is None:
        is_picture = (message.document.mime_type or "").startswith("image/")
        kind = FileKind.photo if is_picture else FileKind.document
        return _sent(kind, message.document), None
    # What Telegram has had no name for yet is something that a person sent, rather than a notice.
    is_odd = message.effective_attachment is not None or bool(message.api_kwargs)
    return None, "forms.not_taken" if is_odd else None


def _sent(kind: FileKind, file: PhotoSize | Voice | Document) -> Sent:
    return Sent(kind, file.file_id, file.file_size or 0)
