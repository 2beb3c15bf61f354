"""What is withdrawn or erased goes from everywhere, also from what others read."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from storage.conversations import Conversation, Place
from storage.database import Database
from storage.deliveries import Delivery
from storage.grants import Role
from storage.store import Store
from tests.bot.test_photos import encoded
from tests.conftest import NOW
from tests.journeys.test_broadcast_cards import tick
from tests.journeys.test_broadcasts import composed, leaving
from tests.journeys.test_groups import chair_of, newcomer, newest, on_request, see
from tests.journeys.test_threads import opened, written
from tests.people import Guest, Someone, report
from tests.stage import Stage

STORY = (
    "Une histoire reconnaissable entre toutes, avec un détail : le girafon bleu du couloir. " * 2
)
TRACE = "girafon"


async def read_by_a_reviewer(stage: Stage) -> tuple[Guest, Guest, str]:
    parent, secretary = await stage.guest(), await stage.guest(Role.secretariat)
    number = await report(parent, STORY)
    await secretary.say("/modérer")
    assert TRACE in await secretary.press("Lire le suivant")
    return parent, secretary, number


async def history(someone: Someone) -> str:
    assert isinstance(someone, Guest)
    address = f"{someone.base}/api/v1/history?before={someone.last + 1}&most=200"
    async with someone.http.get(address) as response:
        return await response.text()


async def test_a_withdrawn_report_leaves_every_chat(stage: Stage) -> None:
    parent, secretary, number = await read_by_a_reviewer(stage)
    await secretary.press("Publier")
    await parent.look()
    await parent.say("/mes témoignages")
    await parent.press(number)
    await parent.press("Retirer")
    await parent.press("Oui, retirer")
    gone = await secretary.look()
    assert [event["kind"] for event in gone.events] == ["delete"]
    assert TRACE not in await history(secretary)
    stories = await stage.db.read(lambda store: [one.story for one in store.reports.written_by(1)])
    assert stories == [""]


async def test_a_number_answers_no_more_what_was_taken_back(stage: Stage) -> None:
    parent, secretary, number = await read_by_a_reviewer(stage)
    card = str(secretary.last)
    wanted = select(Conversation.awaiting)

    async def awaited() -> list[str]:
        found = await stage.db.read(lambda store: list(store.session.scalars(wanted)))
        return [entry[0] for awaiting in found for entry in awaiting]

    assert card in await awaited()
    await parent.say("/mes témoignages")
    await parent.press(number)
    await parent.press("Retirer")
    await parent.press("Oui, retirer")
    assert card not in await awaited()
    await secretary.look()
    assert "Retiré" not in await secretary.say("1")


def test_what_a_transaction_found_is_dropped_there_too(db: Database) -> None:
    """People who write at the same moment share one, and it writes back what it found."""
    place = Place("web", "somebody", "somebody", "")
    first, second = ["1", "reply", "Ada", []], ["2", "reply", "?", []]

    def awaiting(store: Store) -> list[Any]:
        return store.conversations.find([place], NOW)[place].awaiting

    def begin(store: Store) -> None:
        account, _ = store.people.arrive("web", "somebody", "fr", NOW)
        chat = store.people.chat("web", "somebody", account_id=account.id)
        store.conversations.begin(chat, account, "", NOW)
        context = store.conversations.find([place], NOW)[place]
        context.awaiting = [first, second]
        store.conversations.keep([context], NOW)

    def drop(store: Store) -> None:
        context = store.conversations.find([place], NOW)[place]
        store.conversations.await_no_more({context.chat_id: {"1"}})
        store.conversations.keep([context], NOW)

    db.write_now(begin)
    assert db.write_now(awaiting) == [first, second]
    db.write_now(drop)
    assert db.write_now(awaiting) == [second]


async def test_an_erased_person_leaves_every_chat_and_file(stage: Stage, tmp_path: Path) -> None:
    parent, secretary, _ = await read_by_a_reviewer(stage)
    await secretary.press("Publier")
    await stage.db.write(lambda store: store.erase(1, stage.clock.now()))
    gone = await secretary.look()
    assert "delete" in [event["kind"] for event in gone.events]
    assert TRACE not in await history(secretary)
    stage.clock.advance_to(stage.clock.now() + timedelta(seconds=6))
    assert await parent.status() == 403
    if stage.db.is_sqlite:
        files = b"".join(path.read_bytes() for path in tmp_path.glob("preau.db*"))
        assert TRACE.encode() not in files, "nor in the write-ahead log"


async def test_all_that_somebody_wrote_can_be_forgotten(stage: Stage) -> None:
    parent = await stage.guest()
    await report(parent, STORY)
    await parent.say("témoigner")
    await parent.send_photo(encoded("JPEG"))
    await stage.db.write(lambda store: store.forget_writings(1, stage.clock.now()))
    left = await stage.db.read(
        lambda store: (
            [one.story for one in store.reports.written_by(1)],
            store.conversations.drafts_of(1),
            store.files.orphans(stage.clock.now()),
        )
    )
    assert left == ([""], [], [])


NAME = "Ada Girafon"


async def name(stage: Stage, person: int | None = None) -> int:
    """Give somebody a name: the newest person, if nobody is meant; return who it was."""

    def give(store: Store) -> int:
        someone = store.people.get(person or newest(store))
        someone.name = NAME
        return someone.id

    return await stage.db.write(give)


async def erased(stage: Stage, person: int, *pages: Someone) -> None:
    """Erase a person whom these pages named, and whom nothing names afterwards."""
    assert all([NAME in await history(page) for page in pages])
    assert await traces(stage)
    await stage.db.write(lambda store: store.erase(person, stage.clock.now()))
    await tick(stage)
    for page in pages:
        await page.look()
        assert NAME not in await history(page)
    assert await traces(stage) == []


async def traces(stage: Stage) -> list[str]:
    """What is kept of messages, and of what a number answers, that bears the name."""

    def kept(store: Store) -> list[str]:
        columns = (Delivery.body, Conversation.awaiting)
        found = [one for column in columns for one in store.session.scalars(select(column))]
        return [
            said for said in (json.dumps(one, ensure_ascii=False) for one in found) if NAME in said
        ]

    return await stage.db.read(kept)


async def test_who_asked_to_join_is_named_no_more(stage: Stage) -> None:
    """Even if the answer was no, after which nothing ties them to the group."""
    chair, parent = await chair_of(stage, await on_request(stage)), await newcomer(stage)
    person = await name(stage)
    await see(parent, "Équité")
    await parent.press("Demander à entrer")
    await see(chair, "Équité")
    assert NAME in await chair.press("Répondre aux demandes")
    await chair.press("Refuser")
    await erased(stage, person, chair)


async def test_a_member_who_leads_is_named_no_more(stage: Stage) -> None:
    group = await on_request(stage)
    await chair_of(stage, group)
    person = await name(stage)
    member, secretary = await newcomer(stage), await stage.guest(Role.secretariat)
    other = await stage.db.read(newest) - 1
    await stage.db.write(
        lambda store: store.groups.join(group, other, stage.clock.now(), admitted=True)
    )
    assert f"Animation : {NAME}." in await see(member, "Équité")
    assert NAME in await member.press("Voir les membres")
    await see(secretary, "Équité")
    assert NAME in await secretary.press("Voir les membres")
    assert NAME in await secretary.press(NAME)
    assert NAME in await secretary.press("Faire sortir du groupe")
    await erased(stage, person, member, secretary)


async def test_who_wrote_is_named_no_more(stage: Stage) -> None:
    secretary, parent = await stage.guest(Role.secretariat), await stage.guest()
    person = await name(stage)
    await parent.say("secrétariat")
    await parent.say("Une question.")
    assert NAME in await secretary.look(), "the notice names who wrote"
    assert NAME in await opened(secretary)
    await erased(stage, person, secretary)


async def test_a_secretary_who_answered_is_named_no_more(stage: Stage) -> None:
    one, two = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    await written(stage)
    person = await name(stage, 1)
    await opened(one)
    await two.look()
    await two.press("Lire la conversation")
    await one.press("Répondre")
    assert NAME in await two.press("Je m'en occupe"), "refused, with who was first"
    await one.say("Une réponse.")
    await one.press("Envoyer la réponse")
    await two.say("courrier")
    await two.press("Conversations sans attente")
    assert NAME in await two.press("Profil non précisé")
    await erased(stage, person, two)


async def test_a_card_stays_without_who_confirmed(stage: Stage) -> None:
    """Of two cards in a chat the newest is redrawn, and the other goes."""
    one, two = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    person = await name(stage, 1)
    await leaving(stage, one)
    for _ in range(2):
        await two.say("diffuser")
        card = (await two.press("En cours")).messages[-1]
        assert f"Confirmé par : {NAME}." in card["text"]
    await erased(stage, person, two)
    stands = [event for event in two.seen if event["message"] == card["message"]][-1]
    assert "En cours" in stands["text"]
    assert "Confirmé" not in stands["text"]


async def test_who_was_first_to_confirm_is_named_no_more(stage: Stage) -> None:
    one, two = await stage.guest(Role.secretariat), await stage.guest(Role.secretariat)
    person = await name(stage, 1)
    await composed(two)
    await one.say("diffuser")
    await one.press("À confirmer")
    await one.press("Envoyer")
    assert NAME in await two.press("Envoyer")
    await erased(stage, person, two)
