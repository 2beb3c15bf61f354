"""Logging in: by password once, by a token, and what is done when neither goes on."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.platforms.base import PlatformRefused
from bot.platforms.matrix import counting
from bot.platforms.matrix.client import TakenOver, Unreachable
from bot.platforms.matrix.login import (
    DEVICE_NAME,
    SYNC,
    WITHHELD,
    Withheld,
    is_account,
    kept_login,
)
from storage.database import Database
from tests.bot.matrix.accounts import V3, Account, Killed, Watched, look
from tests.conftest import SECRET
from tests.homeserver import Correspondent, Synapse

NewDatabase = Callable[[], Database]


def copy_of(database: Database, folder: Path) -> Database:
    """An open copy of a database as it is now, as a backup makes one."""
    path = folder / "copy.db"
    with sqlite3.connect(database.url.database or "") as source, sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.close()
    copy = Database(f"sqlite:///{path}", [SECRET])
    copy.open()
    return copy


async def refused(
    account: Account, database: Database | None = None, /, **changed: str | None
) -> str:
    """The one line with which a start is refused."""
    with pytest.raises(PlatformRefused) as found:
        await account.open(database, **changed)
    line = str(found.value)
    assert "\n" not in line
    assert account.member.password not in line
    return line


def new_devices(logged: Sequence[Mapping[str, Any]]) -> list[str]:
    """The devices of which the log says that they were made."""
    return [one["device"] for one in logged if one["event"] == "Matrix: a new device was made"]


# By password


async def test_the_first_start_makes_a_device_that_is_kept(account: Account) -> None:
    with structlog.testing.capture_logs() as logged:
        client = await account.open()
    assert not logged
    kept = account.kept()
    assert (kept.user_id, kept.device_id) == (client.user_id, client.device_id)
    assert kept.access_token == client.access_token
    assert account.devices() == {client.device_id: DEVICE_NAME}
    assert account.generation() == kept.generation == 1


async def test_later_starts_go_on_with_it(account: Account) -> None:
    first = await account.open()
    again = await account.open()
    assert (again.device_id, again.access_token) == (first.device_id, first.access_token)
    assert again.count("/login") == 0
    assert again.olm.account.identity_keys == first.olm.account.identity_keys
    assert account.generation() == account.kept().generation == 2


async def test_the_account_may_be_named_without_its_server(account: Account) -> None:
    name = account.user_id.removeprefix("@").partition(":")[0]
    client = await account.open(matrix_user=name)
    again = await account.open(matrix_user=f"@{name}")
    assert again.device_id == client.device_id


@pytest.mark.parametrize(
    ("given", "is_it"),
    [
        ("@preau:a.fr", True),
        ("preau:a.fr", True),
        ("@preau", True),
        ("preau", True),
        ("@Preau:A.fr", True),
        ("@preau:b.fr", False),
        ("prea", False),
        ("@prof:a.fr", False),
    ],
)
def test_which_account_is_meant(given: str, is_it: bool) -> None:
    assert is_account(given, "@preau:a.fr") == is_it


async def test_it_takes_its_name_unless_it_has_one(
    account: Account, new_database: NewDatabase
) -> None:
    client = await account.open()
    path = f"{V3}/profile/{client.user_id}/displayname"
    server, token = account.server, client.access_token
    assert server.ask("GET", path, token=token).body == {"displayname": DEVICE_NAME}
    server.ask("PUT", path, {"displayname": "Le préau d'Aix"}, token=token)
    await account.open(new_database())
    assert server.ask("GET", path).body == {"displayname": "Le préau d'Aix"}


async def test_a_wrong_password_is_one_line(account: Account) -> None:
    line = await refused(account, matrix_password="not-this-one-either")
    assert line.startswith("PREAU_MATRIX_USER, PREAU_MATRIX_PASSWORD: ")


async def test_too_many_logins_are_waited_for(
    strict_synapse: Synapse, new_database: NewDatabase
) -> None:
    account = Account(strict_synapse, new_database())
    for _ in range(10):
        with contextlib.suppress(KeyError):
            account.log_in()
    try:
        with pytest.raises(Unreachable) as found:
            await account.open()
    finally:
        await account.close()
    assert found.value.wait > 0


async def test_another_account_has_nothing_of_the_first(
    account: Account, new_database: NewDatabase
) -> None:
    first = await account.open()
    other = account.server.register("preau")
    client = await account.open(matrix_user=other.user_id, matrix_password=other.password)
    assert client.user_id == other.user_id == account.kept().user_id
    assert client.is_signed
    assert client.olm.account.identity_keys != first.olm.account.identity_keys


async def test_a_name_that_is_mistyped_loses_nothing(account: Account) -> None:
    first = await account.open()
    await look(first)
    account.database.write_now(lambda store: store.matrix.put(SYNC, "", {"next_batch": "s1"}))
    await refused(account, matrix_user=account.user_id.replace("preau", "praeu"))
    again = await account.open(matrix_user=account.user_id.upper())
    assert again.device_id == first.device_id
    assert again.count("/login") == 0
    assert again.olm.account.identity_keys == first.olm.account.identity_keys
    assert account.database.read_now(lambda store: store.matrix.get(SYNC))


async def test_another_account_does_not_go_on_from_where_the_first_read(account: Account) -> None:
    await account.open()
    account.database.write_now(lambda store: store.matrix.put(SYNC, "", {"next_batch": "s1"}))
    other = account.server.register("preau")
    await account.open(matrix_user=other.user_id, matrix_password=other.password)
    assert account.database.read_now(lambda store: store.matrix.get(SYNC)) is None


# By token


async def test_a_token_is_used_and_gone_on_with(account: Account) -> None:
    token, device = account.log_in("by hand")
    given = {"matrix_password": None, "matrix_access_token": token, "matrix_device_id": device}
    first = await account.open(**given)
    again = await account.open(**given)
    assert first.device_id == again.device_id == device
    assert again.is_signed
    assert first.olm.account.identity_keys == again.olm.account.identity_keys
    assert account.kept().generation == 2


async def test_a_device_whose_keys_are_elsewhere_is_left_alone(
    account: Account, new_database: NewDatabase
) -> None:
    token, device = account.log_in("by hand")
    given = {"matrix_access_token": token, "matrix_device_id": device}
    await account.open(new_database(), matrix_password=None, **given)
    assert "its keys are elsewhere" in await refused(account, matrix_password=None, **given)
    with structlog.testing.capture_logs() as logged:
        client = await account.open(**given)
    assert client.device_id != device
    assert new_devices(logged) == [client.device_id]
    again = await account.open(**given)
    assert again.device_id == client.device_id  # not another at each start


async def test_a_new_token_takes_the_place_of_the_old(account: Account) -> None:
    token, device = account.log_in("by hand")
    old = {"matrix_access_token": token, "matrix_device_id": device}
    await account.open(matrix_password=None, **old)
    token, device = account.log_in("by hand")
    new = {"matrix_access_token": token, "matrix_device_id": device}
    client = await account.open(matrix_password=None, **new)
    assert client.device_id == device
    assert client.is_signed  # by the key that is kept


async def test_a_token_that_is_not_known(account: Account) -> None:
    line = await refused(
        account, matrix_password=None, matrix_access_token="syt_no", matrix_device_id="NOWHERE"
    )
    assert "does not know its access token" in line
    assert "syt_no" not in line


async def test_a_token_of_another_device_or_account(account: Account) -> None:
    token, device = account.log_in("by hand")
    line = await refused(account, matrix_access_token=token, matrix_device_id="NOWHERE")
    assert line == f"PREAU_MATRIX_DEVICE_ID: the access token is of {device}"
    line = await refused(
        account, matrix_user="@zoe:a.fr", matrix_access_token=token, matrix_device_id=device
    )
    assert line == f"PREAU_MATRIX_USER: the access token is of {account.user_id}"


async def test_a_token_that_was_taken_back(account: Account) -> None:
    first = await account.open()
    account.log_out(first.access_token)
    assert "does not know its access token" in await refused(account, matrix_password=None)
    with structlog.testing.capture_logs() as logged:
        client = await account.open()
    assert new_devices(logged) == [client.device_id]
    assert client.device_id != first.device_id
    assert client.is_signed
    assert client.count("/keys/device_signing/upload") == 0  # the same account answers for it


async def test_neither_a_password_nor_a_token(account: Account) -> None:
    assert await refused(account, matrix_password=None) == (
        "PREAU_MATRIX_PASSWORD or PREAU_MATRIX_ACCESS_TOKEN: one is needed"
    )


async def test_the_login_that_is_kept_needs_no_password(account: Account) -> None:
    first = await account.open()
    again = await account.open(matrix_password=None)
    assert again.device_id == first.device_id
    assert again.is_signed


# Databases that are gone, or come back


async def test_an_older_copy_of_the_database_is_noticed(account: Account, tmp_path: Path) -> None:
    first = await account.open()
    copy = copy_of(account.database, tmp_path)
    await account.open()
    try:
        assert "older copy" in await refused(account, copy, matrix_password=None)
        client = await account.open(copy)
        assert client.device_id != first.device_id
        assert client.olm.account.identity_keys != first.olm.account.identity_keys
        assert client.is_signed
        assert account.kept(copy).generation == account.generation() == 3
        assert (await account.open(copy)).device_id == client.device_id
    finally:
        copy.close()


async def test_a_copy_of_a_long_run_is_noticed(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backups are made while it runs, and it may run for months."""
    first = await account.open()
    copy = copy_of(account.database, tmp_path)
    await counts_on(account, monkeypatch, first)
    try:
        assert (await account.open(copy)).device_id != first.device_id
    finally:
        copy.close()


async def test_a_copy_is_noticed_that_was_made_before_a_clean_stop(
    account: Account, tmp_path: Path
) -> None:
    first = await account.open()
    copy = copy_of(account.database, tmp_path)
    await first.finish()
    await first.close()
    try:
        assert account.kept().generation == account.generation() == 2
        assert (await account.open()).device_id == first.device_id
        assert "older copy" in await refused(account, copy, matrix_password=None)
    finally:
        copy.close()


async def test_a_copy_is_noticed_since_which_keys_were_used(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill says nothing to the account: while keys are used it is made to count each minute."""
    first = await account.open()
    monkeypatch.setattr(counting, "IN_USE", 0.0)
    await look(first)
    before = account.generation()
    await first.maintain()
    assert account.generation() == before  # nothing was written: no copy is older
    async with Correspondent(account.server, "zoe") as zoe:
        room = await zoe.direct(first.user_id, joins=False)
        copy = copy_of(account.database, tmp_path)
        await first.join(room)
        await look(first)
    try:
        assert account.generation() > before
        assert "older copy" in await refused(account, copy, matrix_password=None)
    finally:
        copy.close()


async def test_who_stops_counts_on_only_if_nobody_else_serves(account: Account) -> None:
    first, second = await account.open(), await account.open()
    await first.finish()
    assert account.generation() == 2
    await second.finish()
    assert account.generation() == 3


@pytest.mark.parametrize("away", [Unreachable("HTTP status 502"), None])
async def test_a_stop_waits_for_no_server(
    account: Account, monkeypatch: pytest.MonkeyPatch, away: Exception | None
) -> None:
    monkeypatch.setattr("bot.platforms.matrix.client.LAST", 0.1)
    client = await account.open()

    async def ask(*_: object) -> None:
        if away is not None:
            raise away
        await asyncio.Event().wait()

    monkeypatch.setattr(client, "ask", ask)
    async with asyncio.timeout(5):
        await client.finish()


async def test_earlier_devices_of_ours_are_deleted(
    account: Account, new_database: NewDatabase
) -> None:
    first = await account.open()
    _, other = account.log_in("Element")
    with structlog.testing.capture_logs() as logged:
        second = await account.open(new_database())
    assert new_devices(logged) == [second.device_id]
    assert set(account.devices()) == {second.device_id, other}
    assert first.device_id != second.device_id


async def test_a_password_that_is_no_more_deletes_nothing(account: Account) -> None:
    """What the server does not allow is not insisted on."""
    account.log_in()
    token, device = account.log_in()
    client = await account.open(
        matrix_password=None, matrix_access_token=token, matrix_device_id=device
    )
    assert len(account.devices()) == 2
    assert client.count("/delete_devices") == 0


# Other processes


async def counts_on(account: Account, monkeypatch: pytest.MonkeyPatch, client: Watched) -> None:
    """What a client does once in a while, besides."""
    with monkeypatch.context() as patch:
        patch.setattr(counting, "RENEWAL", 0.0)
        patch.setattr(counting, "IN_USE", 0.0)
        await client.maintain()


async def test_another_process_that_goes_on_with_our_device_is_noticed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await account.open(), await account.open()
    assert first.device_id == second.device_id
    await counts_on(account, monkeypatch, second)
    with pytest.raises(TakenOver):
        await counts_on(account, monkeypatch, first)
    await counts_on(account, monkeypatch, second)
    assert account.generation() == 4


async def test_as_long_as_another_process_serves_we_do_not(
    account: Account, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It deleted our device: else both would for ever make devices, and delete the other's."""
    first, second = await account.open(), await account.open(new_database())
    for _ in range(2):
        with pytest.raises(TakenOver):
            await first.open()
        assert set(account.devices()) == {second.device_id}
        await counts_on(account, monkeypatch, second)
    with pytest.raises(TakenOver):
        await first.open()
    await first.open()  # it counted on no more
    assert first.is_signed
    assert set(account.devices()) == {first.device_id}


# Accounts that are not served


@pytest.mark.parametrize("by_token", [True, False])
async def test_an_account_that_is_locked_is_waited_for(account: Account, *, by_token: bool) -> None:
    if by_token:
        await account.open()
    account.change(locked=True)
    with pytest.raises(Withheld, match=r"refuses: 401 M_USER_LOCKED$") as found:
        await account.open()
    assert 30 <= found.value.wait <= 60
    account.change(locked=False)
    assert (await account.open()).is_signed


@pytest.mark.parametrize("code", sorted(WITHHELD))
async def test_an_account_that_is_refused_is_waited_for(
    account: Account, other_server: Callable[[dict[str, web.Response]], str], code: str
) -> None:
    await account.open()
    said = {"errcode": code, "error": "Votre compte a expiré"}
    url = other_server({"": web.json_response(said, status=403)})
    for changed in ({}, {"matrix_password": None}):
        with pytest.raises(Withheld, match=f"403 {code}$"):
            await account.open(matrix_homeserver=url, **changed)


async def test_an_account_that_is_closed_is_refused(
    account: Account, other_server: Callable[[dict[str, web.Response]], str]
) -> None:
    await account.open()
    said = {"errcode": "M_USER_DEACTIVATED", "error": "closed"}
    url = other_server({"": web.json_response(said, status=403)})
    assert "403 M_USER_DEACTIVATED" in await refused(account, matrix_homeserver=url)
    account.change(deactivated=True)
    assert "the homeserver does not take them" in await refused(account)


# Servers that do not answer, or are none


async def test_a_server_that_is_away_is_tried_again(
    own_synapse: Synapse, new_database: NewDatabase
) -> None:
    account = Account(own_synapse, new_database())
    own_synapse.stop(kill=True)
    client = account.client()
    try:
        with pytest.raises(Unreachable) as found:
            await client.open()
        assert str(found.value) == "ClientConnectorError: Connection refused"
        own_synapse.start()
        await client.open()
        assert client.is_signed
    finally:
        await account.close()


@pytest.fixture
async def other_server() -> AsyncIterator[Callable[[dict[str, web.Response]], str]]:
    """A server of a few answers, by path; the address."""
    answers: dict[str, web.Response] = {}

    async def answer(request: web.Request) -> web.Response:
        found = answers.get(request.path) or answers[""]
        return web.Response(body=found.body, status=found.status, headers=found.headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:

        def serve(some: dict[str, web.Response]) -> str:
            answers.update(some)
            return str(server.make_url("/")).rstrip("/")

        yield serve


async def test_a_server_without_logins_by_password(
    account: Account, other_server: Callable[[dict[str, web.Response]], str]
) -> None:
    flows = {"flows": [{"type": "m.login.sso"}, {"type": "m.login.token"}]}
    url = other_server({"": web.json_response(flows)})
    line = await refused(account, matrix_homeserver=url)
    assert "m.login.sso, m.login.token" in line
    assert "PREAU_MATRIX_ACCESS_TOKEN and PREAU_MATRIX_DEVICE_ID" in line


async def test_a_login_to_another_account_leaves_no_device(
    account: Account, other_server: Callable[[dict[str, web.Response]], str]
) -> None:
    login = {"user_id": "@other:a.fr", "device_id": "D", "access_token": "syt"}
    answer = {"flows": [{"type": "m.login.password"}], **login}
    url = other_server({f"{V3}/login": web.json_response(answer), "": web.json_response({})})
    line = await refused(account, matrix_homeserver=url)
    assert line == "PREAU_MATRIX_USER: the homeserver says @other:a.fr"
    assert account.clients[-1].asked[-1] == "POST /logout"


@pytest.mark.parametrize("status", [200, 302, 404, 502])
async def test_what_answers_is_no_homeserver(
    account: Account, other_server: Callable[[dict[str, web.Response]], str], status: int
) -> None:
    headers = {"Location": "/elsewhere"} if status == 302 else {}
    page = web.Response(text="<html>", content_type="text/html", status=status, headers=headers)
    with pytest.raises(Unreachable, match=f"HTTP status {status}"):
        await account.open(matrix_homeserver=other_server({"": page}))


async def test_an_answer_that_makes_no_sense_is_asked_for_again(
    account: Account, other_server: Callable[[dict[str, web.Response]], str]
) -> None:
    url = other_server({"": web.json_response({})})
    with pytest.raises(Unreachable, match="odd answer"):
        await account.open(matrix_homeserver=url)


# Killed at any moment


async def killed_anywhere(
    account: Account, moment: str, make: Callable[[], Database]
) -> AsyncIterator[Database]:
    """Starts that are killed at one request after the other, each on a database."""
    whole = len((await account.open(make())).asked)
    assert whole > 5
    for number in range(whole):
        database = make()
        client = account.client(database)
        setattr(client, moment, number)
        with pytest.raises(Killed):
            await client.open()
        yield database


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
async def test_a_first_start_that_is_killed_anywhere_is_made_up_for(
    account: Account, new_database: NewDatabase, moment: str
) -> None:
    async for database in killed_anywhere(account, moment, new_database):
        kept = database.read_now(kept_login)
        again = await account.open(database)
        assert again.is_signed
        assert kept is None or again.device_id == kept.device_id
        seen = account.seen_by(account.member)["device_keys"][account.user_id][again.device_id]
        assert set(seen["keys"].values()) == set(again.olm.account.identity_keys.values())


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
async def test_a_later_start_that_is_killed_anywhere_loses_no_device(
    account: Account, moment: str
) -> None:
    first = await account.open()
    async for database in killed_anywhere(account, moment, lambda: account.database):
        assert (await account.open(database)).device_id == first.device_id


async def test_two_starts_at_once_on_one_client_do_no_harm(account: Account) -> None:
    """A caller that gave up waiting may begin again while the first is still under way."""
    client = account.client()
    opening = asyncio.create_task(client.open())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await client.open()
    assert client.is_signed
