"""In which language a browser is answered."""

import re

from aiohttp import web
from babel.core import negotiate_locale

from bot.texts import LANGUAGES

SPOKEN = web.RequestKey("spoken", str)  # the language of the person, once known
_RANGE = re.compile(r"\s*([A-Za-z-]{1,16})\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")


def language_of(request: web.Request, otherwise: str) -> str:
    """The language of the person who asks, if known, else the best one their browser accepts."""
    known = request.get(SPOKEN)
    if known is not None:
        return known
    ranges = map(_RANGE.fullmatch, request.headers.get("Accept-Language", "").split(",")[:10])
    wanted = [(float(found[2] or 1), found[1]) for found in ranges if found]
    preferred = [name for _, name in sorted(wanted, key=lambda pair: -pair[0])]
    return negotiate_locale(preferred, LANGUAGES, sep="-") or otherwise
