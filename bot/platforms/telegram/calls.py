"""What is done in a chat: messages sent, edited and deleted through a `telegram.Bot`."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

from telegram import (
    Bot,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    Message,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest, TelegramError

from bot.markup import unbroken
from bot.platforms.base import Call, SendFailed
from bot.platforms.telegram import direct
from bot.platforms.telegram.failures import failure, says
from bot.platforms.telegram.uploads import Attached, FileGone, ReadFile, Source, Uploads
from bot.platforms.telegram.wording import (
    DOCUMENT,
    NOTHING,
    PHOTO,
    VOICE,
    as_telegram,
    keyboard,
    kind_of,
)
from storage.deliveries import Failure, Kind, Operation

_NOT_MODIFIED = ("message is not modified",)
_OTHER_KIND = ("there is no text in the message", "there is no caption in the message")
_GONE = ("message to edit not found", "message can't be edited", "message_id_invalid")
_NO_THREAD = ("message thread not found", "topic_deleted", "topic_closed")
# A photo too long or too small, a person who takes no voice notes: a document always goes.
_ONLY_AS_DOCUMENT = (
    "photo_invalid_dimensions",
    "image_process_failed",
    "photo_save_file_invalid",
    "voice_messages_forbidden",
    "restricted receiving of v",
)
_NO_PREVIEW = '{"is_disabled":true}'
_TRUE = "true"


class Calls:
    """What the sender asks for, done by a bot.

    Args:
        bot: an initialized one, over `transport.AiohttpRequest`.
        read_file: gives a file's media type and content by its number; None if it is gone.
        paid: whether broadcasts may be paid for, to go faster than is free.
    """

    def __init__(self, bot: Bot, read_file: ReadFile, *, paid: bool = False) -> None:
        self.bot = bot
        self.uploads = Uploads(read_file)
        self.paid = paid

    async def do(self, call: Call) -> str:
        """Do it; return the ids of the messages as they now stand, separated by spaces.

        The body is one that `wording.parts` made.

        Raises:
            SendFailed: it was not done, or it is in doubt.
        """
        do = {Operation.send: self._send, Operation.edit: self._edit}.get(
            call.operation, self._delete
        )
        try:
            return await do(call)
        except TelegramError as error:
            raise failure(error) from None

    async def _send(self, call: Call) -> str:
        try:
            files = call.body["files"]
            return await (self._send_files(call, files) if files else self._send_text(call))
        except BadRequest as error:
            if not call.thread or not says(error, _NO_THREAD):
                raise
            return await self._send(replace(call, thread=""))
        except FileGone as gone:
            return await self._send(_without(call, gone.file_id))

    async def _send_text(self, call: Call) -> str:
        said = await direct.call(
            self.bot,
            "sendMessage",
            text=_text(call) or NOTHING,
            reply_markup=_keyboard_json(call),
            parse_mode=ParseMode.HTML,
            link_preview_options=_NO_PREVIEW,
            chat_id=call.chat,
            message_thread_id=call.thread or None,
            disable_notification=_TRUE if _is_silent(call) else None,
            allow_paid_broadcast=_TRUE if self._is_paid(call) else None,
        )
        return str(said["message_id"])

    async def _send_files(self, call: Call, files: list[list[Any]]) -> str:
        messages = await self._send_in(call, files)
        return " ".join(str(message.message_id) for message in messages)

    async def _send_in(self, call: Call, files: list[list[Any]]) -> Sequence[Message]:
        if len(files) > 1:
            return await self._send_album(call, files)
        shown = _attached(files[0])
        try:
            return await self._send_file(call, shown)
        except BadRequest as error:
            if not says(error, _ONLY_AS_DOCUMENT):
                raise
        return await self._send_file(call, replace(shown, kind=DOCUMENT))

    def _where(self, call: Call) -> dict[str, Any]:
        return {
            "chat_id": call.chat,
            "message_thread_id": int(call.thread) if call.thread else None,
            "disable_notification": _is_silent(call) or None,
            "allow_paid_broadcast": self._is_paid(call) or None,
        }

    def _is_paid(self, call: Call) -> bool:
        """Each message of a broadcast is paid for, if more may go than is free."""
        return self.paid and call.kind is Kind.broadcast

    async def _send_file(self, call: Call, shown: Attached) -> Sequence[Message]:
        goes_with: dict[str, Any] = {
            **self._where(call),
            "caption": _text(call) or None,
            "parse_mode": ParseMode.HTML,
            "reply_markup": _keyboard(call),
        }

        async def send(sources: list[Source]) -> Sequence[Message]:
            [source] = sources
            if shown.kind == PHOTO:
                return [await self.bot.send_photo(photo=source, **goes_with)]
            if shown.kind == VOICE:
                return [await self.bot.send_voice(voice=source, **goes_with)]
            return [await self.bot.send_document(document=source, **goes_with)]

        return await self.uploads.through([shown], send)

    async def _send_album(self, call: Call, files: list[list[Any]]) -> Sequence[Message]:
        async def send(sources: list[Source]) -> Sequence[Message]:
            media = [InputMediaPhoto(source) for source in sources]
            return await self.bot.send_media_group(media=media, **self._where(call))

        try:
            shown = [Attached(file[0], PHOTO) for file in files]
            return await self.uploads.through(shown, send, attach=True)
        except BadRequest as error:
            if not says(error, _ONLY_AS_DOCUMENT):
                raise
        return [message for file in files for message in await self._send_in(call, [file])]

    async def _edit(self, call: Call) -> str:
        files = call.body["files"]
        messages = (call.message or "").split()
        if len(messages) != max(len(files), 1):
            return await self._anew(call)
        try:
            for index, message in enumerate(messages):
                await self._edit_one(call, int(message), files[index] if files else None)
        except FileGone as gone:
            return await self._edit(_without(call, gone.file_id))
        except BadRequest as error:
            # What a person deleted is not said again because the clock redraws it.
            if says(error, _OTHER_KIND) or (says(error, _GONE) and call.kind is Kind.reply):
                return await self._anew(call)
            raise
        return " ".join(messages)

    async def _edit_one(self, call: Call, message: int, file: list[Any] | None) -> None:
        try:
            if file is None:
                await direct.call(
                    self.bot,
                    "editMessageText",
                    text=_text(call) or NOTHING,
                    chat_id=call.chat,
                    message_id=str(message),
                    parse_mode=ParseMode.HTML,
                    reply_markup=_keyboard_json(call),
                    link_preview_options=_NO_PREVIEW,
                )
            elif kind_of(file[2]) == VOICE:  # which can't take the place of another file
                await self.bot.edit_message_caption(
                    call.chat,
                    message,
                    caption=_text(call) or None,
                    parse_mode=ParseMode.HTML,
                    reply_markup=_keyboard(call),
                )
            else:
                await self._edit_file(call, message, _attached(file))
        except BadRequest as error:
            if not says(error, _NOT_MODIFIED):
                raise

    async def _edit_file(self, call: Call, message: int, shown: Attached) -> None:
        made = InputMediaPhoto if shown.kind == PHOTO else InputMediaDocument

        async def edit(sources: list[Source]) -> Sequence[Message]:
            [source] = sources
            edited = await self.bot.edit_message_media(
                made(source, caption=_text(call) or None, parse_mode=ParseMode.HTML),
                call.chat,
                message,
                reply_markup=_keyboard(call),
            )
            return [edited] if isinstance(edited, Message) else []

        await self.uploads.through([shown], edit, attach=True)

    async def _anew(self, call: Call) -> str:
        """Send what cannot take the place of an earlier message, then delete that one."""
        sent = await self._send(call)
        with suppress(TelegramError):  # what matters is said
            await self._delete(call)
        return sent

    async def _delete(self, call: Call) -> str:
        for message in (call.message or "").split():
            try:
                await self.bot.delete_message(call.chat, int(message))
            except BadRequest as error:
                if says(error, ("message can't be deleted",)):
                    await self._blank(call.chat, int(message))
                elif not says(error, ("message to delete not found", "message_id_invalid")):
                    raise
        return call.message or ""

    async def _blank(self, chat: str, message: int) -> None:
        """Take the words and buttons out of a message that is too old to be deleted."""
        try:
            await self.bot.edit_message_text(NOTHING, chat, message)
        except BadRequest as error:
            if says(error, _OTHER_KIND):
                with suppress(BadRequest):
                    await self.bot.edit_message_caption(chat, message)


def _is_silent(call: Call) -> bool:
    return call.silent or call.kind is Kind.broadcast


def _text(call: Call) -> str:
    return _written(call.body["markup"])


@lru_cache(512)  # many read the same
def _written(markup: str) -> str:
    return as_telegram(unbroken(markup))


def _keyboard(call: Call) -> InlineKeyboardMarkup | None:
    return _buttons(_frozen(call))


def _keyboard_json(call: Call) -> str | None:
    return _buttons_json(_frozen(call))


def _frozen(call: Call) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, call.body["choices"]))


def _buttons(choices: tuple[tuple[str, ...], ...]) -> InlineKeyboardMarkup | None:
    rows, _ = keyboard(choices)
    return InlineKeyboardMarkup(rows) if rows else None


@lru_cache(512)
def _buttons_json(choices: tuple[tuple[str, ...], ...]) -> str | None:
    buttons = _buttons(choices)
    return buttons.to_json() if buttons else None


def _attached(file: list[Any]) -> Attached:
    """A file of a body; only documents show what they are called."""
    number, name, media_type = file
    kind = kind_of(media_type)
    return Attached(number, kind, name if kind == DOCUMENT else "")


def _without(call: Call, file_id: int) -> Call:
    """A call without a file that is gone, unless nothing is left of it."""
    files = [file for file in call.body["files"] if file[0] != file_id]
    if not files and not call.body["markup"] and not call.body["choices"]:
        raise SendFailed(Failure.refused, final=True)
    return replace(call, body={**call.body, "files": files})
