"""Who comes in, with which code, and what a session may reach."""

import asyncio
from datetime import timedelta

import pytest

from bot.platforms.web import api, bodies
from storage.grants import Role
from storage.limits import CODES_HERE, RestrictionKind
from storage.people import Account, Person
from storage.store import Store
from tests.people import Guest, report
from tests.stage import Stage


async def invitation(stage: Stage, role: Role) -> str:
    now = stage.clock.now()
    return await stage.db.write(
        lambda store: store.invitations.invite(
            role=role, now=now, expires_at=now + timedelta(days=7)
        )
    )


async def return_code(someone: Guest) -> str:
    shown = await someone.say("/quitter")
    return shown.text.split("ce code : ")[1].split()[0]


async def count(stage: Stage, model: type[Account] | type[Person]) -> int:
    return await stage.db.read(lambda store: store.session.query(model).count())


async def test_a_role_is_not_reached_by_a_return_code(stage: Stage) -> None:
    parent = await stage.guest()
    await report(parent)
    code = await return_code(parent)
    elsewhere = await stage.stranger().enter(code=code)
    code = await return_code(elsewhere)
    await elsewhere.enter(code=await invitation(stage, Role.secretariat))
    assert "attend" in await elsewhere.say("/modérer")
    status, answer = await stage.stranger().post("/api/v1/session", {"code": code})
    assert (status, answer["error"]) == (403, "unknown_code")
    assert await parent.status() == 403, "the account's other sessions ended"


async def test_a_link_opens_no_conversation_of_somebody_else(stage: Stage) -> None:
    """A return code is typed by whose it is; then nobody else speaks, or reads, there any more."""
    parent = await stage.guest()
    code = await return_code(parent)
    victim = stage.stranger()
    status, answer = await victim.post("/api/v1/session", {"code": code, "link": True})
    assert (status, answer["error"]) == (403, "unknown_code")
    await victim.enter(code=code)
    assert await parent.status() == 403
    member = await invitation(stage, Role.member)
    status, _ = await stage.stranger().post("/api/v1/session", {"code": member, "link": True})
    assert status == 200


async def test_who_is_banned_takes_no_role_at_the_page(stage: Stage) -> None:
    parent, now = await stage.guest(), stage.clock.now()
    code = await invitation(stage, Role.reviewer)
    await stage.db.write(
        lambda store: store.restrictions.give(1, RestrictionKind.ban, "x", None, now)
    )
    status, answer = await parent.post("/api/v1/session", {"code": code})
    assert (status, answer["error"]) == (403, "banned")
    await stage.stranger().enter(code=code)  # it was not used


async def test_codes_for_many_are_counted_by_network_address(stage: Stage) -> None:
    now = stage.clock.now()

    def prepare(store: Store) -> str:
        store.rates.count(CODES_HERE, "127.0.0.1", now, 99)
        until = now + timedelta(days=1)
        return store.invitations.invite(role=None, uses=5, expires_at=until, now=now)

    code = await stage.db.write(prepare)
    posts = [await stage.stranger().post("/api/v1/session", {"code": code}) for _ in range(2)]
    assert [status for status, _ in posts] == [200, 429]


async def test_nor_is_one_that_was_given_since_on_another_account(stage: Stage) -> None:
    parent = await stage.guest()
    await report(parent)
    code = await return_code(parent)

    def give(store: Store) -> None:
        [person] = store.session.scalars(store.people.everybody())
        store.grants.give(person, Role.member, stage.clock.now())

    await stage.db.write(give)
    status, answer = await stage.stranger().post("/api/v1/session", {"code": code})
    assert (status, answer["error"]) == (403, "unknown_code")


async def test_a_closed_session_opens_again_only_with_its_own_role(stage: Stage) -> None:
    parent = await stage.guest()
    number = await report(parent)
    secretary = await stage.guest(Role.secretariat)
    await secretary.say("/modérer")
    await secretary.press("Lire le suivant")
    stage.clock.advance_to(stage.clock.now() + timedelta(hours=13))
    assert await secretary.status() == 403

    people = await count(stage, Person)
    other = stage.stranger()
    other.http.cookie_jar.update_cookies(
        {cookie.key: cookie.value for cookie in secretary.http.cookie_jar}
    )
    await other.enter(code=await invitation(stage, Role.reviewer))
    assert await count(stage, Person) == people + 1, "a reviewer's invitation opens no secretary"
    assert number not in await other.say("/modérer")

    await secretary.enter(code=await invitation(stage, Role.secretariat))
    assert await count(stage, Person) == people + 1, "it is the same person again"
    assert number in "".join((await secretary.say("/modérer")).labels)


async def test_a_lost_answer_is_given_again_to_the_same_request(stage: Stage) -> None:
    parent = await stage.guest()
    code = await return_code(parent)
    body = {"code": code, "id": "the-request"}
    for _ in range(2):
        status, _ = await stage.stranger().post("/api/v1/session", body)
        assert status == 200
    status, _ = await stage.stranger().post("/api/v1/session", {**body, "id": "another"})
    assert status == 403


async def test_what_is_sent_after_an_erasure_makes_nobody(stage: Stage) -> None:
    parent = await stage.guest()
    accounts, people = await count(stage, Account), await count(stage, Person)
    await stage.db.write(lambda store: store.erase(1, stage.clock.now()))
    status, answer = await parent.post("/api/v1/messages", {"id": "late", "text": "encore là"})
    assert (status, answer["error"]) == (403, "no_session")
    assert await count(stage, Account) == accounts - 1
    assert await count(stage, Person) == people


async def test_coming_back_is_never_throttled(stage: Stage) -> None:
    parent = await stage.guest()
    code = await return_code(parent)
    for n in range(70):
        await parent.post("/api/v1/messages", {"id": f"m{n}", "text": "aide"})
    back = stage.stranger()
    status, _ = await back.post("/api/v1/session", {"code": code})
    assert status == 200
    answer = await back.look()
    assert "code de retour" in answer.messages[-1]["text"]


async def test_errors_are_told_in_the_language_of_the_person(stage: Stage) -> None:
    parent = await stage.guest()
    too_long = {"id": "long", "text": "x" * 20_001}
    _, french = await parent.post("/api/v1/messages", too_long)
    await parent.say("/réglages")
    await parent.press("English")
    stage.web.streams.end_all()
    stage.clock.advance_to(stage.clock.now() + timedelta(seconds=6))
    _, english = await parent.post("/api/v1/messages", too_long)
    assert "trop long" in french["text"]
    assert "too long" in english["text"]
    chosen = {"Cookie": "preau_language=en"}
    _, answer = await stage.stranger().post("/api/v1/messages", too_long, headers=chosen)
    assert "conversation is" in answer["text"]


async def test_a_body_of_many_parts_is_refused_at_once(stage: Stage) -> None:
    parent = await stage.guest()
    parts = "--a\r\n\r\nx\r\n" * 40_000 + "--a--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=a"}
    async with asyncio.timeout(2):
        address = stage.base + "/api/v1/messages"
        async with parent.http.post(address, data=parts, headers=kind) as response:
            assert response.status == 400


async def test_a_body_that_never_ends_is_given_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.2)
    parent = await stage.guest()
    [cookie] = parent.http.cookie_jar
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.web.port)
    writer.write(
        b"POST /api/v1/messages HTTP/1.1\r\nHost: preau\r\nContent-Type: application/json\r\n"
        + f"Cookie: {cookie.key}={cookie.value}\r\n".encode()
        + b"Content-Length: 50\r\n\r\n{"
    )
    async with asyncio.timeout(5):
        assert b" 408 " in await reader.readline()
    writer.close()
    assert (await parent.say("aide")).messages


async def test_compressed_bodies_are_not_inflated(stage: Stage) -> None:
    parent = await stage.guest()
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    address = stage.base + "/api/v1/messages"
    async with parent.http.post(address, data=b"\x1f\x8b{}", headers=headers) as response:
        assert response.status == 400


@pytest.mark.parametrize("cookie", [b"\xff\xfe", b"%00", b"x" * 200])
async def test_odd_cookies_are_no_session(stage: Stage, cookie: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.web.port)
    writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: preau\r\nCookie: preau_session=" + cookie)
    writer.write(b"\r\n\r\n")
    async with asyncio.timeout(5):
        assert b" 403 " in await reader.readline()
    writer.close()


async def test_an_open_page_does_not_keep_a_role_awake(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "CHECKED", 0.0)
    secretary = await stage.guest(Role.secretariat)
    parent = await stage.guest()
    address = f"{stage.base}/api/v1/events?after={secretary.last}"
    async with secretary.http.get(address) as response:
        while not (await response.content.readline()).startswith(b": caught up"):
            pass
        stage.clock.advance_to(stage.clock.now() + timedelta(hours=13))
        chat = await stage.db.read(lambda store: store.people.direct_chats([1])[1])
        stage.web.streams.toast(chat, "still there?")
        async with asyncio.timeout(5):
            assert b"still there?" not in await response.content.read()
    assert parent.seen


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_database_that_is_full_is_said_and_nothing_is_lost(stage: Stage) -> None:
    parent = await stage.guest()
    limit = await set_pages(stage, 1)
    statuses = []
    for n in range(40):  # until a page more is needed
        text = {"id": f"full-{n}", "text": f"{n} " + "un récit qui prend de la place " * 200}
        async with parent.http.post(f"{stage.base}/api/v1/messages", json=text) as response:
            statuses.append(response.status)
            if response.status == 503:
                assert response.headers["Retry-After"]
                break
    assert statuses[-1] == 503
    await set_pages(stage, limit)
    status, _ = await parent.post("/api/v1/messages", text)
    assert status == 200, "the same message again is taken"


async def set_pages(stage: Stage, most: int) -> int:
    """The most pages that the file may have (never less than it has); what it was before."""

    def set_on_the_writer() -> int:
        with stage.db.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            before: int = raw.execute("PRAGMA max_page_count").fetchone()[0]
            raw.execute(f"PRAGMA max_page_count={most}")
            return before

    return await asyncio.to_thread(set_on_the_writer)


async def test_what_was_said_reads_the_same_on_every_page(stage: Stage) -> None:
    parent = await stage.guest()
    await parent.say("aide", id="asked")
    await parent.press("Voir le menu")
    said = [event["said"] and event["said"]["text"] for event in parent.seen]
    assert said == [None, "aide", "Voir le menu"]
    assert parent.seen[1]["said"]["id"] == "asked"


async def test_a_page_may_begin_with_the_newest_and_read_on_backwards(stage: Stage) -> None:
    parent = await stage.guest()
    for _ in range(5):
        await parent.say("aide")
    numbers = [event["id"] for event in await first_events(parent, "last=2")]
    assert numbers == [5, 6]
    async with parent.http.get(f"{stage.base}/api/v1/history?before=5&most=3") as response:
        earlier = await response.json()
    assert [event["id"] for event in earlier["events"]] == [2, 3, 4]
    async with parent.http.get(f"{stage.base}/api/v1/history?before=1") as response:
        assert await response.json() == {"events": []}


async def first_events(someone: Guest, query: str) -> list[dict[str, int]]:
    """What a page is told before `caught up`."""
    import json

    found = []
    async with someone.http.get(f"{someone.base}/api/v1/events?{query}") as response:
        while not (line := await response.content.readline()).startswith(b": caught up"):
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
    return found
