"""The web chat's API, as tools and attackers see it."""

import asyncio
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from yarl import URL

from bot.settings import Settings
from storage.database import Database
from storage.grants import Role
from storage.limits import CODES_HERE, DATA_REQUESTS, SESSIONS
from storage.store import Store
from tests.people import Guest, report
from tests.stage import Stage


async def test_the_same_id_twice_is_one_message(stage: Stage) -> None:
    parent = await stage.guest()
    message = {"id": "twice", "text": "menu"}
    first = await parent.post("/api/v1/messages", message)
    assert first == await parent.post("/api/v1/messages", message)
    assert len((await parent.look()).messages) == 1
    status, answer = await parent.post("/api/v1/messages", {"id": "twice", "text": "votes"})
    assert (status, answer["error"]) == (400, "reused_id")


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"id": "x"}, 400, "bad_request"),
        ({"id": "x", "text": 3}, 400, "bad_request"),
        ({"id": "x", "text": "a", "choice": "b"}, 400, "bad_request"),
        ({"id": "", "text": "a"}, 400, "bad_request"),
        ({"id": "../x", "text": "a"}, 400, "bad_request"),
        ({"id": "x", "choice": "1.forged.people.do:menu"}, 400, "unknown_choice"),
        ({"id": "x", "text": "é" * 20_001}, 413, "too_long"),
        ({"id": "x", "text": "é" * 60_000}, 413, "too_long"),
        ([], 400, "bad_request"),
    ],
)
async def test_bad_messages_are_named(stage: Stage, body: object, status: int, error: str) -> None:
    parent = await stage.guest()
    got, answer = await parent.post("/api/v1/messages", body)
    assert (got, answer["error"]) == (status, error)
    assert answer["text"]


async def test_nothing_of_a_session_is_kept_by_the_browser(stage: Stage) -> None:
    parent = await stage.guest()
    for path in ("/api/v1/history", "/api/v1/files/none"):
        async with parent.http.get(stage.base + path) as response:
            assert response.headers["Cache-Control"] == "no-store"


async def test_ten_thousand_characters_get_a_clear_answer(stage: Stage) -> None:
    parent = await stage.guest()
    await parent.say("témoigner")
    assert "Raccourcissez-le" in await parent.say("a" * 10_000)
    assert "J'ai gardé votre message" in await (await stage.guest()).say("a " * 4_000)


async def test_without_a_session_nothing(stage: Stage) -> None:
    stranger = stage.stranger()
    status, answer = await stranger.post("/api/v1/messages", {"id": "x", "text": "menu"})
    assert (status, answer["error"]) == (403, "no_session")
    stranger.http.cookie_jar.update_cookies({"preau_session": "stolen"}, URL(stage.base))
    assert await stranger.status() == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_another_site_cannot_post(stage: Stage, origin: str) -> None:
    parent = await stage.guest()
    message = {"id": uuid.uuid4().hex, "text": "menu"}
    status, answer = await parent.post("/api/v1/messages", message, headers={"Origin": origin})
    assert (status, answer["error"]) == (403, "bad_origin")
    status, _ = await parent.post("/api/v1/session", {}, headers={"Sec-Fetch-Site": "cross-site"})
    assert status == 403


async def test_a_form_of_another_site_is_not_json(stage: Stage) -> None:
    parent = await stage.guest()
    async with parent.http.post(
        stage.base + "/api/v1/messages",
        data='{"id":"x","text":"menu"}',
        headers={"Content-Type": "text/plain"},
    ) as response:
        assert response.status == 400


async def test_the_cookie_and_the_headers_are_strict(stage: Stage) -> None:
    async with stage.stranger().http.post(stage.base + "/api/v1/session", json={}) as response:
        cookie = response.headers["Set-Cookie"]
        policy = response.headers["Content-Security-Policy"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_a_return_code_brings_back_and_serves_once(stage: Stage) -> None:
    parent = await stage.guest()
    number = await report(parent)
    shown = await parent.say("quitter")
    code = shown.text.split("ce code : ")[1].split()[0]
    await parent.press("Quitter maintenant")
    assert await parent.status() == 403
    elsewhere = await stage.stranger().enter(code=code.lower().replace("-", " "))
    assert number in (await elsewhere.say("mes témoignages")).labels[0]
    status, answer = await stage.stranger().post("/api/v1/session", {"code": code})
    assert (status, answer["error"]) == (403, "unknown_code")


async def test_wrong_codes_are_throttled(stage: Stage) -> None:
    stranger = stage.stranger()
    statuses = [
        (await stranger.post("/api/v1/session", {"code": f"WRNG-{n:04d}"}))[0] for n in range(102)
    ]
    assert statuses[:100] == [403] * 100
    assert statuses[100:] == [429, 429]


async def test_codes_and_requests_go_last_and_a_refused_address_writes_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, stranger, lanes = await stage.guest(), stage.stranger(), list[bool]()
    write = stage.db.write

    async def noted(work: Callable[[Store], Any], *, last: bool = False) -> Any:
        lanes.append(last)
        return await write(work, last=last)

    async def ask() -> int:
        asked = {"kind": "erasure", "name": "A", "contact": "a@example.org", "said": "Effacez."}
        async with stranger.http.post(f"{stage.base}/demande", data=asked) as answer:
            return answer.status

    async def opened(someone: Guest, code: str | None) -> int:
        return (await someone.post("/api/v1/session", {"code": code}))[0]

    def spend(store: Store) -> None:
        for limit in (CODES_HERE, SESSIONS, DATA_REQUESTS):
            store.rates.count(limit, "127.0.0.1", stage.clock.now(), limit.at_most or 0)

    monkeypatch.setattr(stage.db, "write", noted)
    answered = [await opened(guest, "WRNG"), await opened(stranger, "WRNG"), await ask()]
    assert answered == [403, 403, 200]
    assert lanes == [False, True, True], "who is known goes first"
    await write(spend)
    for asking in (partial(opened, stranger, "WRNG"), partial(opened, stranger, None), ask):
        lanes.clear()
        assert [await asking(), await asking()] == [429, 429]
        assert lanes == [True]


async def test_an_invitation_serves_once(stage: Stage) -> None:
    now = stage.clock.now()
    code = await stage.db.write(
        lambda store: store.invitations.invite(
            role=Role.secretariat, now=now, expires_at=now + timedelta(days=1)
        )
    )
    secretary = await stage.stranger().enter(code=code)
    assert "secrétariat" in secretary.seen[0]["text"]
    status, _ = await stage.stranger().post("/api/v1/session", {"code": code})
    assert status == 403


async def test_a_role_sleeps_after_twelve_idle_hours(stage: Stage) -> None:
    secretary = await stage.guest(Role.secretariat)
    stage.clock.advance_to(stage.clock.now() + timedelta(hours=12, minutes=1))
    assert await secretary.status() == 403


async def test_personas_are_of_the_demo_only(stage: Stage) -> None:
    status, answer = await stage.stranger().post("/api/v1/session", {"persona": "secretariat"})
    assert (status, answer["error"]) == (403, "demo_only")
    status, _ = await stage.stranger().post("/api/v1/demo/clock", {"advance": "1d"})
    assert status == 404


async def test_too_many_messages_wait(stage: Stage) -> None:
    parent = await stage.guest()
    statuses = []
    for n in range(65):
        status, _ = await parent.post("/api/v1/messages", {"id": f"m{n}", "text": "menu"})
        statuses.append(status)
    assert statuses[:50] == [200] * 50
    assert statuses[-1] == 429
    stage.clock.advance_to(stage.clock.now() + timedelta(minutes=2))
    assert (await parent.post("/api/v1/messages", {"id": "m64", "text": "menu"}))[0] == 200


async def test_two_pages_of_one_chat_see_the_same(stage: Stage) -> None:
    parent = await stage.guest()
    answers = await asyncio.gather(
        *(parent.post("/api/v1/messages", {"id": f"p{n}", "text": "menu"}) for n in range(20))
    )
    assert {status for status, _ in answers} == {200}
    assert len((await parent.look()).messages) == 20


async def test_health_and_metrics(stage: Stage) -> None:
    http = stage.stranger().http
    for path, headers, status in [
        ("/healthz", {}, 200),
        ("/readyz", {}, 200),
        ("/metrics", {}, 200),
        ("/metrics", {"X-Forwarded-For": "203.0.113.9"}, 404),
        ("/nowhere", {}, 404),
    ]:
        async with http.get(stage.base + path, headers=headers) as response:
            assert response.status == status, path


async def test_nothing_is_collected_before_somebody_answers_for_it(
    settings: Settings, db: Database, stage: Stage
) -> None:
    stage.settings.controller = None
    status, answer = await stage.stranger().post("/api/v1/session", {})
    assert (status, answer["error"]) == (403, "not_open")


async def test_the_first_load_is_light(stage: Stage) -> None:
    http = stage.stranger().http
    async with http.get(stage.base + "/") as response:
        page = await response.text()
    weight = len(page.encode())
    names = set(re.findall(r'/static/([^"?]+)', page))
    for name in names:
        async with http.get(f"{stage.base}/static/{name}") as response:
            assert response.status == 200
            weight += len(await response.read())
    assert weight < 60_000
    assert not re.search(r'(src|href)="(https?:)?//', page)
