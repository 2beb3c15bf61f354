"""The file of a message, as the message describes it; nothing is fetched here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.attachments import FileKind
from bot.platforms.matrix.fields import mapping, size, words

FILES = ("m.image", "m.file", "m.audio", "m.video", "m.location")  # what carries more than words
VOICE = ("org.matrix.msc3245.voice", "m.voice")  # marks of a voice note


@dataclass(frozen=True)
class Sent:
    """A file that came with a message, not fetched yet.

    Attributes:
        kind: what it is said to be; its content decides.
        url: `mxc://server/id`.
        size: bytes, as the sender says; 0 if they do not.
        keys: what decrypts it, as the message has it; None if it is not encrypted.
        name: as the sender's device has it; perhaps empty.
    """

    kind: FileKind
    url: str
    size: int = 0
    keys: Mapping[str, Any] | None = None
    name: str = ""


def sent_in(content: Mapping[str, Any]) -> Sent | None:
    """The file of a message; None if we take no such file, or nothing says where it is."""
    info, secret = mapping(content.get("info")), mapping(content.get("file"))
    kind = _kind(content, words(info.get("mimetype")).lower())
    url = words((secret or content).get("url"))
    if kind is None or not url.startswith("mxc://"):
        return None
    name = words(content.get("filename")) or words(content.get("body"))
    return Sent(kind, url, size(info.get("size")), secret or None, name)


def caption_of(content: Mapping[str, Any]) -> str:
    """What was said with a file: its text, where that is not just its name."""
    body, name = words(content.get("body")), words(content.get("filename"))
    return body if name and body != name else ""


def _kind(content: Mapping[str, Any], media_type: str) -> FileKind | None:
    kind = content.get("msgtype")
    is_note = any(mark in content for mark in VOICE) or media_type.startswith("audio/ogg")
    if kind == "m.image" or (kind == "m.file" and media_type.startswith("image/")):
        return FileKind.photo
    if kind in ("m.audio", "m.file") and is_note:
        return FileKind.voice
    return FileKind.document if kind == "m.file" else None
