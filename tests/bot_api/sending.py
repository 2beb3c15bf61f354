"""The methods that send, edit and delete; errors in the words of Client.cpp and tdlib/td."""

from collections.abc import Callable
from typing import Any

from tests.bot_api.errors import bad
from tests.bot_api.limits import check_keyboard, check_upload
from tests.bot_api.markup import Formatted, formatted
from tests.bot_api.model import Chat, File, Message
from tests.bot_api.params import Params
from tests.bot_api.world import World

Method = Callable[[World, Params], Any]
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)


def send_message(world: World, params: Params) -> Any:
    chat, thread = _place(world, params)
    words = _words(world, params, "text")
    rows = _rows(world, params)
    return _send(world, params, chat, thread, words.as_text(), words, rows, "text").as_json()


def _sender(kind: str) -> Method:
    """sendPhoto and its like."""

    def send(world: World, params: Params) -> Any:
        chat, thread = _place(world, params)
        file = _file(world, params, kind, kind, params.text(kind))
        words = _words(world, params, "caption")
        rows = _rows(world, params)
        content = _media(file, words)
        return _send(world, params, chat, thread, content, words, rows, "caption", file).as_json()

    return send


def send_media_group(world: World, params: Params) -> Any:
    """An album (core.telegram.org/bots/api#sendmediagroup): 2 to 10 of a kind."""
    chat, thread = _place(world, params)
    items = params.object("media")
    if not isinstance(items, list):
        raise bad("can't parse media JSON object")
    if len(items) < world.limits.album_least:
        raise bad("there are not enough messages to send as an album")
    if len(items) > world.limits.album_most:
        raise bad("too many messages to send as an album")
    kinds = {str(item.get("type")) for item in items}
    if kinds - {"photo", "video"} and len(kinds) > 1:
        raise bad("document can't be mixed with other media types")
    ready = []
    for item in items:
        given = str(item.get("media", ""))
        file = _file(world, params, str(item["type"]), given, given)
        ready.append((file, _words(world, Params(item), "caption")))
    group = world.next_press_id()
    sent = []
    for file, words in ready:
        content = {**_media(file, words), "media_group_id": group}
        one = _send(world, params, chat, thread, content, words, [], "caption", file)
        sent.append(one.as_json())
    return sent


def edit_message_text(world: World, params: Params) -> Any:
    message = _editable(world, params)
    if message.files:
        raise bad("there is no text in the message to edit")
    words = _words(world, params, "text")
    return _edit(world, params, message, words.as_text(), words, "text")


def edit_message_caption(world: World, params: Params) -> Any:
    message = _editable(world, params)
    if not message.files:
        raise bad("there is no caption in the message to edit")
    words = _words(world, params, "caption")
    kept = {k: v for k, v in message.content.items() if not k.startswith("caption")}
    return _edit(world, params, message, kept | words.as_caption(), words, "caption")


def edit_message_reply_markup(world: World, params: Params) -> Any:
    message = _editable(world, params)
    rows = _rows(world, params)
    if rows == message.rows:
        raise bad(NOT_MODIFIED)
    message.rows = rows
    return _edited(world, message)


def edit_message_media(world: World, params: Params) -> Any:
    message = _editable(world, params)
    item = params.object("media")
    if not isinstance(item, dict):
        raise bad("can't parse input media JSON object")
    given = str(item.get("media", ""))
    file = _file(world, params, str(item.get("type")), given, given)
    words = _words(world, Params(item), "caption")
    result = _edit(world, params, message, _media(file, words), words, "caption", item)
    message.files = [file]
    return result


def delete_message(world: World, params: Params) -> Any:
    chat = world.chat(params.values.get("chat_id"))
    _delete(world, chat, params.number("message_id"))
    return True


def delete_messages(world: World, params: Params) -> Any:
    """One to a hundred; those that are not found are skipped (#deletemessages)."""
    chat = world.chat(params.values.get("chat_id"))
    ids = params.object("message_ids")
    if not isinstance(ids, list) or not ids:
        raise bad("message identifiers are not specified")
    if len(ids) > 100:
        raise bad("too many message identifiers specified")
    for number in ids:
        if chat.standing(int(number)) is not None:
            _delete(world, chat, int(number))
    return True


def _delete(world: World, chat: Chat, number: int) -> None:
    """Within 48 h, and in a group only the bot's own (#deletemessage)."""
    message = chat.standing(number)
    if message is None:
        raise bad("message to delete not found")
    too_old = world.now() - message.date > world.limits.delete_within
    not_its_own = not message.by_bot and chat.type != "private"
    if too_old or (not_its_own and chat.bot_is != "administrator"):
        raise bad("message can't be deleted for everyone")
    message.deleted = True
    chat.version += 1


def _place(world: World, params: Params) -> tuple[Chat, int | None]:
    """The chat, and the topic if the chat has topics (`check_message_topic`)."""
    chat = world.chat(params.values.get("chat_id"))
    thread = params.number("message_thread_id")
    if not thread or not (chat.is_forum or chat.type == "private"):
        return chat, None
    if thread not in chat.topics:
        raise bad("message thread not found")
    if thread in chat.closed_topics:
        raise bad("TOPIC_CLOSED")
    return chat, thread


def _words(world: World, params: Params, name: str) -> Formatted:
    """A text or caption, within its limit after its tags are read."""
    words = formatted(params.text(name), params.text("parse_mode"))
    if name == "text" and not words.text:
        raise bad("message text is empty")
    if name == "text" and len(words.text) > world.limits.text:
        raise bad("message is too long")
    if name == "caption" and len(words.text) > world.limits.caption:
        raise bad("message caption is too long")
    return words


def _media(file: File, words: Formatted) -> dict[str, Any]:
    return {file.kind: file.as_json(), **words.as_caption()}


def _rows(world: World, params: Params) -> list[list[dict[str, Any]]]:
    """The inline keyboard; other reply markups leave nothing here."""
    markup = params.object("reply_markup")
    if not isinstance(markup, dict) or "inline_keyboard" not in markup:
        return []
    rows = markup["inline_keyboard"]
    check_keyboard(rows, world.limits)
    return [row for row in rows if row]


def _file(world: World, params: Params, kind: str, field: str, given: str) -> File:
    """A file that comes with the call, or one that is known already."""
    upload = params.upload(field, given)
    if upload is not None:
        check_upload(kind, upload.data, world.limits)
        return world.file(kind, upload.data, upload.name, upload.mime)
    if not given:
        raise bad(f"there is no {kind} in the request")
    if given.startswith(("http://", "https://")):
        raise bad("failed to get HTTP URL content")  # this server goes nowhere
    known = world.files.get(given)
    if known is None:
        raise bad("wrong remote file identifier specified: can't unserialize it")
    if known.kind != kind:
        raise bad(f"can't use file of type {known.kind} as {kind}")
    return known


def _send(
    world: World,
    params: Params,
    chat: Chat,
    thread: int | None,
    content: dict[str, Any],
    words: Formatted,
    rows: list[list[dict[str, Any]]],
    source: str,
    file: File | None = None,
) -> Message:
    return world.put(
        chat,
        world.bot,
        content,
        text=words.text,
        html=params.text(source),
        files=[file] if file else (),
        rows=rows,
        thread=thread,
        reply_to=_replied(chat, params),
        quiet=params.flag("disable_notification"),
    )


def _replied(chat: Chat, params: Params) -> Message | None:
    reply = params.object("reply_parameters")
    if not isinstance(reply, dict):
        old = params.number("reply_to_message_id")
        reply = {"message_id": old} if old else {}
    if not reply.get("message_id"):
        return None
    message = chat.standing(int(reply["message_id"]))
    lenient = reply.get("allow_sending_without_reply")
    if message is None and not (lenient or params.flag("allow_sending_without_reply")):
        raise bad("message to be replied not found")
    return message


def _editable(world: World, params: Params) -> Message:
    """The bot's own message, of any age."""
    chat = world.chat(params.values.get("chat_id"))
    if not params.number("message_id"):
        raise bad("message identifier is not specified")
    message = chat.standing(params.number("message_id"))
    if message is None:
        raise bad("message to edit not found")
    if not message.by_bot:
        raise bad("message can't be edited")
    return message


def _edit(
    world: World,
    params: Params,
    message: Message,
    content: dict[str, Any],
    words: Formatted,
    source: str,
    item: dict[str, Any] | None = None,
) -> Any:
    rows = _rows(world, params)
    if content == message.content and rows == message.rows:
        raise bad(NOT_MODIFIED)
    message.content, message.rows, message.text = content, rows, words.text
    message.html = str(item.get(source, "")) if item else params.text(source)
    return _edited(world, message)


def _edited(world: World, message: Message) -> Any:
    message.edited += 1
    message.edit_date = int(world.now())
    message.chat.version += 1
    return message.as_json()


METHODS: dict[str, Method] = {
    "sendmessage": send_message,
    "sendphoto": _sender("photo"),
    "senddocument": _sender("document"),
    "sendvoice": _sender("voice"),
    "sendaudio": _sender("audio"),
    "sendvideo": _sender("video"),
    "sendanimation": _sender("animation"),
    "sendmediagroup": send_media_group,
    "editmessagetext": edit_message_text,
    "editmessagecaption": edit_message_caption,
    "editmessagereplymarkup": edit_message_reply_markup,
    "editmessagemedia": edit_message_media,
    "deletemessage": delete_message,
    "deletemessages": delete_messages,
}
