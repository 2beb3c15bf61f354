"""Broadcasts, from the first word to the last recipient."""

import asyncio
import io
from datetime import timedelta
from typing import Any

import pytest
from pikepdf import Encryption, Pdf
from sqlalchemy import func, select, update

from scheduled.broadcasts import changed, leave, redraw
from storage.broadcasts import Broadcast, BroadcastState
from storage.deliveries import Delivery, DeliveryState, Kind
from storage.grants import Role
from storage.people import ChatState
from storage.recommendations import Theme
from storage.store import Store
from storage.threads import ThreadMessage
from tests.bot.test_photos import encoded
from tests.people import Answer, Guest, Someone, report
from tests.stage import Stage
from tests.storage.test_broadcasts import settle

TEXT = "Une *journée de partage* aura lieu. _Venez_ : https://exemple.fr/a_b_c & <amis>"
SHOWN = "Une journée de partage aura lieu. Venez : https://exemple.fr/a_b_c & <amis>"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def composed(
    secretary: Someone, text: str = TEXT, kind: str = "Un événement", to: str = "Tout le monde"
) -> Answer:
    """A message, up to its preview."""
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    await secretary.say(text)
    await secretary.press(kind)
    await secretary.press(to)
    return await secretary.press("Voir l'aperçu")


async def leaving(stage: Stage, secretary: Someone) -> None:
    """A message that is leaving, but of which nothing is due for an hour yet."""
    await composed(secretary)
    await secretary.press("Envoyer")
    stage.clock.advance_to(stage.clock.now() + MINUTE)
    now = stage.clock.now()

    def begin(store: Store) -> None:
        leave(store, now)
        of_it = Delivery.kind == Kind.broadcast
        store.session.execute(update(Delivery).where(of_it).values(due_at=now + HOUR))

    await stage.db.write(begin)


async def redrawn(stage: Stage, secretary: Someone) -> Answer:
    """The card, as the clock redraws it."""
    now = stage.clock.now()

    def tick(store: Store) -> None:
        settle(store, now)
        redraw(store, now, changed(store, now) or [])

    await stage.db.write(tick)
    await secretary.look()
    return Answer([event for event in secretary.seen if event["kind"] == "edit"][-1:])


async def state_of(stage: Stage) -> BroadcastState:
    wanted = select(Broadcast.state).order_by(Broadcast.id.desc()).limit(1)
    return await stage.db.read(lambda store: store.session.scalars(wanted).one())


async def counted(stage: Stage, state: DeliveryState) -> int:
    """How many deliveries of broadcasts are in a state."""
    wanted = select(func.count()).where(Delivery.kind == Kind.broadcast, Delivery.state == state)
    return await stage.db.read(lambda store: int(store.session.execute(wanted).scalar_one()))


@pytest.mark.everywhere
async def test_from_the_first_word_to_the_last_recipient(stage: Stage) -> None:
    one, two = await stage.newcomer(), await stage.newcomer()
    secretary = await stage.invited(Role.secretariat)
    preview = await composed(secretary)
    exact, told = preview.messages
    assert SHOWN in exact["text"]
    assert "<b>journée de partage</b>" in exact["html"]
    assert "<amis>" not in exact["html"]
    assert "3 personnes le recevront" in told["text"]
    card = await secretary.press("Envoyer")
    assert [event["kind"] for event in card.messages] == [stage.in_place]
    assert "Départ dans une minute au plus" in card
    await stage.advance(timedelta(seconds=59))
    assert (await one.look()).messages == []
    await stage.advance(timedelta(seconds=1))
    for reader in (one, two, secretary):
        [received] = [event for event in (await reader.look()).messages if SHOWN in event["text"]]
        assert received["text"] == exact["text"], "the preview is what is received"
        assert received["html"] == exact["html"]
    done = await redrawn(stage, secretary)
    assert "Terminé" in done
    assert stage.delivered(3) in done
    assert "Restants : 0." in done


async def test_what_is_paused_waits_and_is_resumed(stage: Stage) -> None:
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await leaving(stage, secretary)
    going = await redrawn(stage, secretary)
    assert "En cours" in going
    assert "Restants : 2." in going
    assert "Rien ne part pendant la pause." in await secretary.press("Mettre en pause")
    await stage.advance(2 * HOUR)
    assert (await reader.look()).messages == []
    assert await counted(stage, DeliveryState.waiting) == 2
    await secretary.press("Reprendre l'envoi")
    await stage.settle()
    assert SHOWN in await reader.look()
    assert await counted(stage, stage.done) == 2


async def test_what_has_not_left_is_cancelled(stage: Stage) -> None:
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await leaving(stage, secretary)
    await redrawn(stage, secretary)
    asked = await secretary.press("Annuler ce qui reste")
    assert "ce qui n'est pas parti : 2 personnes" in asked
    kept = await secretary.press("Non, ne rien annuler")
    assert "En cours" in kept
    await secretary.press("Annuler ce qui reste")
    assert "Plus rien ne part." in await secretary.press("Oui, annuler le reste")
    await stage.advance(2 * HOUR)
    assert (await reader.look()).messages == []
    assert await counted(stage, DeliveryState.cancelled) == 2
    over = await redrawn(stage, secretary)
    assert "Annulés avant leur départ : 2." in over
    assert "Restants : 0." in over
    assert over.labels == ["Voir les envois"]


async def test_within_its_minute_nothing_has_left(stage: Stage) -> None:
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await composed(secretary)
    await secretary.press("Envoyer")
    assert "Rien n'est parti." in await secretary.press("Annuler l'envoi")
    await stage.advance(HOUR)
    assert (await reader.look()).messages == []
    late = await secretary.press("Envoyer")
    assert "Cet envoi est déjà confirmé." in late


async def test_of_two_who_confirm_one_does(stage: Stage) -> None:
    one, two = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    await composed(one)
    await stage.db.write(lambda store: setattr(store.people.get(1), "name", "Awa"))
    await two.say("diffuser")
    assert "2 personnes le recevront" in await two.press("À confirmer")
    answers = await asyncio.gather(one.press("Envoyer"), two.press("Envoyer"))
    first, second = sorted(answers, key=lambda answer: "déjà confirmé" in answer)
    assert "Départ dans une minute au plus" in first
    assert "C'était le lundi 11 janvier 2027 à 10 h (heure de Paris)." in second
    assert ("Par : Awa." in second) == (answers[1] is second)
    await stage.advance(MINUTE)
    received = [event for event in (await one.look()).messages if SHOWN in event["text"]]
    assert len(received) == 1


async def test_a_test_comes_to_oneself_alone(stage: Stage) -> None:
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    exact = (await composed(secretary)).messages[0]["text"]
    await secretary.say("stop")
    await secretary.say("diffuser")
    await secretary.press("À confirmer")
    tested = await secretary.press("Essayer sur moi")
    received, told = tested.messages
    assert received["text"] == exact
    assert [choice["label"] for choice in received["choices"]] == [
        "Répondre au secrétariat",
        "Ne plus recevoir les événements",
    ]
    assert "n'est arrivé qu'à vous" in told["text"]
    assert tested.labels[0] == "Envoyer", "what may be decided stands at the end"
    assert (await reader.look()).messages == []
    assert await state_of(stage) is BroadcastState.composed
    assert "Départ dans une minute" in await secretary.say("1")


async def test_each_kind_is_stopped_by_itself_and_taken_back(stage: Stage) -> None:
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await composed(secretary)
    await secretary.press("Envoyer")
    await stage.advance(MINUTE)
    await reader.look()
    stopped = await reader.press("Ne plus recevoir les événements")
    assert "Vous ne recevez plus : les événements." in stopped
    assert "1 personne" not in await composed(secretary)
    await secretary.press("Envoyer")
    await stage.advance(MINUTE)
    assert (await reader.look()).messages == []
    assert "2 personnes le recevront" in await composed(secretary, kind="Une nouvelle")
    await reader.press("Recevoir de nouveau les événements")
    assert "2 personnes le recevront" in await composed(secretary)


async def test_stop_is_heeded_in_the_middle_of_an_answer(stage: Stage) -> None:
    """A broadcast says both: answer by this button, or write « stop »."""
    reader = await stage.newcomer()
    await reader.say("secrétariat")
    stopped = await reader.say("stop")
    assert "vous ne recevrez plus les annonces" in stopped
    on_page = isinstance(reader, Guest)
    assert ("quittez" in stopped) is ("Quitter cet appareil" in stopped.labels) is on_page
    assert ("« quitter »" in await reader.say("aide")) is on_page
    assert await stage.db.read(lambda store: store.threads.count_waiting()) == 0


async def test_stop_ends_them_all_and_is_undone(stage: Stage) -> None:
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    assert "vous ne recevrez plus les annonces" in await reader.say("STOP")
    for kind in ("Une nouvelle", "Une consultation", "Un événement"):
        assert "Une personne le recevra" in await composed(secretary, kind=kind)
    again = await reader.press("Recevoir de nouveau les annonces")
    assert "les nouvelles du comité, les consultations, les événements" in again
    assert "2 personnes le recevront" in await composed(secretary)
    await reader.press("Ne plus recevoir les événements")
    await reader.say("données")
    held = await reader.press("Voir ce qui est gardé")
    assert "Vous ne recevez plus : les événements." in held
    await reader.say("réglages")
    assert "Vous ne recevez plus" in await reader.press("Choisir ce que je reçois")


async def test_who_stops_or_goes_meanwhile_is_not_told(stage: Stage) -> None:
    muted, gone, blocked = [await stage.newcomer() for _ in range(3)]
    secretary = await stage.invited(Role.secretariat)
    await leaving(stage, secretary)
    await muted.say("stop")
    now = stage.clock.now()
    await stage.db.write(lambda store: store.erase(2, now))
    await stage.db.write(lambda store: store.people.mark_chat(3, ChatState.blocked))
    await stage.advance(2 * HOUR)
    assert SHOWN not in await muted.look()
    card = await redrawn(stage, secretary)
    assert "Terminé" in card
    assert "Destinataires : 4." in card
    assert stage.delivered(1) in card
    assert "Écartés, désabonnés ou effacés depuis : 2." in card
    assert "Échecs, plus de conversation ouverte : 1." in card
    assert gone is not blocked


@pytest.mark.parametrize(
    ("to", "then", "count"),
    [
        ("Tout le monde", None, "4 personnes"),
        ("Les membres", None, "2 personnes"),
        ("Une organisation", "AMF", "Une personne"),
        ("Un groupe", "Le réseau et le matériel", "Une personne"),
        ("Les auteurs d'une académie", "974", "Une personne"),
        ("Les auteurs sur un thème", "Le réseau", "Une personne"),
    ],
)
async def test_each_audience_is_counted(
    stage: Stage, to: str, then: str | None, count: str
) -> None:
    await stage.organisation("amf", "AMF")
    await report(await stage.newcomer())
    delegate = await stage.invited(Role.delegate, "amf")
    await stage.newcomer()
    secretary = await stage.invited(Role.secretariat)
    now = stage.clock.now()
    network = await stage.db.read(
        lambda store: next(
            one.id for one in store.groups.all_open() if one.theme is Theme.infrastructure
        )
    )
    await stage.db.write(lambda store: store.groups.join(network, 2, now))
    await delegate.look()
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    await secretary.say(TEXT)
    await secretary.press("Une consultation")
    await secretary.press(to)
    if then is not None:
        await secretary.say(then)
    shown = await secretary.press("Voir l'aperçu")
    assert count in shown.messages[-1]["text"]
    assert await secretary.press("Modifier")
    again = await secretary.press("Voir l'aperçu")
    assert shown.messages[-1]["text"] == again.messages[-1]["text"]


@pytest.mark.everywhere
async def test_nobody_to_tell_is_refused_and_the_text_kept(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    secretary = await stage.invited(Role.secretariat)
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    await secretary.say(TEXT)
    await secretary.press("Une nouvelle")
    await secretary.press("Une organisation")
    await secretary.press("AMF")
    refused = await secretary.press("Voir l'aperçu")
    assert "Personne ne recevrait ce message." in refused
    assert "l'organisation AMF" in refused
    assert refused.labels == ["Modifier une réponse"]
    assert "Quelle réponse" in await secretary.say("1"), "numbers are of what was said last"
    await secretary.press("Pour")
    await secretary.press("Tout le monde")
    assert "Une personne le recevra" in await secretary.press("Voir l'aperçu")


async def test_a_text_that_is_too_long_is_refused_kindly(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await secretary.say("diffuser")
    asked = await secretary.press("Écrire un nouveau message")
    assert "*mot*" in asked
    refused = await secretary.say("a" * 10_000)
    assert "Votre texte fait 10 000 caractères." in refused.text.replace("\u202f", " ")
    assert "De quoi s'agit-il" in await secretary.say("a" * 4000)


async def test_a_change_makes_another_preview(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    old = await composed(secretary)
    button = secretary.button("Envoyer")
    await secretary.press("Modifier")
    await secretary.press("Modifier une réponse")
    await secretary.press("Texte")
    await secretary.say("Un autre texte.")
    assert "Un autre texte." in await secretary.press("Voir l'aperçu")
    assert secretary.button("Envoyer") != button
    assert SHOWN in old
    await secretary.press("Envoyer")
    await stage.advance(MINUTE)
    assert "Un autre texte." in await secretary.look()


async def test_a_dropped_preview_cannot_be_sent(stage: Stage) -> None:
    secretary = await stage.invited(Role.secretariat)
    await composed(secretary)
    assert "Rien n'est parti." in await secretary.press("Abandonner ce message")
    assert "Cet aperçu n'existe plus." in await secretary.press("Envoyer")


async def test_of_who_sends_and_who_drops_the_second_is_told(stage: Stage) -> None:
    one, two = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    await composed(one)
    await two.say("diffuser")
    await two.press("À confirmer")
    sent, dropped = await asyncio.gather(one.press("Envoyer"), two.press("Abandonner ce message"))
    if "Départ dans une minute au plus" in sent:
        assert "Cet envoi est déjà confirmé." in dropped
    else:
        assert "Cet aperçu n'existe plus." in sent
        assert "Ce message est abandonné." in dropped


async def test_a_group_closed_after_the_preview_is_not_written_to(stage: Stage) -> None:
    secretary, now = await stage.invited(Role.secretariat), stage.clock.now()
    await stage.db.write(lambda store: store.groups.join(1, 1, now))
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    await secretary.say(TEXT)
    await secretary.press("Une nouvelle")
    await secretary.press("Un groupe")
    await secretary.press("Les usages")
    assert "Une personne le recevra" in await secretary.press("Voir l'aperçu")
    await stage.db.write(lambda store: store.groups.close(1, now))
    assert "Personne ne recevrait ce message." in await secretary.press("Envoyer")
    assert await state_of(stage) is BroadcastState.composed


@pytest.mark.everywhere
async def test_a_picture_goes_with_it(stage: Stage) -> None:
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    await secretary.say(TEXT)
    await secretary.send_photo(encoded("JPEG"))
    _, second = await secretary.send_photo(encoded("JPEG"))
    assert "Un seul fichier est possible." in second
    await secretary.press("Un événement")
    await secretary.press("Tout le monde")
    preview = await secretary.press("Voir l'aperçu")
    assert len(preview.messages[0]["files"]) == 1
    await secretary.press("Envoyer")
    await stage.advance(MINUTE)
    received = await reader.look()
    [picture] = received.files
    status, content = await reader.fetch(picture)
    assert (status, picture["type"]) == (200, "image/jpeg")
    assert content.startswith(b"\xff\xd8")


async def test_only_the_secretariat_sends(stage: Stage) -> None:
    member, secretary = await stage.invited(Role.member), await stage.invited(Role.secretariat)
    assert "Votre compte ne permet pas" in await member.say("diffuser")
    assert "Envoyer une annonce" in (await secretary.say("menu")).labels
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    await secretary.say(TEXT)
    await secretary.press("Une nouvelle")
    await secretary.press("Tout le monde")
    now = stage.clock.now()
    await stage.db.write(lambda store: store.grants.end(2, now))
    assert "Votre compte ne permet pas" in await secretary.press("Voir l'aperçu")
    await stage.db.write(lambda store: store.grants.give(2, Role.secretariat, now))
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    await secretary.press("Continuer le brouillon")
    assert SHOWN in await secretary.press("Voir l'aperçu")


async def test_an_answer_opens_a_thread(stage: Stage) -> None:
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await composed(secretary)
    await secretary.press("Envoyer")
    await stage.advance(MINUTE)
    await reader.look()
    await reader.press("Répondre au secrétariat")
    await reader.say("Je viendrai avec plaisir.")
    about = await stage.db.read(
        lambda store: store.session.scalars(select(ThreadMessage.broadcast_id)).one()
    )
    assert about == 1


def pdf_by(author: str, **options: Any) -> bytes:
    """A page with its author's name."""
    made, out = Pdf.new(), io.BytesIO()
    made.add_blank_page()
    made.docinfo["/Author"] = author
    made.save(out, **options)
    return out.getvalue()


PDF = pdf_by("Madame Untel")


async def test_a_pdf_goes_with_it(stage: Stage) -> None:
    reader, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    await secretary.say(TEXT)
    await secretary.press("Un événement")
    await secretary.press("Tout le monde")
    await secretary.press("Ajouter une image ou un PDF")
    _, damaged = await secretary.send_photo(PDF[:-7])
    assert "Ce fichier PDF est abîmé." in damaged
    _, locked = await secretary.send_photo(pdf_by("", encryption=Encryption(user="a", owner="b")))
    assert "Ce fichier PDF est protégé." in locked
    _, review = await secretary.send_photo(PDF)
    assert "Fichier : joint" in review
    preview = await secretary.press("Voir l'aperçu")
    assert [file["name"] for file in preview.messages[0]["files"]] == ["Fichier joint"]
    await secretary.press("Envoyer")
    await stage.advance(MINUTE)
    received = await reader.look()
    [document] = received.files
    _, content = await reader.fetch(document)
    assert document["type"] == "application/pdf"
    with Pdf.open(io.BytesIO(content)) as kept:
        assert len(kept.pages) == 1
        assert "/Info" not in kept.trailer


async def test_a_report_takes_no_pdf(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    _, refused = await parent.send_photo(PDF)
    assert "Je ne peux pas ouvrir ce fichier comme une photo." in refused
