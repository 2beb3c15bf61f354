"""A stub of the Bot API for measuring how fast bots are: it gives updates and counts the calls.

It knows the answers beforehand and reads no parameter but an offset, so that it takes next to
nothing of the time of what is measured; `tests.bot_api`, which enforces limits, takes more than
some bots do.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

TOKEN = "1:benchmark"  # noqa: S105 (of nobody)
BATCH = 100  # as Telegram gives at most
EMPTY_POLL = 1.0  # seconds
WARMING = 200  # updates, of which none is measured
_CALL = re.compile(rb"(?:POST|GET) /bot[^/]+/(\w+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_OFFSET = re.compile(rb"offset(?:=|\"\r\n(?:[^\r\n]+\r\n)*\r\n)(\d+)")  # a form of either kind
_LABELS = ("Pour", "Contre", "Abstention")
_ME = {"id": 1, "is_bot": True, "first_name": "b", "username": "b_bot"}

Update = dict[str, Any]


class BotApi:
    """Gives updates to who polls.

    Args:
        updates: without their numbers.
        methods: those whose calls are counted, in small letters; `done` is set once each was
            called as often as there are updates.
        first: the number of the first update.
    """

    def __init__(self, updates: Sequence[Update], methods: Sequence[str], first: int = 1) -> None:
        self.calls: Counter[str] = Counter()
        self.done = asyncio.Event()
        self._began = self._ended = 0.0
        self._methods = methods
        self._first = first
        self._updates = [
            json.dumps({"update_id": number, **one}).encode()
            for number, one in enumerate(updates, first)
        ]
        card = _message(1, "bonjour", _LABELS)
        said = {**card, "from": _ME}
        self._answers = {
            "getme": _answer(json.dumps({**_ME, "can_join_groups": True}).encode()),
            "sendmessage": _answer(json.dumps(said).encode()),
            "editmessagetext": _answer(json.dumps(said).encode()),
        }
        self._true = _answer(b"true")

    @property
    def updates_per_second(self) -> float:
        """How fast they were answered, once the first were: what is read at first is no speed."""
        return (len(self._updates) - WARMING) / (self._ended - self._began)

    def answer(self, method: str, body: bytes) -> bytes | None:
        """What a call is answered; None to a poll for which there is nothing."""
        if method == "getupdates":
            return self._batch(body)
        self.calls[method] += 1
        if method in self._methods:
            self._count(self.calls[method])
        return self._answers.get(method, self._true)

    def _count(self, answered: int) -> None:
        if answered == WARMING and self._all_called(WARMING):
            self._began = time.perf_counter()
        elif answered == len(self._updates) and self._all_called(answered):
            self._ended = time.perf_counter()
            self.done.set()

    def _all_called(self, times: int) -> bool:
        return all(self.calls[one] >= times for one in self._methods)

    def _batch(self, body: bytes) -> bytes | None:
        offset = _OFFSET.search(body)
        begin = max(int(offset[1]) - self._first, 0) if offset else 0
        batch = self._updates[begin : begin + BATCH]
        return _answer(b"[%s]" % b",".join(batch)) if batch else None


class _Connection(asyncio.Protocol):
    def __init__(self, api: BotApi) -> None:
        self._api = api
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            if not found or len(rest) < size:
                return
            self._received = rest[size:]
            call = _CALL.match(head)
            assert call is not None, head
            self._write(self._api.answer(call[1].decode().lower(), rest[:size]))

    def _write(self, answer: bytes | None) -> None:
        if answer is None:
            asyncio.get_running_loop().call_later(EMPTY_POLL, self._write, _answer(b"[]"))
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


@asynccontextmanager
async def serving(api: BotApi) -> AsyncIterator[str]:
    """Serve it on loopback; yield its address."""
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(api), "127.0.0.1", 0
    )
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def said(person: int, text: str) -> Update:
    """Somebody says something."""
    return {"message": _message(person, text)}


def pressed(person: int, data: str) -> Update:
    """Somebody presses a button of a card that the bot sent."""
    return {
        "callback_query": {
            "id": str(4 * 10**18 + person),
            "from": _someone(person),
            "chat_instance": str(person * 7919),
            "message": {**_message(person, "Question ?", _LABELS), "from": _ME},
            "data": data,
        }
    }


def _someone(person: int) -> dict[str, Any]:
    return {"id": person, "is_bot": False, "first_name": "Camille", "language_code": "fr"}


def _message(person: int, text: str, labels: Sequence[str] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {
        "message_id": 1,
        "date": 1_790_000_000,
        "chat": {"id": person, "type": "private", "first_name": "Camille"},
        "from": _someone(person),
        "text": text,
    }
    if labels:
        rows = [
            [{"text": one, "callback_data": f"polls.vote:1:{n}"}] for n, one in enumerate(labels)
        ]
        found["reply_markup"] = {"inline_keyboard": rows}
        found["entities"] = [{"type": "bold", "offset": 0, "length": len(text)}]
    return found


def _answer(result: bytes) -> bytes:
    body = b'{"ok":true,"result":%s}' % result
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body
