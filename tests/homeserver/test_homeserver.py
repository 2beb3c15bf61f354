"""The homeserver of the tests, and that the clients of people there understand each other."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.homeserver import (
    Client,
    Correspondent,
    JsCorrespondent,
    Member,
    Node,
    NotInstalled,
    Synapse,
    js_client,
    server,
)
from tests.homeserver.client import POLL, TEXT, V3

DATA = bytes(range(256)) * 40


def _logged_in(synapse: Synapse, member: Member) -> str:
    """A token of a new device."""
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": member.user_id},
        "password": member.password,
    }
    answered = synapse.ask("POST", f"{V3}/login", body)
    assert answered.status == 200, answered.body
    return str(answered.body["access_token"])


def test_each_account_is_another(synapse: Synapse) -> None:
    first, second = synapse.register("zoe"), synapse.register("zoe")
    assert first.user_id != second.user_id
    for member in (first, second):
        whoami = synapse.ask("GET", f"{V3}/account/whoami", token=_logged_in(synapse, member))
        assert whoami.body["user_id"] == member.user_id


def test_a_server_that_was_killed_has_its_data_at_its_address(own_synapse: Synapse) -> None:
    member, url = own_synapse.register(), own_synapse.url
    token = _logged_in(own_synapse, member)
    own_synapse.stop(kill=True)
    with pytest.raises(OSError, match="refused"):
        own_synapse.ask("GET", f"{V3}/account/whoami", token=token)
    own_synapse.start()
    assert own_synapse.url == url
    whoami = own_synapse.ask("GET", f"{V3}/account/whoami", token=token)
    assert whoami.body["user_id"] == member.user_id
    assert own_synapse.register().user_id != member.user_id


def test_strict_rates_are_those_of_synapse(strict_synapse: Synapse) -> None:
    token = _logged_in(strict_synapse, strict_synapse.register())
    room = strict_synapse.ask("POST", f"{V3}/createRoom", {}, token=token).body["room_id"]
    content = {"msgtype": "m.text", "body": "bonjour"}
    address = f"{V3}/rooms/{room}/send/m.room.message"
    for number in range(100):
        answered = strict_synapse.ask("PUT", f"{address}/{number}", content, token=token)
        if answered.status != 200:
            break
    assert 5 <= number <= 20
    assert answered.status == 429
    assert answered.body["retry_after_ms"] > 0


def test_without_synapse_tests_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(js_client, "PACKAGES", tmp_path)
    with pytest.raises(NotInstalled):
        Synapse(tmp_path)
    with pytest.raises(NotInstalled):
        Node()


def test_a_server_that_does_not_start_says_why(tmp_path: Path, synapse: Synapse) -> None:
    with pytest.raises(RuntimeError, match="listeners"):
        Synapse(tmp_path, listeners="none").start()


async def test_what_fails_in_node_fails_here(node: Node) -> None:
    with pytest.raises(AssertionError, match="TypeError"):
        await node.ask("poll", "nobody")


@pytest.fixture(params=["nio to js", "js to nio"])
async def two(
    request: pytest.FixtureRequest, synapse: Synapse, node: Node
) -> AsyncIterator[tuple[Client, Client]]:
    """A person with one library, and one with the other."""
    async with Correspondent(synapse, "anna") as anna, JsCorrespondent(node, synapse) as jean:
        yield (anna, jean) if request.param == "nio to js" else (jean, anna)


async def _together(one: Client, other: Client, *, encrypted: bool = True) -> str:
    room = await one.direct(other.user_id, encrypted=encrypted, joins=False)
    assert await other.invitation() == room
    await other.join(room)
    await one.joined(room, other.user_id)
    return room


async def test_they_talk_encrypted(two: tuple[Client, Client]) -> None:
    one, other = two
    room = await _together(one, other)
    said = await one.say(room, "bonjour")
    [heard] = await other.hear(room)
    assert (heard.id, heard.text, heard.sender) == (said, "bonjour", one.user_id)
    assert heard.encrypted

    replied = await other.reply(room, said, "salut")
    await other.edit(room, replied, "salut !")
    await other.thread(room, said, "à part")
    await other.react(room, said, "👍")
    await other.redact(room, replied)
    reply, edit, thread, reaction, redaction = await one.hear(room, 5)
    assert all(event.encrypted for event in (reply, edit, thread))
    assert reply.content["m.relates_to"] == {"m.in_reply_to": {"event_id": said}}
    assert edit.content["m.new_content"]["body"] == "salut !"
    assert edit.content["m.relates_to"] == {"rel_type": "m.replace", "event_id": replied}
    assert thread.content["m.relates_to"]["event_id"] == said
    assert reaction.content["m.relates_to"]["key"] == "👍"
    assert redaction.redacts == replied
    assert not one.unreadable


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_file_arrives_as_it_was(two: tuple[Client, Client], encrypted: bool) -> None:
    one, other = two
    room = await _together(one, other, encrypted=encrypted)
    await one.send_file(room, DATA, "fichier.bin", "image/png")
    [heard] = await other.hear(room)
    assert heard.content["msgtype"] == "m.image"
    assert heard.encrypted is encrypted
    assert ("file" in heard.content) is encrypted
    assert await other.fetch(heard.content) == DATA


async def test_the_sdk_reads_a_native_poll_and_its_answers(synapse: Synapse, node: Node) -> None:
    async with Correspondent(synapse, "anna") as anna, JsCorrespondent(node, synapse) as jean:
        room = await _together(anna, jean)
        answers = [{"id": "a", TEXT: "Oui"}]
        answers += [{"id": "b", TEXT: "Non"}]
        start = {
            "kind": f"{POLL}.disclosed",
            "max_selections": 1,
            "question": {TEXT: "Alors ?", "body": "Alors ?"},
            "answers": answers,
        }
        content = {f"{POLL}.start": start, TEXT: "Alors ?\n1. Oui\n2. Non"}
        poll = await anna.send(room, f"{POLL}.start", content)
        await jean.hear(room)
        await jean.ballot(room, poll, "b")
        [ballot] = await anna.hear(room)
        assert ballot.content[f"{POLL}.response"] == {"answers": ["b"]}
        assert ballot.encrypted
        assert await jean.poll(room, poll) == {
            "question": "Alors ?",
            "answers": [{"id": "a", "label": "Oui"}, {"id": "b", "label": "Non"}],
            "kind": f"{POLL}.disclosed",
            "most": 1,
            "ended": False,
            "cast": {jean.user_id: ["b"]},
        }
        reference = {"rel_type": "m.reference", "event_id": poll}
        await anna.send(room, f"{POLL}.end", {f"{POLL}.end": {}, "m.relates_to": reference})
        await jean.hear(room)
        assert (await jean.poll(room, poll))["ended"]


async def test_a_strict_client_and_an_unsigned_device_do_not_read_each_other(
    synapse: Synapse, node: Node
) -> None:
    async with AsyncExitStack() as stack:
        unsigned = await stack.enter_async_context(Correspondent(synapse, "anna"))
        signed = await stack.enter_async_context(JsCorrespondent(node, synapse, "jean"))
        strict = JsCorrespondent(node, synapse, "zoe", strict=True)
        await stack.enter_async_context(strict)
        room = await strict.group("Classe", unsigned.user_id, signed.user_id, joins=False)
        for guest in (unsigned, signed):
            await guest.join(await guest.invitation())
            await strict.joined(room, guest.user_id)

        said = await strict.say(room, "entre nous")
        assert [event.id for event in await signed.hear(room)] == [said]
        await unsigned.until(lambda: said in unsigned.unreadable, "word that it cannot be read")
        lost = await unsigned.say(room, "et moi ?")
        await strict.until(lambda: lost in strict.unreadable, "word that it cannot be read")
        assert strict.unreadable[lost] == "UNSIGNED_SENDER_DEVICE"
        answer = await signed.say(room, "oui")
        assert [event.id for event in await strict.hear(room)] == [answer]


async def test_a_group_is_replaced_and_somebody_sent_away(two: tuple[Client, Client]) -> None:
    one, other = two
    room = await one.group("Classe", other.user_id, joins=False)
    await other.join(await other.invitation())
    await one.joined(room, other.user_id)
    await one.kick(room, other.user_id)
    await one.until(lambda: one.membership(room, other.user_id) == "leave", "kick")
    replacement = await one.upgrade(room)
    await one.until(lambda: one.membership(replacement, one.user_id) == "join", "replacement")
    [tombstone] = [event for event in one.events if event.type == "m.room.tombstone"]
    assert tombstone.content["replacement_room"] == replacement


async def test_typing_and_receipts_are_seen(synapse: Synapse) -> None:
    async with Correspondent(synapse, "anna") as anna, Correspondent(synapse, "zoe") as zoe:
        room = await _together(anna, zoe)
        said = await anna.say(room, "bonjour")
        await zoe.hear(room)
        typing = {"typing": True, "timeout": 5000}
        await zoe.ask("PUT", f"/rooms/{room}/typing/{zoe.user_id}", typing)
        await zoe.ask("POST", f"/rooms/{room}/receipt/m.read/{said}", {})
        await anna.until(lambda: (room, [zoe.user_id]) in anna.typing, "typing")
        await anna.until(lambda: (room, zoe.user_id, said) in anna.read, "receipt")
