"""What was sent is sent once: asked again, after a restart, a day later, on a new device."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from bot.platforms.matrix import doubt
from bot.platforms.matrix.doubt import in_doubt
from bot.platforms.matrix.wording import BALLOT, parts
from storage.database import Database
from tests.bot.matrix.accounts import Account, Killed
from tests.bot.matrix.calling import Desk, talking
from tests.conftest import NOW
from tests.homeserver import Correspondent

VOTES = [[f"{BALLOT}3:0", "Pour"], [f"{BALLOT}3:1", "Contre"]]
# As seen from the clock of the server, which nobody moves.
YEARS_AGO, YEARS_AHEAD = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)

NewDatabase = Callable[[], Database]
Two = tuple[Desk, Correspondent]


@pytest.fixture(params=[True, False], ids=["encrypted", "open"])
async def two(request: pytest.FixtureRequest, account: Account) -> AsyncIterator[Two]:
    async with talking(account, encrypted=request.param) as made:
        yield made


async def again(account: Account, desk: Desk, database: Database | None = None) -> Desk:
    """The next process; with another database it has another device."""
    made = Desk(await account.open(database), desk.room)
    await made.see(lambda: desk.room in made.client.rooms)
    return made


async def heard(desk: Desk, person: Correspondent) -> list[str]:
    """All that was said, up to now."""
    await desk.send("Fin")
    said: list[str] = []
    while "Fin" not in said:
        said += [event.text for event in await person.hear(desk.room)]
    return said[:-1]


async def test_the_same_part_is_one_event_however_often_it_is_sent(two: Two) -> None:
    desk, person = two
    [body] = desk.bodies("Une fois")
    sent = {await desk.make(body) for _ in range(2)}
    sent |= set(await asyncio.gather(*(desk.make(body) for _ in range(5))))
    assert len(sent) == 1
    assert await heard(desk, person) == ["Une fois"]


async def test_one_text_in_two_parts_is_two_events(two: Two) -> None:
    desk, person = two
    await desk.send("Une fois")
    await desk.send("Une fois")
    assert await heard(desk, person) == ["Une fois"] * 2


async def test_a_process_that_dies_right_after_sending_does_not_say_it_again(
    two: Two, account: Account
) -> None:
    desk, person = two
    await desk.send("Avant")
    [body] = desk.bodies("Une fois")
    desk.client.dies_after = len(desk.client.asked)
    with pytest.raises(Killed):
        await desk.make(body)
    desk = await again(account, desk)
    await desk.make(body)
    assert await heard(desk, person) == ["Avant", "Une fois"]
    assert desk.client.count("/messages") == 0


async def test_a_new_device_looks_before_it_says_it_again(
    two: Two, account: Account, new_database: NewDatabase
) -> None:
    desk, person = two
    [body], [other] = desk.bodies("Une fois"), desk.bodies("Pas encore")
    sent = await desk.make(body)
    desk = await again(account, desk, new_database())
    assert desk.client.device_id != body["device"]
    assert await desk.make(body) == sent
    await desk.make(other)
    assert await heard(desk, person) == ["Une fois", "Pas encore"]


async def test_after_a_day_it_is_looked_for_on_the_same_device_too(two: Two) -> None:
    desk, person = two
    [body], [other] = desk.bodies("Une fois"), desk.bodies("Pas encore")
    sent = await desk.make(body)
    desk.now = NOW + timedelta(hours=21)
    assert await desk.make(body) == sent
    await desk.make(other)
    assert desk.client.count("/messages") == 2
    assert await heard(desk, person) == ["Une fois", "Pas encore"]


async def test_a_poll_that_was_not_sent_with_its_card_follows(
    two: Two, account: Account, new_database: NewDatabase
) -> None:
    desk, person = two
    [body] = desk.bodies("Un vote", choices=VOTES, ballot={"question": "Pour ?"})
    await desk.send("Avant")
    desk.client.dies_after = len(desk.client.asked)
    with pytest.raises(Killed):
        await desk.make(body)
    desk = await again(account, desk, new_database())
    sent = await desk.make(body)
    desk = await again(account, desk, new_database())
    assert sent == await desk.make(body)
    _, card, poll = await person.hear(desk.room, 3)
    assert sent == f"{card.id} {poll.id}"
    assert await heard(desk, person) == []


async def test_it_is_found_behind_what_was_said_since(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubt, "PAGE", 3)
    desk, person = two
    [body] = desk.bodies("Une fois")
    sent = await desk.make(body)
    for number in range(10):
        await desk.send(str(number))
        await person.say(desk.room, "Oui")
    found = await doubt.said(desk.client, desk.room, {body["tx"]}, YEARS_AGO)
    assert found == {body["tx"]: sent}
    assert desk.client.count("/messages") == 4


async def test_what_is_older_than_the_part_is_not_looked_through(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubt, "PAGE", 3)
    desk, _ = two
    for number in range(10):
        await desk.send(str(number))
    assert await doubt.said(desk.client, desk.room, {"none"}, YEARS_AHEAD) == {}
    assert desk.client.count("/messages") == 1


async def test_what_anybody_else_calls_so_is_not_ours(two: Two) -> None:
    desk, person = two
    [body] = desk.bodies("Une fois")
    await person.send(
        desk.room,
        "m.room.message",
        {"msgtype": "m.text", "body": "Faux", "fr.preau.tx": body["tx"]},
    )
    assert await doubt.said(desk.client, desk.room, {body["tx"]}, YEARS_AGO) == {}


def test_when_a_part_may_have_been_sent_unknown_to_the_server() -> None:
    whole = {"markup": "Un", "choices": [], "files": []}
    [body] = parts(whole, "DEVICE", NOW)
    assert not in_doubt(body, "DEVICE", NOW + timedelta(hours=19))
    assert in_doubt(body, "DEVICE", NOW + timedelta(hours=21))
    assert in_doubt(body, "OTHER", NOW)
    assert in_doubt({**body, "device": ""}, "DEVICE", NOW)
