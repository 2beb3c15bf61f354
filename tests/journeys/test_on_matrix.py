"""What is done on Matrix alone: native polls, corrections, rooms, and people written to first."""

from datetime import timedelta
from typing import Any

import pytest

from scheduled import rooms
from storage.grants import Role
from storage.meetings import Plan
from storage.polls import Electorate
from storage.store import Store
from tests.conftest import NOW
from tests.homeserver import Client, JsCorrespondent, Node, Synapse
from tests.matrix_people import Correspond
from tests.people import STORY, report
from tests.stage import Stage

pytestmark = pytest.mark.matrix
QUESTION = "Que faire en premier ?"
DAY = timedelta(days=1)


async def secretary_on(stage: Stage) -> Correspond:
    secretary = await stage.invited(Role.secretariat)
    assert isinstance(secretary, Correspond)
    return secretary


async def opened(stage: Stage) -> None:
    """Open a poll for two days, and tell everybody."""

    def make(store: Store) -> None:
        poll = store.polls.open(
            QUESTION,
            electorate=Electorate.public,
            closes_at=NOW + 2 * DAY,
            now=NOW,
            options=("Le réseau", "Les tablettes"),
        )
        asked = store.polls.asked(poll, NOW)
        store.deliveries.notify("polls.opened", {"poll": poll.id}, asked, NOW)

    await stage.db.write(make)
    await stage.settle()


async def convened(stage: Stage, someone: Correspond) -> None:
    """Call a meeting of a group of which somebody is a member."""

    def make(store: Store) -> None:
        account = store.people.account("matrix", someone.client.user_id)
        assert account is not None
        store.groups.join(1, account.person_id, NOW, admitted=True)
        starts = NOW + 10 * DAY
        plan = Plan(starts, starts + timedelta(hours=2), "Europe/Paris", "salle 4")
        store.meetings.call(1, plan, account.person_id, NOW)

    await stage.db.write(make)


async def together(stage: Stage, host: Correspond, guest: Correspond) -> tuple[Correspond, ...]:
    """Two people as they talk in a room in which the bot is too."""
    room = await host.client.group("Équipements", host.bot)
    both = [
        Correspond(one.client, one.bot, room, stage.settle, in_group=True) for one in (host, guest)
    ]
    assert "Votre vote n'est jamais montré ici." in await both[0].look()
    await join(host, guest, room)
    return tuple(both)


async def redrawn(stage: Stage) -> None:
    """Redraw the cards of rooms that changed, as the clock does every few seconds."""
    now = stage.clock.now()
    changed = await stage.db.read(lambda store: rooms.changed(store, now))
    assert changed is not None
    await stage.db.write(lambda store: rooms.redraw(store, now, changed))
    await stage.settle()


async def join(host: Correspond, guest: Correspond, room: str) -> None:
    """Have somebody come into a room."""
    await host.client.invite(room, guest.client.user_id)
    await guest.client.join(await guest.client.invitation())
    await host.client.joined(room, guest.client.user_id)


async def test_a_ballot_is_cast_in_a_native_poll_that_ends_with_the_vote(stage: Stage) -> None:
    one, two = await stage.correspondent(), await stage.correspondent()
    await opened(stage)
    for someone in (one, two):
        asked = await someone.look()
        assert QUESTION in asked
        assert [event["text"] for event in asked.events if event["kind"] == "poll"] == [QUESTION]
    voted = await one.vote("Le réseau")
    assert [event["kind"] for event in voted.events] == ["edit"]
    assert "Votre vote est compté : Le réseau." in voted
    await two.vote("Les tablettes")
    assert "Votre vote est compté : Le réseau." in await two.vote("Le réseau")
    await stage.advance(2 * DAY)
    assert "Le réseau : 2 personnes" in await one.look()
    poll = await poll_of(one)
    assert poll["ended"]
    assert poll["cast"] == {one.client.user_id: ["polls.vote:1:0"]}


async def poll_of(someone: Correspond) -> dict[str, Any]:
    """The only poll that somebody sees, as their client reads it."""
    [poll] = {poll for _, poll, _ in someone.ballots}
    assert isinstance(someone.client, JsCorrespondent)
    return await someone.client.poll(someone.room, poll)


async def test_what_is_corrected_or_taken_back_changes_the_draft(stage: Stage) -> None:
    parent = await stage.correspondent()
    await parent.say("témoigner")
    story = await parent.client.say(parent.room, STORY)
    assert "Qu'avez-vous raconté" in await parent.look()
    await parent.client.edit(parent.room, story, f"{STORY} Tout va mieux.")
    assert "C'est changé : votre récit." in await parent.look()
    await parent.client.redact(parent.room, story)
    again = await parent.look()
    assert "C'est retiré : votre récit." in again
    assert "Que voulez-vous raconter ?" in again


async def test_a_vote_is_shown_in_a_room_and_cast_in_private(stage: Stage) -> None:
    secretary, parent = await secretary_on(stage), await stage.correspondent()
    await opened(stage)
    await parent.look()
    showing, reading = await together(stage, secretary, parent)
    await showing.say("!votes")
    await showing.press("Montrer ici")
    card = await reading.look()
    assert "Personne ici ne voit votre choix." in card
    assert "Pour voter, écrivez « votes » en privé" in card
    assert card.labels == []
    await reading.client.reply(reading.room, card.messages[-1]["message"], "1")
    await reading.say("!1")
    assert await stage.db.read(lambda store: store.polls.ballots(1)) == 0
    await parent.say("votes")
    await parent.vote("Le réseau")
    await redrawn(stage)
    assert "1 personne a voté." in await reading.look()


async def test_a_meeting_is_answered_in_a_room_by_a_number(stage: Stage) -> None:
    secretary, member = await secretary_on(stage), await stage.correspondent()
    await convened(stage, member)
    showing, answering = await together(stage, secretary, member)
    await showing.say("!agenda")
    await showing.press("Montrer ici")
    card = await answering.look()
    assert "se réunit" in card
    assert "Tout le monde ici lira votre réponse." in card
    assert (await answering.press("Je viens")).messages == []
    await redrawn(stage)
    assert "Réponses : 1 sur place." in await showing.look()
    assert "Votre réponse : Je viens." in await member.say("agenda")


def said_in(client: Client, user_id: str) -> bool:
    """Whether somebody said something that could be read."""
    return any((one.sender, one.type) == (user_id, "m.room.message") for one in client.events)


async def test_who_never_wrote_is_invited_to_a_role_and_accepts(
    stage: Stage, node: Node, synapse: Synapse
) -> None:
    await stage.organisation("amf", "AMF")
    secretary = await secretary_on(stage)
    async with JsCorrespondent(node, synapse, "jeanne", strict=True) as jeanne:
        await secretary.say("inviter")
        for answer in ("titulaire", "AMF", jeanne.user_id, "passer"):
            await secretary.say(answer)
        assert f"Préau écrit à {jeanne.user_id}." in await secretary.press("Inviter")
        room = await jeanne.invitation()
        await jeanne.join(room)
        await jeanne.until(lambda: said_in(jeanne, secretary.bot), "letter of the bot")
        assert not jeanne.unreadable, "all was said once they were there"
        invited = Correspond(jeanne, secretary.bot, room, stage.settle)
        letter = await invited.look()
        assert "vous propose un rôle : titulaire." in letter
        assert "Votre invitation est acceptée." in await invited.press("Oui, j'accepte")
        await opened(stage)
        assert QUESTION in await invited.look()


async def test_where_somebody_comes_in_nothing_private_is_said_any_more(stage: Stage) -> None:
    parent, other = await stage.correspondent(), await stage.correspondent()
    number = await report(parent)
    await join(parent, other, parent.room)
    told = "Je n'y dis donc plus rien de privé."
    await parent.client.until(lambda: said(parent, told) == 1, "why nothing more is said")
    assert number not in str((await parent.say("mes témoignages")).events)
    await parent.client.kick(parent.room, other.client.user_id)
    assert number not in str((await parent.say("mes témoignages")).events), "nor later"
    again = await Correspond.meet(parent.client, parent.bot, stage.settle)
    assert number in str((await again.say("mes témoignages")).events)
    assert said(parent, told) == 1


def said(someone: Correspond, words: str) -> int:
    """How often Préau said something where they can read it."""
    ours = [one for one in someone.client.events if one.sender == someone.bot]
    return sum(words in one.text for one in ours)
