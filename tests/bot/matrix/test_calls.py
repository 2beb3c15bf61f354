"""What the sender asks for, as people at a real homeserver get it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from nio import RoomSendError

from bot.platforms.base import SendFailed
from bot.platforms.matrix import calls
from bot.platforms.matrix.client import ServerRefused, Unreachable
from bot.platforms.matrix.failures import failure, not_reached
from bot.platforms.matrix.sending import UNKNOWN_WAIT, put
from bot.platforms.matrix.uploads import shows
from bot.platforms.matrix.wording import BALLOT, POLL_START
from storage.deliveries import Failure, Kind
from tests.bot.matrix.accounts import Account
from tests.bot.matrix.calling import FILES, Desk, talking
from tests.homeserver import Correspondent, Synapse
from tests.homeserver.client import POLL

VOTES = [[f"{BALLOT}3:0", "Pour"], [f"{BALLOT}3:1", "Contre"], ["polls.result:3", "Lire"]]
BALLOT_OF = {"question": "Êtes-vous favorable ?"}

Two = tuple[Desk, Correspondent]


@pytest.fixture
async def two(account: Account) -> AsyncIterator[Two]:
    async with talking(account) as made:
        yield made


@pytest.fixture
async def open_two(account: Account) -> AsyncIterator[Two]:
    """In a room that is not encrypted."""
    async with talking(account, encrypted=False) as made:
        yield made


async def refused(call: object) -> SendFailed:
    with pytest.raises(SendFailed) as raised:
        await call  # type: ignore[misc]
    return raised.value


async def test_a_message_is_read_encrypted_with_its_tags_and_numbers(two: Two) -> None:
    desk, person = two
    sent = await desk.send("<b>Été</b> ?", choices=[["a:1", "Oui"], ["a:2", "Non"]])
    [event] = await person.hear(desk.room)
    assert (event.id, event.encrypted, event.content["msgtype"]) == (sent, True, "m.text")
    assert event.text == "Été\u202f?\n\n1. Oui\n2. Non"
    assert event.content["formatted_body"] == "<b>Été</b>\u202f?<br><br>1. Oui<br>2. Non"


async def test_a_room_that_is_not_encrypted_is_written_in_as_it_is(open_two: Two) -> None:
    desk, person = open_two
    await desk.send("Bonjour", 1)
    image, event = await person.hear(desk.room, 2)
    assert (event.encrypted, event.text) == (False, "Bonjour")
    assert (image.encrypted, await person.fetch(image.content)) == (False, FILES[1][1])


async def test_a_broadcast_makes_no_phone_ring_and_a_reminder_does(two: Two) -> None:
    desk, person = two
    await desk.send("À tous", kind=Kind.broadcast)
    await desk.send("N'oubliez pas", kind=Kind.reminder)
    said = await person.hear(desk.room, 2)
    assert [event.content["msgtype"] for event in said] == ["m.notice", "m.text"]


async def test_it_is_said_in_the_thread(two: Two) -> None:
    desk, person = two
    root = await person.say(desk.room, "Une question")
    await desk.send("Une réponse", thread=root)
    [event] = await person.hear(desk.room)
    assert event.content["m.relates_to"]["event_id"] == root
    assert event.content["m.relates_to"]["rel_type"] == "m.thread"


async def test_an_edit_takes_its_place_and_keeps_its_id(two: Two) -> None:
    desk, person = two
    card, _ = (await desk.send("Un", choices=VOTES, ballot=BALLOT_OF)).split()
    assert await desk.edit(card, "Deux", choices=VOTES, ballot=BALLOT_OF) == card
    *_, edit = await person.hear(desk.room, 3)
    assert edit.content["m.relates_to"] == {"rel_type": "m.replace", "event_id": card}
    assert edit.content["m.new_content"]["body"].startswith("Deux\n\n1. Pour")


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(two: Two) -> None:
    desk, person = two
    sent = await desk.send("Un")
    assert await desk.delete(sent) == await desk.delete(sent) == sent
    _, gone = await person.hear(desk.room, 2)
    assert gone.redacts == sent
    await desk.send("Deux")
    [event] = await person.hear(desk.room)  # the second time made nothing
    assert event.text == "Deux"
    assert await desk.delete("$unknown") == "$unknown"


async def test_files_are_shown_as_what_they_are(two: Two) -> None:
    desk, person = two
    await desk.send("Voici", 1, 2, 3)
    image, document, voice, text = await person.hear(desk.room, 4)
    assert image.content["info"] == {
        "mimetype": "image/png",
        "size": len(FILES[1][1]),
        "w": 30,
        "h": 20,
    }
    assert (image.text, document.text) == ("Pièce jointe.png", "Pièce jointe.pdf")
    assert document.content["msgtype"] == "m.file"
    assert "org.matrix.msc3245.voice" in voice.content
    assert voice.content["info"]["duration"] > 0
    assert text.text == "Voici"
    for number, event in enumerate((image, document, voice), 1):
        assert "url" not in event.content
        assert await person.fetch(event.content) == FILES[number][1]


async def test_a_file_is_uploaded_once(two: Two) -> None:
    desk, person = two
    await desk.send("", 1)
    await desk.send("", 1)
    assert desk.client.count("/media/") == 1
    for event in await person.hear(desk.room, 2):
        assert await person.fetch(event.content) == FILES[1][1]


def test_a_file_that_does_not_say_how_large_it_is_is_shown_all_the_same() -> None:
    assert "w" not in shows("Photo", "image/png", b"no picture")["info"]
    assert "duration" not in shows("Voix", "audio/ogg", b"no voice")["info"]


async def test_a_file_that_is_gone_is_not_waited_for(two: Two) -> None:
    desk, _ = two
    desk.files.clear()
    failed = await refused(desk.send("", 1))
    assert (failed.reason, failed.final) == (Failure.refused, True)


async def test_a_ballot_is_a_poll_whose_answers_are_actions(two: Two) -> None:
    desk, person = two
    sent = await desk.send("Un vote", choices=VOTES, ballot=BALLOT_OF)
    card, poll = await person.hear(desk.room, 2)
    assert sent == f"{card.id} {poll.id}"
    assert (poll.type, poll.encrypted) == (f"{POLL}.start", True)
    answers = poll.content[f"{POLL}.start"]["answers"]
    assert [one["id"] for one in answers] == ["polls.vote:3:0", "polls.vote:3:1"]
    assert poll.content["fr.preau.card"] == card.id


async def test_a_poll_ends_once_whoever_is_there_by_then(two: Two, synapse: Synapse) -> None:
    desk, person = two
    _, poll = (await desk.send("Un vote", choices=VOTES, ballot=BALLOT_OF)).split()
    await person.hear(desk.room, 2)
    assert await desk.end(poll) == await desk.end(poll) == poll
    await desk.send("Fin")
    end, last = await person.hear(desk.room, 2)
    assert (end.type, end.content["m.relates_to"]["event_id"]) == (f"{POLL}.end", poll)
    assert (end.encrypted, last.text) == (True, "Fin")
    _, other = (await desk.send("Un autre", choices=VOTES, ballot=BALLOT_OF)).split()
    await person.hear(desk.room, 2)
    await person.invite(desk.room, synapse.register("newcomer").user_id)
    await desk.see(lambda: desk.has_members(3))
    await desk.end(other)
    [end] = await person.hear(desk.room)
    assert end.content["m.relates_to"]["event_id"] == other


async def test_nobody_votes_in_a_group(two: Two) -> None:
    desk, person = two
    room = await person.group("Équipements", desk.client.user_id, joins=False)
    await desk.enter(room)
    sent = await desk.send("Un vote", choices=VOTES[:2], ballot=BALLOT_OF, chat=room, in_group=True)
    [event] = await person.hear(room)
    assert (event.id, event.encrypted) == (sent, True)
    assert "Pour\n" not in event.text
    assert desk.client.user_id in event.text


async def test_nothing_private_is_said_once_somebody_else_may_read_it(
    two: Two, synapse: Synapse
) -> None:
    desk, person = two
    sent = await desk.send("Pour vous seule", choices=VOTES, ballot=BALLOT_OF)
    await person.hear(desk.room, 2)
    await person.invite(desk.room, synapse.register("intruder").user_id)
    await desk.see(lambda: desk.has_members(3))
    card, poll = sent.split()
    for call in (desk.send("Un secret"), desk.send("", 1), desk.edit(card, "Un secret")):
        failed = await refused(call)
        assert (failed.reason, failed.final) == (Failure.not_private, False)
    for event_id in (card, poll):
        await desk.delete(event_id)
    heard = [event.type for event in await person.hear(desk.room, 2)]
    assert heard == ["m.room.redaction"] * 2


async def test_nothing_private_is_said_before_it_is_known_who_came(
    two: Two, synapse: Synapse
) -> None:
    desk, person = two
    await person.invite(desk.room, synapse.register("intruder").user_id)
    await desk.see(lambda: desk.has_members(3))
    desk.heeds = False
    failed = await refused(desk.send("Un secret"))
    assert (failed.reason, failed.final, failed.wait) == (Failure.refused, False, UNKNOWN_WAIT)


async def test_nothing_private_is_said_to_who_is_not_there_yet(two: Two) -> None:
    desk, _ = two
    desk.absent = 5.0
    failed = await refused(desk.send("Un secret"))
    assert (failed.reason, failed.absent, failed.wait) == (Failure.refused, True, 5.0)


async def test_what_alone_is_forbidden_does_not_end_the_chat(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, person = two

    async def forbidden(client: object, room: str, kind: str, *more: Any) -> str:
        if kind == POLL_START or more[0].get("body") == "interdit":
            raise SendFailed(Failure.removed, final=True)
        return await put(desk.client, room, kind, *more)

    monkeypatch.setattr(calls, "put", forbidden)
    failed = await refused(desk.send("interdit"))
    assert (failed.reason, failed.final) == (Failure.refused, True)
    assert len((await desk.send("Votez", choices=VOTES, ballot=BALLOT_OF)).split()) == 1
    assert [event.text for event in await person.hear(desk.room)] != []


async def test_who_comes_in_while_keys_are_fetched_reads_nothing(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, person = two
    ready = desk.client.ready

    async def slow(room_id: str) -> None:
        await ready(room_id)
        desk.client.rooms[room_id].add_member("@intruder:home.test", None, None)

    monkeypatch.setattr(desk.client, "ready", slow)
    assert (await refused(desk.send("Un secret"))).reason is Failure.not_private
    assert person.unheard(desk.room) == []


async def test_a_room_without_its_person_or_without_us_is_given_up(two: Two) -> None:
    desk, person = two
    await person.leave(desk.room)
    await desk.see(lambda: desk.has_members(1))
    failed = await refused(desk.send("Il y a quelqu'un ?"))
    assert (failed.reason, failed.final) == (Failure.removed, True)
    other = await person.group("Ailleurs", joins=False)
    failed = await refused(desk.send("Bonjour", chat=other, in_group=True))
    assert (failed.reason, failed.final) == (Failure.removed, True)


async def test_we_are_gone_before_a_sync_says_so(two: Two) -> None:
    desk, _ = two
    await desk.client.ask("POST", f"/rooms/{quote(desk.room)}/leave", {})
    failed = await refused(desk.send("Bonjour"))
    assert (failed.reason, failed.final) == (Failure.removed, True)


async def test_a_room_that_was_just_entered_is_waited_for(two: Two) -> None:
    desk, person = two
    room = await person.direct(desk.client.user_id, joins=False)
    await desk.client.join(room)
    failed = await refused(desk.send("Bonjour", chat=room))
    assert not failed.final
    assert failed.wait > 0
    assert not failed.for_all


async def test_an_account_is_an_address_until_its_room_is_open(two: Two) -> None:
    desk, person = two
    failed = await refused(desk.send("Bonjour", chat=person.user_id))
    assert (failed.moved_to, desk.opened) == (desk.room, [person.user_id])
    assert not failed.final


async def test_a_long_text_comes_whole_and_in_order(two: Two) -> None:
    desk, person = two
    words = " ".join(f"é{number}" for number in range(9_000))
    await desk.send(words, choices=[["a:1", "Oui"]])
    count = len(desk.bodies(words))
    assert count > 1
    said = [event.text for event in await person.hear(desk.room, count)]
    assert " ".join(said).partition("\n")[0] == words


async def test_an_edit_as_long_as_can_be_is_taken(two: Two) -> None:
    desk, person = two
    sent = await desk.send("Un")
    text = ("é" * 50 + "\n") * 55
    assert len(desk.bodies(text)) == 1
    assert len(desk.bodies(text + text[:1000])) == 2
    await desk.edit(sent, text)
    *_, edit = await person.hear(desk.room, 2)
    assert edit.content["m.new_content"]["body"].strip() == text.strip()


@asynccontextmanager
async def _strict(strict_synapse: Synapse, account: Account) -> AsyncIterator[Two]:
    account.server = strict_synapse
    account.member = strict_synapse.register("preau")
    async with talking(account, encrypted=False) as made:
        yield made


async def test_what_the_server_refuses_for_being_too_much_waits_and_slows_all(
    account: Account, strict_synapse: Synapse
) -> None:
    async with _strict(strict_synapse, account) as (desk, person):
        bodies = [desk.bodies(str(number))[0] for number in range(12)]
        sent, failed = [], None
        for body in bodies:
            try:
                sent.append(await desk.make(body))
            except SendFailed as refusal:
                failed = refusal
                break
        assert failed is not None
        assert (failed.reason, failed.for_all, failed.final) == (Failure.refused, True, False)
        assert 0 < failed.wait < 30
        assert desk.pace.delay() == pytest.approx(failed.wait, abs=0.5)
        heard = await person.hear(desk.room, len(sent))
        assert [event.text for event in heard] == [str(number) for number in range(len(sent))]


async def test_a_server_that_is_away_is_tried_again_and_gets_it_once(
    account: Account, own_synapse: Synapse
) -> None:
    async with _strict(own_synapse, account) as (desk, person):
        [body] = desk.bodies("Bonjour")
        own_synapse.stop(kill=True)
        failed = await refused(desk.make(body))
        assert (failed.reason, failed.final, failed.for_all) == (
            Failure.unreachable,
            False,
            False,
        )
        await asyncio.to_thread(own_synapse.start)
        await desk.make(body)
        await desk.make(body)
        await desk.send("Fin")
        assert [event.text for event in await person.hear(desk.room, 2)] == ["Bonjour", "Fin"]


class Answer:
    """An answer of HTTP."""

    def __init__(self, status: int, **headers: str) -> None:
        self.status = status
        self.headers = headers


@pytest.mark.parametrize(
    ("status", "code", "reason", "final", "for_all"),
    [
        (403, "M_FORBIDDEN", Failure.removed, True, False),
        (401, "M_UNKNOWN_TOKEN", Failure.unreachable, False, True),
        (403, "M_USER_SUSPENDED", Failure.unreachable, False, True),
        (413, "M_TOO_LARGE", Failure.refused, True, False),
        (413, None, Failure.refused, True, False),
        (400, "M_BAD_JSON", Failure.refused, True, False),
        (429, None, Failure.refused, False, True),
        (429, "M_LIMIT_EXCEEDED", Failure.refused, False, True),
        (500, "M_UNKNOWN", Failure.unreachable, False, False),
        (502, None, Failure.unreachable, False, False),
        (403, None, Failure.unreachable, False, False),
    ],
)
def test_errors_are_named(
    status: int, code: str | None, reason: Failure, final: bool, for_all: bool
) -> None:
    error = RoomSendError("an error", code)
    error.transport_response = Answer(status)
    for failed in (failure(error), not_reached(ServerRefused(status, {"errcode": code or ""}))):
        assert (failed.reason, failed.final, failed.for_all) == (reason, final, for_all)
    assert not for_all or failure(error).wait > 0


def test_how_long_a_server_wants_us_to_wait_is_believed() -> None:
    error = RoomSendError("an error", "M_LIMIT_EXCEEDED", 2500)
    assert failure(error).wait == 2.5
    error = RoomSendError("an error", "M_LIMIT_EXCEEDED")
    error.transport_response = Answer(429, **{"Retry-After": "7"})
    assert failure(error).wait == 7
    assert not_reached(Unreachable("too many requests", 3)).wait == 3
