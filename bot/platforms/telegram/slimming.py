"""Leaves out what Telegram sends back of our own messages: reading it takes longer than acting."""

from typing import Any

# Of a message of ours that was sent, edited or replied to, nobody here reads these.
_UNREAD = ("reply_markup", "entities", "caption_entities", "link_preview_options")
# Of one that was pressed, only where it stands is read.
_READ = ("message_id", "date", "chat", "message_thread_id", "is_topic_message")


def slim(found: Any) -> Any:
    """What a call answered, or an update, changed in place; of any shape."""
    for one in found if isinstance(found, list) else [found]:
        if not isinstance(one, dict):
            continue
        _slim_message(one)
        query = _in(one, "callback_query")
        if pressed := _in(query, "message"):
            query["message"] = {name: pressed[name] for name in _READ if name in pressed}
        _slim_message(_in(_in(one, "message"), "reply_to_message"))
    return found


def _in(found: dict[str, Any], name: str) -> dict[str, Any]:
    inner = found.get(name)
    return inner if isinstance(inner, dict) else {}


def _slim_message(message: dict[str, Any]) -> None:
    if "message_id" in message:
        for name in _UNREAD:
            message.pop(name, None)
