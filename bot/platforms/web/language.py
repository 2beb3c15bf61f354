"""In which language a browser is answered: the one that was chosen, never a guess."""

from aiohttp import web

from bot.texts import LANGUAGES

COOKIE = "preau_language"
SPOKEN = web.RequestKey("spoken", str)  # the language of the person, once known


def language_of(request: web.Request, otherwise: str) -> str:
    """The language of the person who asks, else the one asked for here, or before."""
    chosen = (request.get(SPOKEN), request.query.get("lang"), request.cookies.get(COOKIE))
    return next((one for one in chosen if one in LANGUAGES), otherwise)
