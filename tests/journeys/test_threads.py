"""Writing to the secretariat, its answers, and how secretaries share the work."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import literal, select

from storage.base import Base
from storage.broadcasts import Broadcast, BroadcastKind, BroadcastState
from storage.conversations import Draft
from storage.grants import Role
from storage.people import Person
from storage.store import Store
from storage.threads import MOST_UNANSWERED, Thread, ThreadMessage
from tests.people import Answer, Guest, Someone, report
from tests.stage import Stage

LETTER = "Notre école n'a pas de réseau. À qui faut-il le demander ?"
ANSWER = "Demandez à votre commune, elle équipe les écoles."


async def written(stage: Stage, said: str = LETTER) -> Someone:
    """Somebody who wrote to the secretariat."""
    parent = await stage.newcomer()
    await parent.say("secrétariat")
    assert "Votre message est bien reçu." in await parent.say(said)
    return parent


async def opened(secretary: Someone) -> Answer:
    """The card of the oldest thread that waits."""
    inbox = await secretary.say("courrier")
    return await secretary.press(inbox.labels[0])


async def answered(secretary: Someone, said: str = ANSWER) -> Answer:
    await secretary.press("Répondre")
    await secretary.say(said)
    return await secretary.press("Envoyer la réponse")


async def rows(stage: Stage, model: type[Base]) -> int:
    return len(await stage.db.read(lambda store: list(store.session.scalars(select(model)))))


async def person_of(stage: Stage) -> int:
    """Who wrote the only thread."""
    wanted = select(Thread.person_id)
    return await stage.db.read(lambda store: store.session.scalars(wanted).one())


# Those who write


@pytest.mark.everywhere
async def test_a_message_is_answered_where_it_was_written(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    parent = await stage.newcomer()
    assert "Que voulez-vous écrire au secrétariat ?" in await parent.say("écrire au secrétariat")
    received = await parent.say(LETTER)
    assert "Une personne du secrétariat vous répondra ici." in received
    assert ("Votre code de retour" in received) is isinstance(parent, Guest), "to come back"
    told = await secretary.look()
    assert "Un message attend le secrétariat." in told
    assert LETTER not in told
    card = await secretary.press("Lire la conversation")
    assert LETTER in card
    assert "lundi 11 janvier 2027 à 10 h" in card
    assert "Personne ne s'en occupe encore." in card
    await secretary.press("Répondre")
    shown = await secretary.say(ANSWER)
    assert ANSWER in shown
    assert not (await parent.look()).events
    assert "Votre réponse est envoyée." in await secretary.press("Envoyer la réponse")
    heard = await parent.look()
    assert "Le secrétariat vous répond" in heard
    assert ANSWER in heard
    await parent.press("Écrire de nouveau")
    assert "Votre message est bien reçu." in await parent.say("Merci !")
    assert "Un message attend" in await secretary.look()


async def test_what_was_said_outside_any_form_can_be_sent(stage: Stage) -> None:
    parent = await stage.newcomer()
    offer = await parent.say(LETTER)
    assert offer.labels == ["En faire un témoignage", "Envoyer au secrétariat", "Voir le menu"]
    assert "bien reçu" in await parent.press("Envoyer au secrétariat")
    offer = await parent.say("C'est urgent.")
    assert offer.labels[0] == "Envoyer au secrétariat", "a thread is open: it comes first"
    assert "ajouté aux précédents" in await parent.press("Envoyer au secrétariat")
    assert "Que voulez-vous écrire" in await parent.press("Envoyer au secrétariat"), "sent once"
    assert await rows(stage, ThreadMessage) == 2


async def test_what_was_kept_is_offered_whatever_the_way(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say(LETTER)
    offer = await parent.say("contacter")
    assert LETTER[:30] in offer
    assert offer.labels == ["Envoyer ce message", "Écrire autre chose"]
    await parent.press("Écrire autre chose")
    await parent.say("Autre chose.")
    card = await opened(await stage.invited(Role.secretariat))
    assert "Autre chose." in card
    assert LETTER not in card


async def test_what_is_too_long_to_send_stays_kept(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("a " * 2500)
    refused = await parent.press("Envoyer au secrétariat")
    assert "Raccourcissez-le" in refused
    assert await rows(stage, ThreadMessage) == 0
    assert "Reprendre ce message" in (await parent.say("témoigner")).labels


async def test_twenty_messages_wait_for_an_answer(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await written(stage)

    def more(store: Store) -> None:
        [thread] = store.session.scalars(select(Thread))
        for rank in range(MOST_UNANSWERED - 1):
            store.threads.write(thread.person_id, f"Suite {rank}.", stage.clock.now())

    await stage.db.write(more)
    await parent.press("Ajouter un message")
    refused = await parent.say("Encore un détail.")
    assert "Attendez sa réponse, s'il vous plaît." in refused
    assert await rows(stage, ThreadMessage) == MOST_UNANSWERED
    await opened(secretary)
    await answered(secretary)
    await parent.look()
    await parent.press("Écrire de nouveau")
    resumed = await parent.press("Continuer le brouillon")
    assert "Que voulez-vous écrire" in resumed
    assert "bien reçu" in await parent.say("Encore un détail.")


async def test_what_people_write_is_data(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await stage.newcomer()
    await parent.say("secrétariat")
    await parent.say("<b>gras</b> & <a href='https://x.example'>lien</a>")
    card = await opened(secretary)
    assert "<b>gras</b> & <a href=" in card.text
    assert "&lt;b&gt;gras" in card.messages[-1]["html"]
    await answered(secretary, "<i>5 < 6</i>")
    heard = await parent.look()
    assert "<i>5 < 6</i>" in heard.text
    assert "&lt;i&gt;5 &lt; 6" in heard.messages[-1]["html"]


async def test_what_is_held_counts_the_messages(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("données")
    held = await parent.press("Voir ce qui est gardé")
    assert "Vous n'avez pas écrit au secrétariat." in held
    await parent.say("secrétariat")
    await parent.say(LETTER)
    await parent.say("données")
    held = await parent.press("Voir ce qui est gardé")
    assert "Vous avez écrit un message au secrétariat." in held.text.splitlines()


async def test_an_answer_to_a_broadcast_says_so(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await stage.newcomer()

    def spread(store: Store) -> None:
        now = stage.clock.now()
        broadcast = Broadcast(
            kind=BroadcastKind.news,
            body="La journée de partage approche.",
            audience={"kind": "everybody"},
            state=BroadcastState.done,
            composed_at=now,
        )
        store.session.add(broadcast)
        store.session.flush()
        [person] = store.grants.holders(Role.secretariat, now)
        [reader] = store.session.scalars(store.people.everybody().where(Person.id != person))
        store.threads.write(reader, "Je viendrai.", now, broadcast_id=broadcast.id)

    await stage.db.write(spread)
    card = await opened(secretary)
    assert "En réponse à « La journée de partage approche. »" in card
    await answered(secretary)
    assert ANSWER in await parent.look()


# Those who answer


async def test_only_the_secretariat_reads(stage: Stage) -> None:
    await written(stage)
    parent, reviewer = await stage.newcomer(), await stage.invited(Role.reviewer)
    for someone in (parent, reviewer):
        assert "Votre compte ne permet pas" in await someone.say("courrier")
    assert "Un message attend" not in await reviewer.look()
    assert "boîte" not in (await parent.say("menu")).labels


async def test_secretaries_hear_once_of_each_wait(stage: Stage) -> None:
    one, two = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    parent = await written(stage)
    for someone in (one, two):
        assert (await someone.look()).text.count("Un message attend") == 1
    await parent.press("Ajouter un message")
    await parent.say("Et vite.")
    assert not (await one.look()).events
    await opened(one)
    await answered(one)
    await parent.look()
    await parent.press("Écrire de nouveau")
    await parent.say("Et ensuite ?")
    assert "Un message attend" in await one.look()
    assert not (await two.look()).events, "a colleague takes care of it"


async def test_all_hear_again_if_who_answered_has_left(stage: Stage) -> None:
    former, parent = await stage.invited(Role.secretariat), await written(stage)
    await opened(former)
    await answered(former)
    await parent.look()
    now = stage.clock.now()
    [person] = await stage.db.read(lambda store: store.grants.holders(Role.secretariat, now))
    await stage.db.write(lambda store: store.grants.end(person, now))
    colleague = await stage.invited(Role.secretariat)
    await parent.press("Écrire de nouveau")
    await parent.say("Et ensuite ?")
    assert "Un message attend" in await colleague.look()


async def test_a_secretary_who_writes_is_not_told(stage: Stage) -> None:
    one, two = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    await one.say("secrétariat")
    assert "Un message attend" not in await one.say("Une question entre nous.")
    assert not (await one.look()).events
    assert "Un message attend" in await two.look()


async def test_two_who_answer_at_once(stage: Stage) -> None:
    one, two = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    parent = await written(stage)
    await opened(one)
    await opened(two)
    pressed = await asyncio.gather(one.press("Répondre"), two.press("Répondre"))
    refused = [
        answer for answer in pressed if "Cette conversation est suivie par un collègue" in answer
    ]
    assert len(refused) == 1
    assert "depuis lundi 11 janvier 2027 à 10 h" in refused[0]
    assert "brouillon" not in refused[0], "nothing was typed yet"
    winner = one if refused[0] is pressed[1] else two
    await winner.say(ANSWER)
    await winner.press("Envoyer la réponse")
    assert (await parent.look()).text.count(ANSWER) == 1


async def test_what_was_typed_stays_when_a_colleague_takes_over(stage: Stage) -> None:
    slow, colleague = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    parent = await written(stage)
    await opened(slow)
    await slow.press("Répondre")
    await slow.say("Une longue réponse.")
    held = await opened(colleague)
    assert "Suivie par un collègue depuis" in held
    assert held.labels == ["Le courrier reçu"]
    await stage.advance(timedelta(hours=23))
    early = await opened(await stage.invited(Role.secretariat))
    assert early.labels == ["Le courrier reçu"]
    await stage.advance(timedelta(hours=1))
    third = await stage.invited(Role.secretariat)
    assert (await opened(third)).labels[0] == "Reprendre cette conversation"
    assert "C'est à vous de répondre." in await third.press("Reprendre cette conversation")

    kept = select(Draft).where(Draft.form.startswith("reply."))
    [draft] = await stage.db.read(lambda store: list(store.session.scalars(kept)))
    assert draft.state["answers"]["reply"] == "Une longue réponse."
    await answered(third)
    assert ANSWER in await parent.look()


async def test_a_slow_answer_is_refused_and_kept(stage: Stage) -> None:
    slow, colleague = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    parent = await written(stage)
    await opened(slow)
    await slow.press("Répondre")
    await slow.say("Une longue réponse.")
    await stage.db.write(_let_go)
    await opened(colleague)
    await colleague.press("Je m'en occupe")
    refused = await slow.press("Envoyer la réponse")
    assert "Cette conversation est suivie par un collègue" in refused
    assert "reste dans votre brouillon" in refused
    assert not (await parent.look()).events
    await colleague.press("Rendre à mes collègues")
    await slow.press("Lire la conversation")
    await slow.press("Répondre")
    assert "Une longue réponse." in await slow.press("Continuer le brouillon")
    await slow.press("Envoyer la réponse")
    assert "Une longue réponse." in await parent.look()


def _let_go(store: Store) -> None:
    for thread in store.session.scalars(select(Thread)):
        thread.claimed_by = thread.claimed_at = None
    store.session.flush()


@pytest.mark.everywhere
async def test_a_message_that_comes_meanwhile_is_read_first(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await written(stage)
    await opened(secretary)
    await secretary.press("Répondre")
    await secretary.say(ANSWER)
    await parent.press("Ajouter un message")
    await parent.say("En fait, c'est un collège.")
    refused = await secretary.press("Envoyer la réponse")
    assert "Cette conversation a changé." in refused
    assert "c'est un collège" in await secretary.press("Lire la conversation")
    await secretary.press("Répondre")
    await secretary.press("Continuer le brouillon")
    await secretary.press("Envoyer la réponse")
    assert ANSWER in await parent.look()


async def test_what_came_since_the_card_was_read_is_read_before_answering(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await written(stage)
    await opened(secretary)
    await parent.press("Ajouter un message")
    await parent.say("En fait, c'est un collège.")
    for way in ("Répondre", "Fermer la conversation"):
        assert "Cette conversation a changé." in await secretary.press(way)
    assert "c'est un collège" in await secretary.press("Lire la conversation")
    await answered(secretary)
    assert ANSWER in await parent.look()


async def test_a_role_that_ends_while_answering(stage: Stage) -> None:
    former, parent = await stage.invited(Role.secretariat), await written(stage)
    await opened(former)
    await former.press("Répondre")
    await former.say(ANSWER)
    now = stage.clock.now()
    [person] = await stage.db.read(lambda store: store.grants.holders(Role.secretariat, now))
    await stage.db.write(lambda store: store.grants.end(person, now))
    assert "Votre compte ne permet pas" in await former.press("Envoyer la réponse")
    assert not (await parent.look()).events
    [draft] = await stage.db.read(lambda store: store.conversations.drafts_of(person))
    assert draft.state["answers"]["reply"] == ANSWER
    colleague = await stage.invited(Role.secretariat)
    await opened(colleague)
    assert "C'est à vous" in await colleague.press("Reprendre cette conversation")


async def test_closing_tells_only_who_had_no_answer(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    one = await written(stage)
    await opened(secretary)
    await answered(secretary)
    await one.look()
    assert "La conversation est fermée." in await secretary.press("Fermer la conversation")
    assert not (await one.look()).events
    two = await written(stage)
    await opened(secretary)
    confirm = await secretary.press("Fermer la conversation")
    assert "Personne n'a répondu." in confirm
    assert not (await two.look()).events
    assert "La personne est prévenue." in await secretary.press("Oui, fermer sans répondre")
    assert "Il ne demande pas de réponse." in await two.look()
    assert "Cette conversation est fermée." in await secretary.press("Répondre")
    assert "Aucun message n'attend" in await secretary.say("courrier")
    await two.press("Écrire de nouveau")
    assert "bien reçu" in await two.say("Une autre question.")
    assert await rows(stage, Thread) == 3


async def test_the_oldest_come_first_ten_at_a_time(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)

    def many(store: Store) -> None:
        for rank in range(12):
            now = stage.clock.now() + timedelta(minutes=rank)
            person = store.people.arrive("web", f"many-{rank}", "fr", now)[0].person_id
            store.threads.write(person, f"Question {rank}.", now)

    await stage.db.write(many)
    await stage.advance(timedelta(hours=3))
    inbox = await secretary.say("boîte")
    assert "12 personnes attendent une réponse" in inbox
    assert len(inbox.labels) == 12
    assert inbox.labels[-2:] == ["Voir les suivants", "Voir le menu"]
    assert inbox.labels[0] == "Profil non précisé, 3\u202fh : Question 0."
    following = await secretary.press("Voir les suivants")
    assert len(following.labels) == 3
    assert "Question 11." in await secretary.press(following.labels[1])


async def test_a_long_thread_is_read_in_parts(stage: Stage) -> None:
    secretary, _ = await stage.invited(Role.secretariat), await written(stage)
    person = await person_of(stage)

    def more(store: Store) -> None:
        for rank in range(15):
            store.threads.write(person, f"Suite {rank}. " + "mot " * 100, stage.clock.now())

    await stage.db.write(more)
    card = await opened(secretary)
    assert "Suite 14." in card
    assert LETTER not in card
    seen = [card.text]
    while "Lire les messages d'avant" in card.labels:
        card = await secretary.press("Lire les messages d'avant")
        seen.insert(0, card.text)
    whole = "".join(seen)
    assert LETTER in seen[0]
    places = [whole.index(f"Suite {rank}.") for rank in range(15)]
    assert places == sorted(places)
    assert all(whole.count(f"Suite {rank}.") == 1 for rank in range(15))
    assert "Suite 14." in await secretary.press("Revenir aux derniers messages")


async def test_a_card_says_who_wrote(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await stage.newcomer()
    await report(parent)
    await parent.say("secrétariat")
    await parent.say(LETTER)
    [line, _] = (await secretary.say("courrier")).labels
    assert line == "Parent d'élève, 1\xa0min : Notre école n'a pas de réseau. À qui…"
    assert "Parent d'élève · La Réunion" in await secretary.press("Parent d'élève")


# Those who leave


async def test_who_leaves_stands_in_no_list(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await written(stage)
    told = (await secretary.look()).messages[-1]["message"]
    inbox = (await secretary.say("courrier")).messages[-1]["message"]
    await parent.say("données")
    await parent.press("Tout effacer")
    await parent.say("effacer")
    gone = [event["message"] for event in (await secretary.look()).events]
    assert sorted(gone) == sorted([told, inbox])


async def test_who_leaves_is_answered_no_more(stage: Stage) -> None:
    secretary, parent = await stage.invited(Role.secretariat), await written(stage)
    await opened(secretary)
    await secretary.press("Répondre")
    await secretary.say(ANSWER)
    await parent.say("données")
    await parent.press("Tout effacer")
    await parent.say("effacer")
    left = await secretary.look()
    assert "a effacé ses données" in left
    assert "delete" in [event["kind"] for event in left.events], "the card goes from the chat"
    assert "Cette personne est partie" in await secretary.press("Envoyer la réponse")
    assert (await rows(stage, Thread), await rows(stage, ThreadMessage)) == (0, 0)


async def test_an_answer_that_waits_is_not_sent_to_who_left(stage: Stage) -> None:
    secretary, _ = await stage.invited(Role.secretariat), await written(stage)
    await opened(secretary)
    await secretary.press("Je m'en occupe")
    person, now = await person_of(stage), stage.clock.now()

    def answer_and_forget(store: Store) -> None:
        [thread] = store.session.scalars(select(Thread))
        holder = thread.claimed_by or 0
        message = store.threads.answer(thread, holder, ANSWER, now)
        arguments = {"message": message.id}
        told = select(literal(person))
        store.deliveries.notify("threads.answered", arguments, told, now)
        store.forget_writings(person, now)

    await stage.db.write(answer_and_forget)
    parent = await stage.unsigned(person)
    assert ANSWER not in "".join(str(event["text"]) for event in parent.seen)


async def test_a_secretary_who_leaves_holds_nothing(stage: Stage) -> None:
    one, two = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    await written(stage)
    await opened(one)
    await answered(one)
    now = stage.clock.now()
    first = await stage.db.read(lambda store: store.grants.holders(Role.secretariat, now)[0])
    await stage.db.write(lambda store: store.erase(first, now))
    await two.say("courrier")
    await two.press("Conversations sans attente")
    card = await two.press("Profil non précisé, 1\xa0min : Demandez à votre commune")
    assert ANSWER in card
    assert "Personne ne s'en occupe encore." in card


# Those who would flood


async def test_however_many_begin_the_secretariat_is_told_once_in_a_while(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    for _ in range(3):
        await written(stage)
    assert (await secretary.look()).text.count("Un message attend le secrétariat.") == 1
    assert "3 personnes attendent" in await secretary.say("courrier"), "the list counts them"
    stage.clock.advance_to(stage.clock.now() + timedelta(minutes=10))
    await written(stage)
    assert "Un message attend le secrétariat." in await secretary.look()
