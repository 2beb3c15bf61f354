"""An account of Préau on a homeserver, and its clients, as many as one process after another."""

from typing import Any
from urllib.parse import quote

import aiohttp
from nio import RoomMessageText

from bot.platforms.matrix.client import Client
from bot.platforms.matrix.login import DEVICE_NAME, Login, kept_login
from bot.settings import Settings
from storage.database import Database
from tests.homeserver import Member, Synapse

V3 = "/_matrix/client/v3"
WORDS = "Bonjour à tous"


class Killed(Exception):
    """The process ended here."""


class Watched(Client):
    """A client that notes what it asks, and can be killed at any request.

    Attributes:
        asked: each request, as method and path below the API.
        dies_before, dies_after: at which request, counted from 0.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        super().__init__(settings, database)
        self.asked: list[str] = []
        self.dies_before = self.dies_after = -1

    async def send(
        self, method: str, path: str, data: Any = None, *args: Any, **kwargs: Any
    ) -> aiohttp.ClientResponse:
        number = len(self.asked)
        self.asked.append(f"{method} {path.partition('?')[0].removeprefix(V3)}")
        if number == self.dies_before:
            raise Killed
        answer = await super().send(method, path, data, *args, **kwargs)
        if number == self.dies_after:
            await answer.read()
            raise Killed
        return answer

    def count(self, part: str) -> int:
        """How many requests had this in them."""
        return sum(part in one for one in self.asked)


class Account:
    """An account, and the database of whoever runs it; see the fixture `account`."""

    def __init__(self, server: Synapse, database: Database, *, admin: bool = False) -> None:
        self.server = server
        self.database = database
        self.member = server.register("preau", admin=admin)
        self.clients: list[Watched] = []

    @property
    def user_id(self) -> str:
        return self.member.user_id

    def client(self, database: Database | None = None, /, **changed: Any) -> Watched:
        """A client that was not opened yet; settings but these are those of a password."""
        given = {
            "matrix_homeserver": self.server.url,
            "matrix_user": self.member.user_id,
            "matrix_password": self.member.password,
        }
        settings = Settings(_env_file=None, **{**given, **changed})
        made = Watched(settings, database or self.database)
        self.clients.append(made)
        return made

    async def open(self, database: Database | None = None, /, **changed: Any) -> Watched:
        made = self.client(database, **changed)
        await made.open()
        return made

    async def close(self) -> None:
        for client in self.clients:
            await client.close()

    def kept(self, database: Database | None = None) -> Login:
        found = (database or self.database).read_now(kept_login)
        assert found is not None
        return found

    def log_in(self, name: str = DEVICE_NAME) -> tuple[str, str]:
        """Log in as the operator may, by hand: a token and its device."""
        identifier = {"type": "m.id.user", "user": self.member.user_id}
        body = {
            "type": "m.login.password",
            "identifier": identifier,
            "password": self.member.password,
            "initial_device_display_name": name,
        }
        made = self.server.ask("POST", f"{V3}/login", body).body
        return made["access_token"], made["device_id"]

    def log_out(self, token: str) -> None:
        assert self.server.ask("POST", f"{V3}/logout", {}, token=token).status == 200

    def change(self, **what: Any) -> None:
        """Change it, as the server's administrator may."""
        boss = Account(self.server, self.database, admin=True)
        token, _ = boss.log_in()
        path = f"/_synapse/admin/v2/users/{quote(self.user_id)}"
        assert self.server.ask("PUT", path, what, token=token).status == 200

    def suspend(self, *, suspended: bool) -> None:
        """Have it write nothing, as the server's administrator may."""
        boss = Account(self.server, self.database, admin=True)
        token, _ = boss.log_in()
        path = f"/_synapse/admin/v1/suspend/{quote(self.user_id)}"
        answer = self.server.ask("PUT", path, {"suspend": suspended}, token=token)
        assert answer.status == 200

    def devices(self) -> dict[str, str]:
        """The names of the account's devices that have one, by id."""
        token, device = self.log_in("a look")
        found = self.server.ask("GET", f"{V3}/devices", token=token).body["devices"]
        self.log_out(token)
        names = {one["device_id"]: one.get("display_name") for one in found}
        return {one: name for one, name in names.items() if name and one != device}

    def seen_by(self, other: Member) -> dict[str, Any]:
        """What somebody else is told of the account's keys."""
        return keys_seen(self.server, other, self.user_id)

    def generation(self) -> int:
        """What the account says."""
        token, _ = self.log_in("a look")
        path = f"{V3}/user/{quote(self.user_id)}/account_data/fr.preau.generation"
        found = self.server.ask("GET", path, token=token).body
        self.log_out(token)
        return int(found["generation"])


def keys_seen(server: Synapse, by: Member, user_id: str) -> dict[str, Any]:
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": by.user_id},
        "password": by.password,
    }
    token = server.ask("POST", f"{V3}/login", body).body["access_token"]
    answered = server.ask("POST", f"{V3}/keys/query", {"device_keys": {user_id: []}}, token=token)
    assert answered.status == 200
    return answered.body


async def look(client: Client, wait: int = 0) -> Any:
    """One sync and what is done after it; `wait` in milliseconds."""
    answer = await client.sync(timeout=wait, full_state=not client.next_batch)
    assert hasattr(answer, "next_batch"), answer
    await client.crypto.flush(client.database)
    await client.maintain()
    return answer


async def say(client: Client, room: str) -> str:
    """Say something in a room, as nio does it; the event's id."""
    content = {"msgtype": "m.text", "body": WORDS}
    return str((await client.room_send(room, "m.room.message", content)).event_id)


async def read(client: Client, room: str) -> list[str]:
    """The next that others said in a room and this client can read."""
    for _ in range(3):  # Synapse may answer a first sync as it did a minute before
        joined = (await look(client)).rooms.join
        events = joined[room].timeline.events if room in joined else []
        said = [one for one in events if isinstance(one, RoomMessageText)]
        if words := [one.body for one in said if one.sender != client.user_id]:
            return words
    return []
