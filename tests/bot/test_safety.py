"""Who asks, from where, through which proxy; and what a watcher is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import event, select
from structlog.testing import capture_logs

from bot.addresses import on_network, on_this_machine
from bot.platforms.web import health, safety
from bot.platforms.web.demo import KEY_COOKIE, Demo
from bot.platforms.web.platform import WebChat
from bot.platforms.web.safety import check_origin, client_address, is_same, is_secure
from bot.settings import Settings
from storage.database import Database
from storage.limits import Throttle
from tests.people import PATIENCE, report
from tests.stage import Stage

A_DAY = timedelta(days=1)
PROXIES = [ip_network("10.0.0.0/8"), ip_network("::1")]


def asked(peer: str, **headers: str) -> web.Request:
    """A request as it comes from a peer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("POST", "/", headers={"Host": "preau.example", **named}).clone(
        remote=peer
    )


@pytest.fixture(autouse=True)
def _not_warned_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "_warned", set())


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody may say who they are
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.7, 198.51.100.1, 10.2.0.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::1", "[2001:db8:1:2:3::4]:443", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", None, "2001:db8:1:2::/64"),
        ("", None, ""),
    ],
)
def test_who_asks(peer: str, forwarded: str | None, address: str) -> None:
    headers = {} if forwarded is None else {"X_Forwarded_For": forwarded}
    assert client_address(asked(peer, **headers), PROXIES) == address


def test_a_proxy_that_is_not_trusted_is_told_once() -> None:
    with capture_logs() as logs:
        for _ in range(3):
            client_address(asked("192.0.2.1", X_Forwarded_For="198.51.100.1"), PROXIES)
    assert [(one["log_level"], one["peer"]) for one in logs] == [("warning", "192.0.2.1")]


@pytest.mark.parametrize(
    ("peer", "proto", "public_url", "secure"),
    [
        ("10.0.0.1", "https", None, True),
        ("10.0.0.1", "http", None, False),
        ("203.0.113.9", "https", None, False),
        ("203.0.113.9", "", "https://preau.example", True),
    ],
)
def test_cookies_are_secure_behind_a_trusted_proxy(
    peer: str, proto: str, public_url: str | None, secure: bool
) -> None:
    settings = Settings(_env_file=None, trusted_proxies=PROXIES, public_url=public_url)
    assert is_secure(asked(peer, X_Forwarded_Proto=proto), settings) is secure


@pytest.mark.parametrize(
    "origin", ["http://preau.example", "https://Preau.example", "https://public.example"]
)
def test_own_origins_are_let_in(origin: str) -> None:
    check_origin(asked("192.0.2.1", Origin=origin), "https://public.example")


@pytest.mark.parametrize("origin", ["http://[", "null", "", "https://preau.example.evil.example"])
def test_other_origins_are_refused(origin: str) -> None:
    with pytest.raises(safety.Denied) as refused:
        check_origin(asked("192.0.2.1", Origin=origin), "https://public.example")
    assert (refused.value.name, refused.value.status) == ("bad_origin", 403)


def test_a_refused_origin_is_told_once_with_the_two_hosts() -> None:
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(safety.Denied):
                check_origin(asked("192.0.2.1", Origin="https://other.example/secret"), None)
    [told] = logs
    assert (told["origin"], told["host"]) == ("other.example", "preau.example")
    assert "secret" not in str(told)


@pytest.mark.parametrize(
    ("given", "same"), [("clé", True), ("cle", False), ("\udcff\udcfe", False), ("", False)]
)
def test_secrets_are_compared_whatever_is_given(given: str, same: bool) -> None:
    assert is_same(given, "clé") is same


@pytest.mark.parametrize(
    ("host", "network", "machine"),
    [
        ("127.0.0.1", "http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80", "http://[::1]:80"),
        ("preau.example", "http://preau.example:80", "http://preau.example:80"),
    ],
)
def test_addresses_are_written_so_that_they_work(host: str, network: str, machine: str) -> None:
    assert (on_network(host, 80), on_this_machine(host, 80)) == (network, machine)


@pytest.mark.parametrize(
    ("host", "machine"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")],  # noqa: S104 (nothing listens)
)
def test_what_listens_everywhere_is_given_a_real_address(host: str, machine: str) -> None:
    assert on_this_machine(host, 80) == f"http://{machine}:80"
    assert on_network(host, 80) not in ("http://0.0.0.0:80", "http://[::]:80")


# Health and metrics


async def test_metrics_count_without_saying_who(stage: Stage) -> None:
    number = await report(await stage.guest())
    async with stage.stranger().http.get(stage.base + "/metrics") as response:
        lines = (await response.text()).splitlines()
    counted = dict(line.split() for line in lines if line.startswith("preau_"))
    assert float(counted["preau_reports_waiting"]) == 1
    assert float(counted["preau_people"]) == 1
    assert float(counted["preau_database_bytes"]) > 10_000
    assert set(counted) >= {
        "preau_deliveries_waiting",
        "preau_oldest_due_seconds",
        "preau_polls_open",
        "preau_updates_set_aside",
    }
    assert number not in "\n".join(lines)


async def test_behind_a_public_address_metrics_ask_for_the_token(
    settings: Settings, stage: Stage
) -> None:
    secret = Settings(_env_file=None, metrics_token="clé", public_url="https://preau.example")
    settings.metrics_token, settings.public_url = secret.metrics_token, secret.public_url
    assert [
        await _metrics(stage, authorization)
        for authorization in (None, b"Bearer wrong", b"Bearer \xff\xfe", "Bearer clé".encode())
    ] == [404, 404, 404, 200]


async def _metrics(stage: Stage, authorization: bytes | None) -> int:
    """The status of a scrape; written by hand, since a client refuses bytes that are no text."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.web.port)
    header = b"" if authorization is None else b"Authorization: " + authorization + b"\r\n"
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + b"\r\n")
    status = int((await reader.readline()).split()[1])
    await reader.read()
    writer.close()
    await writer.wait_closed()
    return status


@pytest.fixture
def read_only(db: Database) -> Callable[[bool], None]:
    """Makes what the writer does read-only, as a file without rights or a standby server is."""

    def switch(on: bool) -> None:
        with db.engine.connect() as connection:  # the only one, on SQLite
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute(f"PRAGMA query_only={'ON' if on else 'OFF'}")

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    def switch_server(on: bool) -> None:
        (event.listen if on else event.remove)(db.engine, "begin", begin)

    return switch if db.is_sqlite else switch_server


async def test_ready_means_that_it_can_write(
    stage: Stage, read_only: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "REMEMBERED", 0.0)
    http = stage.stranger().http

    async def ready() -> int:
        async with http.get(stage.base + "/readyz") as response:
            return response.status

    assert await ready() == 200
    read_only(True)
    with capture_logs() as logs:
        assert [await ready(), await ready()] == [503, 503]
    assert [one["event"] for one in logs].count("not ready") == 1
    read_only(False)
    assert await ready() == 200


async def test_many_probes_cost_one_write(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "REMEMBERED", PATIENCE)  # however slow this machine is
    http = stage.stranger().http

    async def ready() -> int:
        async with http.get(stage.base + "/readyz") as response:
            return response.status

    assert set(await asyncio.gather(*(ready() for _ in range(20)))) == {200}
    assert await _proofs(stage) == 1
    monkeypatch.setattr(health, "REMEMBERED", 0.0)
    assert await ready() == 200
    assert await _proofs(stage) == 2, "it is no longer remembered"


async def _proofs(stage: Stage) -> int:
    """How many proofs were written, whatever else writes meanwhile."""
    wanted = select(Throttle.count).where(Throttle.key == "readyz")
    return await stage.db.read(lambda store: store.session.execute(wanted).scalar_one())


# The demo's door


@pytest.fixture
async def door(settings: Settings, db: Database, stage: Stage) -> AsyncIterator[str]:
    """The address of a demo on every address of this machine, behind a key."""
    settings.web_host = "0.0.0.0"  # noqa: S104 (behind a key)

    async def stay(_: timedelta | None) -> Any:
        return stage.clock.now()

    demo = Demo(settings, {"teacher": "demo-t1"}, stay, "the key", hosts=["demo.example"])
    chat = WebChat(settings, db, stage.clock, demo)
    running = asyncio.create_task(chat.run(stage.service.dispatcher))
    await asyncio.wait_for(chat.listening.wait(), 5)
    yield f"http://127.0.0.1:{chat.port}"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]", 200),
        ("demo.example", 200),
        ("rebound.example", 403),
        ("192.0.2.77", 403),
        ("[", 403),
    ],
)
async def test_the_demo_answers_under_its_own_names_only(door: str, host: str, status: int) -> None:
    async with aiohttp.ClientSession() as http, http.get(door, headers={"Host": host}) as response:
        assert response.status == status


async def test_without_the_key_a_page_says_how_to_come_in(door: str) -> None:
    passed_on = {"X-Forwarded-For": "192.0.2.9", "Accept-Language": "fr"}
    async with aiohttp.ClientSession(headers=passed_on) as http:
        async with http.get(door) as response:
            assert response.status == 403
            assert response.content_type == "text/html"
            assert "code QR" in await response.text()
        async with http.get(door + "/api/v1/events") as response:
            assert (await response.json())["error"] == "no_key"
        async with http.get(door + "/readyz") as response:
            assert response.status == 200  # what watches it needs no key
        async with http.get(door + "/?key=the+key", allow_redirects=False) as response:
            assert response.status == 302
            assert "SameSite=Lax" in response.headers["Set-Cookie"]
        async with http.get(door, cookies={KEY_COOKIE: "the key"}) as response:
            assert response.status == 200
        async with http.get(door, cookies={KEY_COOKIE: "another"}) as response:
            assert response.status == 403
