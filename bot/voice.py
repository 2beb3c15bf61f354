"""Voice notes as they may be kept: Ogg Opus with its sound alone, without a word on its author.

The container is Ogg (RFC 3533), and what it holds is Opus (RFC 7845). The sound is not decoded.
"""

import zlib
from dataclasses import dataclass
from enum import StrEnum
from struct import Struct

LARGEST = 3 * 1024 * 1024  # bytes
LONGEST = 10 * 60  # seconds
MEDIA_TYPE = "audio/ogg"

_RATE = 48_000  # a second, of granule positions; whatever the rate of the microphone
_MOST_PAGES = 30_000  # one for each 20 ms; Telegram for Android writes one for each 60 ms
_NOWHERE = -1  # the granule position of a page on which no packet ends
_CONTINUED, _FIRST, _LAST = 1, 2, 4  # flags of a page
# OggS, version, flags, granule position, serial number, page number, checksum, number of segments
_PAGE = Struct("<4sBBqIIIB")
# OpusHead, version, channels, pre-skip, rate of the microphone, gain, family of channel mappings
_HEAD = Struct("<8sBBHIhB")
_SERIAL = 1  # the same in every file
# Names no software, holds no comment and no picture.
_TAGS = b"OpusTags" + bytes(8)
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Reason(StrEnum):
    too_heavy = "too_heavy"
    too_long = "too_long"
    not_a_voice_note = "not_a_voice_note"
    damaged = "damaged"


class UnusableVoice(Exception):
    """A file that cannot be kept as a voice note, with a named reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class _Page:
    """A page of the file, its checksum verified.

    Attributes:
        sizes: of its segments, in bytes; a packet goes on after each segment of 255.
        body: the segments.
    """

    flags: int
    granule: int
    serial: int
    sizes: bytes
    body: bytes

    @property
    def is_open(self) -> bool:
        """Whether its last packet goes on in the next page."""
        return self.sizes.endswith(b"\xff")

    @property
    def ends_packet(self) -> bool:
        return any(size < 255 for size in self.sizes)


def is_voice(data: bytes) -> bool:
    """Whether a file says that it may be one; what it is called does not count."""
    return data.startswith(b"OggS")


def clean_voice(data: bytes) -> bytes:
    """Write a voice note anew: its sound as it is, between headers that tell nothing.

    Comments, pictures, the number of the stream, the rate of the microphone, and whatever follows
    the end of the stream are left out.

    Args:
        data: Ogg Opus, mono or stereo, of 3 MiB and 10 minutes at most, and nothing else in it.

    Raises:
        UnusableVoice: it is refused.
    """
    if len(data) > LARGEST:
        raise UnusableVoice(Reason.too_heavy)
    if not is_voice(data):
        raise UnusableVoice(Reason.not_a_voice_note)
    pages = _pages(data)
    skipped, head = _head(pages[0])
    sound = pages[_after_tags(pages) :]
    _check_sound(sound)
    if sound[-1].granule - skipped > LONGEST * _RATE:
        raise UnusableVoice(Reason.too_long)
    written = [
        _page(_FIRST, 0, 0, bytes([len(head)]), head),
        _page(0, 0, 1, bytes([len(_TAGS)]), _TAGS),
    ]
    for number, page in enumerate(sound, start=2):
        last = _LAST if page is sound[-1] else 0
        flags = page.flags & _CONTINUED | last
        written.append(_page(flags, page.granule, number, page.sizes, page.body))
    return b"".join(written)


def _pages(data: bytes) -> list[_Page]:
    """The pages of the only stream, up to its end (RFC 3533, section 6).

    Some recorders never mark the end (Telegram for Android): then it is that of the file. Pages are
    not counted: one that was lost is a short silence.
    """
    pages: list[_Page] = []
    at, is_open = 0, False
    while at < len(data) and not (pages and pages[-1].flags & _LAST):
        page, at = _read_page(data, at)
        if pages and page.serial != pages[0].serial:
            raise UnusableVoice(Reason.not_a_voice_note)
        is_first, is_continued = bool(page.flags & _FIRST), bool(page.flags & _CONTINUED)
        if is_first is bool(pages) or is_continued is not is_open:
            raise UnusableVoice(Reason.damaged)
        if len(pages) == _MOST_PAGES:
            raise UnusableVoice(Reason.too_long)
        pages.append(page)
        is_open = page.is_open
    if is_open:
        raise UnusableVoice(Reason.damaged)
    return pages


def _read_page(data: bytes, at: int) -> tuple[_Page, int]:
    """The page that stands at an offset, and the offset after it."""
    sizes_at = at + _PAGE.size
    if len(data) < sizes_at:
        raise UnusableVoice(Reason.damaged)
    magic, version, flags, granule, serial, number, checksum, count = _PAGE.unpack_from(data, at)
    body_at = sizes_at + count
    sizes = data[sizes_at:body_at]
    end = body_at + sum(sizes)
    if magic != b"OggS" or version != 0 or len(data) < end:
        raise UnusableVoice(Reason.damaged)
    bare = _PAGE.pack(magic, version, flags, granule, serial, number, 0, count)
    if _checksum(bare, data[sizes_at:end]) != checksum:
        raise UnusableVoice(Reason.damaged)
    return _Page(flags, granule, serial, sizes, data[body_at:end]), end


def _page(flags: int, granule: int, number: int, sizes: bytes, body: bytes) -> bytes:
    bare = (b"OggS", 0, flags, granule, _SERIAL, number)
    checksum = _checksum(_PAGE.pack(*bare, 0, len(sizes)), sizes + body)
    return _PAGE.pack(*bare, checksum, len(sizes)) + sizes + body


def _checksum(head: bytes, rest: bytes) -> int:
    """Of a page whose head says 0 for it (RFC 3533, section 6).

    It is the polynomial of zlib, which takes the bits of each byte the other way round.
    """
    mirrored = zlib.crc32((head + rest).translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")


def _head(page: _Page) -> tuple[int, bytes]:
    """How many samples come before the sound, and the first packet (RFC 7845, section 5.1)."""
    if not page.body.startswith(b"OpusHead"):
        raise UnusableVoice(Reason.not_a_voice_note)
    if len(page.sizes) != 1 or len(page.body) < _HEAD.size:
        raise UnusableVoice(Reason.damaged)
    magic, version, channels, skipped, _, gain, family = _HEAD.unpack_from(page.body)
    if version >= 16 or family != 0 or channels not in (1, 2):
        raise UnusableVoice(Reason.not_a_voice_note)
    return skipped, _HEAD.pack(magic, 1, channels, skipped, _RATE, gain, family)


def _after_tags(pages: list[_Page]) -> int:
    """The rank of the first page of sound; the comments end a page (RFC 7845, section 3)."""
    if len(pages) < 2 or not pages[1].body.startswith(b"OpusTags"):
        raise UnusableVoice(Reason.damaged)
    for rank, page in enumerate(pages[1:], start=1):
        ended = sum(size < 255 for size in page.sizes)
        if ended == 1 and not page.is_open:
            return rank + 1
        if ended:
            break
    raise UnusableVoice(Reason.damaged)


def _check_sound(pages: list[_Page]) -> None:
    """There is sound, and its positions never go back (RFC 7845, section 4)."""
    position = 0
    for page in pages:
        if page.ends_packet or (page is pages[-1] and not page.sizes):
            is_well = page.granule >= position
            position = page.granule
        else:
            is_well = page.granule == _NOWHERE and page.is_open
        if not is_well:
            raise UnusableVoice(Reason.damaged)
    if not any(page.body for page in pages):
        raise UnusableVoice(Reason.damaged)
