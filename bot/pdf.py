"""PDF files as they may be sent on: known by their content, written anew by another process."""

import asyncio
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

LARGEST = 5 * 1024 * 1024  # bytes
SECONDS = 10.0  # to write one anew
MEDIA_TYPE = "application/pdf"
_ENDS_WITHIN = 1024  # bytes from the end, where the end is marked
_CLEANER = str(Path(__file__).with_name("pdf_cleaner.py"))


class Reason(StrEnum):
    too_heavy = "too_heavy"
    too_complex = "too_complex"
    locked = "locked"
    damaged = "damaged"


class UnusablePdf(Exception):
    """A file that cannot be kept as a PDF, with a named reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def is_pdf(data: bytes) -> bool:
    """Whether a file says that it is one; what it is called does not count."""
    return data.startswith(b"%PDF-")


async def clean_pdf(data: bytes) -> bytes:
    """Its pages and their links in a new file; `pdf_cleaner.py` says what is left out.

    Another process does it: a hostile file costs that one its memory, its time and its life, and
    Préau never loads the library.

    Raises:
        UnusablePdf: it is refused.
    """
    if len(data) > LARGEST:
        raise UnusablePdf(Reason.too_heavy)
    if b"%%EOF" not in data[-_ENDS_WITHIN:]:
        raise UnusablePdf(Reason.damaged)
    code, output = await _run(data)
    if code < 0:  # killed by one of its limits
        raise UnusablePdf(Reason.too_complex)
    if code:
        named = {one.encode(): one for one in Reason}
        raise UnusablePdf(named.get(output, Reason.damaged))
    if len(output) > LARGEST:
        raise UnusablePdf(Reason.too_heavy)
    return output


async def _run(data: bytes) -> tuple[int, bytes]:
    """The cleaner's exit code, and what it wrote; its environment holds none of our secrets."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        _CLEANER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate(data)
    except TimeoutError:
        raise UnusablePdf(Reason.too_complex) from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        code = await process.wait()
    return code, output
