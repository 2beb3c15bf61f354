"""People with the Telegram app, who say and press as those at a page do (see `tests.people`)."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from bot.texts import normalise
from tests.bot_api import BotApi, File, Message, User
from tests.people import Answer, Someone

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

_LISTED = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)

# Signs of French that never stand alone on a line: the page says them with ordinary spaces.
_UNBROKEN = re.compile(r"\u202f(?=[?!:;»])|(?<=«)\u202f")

WAYS = ("‹ Précédent", "Arrêter", "‹ Back", "Stop")  # of every question: typed on other platforms

Look = tuple[int, bool, str, list[list[Any]]]


class Offered(NamedTuple):
    """A button that was shown: its label, how the button itself says it, and what it does."""

    label: str
    shown: str
    message: Message
    data: str | None


@dataclass
class Chatter(Someone):
    """A person in a private chat with the bot."""

    api: BotApi
    user: User
    settled: Callable[[], Awaitable[None]]
    seen: list[dict[str, Any]] = field(default_factory=list)
    offered: list[Offered] = field(default_factory=list)
    _known: dict[int, Look] = field(default_factory=dict)
    _toasts: int = 0

    async def start(self, payload: str = "") -> Answer:
        self.user.start(payload)
        return await self.look()

    async def say(self, text: str) -> Answer:
        """Say something; what is too long for one message goes as clients cut it."""
        self.user.paste(text)
        return await self.look()

    async def press(self, label: str) -> Answer:
        return await self.press_again(self.button(label))

    def button(self, label: str) -> Offered:
        wanted = normalise(label)
        named = [(normalise(one.label), one) for one in reversed(self.offered)]
        exact = [one for name, one in named if name == wanted]
        begins = [one for name, one in named if name.startswith(wanted)]
        for found in (*exact, *begins):
            return found
        raise AssertionError(f"no button {label!r} among {[name for name, _ in named]}")

    async def press_again(self, button: Offered) -> Answer:
        if button.data is None:
            self.user.press(button.shown)
        else:
            self.user.press(button.message, data=button.data)
        return await self.look()

    async def send_photo(self, data: bytes, name: str = "IMG_2041.jpg") -> tuple[int, Answer]:
        if data.startswith(b"%PDF"):
            self.user.send_document(data, "rapport.pdf", "application/pdf")
        elif data.startswith(b"OggS"):
            self.user.send_voice(data)
        else:
            self.user.send_photo(data)
        return 200, await self.look()

    async def fetch(self, file: dict[str, Any]) -> tuple[int, bytes]:
        return 200, file["data"]

    async def look(self) -> Answer:
        await self.api.idle()
        await self.settled()
        found = [
            event
            for message in self.user.chat.by_id.values()
            if message.by_bot
            for event in self._changed(message)
        ]
        toasts = self.user.toasts[self._toasts :]
        self._toasts += len(toasts)
        found += [_event("toast", None, toast.text or "") for toast in toasts]
        self.seen += found
        return Answer(found)

    def _changed(self, message: Message) -> list[dict[str, Any]]:
        now: Look = (message.edited, message.deleted, message.html, message.rows)
        before = self._known.get(message.id)
        self._known[message.id] = now
        if before == now or (before is None and message.deleted):
            return []
        if message.deleted:
            return [_event("delete", message, "")]
        listed = listed_in(message)
        self.offered += [
            Offered(listed.get(one.label, one.label), one.label, message, one.data)
            for row in message.buttons
            for one in row
        ]
        return [_event("message" if before is None else "edit", message, message.text)]


def _name_of(file: File) -> str:
    """What is said of a file: photos and voice notes are shown without a name."""
    return file.name.rpartition(".")[0] if file.kind == "document" else ""


def listed_in(message: Message) -> dict[str, str]:
    """Labels too long for buttons, by the number that their button shows."""
    return dict(_LISTED.findall(_UNBROKEN.sub(" ", message.text)))


def _event(kind: str, message: Message | None, text: str) -> dict[str, Any]:
    listed = listed_in(message) if message else {}
    buttons = [one for row in message.buttons for one in row] if message else []
    labels = [one.label for one in buttons if one.label not in WAYS]
    return {
        "kind": kind,
        "message": message.id if message else None,
        "text": _UNBROKEN.sub(" ", text),
        "html": message.html if message else text,
        "choices": [{"id": one, "label": listed.get(one, one)} for one in labels],
        "files": [
            {"name": _name_of(one), "type": one.mime, "data": one.data}
            for one in (message.files if message else ())
        ],
    }
