"""People with a Matrix client, who say and press as those at a page do (see `tests.people`)."""

import html
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from bot.texts import normalise
from tests.chats import WAYS
from tests.homeserver import Client, Event
from tests.homeserver.client import POLL, TEXT
from tests.people import Answer, Someone

TX = "fr.preau.tx"  # what every message has that is kept; the others are toasts

# Signs of French that never stand alone on a line: the page says them with ordinary spaces.
_UNBROKEN = re.compile(r"\u202f(?=[?!:;»])|(?<=«)\u202f")
_NUMBERED = re.compile(r"(\d+)\. (.+)")
_LINK = re.compile(r'<a href="[^"]*">(.+?)</a>')


class Offered(NamedTuple):
    """A numbered line, or a link that stands for a choice."""

    label: str
    message: str
    number: int | None


@dataclass
class Correspond(Someone):
    """A person in a room with the bot, who chooses by numbers.

    They type the number alone where they have just been answered; to what came unasked, or before,
    they reply.

    Args:
        client: what they write with.
        bot: its user id; what others say is not looked at.
        room: where; in a group they always choose by a reply.
        settled: waits until the bot has answered all that was said to it.
    """

    client: Client
    bot: str
    room: str
    settled: Callable[[], Awaitable[None]]
    in_group: bool = False
    seen: list[dict[str, Any]] = field(default_factory=list)
    offered: list[Offered] = field(default_factory=list)
    ballots: list[tuple[str, str, str]] = field(default_factory=list)  # label, poll, answer
    at_hand: str = ""  # the message from which they were last asked to choose

    @classmethod
    async def meet(
        cls, client: Client, bot: str, settled: Callable[[], Awaitable[None]], **more: Any
    ) -> Self:
        """Start a direct chat with the bot; what it says at first is in `seen`."""
        one = cls(client, bot, await client.direct(bot, **more), settled)
        await one._answer()
        return one

    async def say(self, text: str) -> Answer:
        await self.client.say(self.room, text)
        return await self._answer()

    async def press(self, label: str) -> Answer:
        button = self.button(label)
        is_at_hand = button.message == self.offered[-1].message == self.at_hand
        if is_at_hand and not self.in_group:
            return await self.say(str(button.number))
        return await self.press_again(button)

    def button(self, label: str) -> Offered:
        wanted = normalise(label)
        named = [(normalise(one.label), one) for one in reversed(self.offered) if one.number]
        exact = [one for name, one in named if name == wanted]
        begins = [one for name, one in named if name.startswith(wanted)]
        for found in (*exact, *begins):
            return found
        raise AssertionError(f"no button {label!r} among {[name for name, _ in named]}")

    async def press_again(self, button: Offered) -> Answer:
        """Reply to a message with one of its numbers."""
        await self.client.reply(self.room, button.message, str(button.number))
        return await self._answer()

    async def vote(self, label: str) -> Answer:
        """Choose in the newest native poll that has such an answer."""
        found = [one[1:] for one in self.ballots if normalise(one[0]) == normalise(label)]
        assert found, f"no answer {label!r} among {self.ballots}"
        await self.client.ballot(self.room, *found[-1])
        return await self._answer()

    async def send_photo(self, data: bytes, name: str = "IMG_2041.jpg") -> tuple[int, Answer]:
        if data.startswith(b"%PDF"):
            await self.client.send_file(self.room, data, "rapport.pdf", "application/pdf")
        elif data.startswith(b"OggS"):
            voice: dict[str, Any] = {"org.matrix.msc3245.voice": {}}
            await self.client.send_file(self.room, data, "Message vocal", "audio/ogg", **voice)
        else:
            await self.client.send_file(self.room, data, name, "image/jpeg")
        return 200, await self._answer()

    async def fetch(self, file: dict[str, Any]) -> tuple[int, bytes]:
        return 200, await self.client.fetch(file["content"])

    async def _answer(self) -> Answer:
        before = len(self.offered)
        answer = await self.look()
        if len(self.offered) > before:
            self.at_hand = self.offered[-1].message
        return answer

    async def look(self) -> Answer:
        await self.settled()
        await self.client.caught_up(self.room)
        heard = [event for event in self.client.unheard(self.room) if event.sender == self.bot]
        found = [shown for event in heard if (shown := self._shown(event))]
        self.seen += found
        return Answer(found)

    def _shown(self, event: Event) -> dict[str, Any] | None:
        if event.type == "m.room.redaction":
            return _event("delete", event.redacts)
        if event.type == f"{POLL}.start":
            return self._poll(event)
        if event.type != "m.room.message":
            return None
        edited = event.content.get("m.new_content")
        if edited is not None:
            return self._message("edit", event.content["m.relates_to"]["event_id"], edited)
        kind = "message" if TX in event.content else "toast"
        return self._message(kind, event.id, event.content)

    def _poll(self, event: Event) -> dict[str, Any]:
        start = event.content[f"{POLL}.start"]
        self.ballots += [(one[TEXT], event.id, one["id"]) for one in start["answers"]]
        return _event("poll", event.id, start["question"][TEXT])

    def _message(self, kind: str, message: str, content: dict[str, Any]) -> dict[str, Any]:
        if content["msgtype"] not in ("m.text", "m.notice"):
            return _event(kind, message, files=[_file(content)])
        formatted = content.get("formatted_body", "")
        offered = _choices(formatted, message, in_group=self.in_group)
        self.offered += offered
        labels = [one.label for one in offered if one.label not in WAYS]
        choices = [{"id": label, "label": label} for label in labels]
        text = _without_choices(content["body"], "\n", in_group=self.in_group)
        markup = _without_choices(formatted, "<br>", in_group=self.in_group)
        return _event(kind, message, text, html=markup, choices=choices)


def _event(kind: str, message: str | None, text: str = "", **more: Any) -> dict[str, Any]:
    event = {"kind": kind, "message": message, "text": _UNBROKEN.sub(" ", text), "html": text}
    return {**event, "choices": [], "files": [], **more}


def _file(content: dict[str, Any]) -> dict[str, Any]:
    """A file that came; pictures and voice notes are shown without a name."""
    name = content["body"].rpartition(".")[0] if content["msgtype"] == "m.file" else ""
    return {"name": name, "type": content["info"]["mimetype"], "content": content}


def _listed(paragraphs: list[str], line_end: str, *, in_group: bool) -> int:
    """Which paragraph has the numbered lines; -1 if there is none.

    It is the last, but in a group it is said after it how to choose.
    """
    last = len(paragraphs) - 1
    for at in range(last, -1 if in_group else last - 1, -1):
        if any(_NUMBERED.fullmatch(line) for line in paragraphs[at].split(line_end)):
            return at
    return -1


def _choices(formatted: str, message: str, *, in_group: bool) -> list[Offered]:
    """The choices of a message: its numbered lines, and each line that is a link alone."""
    paragraphs = formatted.split("<br><br>")
    listed = _listed(paragraphs, "<br>", in_group=in_group)
    found = []
    for at, paragraph in enumerate(paragraphs):
        for line in paragraph.split("<br>"):
            if link := _LINK.fullmatch(line):
                found.append(Offered(html.unescape(link[1]), message, None))
            elif at == listed and (one := _NUMBERED.fullmatch(line)):
                label = _UNBROKEN.sub(" ", html.unescape(one[2]))
                found.append(Offered(label, message, int(one[1])))
    return found


def _without_choices(said: str, line_end: str, *, in_group: bool) -> str:
    """What a message says beside its numbered lines."""
    paragraphs = said.split(line_end * 2)
    listed = _listed(paragraphs, line_end, in_group=in_group)
    if listed >= 0:
        lines = paragraphs[listed].split(line_end)
        paragraphs[listed] = line_end.join(one for one in lines if not _NUMBERED.fullmatch(one))
    return (line_end * 2).join(one for one in paragraphs if one)
