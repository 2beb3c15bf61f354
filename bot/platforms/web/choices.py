"""Choice ids of the web chat: they name their message and action, and only we can make them."""

import base64
from dataclasses import dataclass

from bot.platforms.web.safety import is_same
from storage.keys import Keyring


class Forged(Exception):
    """A choice id that was not made for this chat."""


@dataclass(frozen=True)
class Pressed:
    message: str
    action: str


def choice_id(keyring: Keyring, chat_id: int, message: str, action: str) -> str:
    return f"{message}.{_mark(keyring, chat_id, message, action)}.{action}"


def read_choice(keyring: Keyring, chat_id: int, given: str) -> Pressed:
    """What a choice id stands for; raise `Forged` if it is not one of this chat's."""
    message, _, rest = given.partition(".")
    mark, _, action = rest.partition(".")
    if not is_same(mark, _mark(keyring, chat_id, message, action)):
        raise Forged
    return Pressed(message, action)


def file_name(keyring: Keyring, chat_id: int, file_id: int) -> str:
    """The name under which one chat may fetch a file."""
    return f"{file_id}.{_mark(keyring, chat_id, 'file', str(file_id))}"


def read_file_name(keyring: Keyring, chat_id: int, given: str) -> int:
    number, _, _mark_given = given.partition(".")
    if not number.isascii() or not number.isdigit():
        raise Forged
    if not is_same(given, file_name(keyring, chat_id, int(number))):
        raise Forged
    return int(number)


def _mark(keyring: Keyring, chat_id: int, message: str, action: str) -> str:
    digest = keyring.blind("web choice", f"{chat_id}\0{message}\0{action}")
    return base64.urlsafe_b64encode(digest[:9]).decode()
