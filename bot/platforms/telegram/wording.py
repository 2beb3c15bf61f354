"""Bodies as the messages of Telegram: within its limits, with its tags and its keyboards."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from markupsafe import escape
from telegram import InlineKeyboardButton

from bot.markup import as_plain, clean
from bot.runs import cut, plain, read, units, write

LONGEST_TEXT = 4096  # UTF-16 code units, once its tags are read
LONGEST_CAPTION = 1024
LONGEST_TOAST = 200
MOST_BUTTONS = 100
LARGEST_ALBUM = 10  # pictures
SHORT_LABEL = 14  # characters, two of which stand side by side on a phone
LONG_LABEL = 34  # characters, beyond which a narrow phone does not show them all
DIGITS = 5  # buttons in a row
NOTHING = "…"  # where there is nothing to say, and Telegram takes no empty text

PHOTO, VOICE, DOCUMENT = "photo", "voice", "document"
_BLANKS = re.compile(r"[ \t\n]+")  # a space that keeps words together stays
_KINDS = {"image/jpeg": PHOTO, "image/png": PHOTO, "audio/ogg": VOICE}

Body = dict[str, Any]
Choices = Sequence[Sequence[str]]  # an action and a label each


def kind_of(media_type: str) -> str:
    """How a file is shown: as a photo, a voice note, or a document."""
    return _KINDS.get(media_type, DOCUMENT)


def as_telegram(markup: str) -> str:
    """Canonical markup as the HTML of Telegram: its tags only, balanced, newlines for <br>."""
    if "<" not in markup and "&" not in markup:
        return markup
    return write(read(markup))


def parts(body: Body) -> list[Body]:
    """A body as the messages that Telegram takes, in order; the choices go with the last.

    Labels too long for buttons are listed, numbered, at the end of the text. One file with a short
    text is one message; otherwise the files go first: pictures as albums, others one by one.
    """
    choices = body["choices"]
    listed = _listed([_label(label) for _, label in choices])
    markup = "\n\n".join(text for text in (body["markup"], listed) if text)
    files = body["files"]
    shows_nothing = not clean(as_plain(markup))
    if shows_nothing:
        markup = str(escape(files[0][1])) if len(files) == 1 else ""
    if len(files) == 1 and _fits(markup, LONGEST_CAPTION):
        return [{**body, "markup": markup}]
    made = [{**body, "markup": "", "choices": [], "files": group} for group in _grouped(files)]
    if shows_nothing and made and not choices:
        return made
    texts = _texts(NOTHING if shows_nothing else markup)
    made += [{**body, "markup": text, "choices": [], "files": []} for text in texts]
    made[-1]["choices"] = choices
    return made


def keyboard(choices: Choices) -> tuple[list[list[InlineKeyboardButton]], str]:
    """The rows of buttons, and the numbered list of labels as markup if buttons can't show them.

    Buttons of one message are equally wide: two in a row if all of them are short, else one. An
    action that is an address of the web opens it. Only the first 100 choices get a button.
    """
    labels = [_label(label) for _, label in choices]
    shown = list(zip(choices, labels, strict=True))[:MOST_BUTTONS]
    listed = _listed(labels)
    if listed:
        buttons = [_button(str(number), one[0]) for number, (one, _) in enumerate(shown, 1)]
        return _rows(buttons, DIGITS), listed
    buttons = [_button(label, action) for (action, _), label in shown]
    abreast = 2 if all(len(label) <= SHORT_LABEL for label in labels) else 1
    return _rows(buttons, abreast), ""


def plain_toast(text: str) -> str:
    """What a pressed button shows for a moment: plain text of at most 200 characters."""
    text = text.strip()
    if units(text) <= LONGEST_TOAST:
        return text
    return plain(cut(read(str(escape(text))), LONGEST_TOAST - 1)[0]) + "…"


def _rows(buttons: list[InlineKeyboardButton], abreast: int) -> list[list[InlineKeyboardButton]]:
    return [buttons[at : at + abreast] for at in range(0, len(buttons), abreast)]


def _listed(labels: list[str]) -> str:
    """The labels as a numbered list, if buttons can't show them."""
    if len(labels) <= MOST_BUTTONS and all(len(label) <= LONG_LABEL for label in labels):
        return ""
    return "\n".join(f"{number}. {escape(label)}" for number, label in enumerate(labels, 1))


def _label(label: str) -> str:
    return _BLANKS.sub(" ", clean(label)) or NOTHING


def _button(label: str, action: str) -> InlineKeyboardButton:
    if action.startswith(("https://", "http://")):
        return InlineKeyboardButton(label, url=action)
    return InlineKeyboardButton(label, callback_data=action)


def _fits(markup: str, limit: int) -> bool:
    # Reading tags and entities never makes a text longer.
    return units(markup) <= limit or units(plain(read(markup))) <= limit


def _texts(markup: str) -> list[str]:
    if _fits(markup, LONGEST_TEXT):
        return [markup]
    return [write(piece) for piece in cut(read(markup), LONGEST_TEXT)] or [NOTHING]


def _grouped(files: Iterable[list[Any]]) -> list[list[list[Any]]]:
    """Files as they are sent: neighbouring pictures together, others alone."""
    groups: list[list[list[Any]]] = []
    for kind, run in groupby(files, lambda file: kind_of(file[2])):
        same = list(run)
        size = LARGEST_ALBUM if kind == PHOTO else 1
        groups += [same[at : at + size] for at in range(0, len(same), size)]
    return groups
