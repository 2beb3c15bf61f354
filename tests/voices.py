"""Voice notes made by hand: Ogg (RFC 3533) with Opus in it (RFC 7845), and something to hide."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

FIRST, LAST = 2, 4
SILENCE = b"\xf8\xff\xfe"  # 20 ms of Opus
FRAME = 960  # samples of 20 ms
SKIPPED = 312  # samples before the sound
SECRETS = (b"Madame Untel", b"Recorder 3.1", b"metadata_block_picture", b"une ecole")
SERIAL = 0x5EC7E7


@dataclass(frozen=True)
class Page:
    flags: int
    granule: int
    serial: int
    number: int
    sizes: bytes
    body: bytes

    @property
    def packets(self) -> list[bytes]:
        """Of a page on which each packet ends."""
        found, at, length = [], 0, 0
        for size in self.sizes:
            length += size
            if size < 255:
                found.append(self.body[at : at + length])
                at, length = at + length, 0
        return found

    def written(self) -> bytes:
        head = struct.pack("<4sBBqII", b"OggS", 0, *self._place)
        rest = bytes([len(self.sizes)]) + self.sizes + self.body
        return head + struct.pack("<I", checksum(head + bytes(4) + rest)) + rest

    @property
    def _place(self) -> tuple[int, int, int, int]:
        return self.flags, self.granule, self.serial, self.number


def _remainder(byte: int) -> int:
    register = byte << 24
    for _ in range(8):
        register = (register << 1) ^ (0x104C11DB7 if register & 0x80000000 else 0)
    return register


_REMAINDERS = [_remainder(byte) for byte in range(256)]


def checksum(data: bytes) -> int:
    """As the specification describes it, bit by bit."""
    register = 0
    for byte in data:
        register = (register << 8 & 0xFFFFFFFF) ^ _REMAINDERS[register >> 24 ^ byte]
    return register


def laced(packets: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The sizes of the segments of some packets, and these packets."""
    sizes = b"".join(b"\xff" * (len(one) // 255) + bytes([len(one) % 255]) for one in packets)
    return sizes, b"".join(packets)


def head(
    channels: int = 1, skipped: int = SKIPPED, rate: int = 16_000, family: int = 0, version: int = 1
) -> bytes:
    return struct.pack("<8sBBHIhB", b"OpusHead", version, channels, skipped, rate, 0, family)


def tags(
    vendor: bytes = SECRETS[1], comments: Sequence[bytes] = (b"ARTIST=" + SECRETS[0],)
) -> bytes:
    said = b"".join(struct.pack("<I", len(one)) + one for one in comments)
    count = struct.pack("<I", len(comments))
    return b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + count + said


def pages(
    seconds: float = 2,
    *,
    first: bytes | None = None,
    comments: bytes | None = None,
    packet: bytes = SILENCE,
    per_page: int = 50,
    ends: bool = True,
    serial: int = SERIAL,
) -> list[Page]:
    """The pages of a voice note; comments of more than a page go on in the next.

    Args:
        per_page: packets of 20 ms.
        ends: whether the last page says that it is the last.
    """
    made = [Page(FIRST, 0, serial, 0, *laced([head() if first is None else first]))]
    sizes, body = laced([tags() if comments is None else comments])
    for at in range(0, len(sizes), 255):
        ended = at + 255 >= len(sizes)
        part = body[at * 255 :] if ended else body[at * 255 : (at + 255) * 255]
        place = (1 if at else 0, 0 if ended else -1, serial, len(made))
        made.append(Page(*place, sizes[at : at + 255], part))
    left, position = round(seconds * 50), SKIPPED
    while left:
        count = min(left, per_page)
        left, position = left - count, position + count * FRAME
        flags = LAST if ends and not left else 0
        made.append(Page(flags, position, serial, len(made), *laced([packet] * count)))
    return made


def written(some: Sequence[Page]) -> bytes:
    return b"".join(page.written() for page in some)


def voice_note(seconds: float = 2) -> bytes:
    return written(pages(seconds))


def read(data: bytes) -> list[Page]:
    """The pages of a file; their checksums are verified."""
    found, at = [], 0
    while at < len(data):
        magic, version, flags, granule, serial, number, found_sum, count = struct.unpack_from(
            "<4sBBqIIIB", data, at
        )
        assert (magic, version) == (b"OggS", 0)
        sizes = data[at + 27 : at + 27 + count]
        start = at + 27 + count
        page = Page(flags, granule, serial, number, sizes, data[start : start + sum(sizes)])
        assert page.written()[22:26] == struct.pack("<I", found_sum)
        found.append(page)
        at = start + sum(sizes)
    return found
