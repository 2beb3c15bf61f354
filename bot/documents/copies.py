"""A person's copy of their data as one page, that any browser opens without a network."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

MEDIA_TYPE, DATA_TYPE = "text/html", "application/json"  # of the page, and of the data
_STYLE = Markup(
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:0 auto;padding:1rem;"
    "color:#1b1b1b;background:#fff}h2{border-top:1px solid #767676;padding-top:1rem}"
    "img{max-width:100%;height:auto}audio{width:100%}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#111}}"
)


@dataclass(frozen=True)
class Enclosed:
    """A picture or a sound in the page itself."""

    media_type: str
    content: bytes
    name: str


@dataclass(frozen=True)
class Section:
    """A title, paragraphs of canonical markup, and what is enclosed."""

    title: str
    paragraphs: Sequence[str] = ()
    enclosed: Sequence[Enclosed] = ()


def page(language: str, title: str, sections: Sequence[Section]) -> bytes:
    """The page: no script, nothing that is fetched."""
    body = Markup("").join(_section(one) for one in sections)
    whole = Markup(
        '<!doctype html>\n<html lang="{}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; media-src data:; style-src 'unsafe-inline'\">\n"
        "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n{}"
        "</main>\n</body>\n</html>\n"
    )
    return whole.format(language, title, _STYLE, title, body).encode()


def _section(section: Section) -> Markup:
    paragraphs = [Markup("<p>{}</p>\n").format(_lines(one)) for one in section.paragraphs]
    enclosed = [_figure(one) for one in section.enclosed]
    heading = Markup("<h2>{}</h2>\n").format(section.title)
    return Markup("").join([heading, *paragraphs, *enclosed])


def _lines(markup: str) -> Markup:
    """Canonical markup, which is safe, with its line ends."""
    return Markup(markup.strip().replace("\n", "<br>\n"))  # noqa: S704 (rendered and escaped)


def _figure(one: Enclosed) -> Markup:
    data = Markup("data:{};base64,{}").format(one.media_type, b64encode(one.content).decode())
    if one.media_type.startswith("image/"):
        return Markup('<p><img alt="{}" src="{}"></p>\n').format(one.name, data)
    return Markup('<p>{}<br><audio controls src="{}"></audio></p>\n').format(escape(one.name), data)
