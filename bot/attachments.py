"""Files that people send with what they say: known by their content, and kept written anew."""

import asyncio
from dataclasses import replace
from enum import StrEnum

from bot import pdf, voice
from bot.messages import Incoming
from bot.pdf import UnusablePdf, clean_pdf, is_pdf
from bot.voice import UnusableVoice, clean_voice, is_voice

AT_ONCE = 2  # files being written anew


class FileKind(StrEnum):
    photo = "photo"
    document = "document"
    voice = "voice"


def kind_of(data: bytes) -> FileKind:
    """What a file is; what it is called does not count. What is nothing else may be a photo."""
    if is_pdf(data):
        return FileKind.document
    return FileKind.voice if is_voice(data) else FileKind.photo


def largest(kind: FileKind) -> int:
    """How many bytes a file of a kind may have."""
    from bot import photos

    return {FileKind.document: pdf.LARGEST, FileKind.voice: voice.LARGEST}.get(kind, photos.LARGEST)


def too_heavy(kind: FileKind, size: int | None = None) -> str | None:
    """The name of the message that says why a file is too heavy for its kind, if it is.

    Args:
        size: bytes; None if it is known to be too many.
    """
    if size is not None and size <= largest(kind):
        return None
    return {
        FileKind.document: "forms.pdf_too_heavy",
        FileKind.voice: "forms.voice_too_heavy",
    }.get(kind, "reports.photo_too_heavy")


class Attachments:
    """Writes files anew, few at once."""

    def __init__(self) -> None:
        self._cleaning = asyncio.Semaphore(AT_ONCE)

    async def taken(self, incoming: Incoming, data: bytes) -> Incoming:
        """What was said, with the file that came with it as it may be kept, or the problem with it.

        Args:
            data: the file as it came, of any size and content.
        """
        from bot.photos import UnusablePhoto, clean_photo

        kind = kind_of(data)
        try:
            async with self._cleaning:
                if kind is FileKind.document:
                    return replace(incoming, documents=(await clean_pdf(data),))
                if kind is FileKind.voice:
                    return replace(incoming, voices=(await asyncio.to_thread(clean_voice, data),))
                photo = await asyncio.to_thread(clean_photo, data)
                return replace(incoming, photos=(photo.content,))
        except UnusablePdf as unusable:
            return replace(incoming, problem=f"forms.pdf_{unusable.reason}")
        except UnusableVoice as unusable:
            return replace(incoming, problem=f"forms.voice_{unusable.reason}")
        except UnusablePhoto as unusable:
            return replace(incoming, problem=f"reports.photo_{unusable.reason}")
