"""A part of a file, as players ask for it."""

from aiohttp import web

from bot.platforms.web.safety import Denied


def only_asked(answer: web.Response, content: bytes, request: web.Request) -> web.Response:
    """Answer with the part that is asked of a content (RFC 9110, section 14); else with all of it.

    Players seek in a sound by it, and some play none without.

    Raises:
        Denied: there is no such part.
    """
    answer.headers["Accept-Ranges"] = "bytes"
    try:
        asked = request.http_range
    except ValueError:
        return answer
    if asked.start is None and asked.stop is None:
        return answer
    start, stop, _ = asked.indices(len(content))
    if start >= stop:
        raise Denied("bad_request", 416)
    answer.set_status(206)
    answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    answer.body = content[start:stop]
    return answer
