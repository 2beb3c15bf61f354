"""People who write to the bot are understood as those at a page are: here by a bot of the test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.homeserver import Client, Correspondent, Event, JsCorrespondent, Node, Synapse
from tests.homeserver.client import POLL, TEXT
from tests.matrix_people import TX, Correspond

MENU = (
    "<b>Que faire ?</b><br><br>1. Lire &amp; voir<br>2. Lire tout<br>"
    '<a href="https://example.org/a">Ouvrir la page</a>'
)
MENU_PLAIN = "Que faire ?\n\n1. Lire & voir\n2. Lire tout\nOuvrir la page (https://example.org/a)"


def _said(body: str, formatted: str = "", **more: Any) -> dict[str, Any]:
    content = {"msgtype": "m.text", "body": body, "formatted_body": formatted or body}
    return {**content, TX: "tx", **more}


class Parrot:
    """A bot that shows a menu when somebody comes, and then repeats what it hears."""

    def __init__(self, client: Correspondent) -> None:
        self.client = client
        self.room = ""
        self.menu = ""
        self.heard: list[Event] = []
        self.answer: Callable[[Event], dict[str, Any]] = lambda heard: _said(heard.text)

    async def settled(self) -> None:
        """Answer all that was said."""
        if not self.room:
            self.room = await self.client.invitation()
            await self.client.join(self.room)
            self.menu = await self.tell(_said(MENU_PLAIN, MENU))
        await self.client.caught_up(self.room)
        for event in self.client.unheard(self.room):
            self.heard.append(event)
            await self.tell(self.answer(event))

    async def tell(self, content: dict[str, Any], type: str = "m.room.message") -> str:
        return await self.client.send(self.room, type, content)


@pytest.fixture(params=["nio", "js"])
async def met(
    request: pytest.FixtureRequest, synapse: Synapse, node: Node
) -> AsyncIterator[tuple[Correspond, Parrot]]:
    """A person, with each library, and the bot that they have just met."""
    async with AsyncExitStack() as stack:
        bot = Parrot(await stack.enter_async_context(Correspondent(synapse, "bot")))
        client: Client = Correspondent(synapse)
        if request.param == "js":
            client = JsCorrespondent(node, synapse, strict=False)
        await stack.enter_async_context(client)
        someone = await Correspond.meet(client, bot.client.user_id, bot.settled, joins=False)
        yield someone, bot


async def test_a_label_is_pressed_by_its_number(met: tuple[Correspond, Parrot]) -> None:
    someone, bot = met
    [menu] = someone.seen
    assert [one["label"] for one in menu["choices"]] == [
        "Lire & voir",
        "Lire tout",
        "Ouvrir la page",
    ]
    assert menu["text"] == "Que faire ?\n\nOuvrir la page (https://example.org/a)"
    assert (await someone.press("lire tout")).text == "2"
    assert "m.relates_to" not in bot.heard[-1].content, "it was asked last"
    first = someone.button("Lire")
    assert (first.label, first.number) == ("Lire tout", 2), "the newest that begins so"
    with pytest.raises(AssertionError, match="no button 'Ouvrir"):
        someone.button("Ouvrir la page")

    asked = await bot.tell(_said("Alors ?\n\n1. Oui", "Alors ?<br><br>1. Oui"))
    assert (await someone.look()).labels == ["Oui"]
    for label, message in (("Lire & voir", bot.menu), ("Oui", asked)):  # unasked, both are awaited
        assert (await someone.press(label)).text == "1"
        assert bot.heard[-1].content["m.relates_to"] == {"m.in_reply_to": {"event_id": message}}


async def test_what_changes_and_goes_is_seen(met: tuple[Correspond, Parrot]) -> None:
    someone, bot = met
    new = _said("Que faire ?\n\n1. Rien", "Que faire ?<br><br>1. Rien")
    relation = {"rel_type": "m.replace", "event_id": bot.menu}
    await bot.tell({**_said("* …"), "m.new_content": new, "m.relates_to": relation})
    changed = await someone.look()
    assert [(one["kind"], one["message"]) for one in changed.events] == [("edit", bot.menu)]
    assert changed.labels == ["Rien"]
    await bot.client.redact(bot.room, bot.menu)
    assert [(one["kind"], one["message"]) for one in (await someone.look()).events] == [
        ("delete", bot.menu)
    ]
    await bot.tell({"msgtype": "m.notice", "body": "Noté."})
    assert [(one["kind"], one["text"]) for one in (await someone.look()).events] == [
        ("toast", "Noté.")
    ]


async def test_a_picture_goes_and_comes(met: tuple[Correspond, Parrot]) -> None:
    someone, bot = met
    place = await bot.client.upload(b"%PDF-1", "application/pdf", encrypted=True)
    sent = {"msgtype": "m.file", "info": {"mimetype": "application/pdf"}, **place}
    bot.answer = lambda _: {**_said("compte rendu.pdf"), **sent}
    status, answer = await someone.send_photo(b"JFIF")
    assert status == 200
    assert await bot.client.fetch(bot.heard[-1].content) == b"JFIF"
    [file] = answer.files
    assert (file["name"], file["type"]) == ("compte rendu", "application/pdf")
    assert await someone.fetch(file) == (200, b"%PDF-1")
    await someone.send_photo(b"OggS")
    assert bot.heard[-1].content["msgtype"] == "m.audio"


async def test_a_native_poll_is_answered(met: tuple[Correspond, Parrot]) -> None:
    someone, bot = met
    answers = [{"id": "polls.vote:1:0", TEXT: "Pour"}, {"id": "polls.vote:1:1", TEXT: "Contre"}]
    poll = await bot.tell(
        {f"{POLL}.start": {"question": {TEXT: "D'accord ?"}, "answers": answers}}, f"{POLL}.start"
    )
    [shown] = (await someone.look()).events
    assert (shown["kind"], shown["text"]) == ("poll", "D'accord ?")
    await someone.vote("contre")
    cast = bot.heard[-1]
    assert cast.content[f"{POLL}.response"] == {"answers": ["polls.vote:1:1"]}
    assert cast.content["m.relates_to"]["event_id"] == poll


async def test_in_a_group_one_replies(synapse: Synapse) -> None:
    async with Correspondent(synapse, "bot") as client, Correspondent(synapse) as camille:
        bot = Parrot(client)
        room = await camille.group("Classe", client.user_id, joins=False)
        someone = Correspond(camille, client.user_id, room, bot.settled, in_group=True)
        await someone.look()
        said = "Alors ?\n\n1. Oui\n\nRépondez par un numéro."
        asked = await bot.tell(_said(said, said.replace("\n", "<br>")))
        answer = await someone.look()
        assert answer.text == "Alors ?\n\nRépondez par un numéro."
        assert (await someone.press("Oui")).text == "1"
        assert bot.heard[-1].content["m.relates_to"] == {"m.in_reply_to": {"event_id": asked}}
