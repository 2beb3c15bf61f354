"""What the doctor sees of Matrix: our login, our device and what the homeserver has of it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestServer

from bot.platforms.matrix import doctor
from bot.platforms.matrix.connection import Connection
from bot.platforms.matrix.crypto import ACCOUNT
from bot.platforms.matrix.kept import Kept, kept_in
from bot.platforms.matrix.signing import USAGES, Identity, new_seeds
from bot.platforms.seen import Seen
from storage.database import Database
from storage.deliveries import Failure
from storage.store import Store
from tests.bot.matrix.accounts import V3, Account
from tests.bot.matrix.accounts import look as sync
from tests.bot.matrix.test_login import copy_of
from tests.homeserver import Correspondent

NewDatabase = Callable[[], Database]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy."""
    monkeypatch.setattr(doctor, "PATIENCE", 60.0)


async def look(
    account: Account, database: Database | None = None, /, *, serving: bool = False, **changed: Any
) -> Seen:
    """What is seen with the settings of a password, some changed."""
    kept = (database or account.database).read_now(kept_in)
    settings = account.client(database, **changed).settings
    seen = await doctor.look(settings, kept, serving=serving)
    for line in seen.problems + seen.notes:
        assert "\n" not in line
        assert account.member.password not in line
    return seen


def note(seen: Seen, part: str) -> str:
    [found] = [one for one in seen.notes if part in one]
    return found


async def test_all_is_well(account: Account) -> None:
    client = await account.open()
    seen = await look(account)
    assert seen.problems == []
    assert seen.notes[0].startswith(f"Matrix: {account.server.url} calls itself Synapse/1.")
    assert seen.notes[1].startswith("Matrix: logins offered: m.login.password")
    assert seen.notes[1].endswith("; ours: by the login that the database keeps")
    device = f"the device {client.device_id} is signed by {account.user_id}; one-time keys at "
    assert note(seen, device).endswith(f"homeserver: {client.olm.uploaded_key_count}")
    assert note(seen, "rooms that").endswith(": 0")
    assert "outsiders of Tchap" in note(seen, "open rooms")
    assert "only accounts of home.test" in note(seen, "ALLOWED_SERVERS")
    assert "`our account may not write for now`" in note(seen, "suspended")
    assert len(seen.notes) == 7


async def test_what_run_has_at_the_homeserver(account: Account) -> None:
    client = await account.open()
    await sync(client)
    await client.room_create()
    seen = await look(account, matrix_allowed_servers=["example.org"])
    assert "leaves out home.test, which is our own" in note(seen, "ALLOWED_SERVERS")
    with_ours = await look(account, matrix_allowed_servers=["example.org", "home.test"])
    assert not any("ALLOWED_SERVERS" in one for one in with_ours.notes)
    assert note(seen, "rooms that").endswith(": 1")
    assert note(seen, "one-time keys").endswith(f": {client.olm.uploaded_key_count}")


async def test_it_only_asks_and_run_goes_on(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await account.open()
    await sync(client)
    devices, keys = account.devices(), account.seen_by(account.server.register("other"))
    asked = []

    class Noting(Connection):
        async def send(self, method: str, path: str, *rest: Any, **more: Any) -> ClientResponse:
            asked.append((method, path.removeprefix(V3), rest[0] if rest else None))
            return await super().send(method, path, *rest, **more)

    monkeypatch.setattr(doctor, "Connection", Noting)
    async with Correspondent(account.server) as other:
        room = await other.direct(account.user_id, joins=False)
        await client.join(room)
        await sync(client)
        event_id = await other.say(room, "bonjour")
        assert (await look(account, serving=True)).problems == []
        arrived = await sync(client)
        [event] = arrived.rooms.join[room].timeline.events
        assert (event.event_id, event.body) == (event_id, "bonjour")
    written = [(path, body) for method, path, body in asked if method != "GET"]
    assert [path for path, _ in written] == ["/keys/query", "/keys/upload"]
    assert written[1] == ("/keys/upload", "{}")
    assert account.devices() == devices
    assert account.seen_by(account.server.register("other"))["device_keys"] == keys["device_keys"]


# Before the first start


async def test_it_does_not_log_in(account: Account) -> None:
    seen = await look(account)
    assert seen.problems == []
    assert note(seen, "not logged in yet").endswith("(the password is not tried here)")
    assert seen.notes[1].endswith("; ours: by the password")
    assert len(seen.notes) == 3
    assert account.devices() == {}


async def test_neither_a_password_nor_a_token(account: Account) -> None:
    seen = await look(account, matrix_password=None)
    assert seen.problems == ["PREAU_MATRIX_PASSWORD or PREAU_MATRIX_ACCESS_TOKEN: one is needed"]
    assert seen.notes[1].endswith("; ours: none")
    await account.open()
    seen = await look(account, matrix_password=None)
    assert seen.problems == []
    assert seen.notes[1].endswith("; ours: by the login that the database keeps")


async def test_a_token_of_the_operator(account: Account) -> None:
    token, device = account.log_in()
    given: dict[str, Any] = {
        "matrix_password": None,
        "matrix_access_token": token,
        "matrix_device_id": device,
    }
    seen = await look(account, **given)
    assert seen.problems == []
    assert "ours: by the token of the settings" in seen.notes[1]
    assert note(seen, device) == (
        f"the device {device} has no keys at the homeserver: `preau run` gives them"
    )
    await account.open(**given)
    assert f"the device {device} is signed" in note(await look(account, **given), device)


async def test_a_token_whose_keys_are_elsewhere(
    account: Account, new_database: NewDatabase
) -> None:
    token, device = account.log_in()
    given: dict[str, Any] = {
        "matrix_password": None,
        "matrix_access_token": token,
        "matrix_device_id": device,
    }
    await account.open(**given)
    elsewhere = new_database()
    [problem] = (await look(account, elsewhere, **given)).problems
    assert problem.startswith(
        f"Matrix: the device {device} cannot be used, for its keys are not in this database: set "
    )
    assert token not in problem
    both: dict[str, Any] = {**given, "matrix_password": account.member.password}
    seen = await look(account, elsewhere, **both)
    assert seen.problems == []
    assert note(seen, device).endswith("`preau run` makes another")


async def test_tokens_of_others(account: Account) -> None:
    token, device = account.log_in()
    given: dict[str, Any] = {"matrix_access_token": token, "matrix_device_id": "OTHER"}
    [problem] = (await look(account, **given)).problems
    assert problem == f"PREAU_MATRIX_DEVICE_ID: the access token is of {device}"
    given = {"matrix_access_token": token, "matrix_device_id": device, "matrix_user": "somebody"}
    [problem] = (await look(account, **given)).problems
    assert problem == f"PREAU_MATRIX_USER: the access token is of {account.user_id}"


# What is wrong later


async def test_a_token_that_is_known_no_more(account: Account) -> None:
    client = await account.open()
    account.log_out(client.access_token)
    line = (
        f"Matrix: the device {client.device_id} cannot be used, "
        "for the homeserver does not know its access token: "
    )
    seen = await look(account)
    assert (seen.problems, seen.notes[2:]) == ([], [f"{line}`preau run` makes another"])
    seen = await look(account, serving=True)
    assert seen.problems == [
        f"{line}`preau run` makes another by itself; if this stays, its log says why not"
    ]
    [problem] = (await look(account, matrix_password=None)).problems
    assert problem.startswith(f"{line}set PREAU_MATRIX_PASSWORD, or another")


async def test_a_copy_of_the_database(account: Account, tmp_path: Path) -> None:
    await account.open()
    copy = copy_of(account.database, tmp_path)
    client = await account.open()
    older = "this database is an older copy: its keys were used since"
    try:
        assert (await look(account)).problems == []
        assert note(await look(account, copy), older).endswith("`preau run` makes another")
        assert (await look(account, copy, serving=True)).problems == []  # it counts on meanwhile
        await client.finish()
        [problem] = (await look(account, copy, serving=True)).problems
        assert older in problem
    finally:
        copy.close()


async def test_a_login_without_its_keys(account: Account) -> None:
    client = await account.open()
    account.database.write_now(lambda store: store.matrix.drop_kind(ACCOUNT))
    seen = await look(account)
    assert "its keys are not in this database" in note(seen, client.device_id)


async def test_other_keys_than_the_homeserver_has(account: Account) -> None:
    first = await account.open()
    keys = account.database.read_now(lambda store: store.matrix.get(ACCOUNT))
    assert keys is not None
    account.log_out(first.access_token)
    second = await account.open()
    mixed = {**keys, "device": second.device_id}
    account.database.write_now(lambda store: store.matrix.put(ACCOUNT, "", mixed))
    seen = await look(account)
    assert "the homeserver has other keys of it than this database" in note(seen, second.device_id)


async def test_a_device_that_is_not_signed(account: Account) -> None:
    client = await account.open()
    identity = Identity(account.user_id, new_seeds(account.user_id))  # of somebody else
    body = {f"{usage}_key": identity.key(usage) for usage in USAGES}
    await client.ask_as_owner("POST", "/keys/device_signing/upload", body)
    line = f"the device {client.device_id} is not signed, and some clients will not read it: "
    assert note(await look(account), client.device_id) == f"{line}`preau run` signs it"
    [problem] = (await look(account, serving=True)).problems
    assert problem == f"Matrix: {line}restart `preau run`, which signs it"
    without = await look(account, matrix_password=None)
    assert "PREAU_MATRIX_PASSWORD" in note(without, client.device_id)


async def test_another_account_than_before(account: Account) -> None:
    await account.open()
    other = account.server.register("other")
    seen = await look(account, matrix_user=other.user_id, matrix_password=other.password)
    assert seen.problems == []
    assert note(seen, account.user_id).endswith("`preau run` forgets it once this one is logged in")
    assert note(seen, "not logged in yet")


async def test_people_whom_it_may_not_write_to_first(account: Account) -> None:
    await account.open()

    def refuse(store: Store) -> None:
        now = datetime.now(UTC)
        for address in ("@anna:elsewhere.test", "!a-room-where-we-were-declined"):
            store.people.chat("matrix", address)
            store.lose_chat("matrix", address, Failure.blocked, now)

    account.database.write_now(refuse)
    seen = await look(account)
    assert "lets the account open no room: 1; outsiders of Tchap" in note(seen, "open no room")


# Homeservers that are not well, or offer something else


async def answers(account: Account, handler: Any, **changed: Any) -> Seen:
    """What is seen at a server that answers in one way, where we are not logged in."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(application) as server:
        address = str(server.make_url("")).rstrip("/")
        settings = account.client(matrix_homeserver=address, **changed).settings
        return await doctor.look(settings, Kept(), serving=False)


async def test_a_homeserver_that_takes_no_password(account: Account) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/versions"):
            return web.json_response({"versions": ["r0.6.1", "v1.9", "v1.10", "v1.2"]})
        return web.json_response({"flows": [{"type": "m.login.sso"}, {"type": "m.login.token"}]})

    seen = await answers(account, handler)
    assert seen.notes[0].endswith("speaks versions up to 1.10")
    assert seen.notes[1] == (
        "Matrix: logins offered: m.login.sso, m.login.token; "
        "ours: by the password; a password makes no new device there"
    )
    [problem] = seen.problems
    assert "set PREAU_MATRIX_ACCESS_TOKEN and PREAU_MATRIX_DEVICE_ID" in problem


async def test_what_is_no_homeserver(account: Account) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html", status=404)

    async def other(request: web.Request) -> web.Response:
        return web.json_response(["versions"])

    for handler, status in ((page, 404), (other, 200)):
        seen = await answers(account, handler)
        line = f"the homeserver does not answer: HTTP status {status}, not of Matrix"
        assert seen.problems == [f"PREAU_MATRIX_HOMESERVER: {line}"]


async def test_a_homeserver_that_is_slow(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    monkeypatch.setattr(doctor, "PATIENCE", 0.2)
    seen = await answers(account, slow)
    [problem] = seen.problems
    assert problem == "PREAU_MATRIX_HOMESERVER: the homeserver did not answer within 0.2 s"


async def test_a_homeserver_that_is_away(account: Account) -> None:
    away = await look(account, matrix_homeserver="http://127.0.0.1:1")
    [problem] = away.problems
    assert problem.startswith(
        "PREAU_MATRIX_HOMESERVER: the homeserver does not answer: ClientConnectorError"
    )
