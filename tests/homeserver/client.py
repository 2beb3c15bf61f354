"""What a person's Matrix client does and sees, whichever library it is built on."""

import asyncio
import itertools
import secrets
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from tests.homeserver.server import Member, Synapse

PATIENCE = 20.0  # seconds for what another client says, on a machine that is busy
POLL = "org.matrix.msc3381.poll"  # clients show and answer the unstable names
TEXT = "org.matrix.msc1767.text"
MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}
V3 = "/_matrix/client/v3"

Content = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """An event as its receiver sees it: decrypted, of its own type and content.

    Attributes:
        state: its state key; None if it is said rather than set.
        encrypted: whether it came so.
        redacts: the event that it takes back.
    """

    id: str
    room: str
    sender: str
    type: str
    content: Content
    state: str | None = None
    encrypted: bool = False
    redacts: str | None = None

    @property
    def text(self) -> str:
        return str(self.content.get("body", ""))


class Client(ABC):
    """Somebody at a homeserver, with one device: use it as an asynchronous context manager.

    What both libraries would do alike over plain HTTP is done here; they log in, encrypt, decrypt
    and listen.

    Args:
        server: where.
        who: a name, of which a new account is made, or an account that is there already.

    Attributes:
        events: all that came, in the order in which it could be read, one's own words too.
        unreadable: encrypted events that could not be decrypted so far, each with the reason.
        invited: rooms to which one was invited and has not gone.
    """

    def __init__(self, server: Synapse, who: str | Member = "camille") -> None:
        self.server = server
        self.member = server.register(who) if isinstance(who, str) else who
        self.user_id = self.member.user_id
        self.token = self.device_id = ""
        self.events: list[Event] = []
        self.unreadable: dict[str, str] = {}
        self.invited: list[str] = []
        self._unheard: dict[str, list[Event]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._transactions = itertools.count()

    async def __aenter__(self) -> Self:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self.user_id},
            "password": self.member.password,
            "initial_device_display_name": type(self).__name__,
        }
        answered = await self.ask("POST", "/login", body)
        self.token, self.device_id = answered["access_token"], answered["device_id"]
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @abstractmethod
    async def start(self) -> None:
        """Make keys for this device, and listen."""

    @abstractmethod
    async def stop(self) -> None:
        """Listen no longer; the account stays."""

    @abstractmethod
    async def send(self, room: str, type: str, content: Content) -> str:
        """Say anything, encrypted where the room is; returns the event's id."""

    @abstractmethod
    async def upload(self, data: bytes, mime: str, *, encrypted: bool) -> Content:
        """Upload a file: the part of a message that says where it is, `url` or `file`."""

    @abstractmethod
    async def fetch(self, content: Content) -> bytes:
        """The file of a message, decrypted if it was encrypted."""

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """One request to the server by this person; an assertion fails if it refuses."""
        answered = await asyncio.to_thread(
            self.server.ask, method, V3 + path, body, token=self.token or None
        )
        assert answered.status == 200, answered
        return answered.body

    # Rooms

    async def direct(self, user_id: str, *, encrypted: bool = True, joins: bool = True) -> str:
        """Start a direct chat with somebody and, if they are there, wait until they join."""
        more = {"is_direct": True, "preset": "trusted_private_chat"}
        return await self.create(user_id, encrypted=encrypted, joins=joins, **more)

    async def group(
        self, name: str, *user_ids: str, encrypted: bool = True, joins: bool = True
    ) -> str:
        """Open a room of that name, invite people and wait until they join."""
        more = {"name": name, "preset": "private_chat"}
        return await self.create(*user_ids, encrypted=encrypted, joins=joins, **more)

    async def create(self, *user_ids: str, encrypted: bool, joins: bool, **more: Any) -> str:
        """Make a room; `more` goes into the request."""
        state = [{"type": "m.room.encryption", "content": MEGOLM}] if encrypted else []
        body = {"invite": user_ids, "initial_state": state}
        room = str((await self.ask("POST", "/createRoom", body | more))["room_id"])
        awaited = "m.room.encryption" if encrypted else "m.room.guest_access"
        await self.until(lambda: any(self._set(room, awaited)), f"{awaited} in the new room")
        if joins:
            for user_id in user_ids:
                await self.joined(room, user_id)
        return room

    async def joined(self, room: str, user_id: str) -> None:
        """Wait until somebody has joined a room."""
        await self.until(lambda: self.membership(room, user_id) == "join", f"{user_id} joins")

    def membership(self, room: str, user_id: str) -> str:
        """What somebody is in a room, as far as was seen: join, invite, leave, ban or nothing."""
        found = [e for e in self._set(room, "m.room.member") if e.state == user_id]
        return str(found[-1].content["membership"]) if found else ""

    def encrypts(self, room: str) -> bool:
        """Whether what is said in a room is encrypted, as far as was seen."""
        return bool(self._set(room, "m.room.encryption"))

    def _set(self, room: str, type: str) -> list[Event]:
        return [e for e in self.events if (e.room, e.type) == (room, type) and e.state is not None]

    async def invitation(self) -> str:
        """The room of the next invitation."""
        await self.until(lambda: bool(self.invited), "an invitation")
        return self.invited.pop(0)

    async def join(self, room: str) -> None:
        await self.ask("POST", f"/join/{quote(room)}", {})
        await self.joined(room, self.user_id)

    async def invite(self, room: str, user_id: str) -> None:
        await self.ask("POST", f"/rooms/{quote(room)}/invite", {"user_id": user_id})

    async def kick(self, room: str, user_id: str) -> None:
        await self.ask("POST", f"/rooms/{quote(room)}/kick", {"user_id": user_id})

    async def leave(self, room: str) -> None:
        await self.ask("POST", f"/rooms/{quote(room)}/leave", {})

    async def upgrade(self, room: str) -> str:
        """Replace a room by a newer one, as its administrator; returns the new one."""
        body = {"new_version": "12"}
        return str(
            (await self.ask("POST", f"/rooms/{quote(room)}/upgrade", body))["replacement_room"]
        )

    # Words

    async def say(self, room: str, text: str, **relates: Any) -> str:
        content: Content = {"msgtype": "m.text", "body": text}
        if relates:
            content["m.relates_to"] = relates
        return await self.send(room, "m.room.message", content)

    async def reply(self, room: str, to: str, text: str) -> str:
        return await self.say(room, text, **{"m.in_reply_to": {"event_id": to}})

    async def thread(self, room: str, root: str, text: str) -> str:
        """Say something in the thread of a message, as clients do for those that know none."""
        return await self.say(
            room,
            text,
            rel_type="m.thread",
            event_id=root,
            is_falling_back=True,
            **{"m.in_reply_to": {"event_id": root}},
        )

    async def edit(self, room: str, event: str, text: str) -> str:
        content = {
            "msgtype": "m.text",
            "body": f"* {text}",
            "m.new_content": {"msgtype": "m.text", "body": text},
            "m.relates_to": {"rel_type": "m.replace", "event_id": event},
        }
        return await self.send(room, "m.room.message", content)

    async def redact(self, room: str, event: str, reason: str = "") -> str:
        transaction = f"{secrets.token_hex(4)}-{next(self._transactions)}"
        path = f"/rooms/{quote(room)}/redact/{quote(event)}/{transaction}"
        return str((await self.ask("PUT", path, {"reason": reason}))["event_id"])

    async def react(self, room: str, event: str, key: str) -> str:
        relation = {"rel_type": "m.annotation", "event_id": event, "key": key}
        return await self.send(room, "m.reaction", {"m.relates_to": relation})

    async def ballot(self, room: str, poll: str, *answers: str) -> str:
        """Answer a native poll by the ids of its answers."""
        content = {
            "m.relates_to": {"rel_type": "m.reference", "event_id": poll},
            f"{POLL}.response": {"answers": answers},
        }
        return await self.send(room, f"{POLL}.response", content)

    async def send_file(
        self,
        room: str,
        data: bytes,
        name: str = "IMG_2041.jpg",
        mime: str = "image/jpeg",
        **more: Any,
    ) -> str:
        """Send a picture, a voice note or another file; `more` goes into the message."""
        place = await self.upload(data, mime, encrypted=self.encrypts(room))
        kind = mime.partition("/")[0]
        content = {
            "msgtype": f"m.{kind}" if kind in ("image", "audio", "video") else "m.file",
            "body": name,
            "info": {"mimetype": mime, "size": len(data)},
        }
        return await self.send(room, "m.room.message", content | place | more)

    # What came

    async def hear(self, room: str, count: int = 1) -> list[Event]:
        """The next so many events that others said in a room: words, polls, redactions …"""
        unheard = self._unheard[room]
        await self.until(lambda: len(unheard) >= count, f"{count} events in the room")
        heard, unheard[:] = unheard[:count], unheard[count:]
        return heard

    def unheard(self, room: str) -> list[Event]:
        """All that others said in a room and `hear` has not returned; from now on it is heard."""
        return self._unheard.pop(room, [])

    async def caught_up(self, room: str) -> None:
        """Wait until all that others have said in a room since one joined can be read."""
        chunk = await self.said(room)
        awaited = {one["event_id"] for one in chunk if one["sender"] != self.user_id}
        await self.until(lambda: awaited <= {one.id for one in self.events}, "end of what was said")

    async def said(self, room: str) -> list[dict[str, Any]]:
        """The newest 100 things said in a room since one joined, as the server has them."""
        chunk = (await self.ask("GET", f"/rooms/{quote(room)}/messages?dir=b&limit=100"))["chunk"]
        since = itertools.takewhile(lambda one: one.get("state_key") != self.user_id, chunk)
        return [one for one in since if "state_key" not in one]

    async def until(self, settled: Callable[[], bool], what: str) -> None:
        """Wait until something that came makes it so; an assertion fails if it never does."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not settled():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            seen = [(event.sender, event.type, event.text) for event in self.events[-8:]]
            raise AssertionError(f"no {what}; {seen}; unreadable: {self.unreadable}") from None

    def take(self, event: Event) -> None:
        """An event came, or can be read now."""
        self.unreadable.pop(event.id, None)
        self.events.append(event)
        if event.sender != self.user_id and event.state is None:
            self._unheard[event.room].append(event)

    def changed(self) -> None:
        """Let whoever waits look again."""
        self._changed.set()
