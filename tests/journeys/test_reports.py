"""A report from the first word to publication, as its author and its reader see it."""

import io

import pytest
from PIL import Image

from storage.grants import Role
from tests.people import STORY, Guest, Someone, report
from tests.stage import Stage


def photo(size: tuple[int, int] = (640, 480)) -> bytes:
    """A JPEG that says where it was taken."""
    image = Image.effect_noise(size, 40).convert("RGB")
    exif = image.getexif()
    exif[0x010E] = "classe de Madame Untel"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 24.0)
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


async def test_a_newcomer_is_welcomed_and_tells_first(stage: Stage) -> None:
    parent = await stage.newcomer()
    first = parent.seen[0]
    assert first["text"].startswith("Bonjour, je suis Préau, un assistant automatique.")
    assert "Rien n'est publié sans votre accord." in first["text"]
    kept = await parent.say(STORY)
    assert "J'ai gardé votre message" in kept
    kind = await parent.say("1")
    assert "Qu'avez-vous raconté" in kind, "the story is not asked again"


@pytest.mark.everywhere
async def test_a_report_is_read_published_and_its_author_told(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    number = await report(parent)
    assert number == "REX-2027-00001"
    await secretary.say("modérer")
    shown = await secretary.press("Lire le suivant")
    assert STORY in shown
    await secretary.press("Publier")
    await stage.service.deliver()
    told = await parent.look()
    assert "est publié, sans votre nom" in told
    published = await stage.db.read(
        lambda store: (
            store.session.connection()
            .exec_driver_sql("SELECT public_id, academie FROM published_reports")
            .all()
        )
    )
    assert [tuple(row) for row in published] == [(number, "28")]


async def test_two_secretaries_cannot_hold_one_report(stage: Stage) -> None:
    parent = await stage.newcomer()
    one, two = await stage.invited(Role.secretariat), await stage.invited(Role.secretariat)
    await report(parent)
    await one.say("modérer")
    await two.say("modérer")
    await one.press("Lire le suivant")
    assert "Aucun autre témoignage" in await two.press("Lire le suivant")
    await one.press("Publier")
    assert "Vous avez déjà décidé" in await one.press("Publier")


async def asked(stage: Stage, question: str = "Combien de tablettes ?") -> tuple[Someone, Someone]:
    """An author whose report came back with a question, and the secretary who asked."""
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await report(parent)
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Poser une question")
    await secretary.say(question)
    await stage.service.deliver()
    assert question in await parent.look()
    return parent, secretary


@pytest.mark.everywhere
async def test_a_question_is_answered_under_the_story(stage: Stage) -> None:
    parent, secretary = await asked(stage)
    assert "Quelle est votre réponse ?" in await parent.press("Répondre")
    answer = await parent.say("Il y en avait douze.")
    assert "Votre réponse est envoyée au secrétariat." in answer
    assert "REX-2027-00001" in answer
    await secretary.say("modérer")
    read = await secretary.press("Lire le suivant")
    assert f"{STORY}\n\nIl y en avait douze." in read


async def test_what_is_said_while_a_question_waits_may_answer_it(stage: Stage) -> None:
    parent, secretary = await asked(stage)
    offer = await parent.say("Il y en avait douze.")
    assert offer.labels[0] == "En réponse à REX-2027-00001"
    assert "Votre réponse est envoyée" in await parent.say("1")
    await secretary.say("modérer")
    assert f"{STORY}\n\nIl y en avait douze." in await secretary.press("Lire le suivant")
    assert "Que voulez-vous raconter" in await parent.say("témoigner"), "nothing is kept any more"


async def test_a_question_may_be_answered_by_changing_the_report(stage: Stage) -> None:
    parent, secretary = await asked(stage)
    await parent.press("Modifier")
    await parent.press("Modifier une réponse")
    edited = await parent.press("Votre récit")
    assert f"Votre réponse actuelle : {STORY}" in edited
    await parent.say(STORY + " Il y en avait douze.")
    assert "Vos changements sont enregistrés" in await parent.press("Envoyer")
    await secretary.say("modérer")
    assert "Il y en avait douze." in await secretary.press("Lire le suivant")


async def test_who_one_is_and_where_can_be_changed_afterwards(stage: Stage) -> None:
    parent = await stage.newcomer()
    await report(parent)
    await parent.say("mes témoignages")
    await parent.press("REX-")
    await parent.press("Modifier")
    await parent.press("Modifier une réponse")
    profile = await parent.press("Vous êtes")
    assert "posée qu'une fois" not in profile
    await parent.say("prof")
    await parent.press("Modifier une réponse")
    await parent.press("Académie")
    assert "Gironde : académie de Bordeaux." in await parent.say("33")
    await parent.press("Envoyer")
    await parent.say("mes témoignages")
    shown = await parent.press("REX-")
    assert "Enseignante ou enseignant · Bordeaux" in shown


@pytest.mark.parametrize("way", ["précédent", "Garder ma réponse", "passer"])
async def test_a_change_can_be_left_as_it_was(stage: Stage, way: str) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    for answer in ("1", "5", "3", "974", "1"):
        review = await parent.say(answer)
    for name in ("Votre récit", "Genre de témoignage", "Vous êtes", "Académie"):
        listed = await parent.press("Modifier une réponse")
        if isinstance(parent, Guest):  # elsewhere it is a button
            assert listed.text.count("précédent") == 1
        await parent.press(name)
        assert (await parent.say(way)).text == review.text


async def photos_kept(stage: Stage) -> int:
    count = "SELECT count(*) FROM files"
    return await stage.db.read(
        lambda store: int(store.session.connection().exec_driver_sql(count).scalar_one())
    )


async def test_photos_may_come_at_any_question(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await parent.say("témoigner")
    _, kept = await parent.send_photo(photo())
    assert "Photo gardée avec votre témoignage." in kept
    assert "Que voulez-vous raconter" in kept
    await parent.say(STORY)
    _, kept = await parent.send_photo(photo())
    assert "Qu'avez-vous raconté" in kept
    for answer in ("1", "5", "3", "974", "1"):
        review = await parent.say(answer)
    assert "Photos et messages vocaux : 2 photos" in review
    first, _ = review.files
    assert (await parent.fetch(first))[0] == 200
    await parent.send_photo(photo())
    await parent.press("Envoyer")
    await secretary.say("modérer")
    shown = await secretary.press("Lire le suivant")
    assert len(shown.files) == 3


async def test_a_sixth_photo_is_not_kept(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    for _ in range(5):
        await parent.send_photo(photo((64, 64)))
    _, surplus = await parent.send_photo(photo((64, 64)))
    assert "Cinq fichiers au plus. Celui-ci n'est pas gardé." in surplus
    assert await photos_kept(stage) == 5


async def test_photos_can_be_added_to_and_taken_back(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.send_photo(photo((64, 64)))
    await parent.say(STORY)
    for answer in ("1", "5", "3", "974", "1"):
        await parent.say(answer)
    await parent.press("Modifier une réponse")
    asked = await parent.press("Photos")
    assert asked.labels == ["C'est tout, continuer", "Retirer photos et voix"]
    await parent.send_photo(photo((64, 64)))
    assert "Photos et messages vocaux : 2 photos" in await parent.say("c'est tout")
    await parent.press("Modifier une réponse")
    await parent.press("Photos")
    assert "Photos et messages vocaux :" not in await parent.press("Retirer photos")


async def test_going_back_loses_no_photo(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    for answer in ("1", "5", "3", "974", "1", "ajouter"):
        await parent.say(answer)
    for _ in range(4):
        asked = await parent.say("passer")
    assert "Passer" in asked.labels
    _, more = await parent.send_photo(photo((64, 64)))
    assert "Passer" not in more.labels
    await parent.say("précédent")
    await parent.say("passer")
    await parent.say("passer")
    assert "Photos et messages vocaux : 1 photo" in await parent.say("passer")


async def test_a_photo_elsewhere_is_not_stored(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    _, refused = await parent.send_photo(photo())
    assert "Votre photo n'est pas gardée" in refused
    await secretary.say("projet")
    await secretary.press("Entrer un nouveau projet")
    _, refused = await secretary.send_photo(photo())
    assert "Aucune photo n'est attendue ici. Votre photo n'est pas gardée." in refused
    assert "titre" in refused.text.lower(), "the question is asked again"
    assert await photos_kept(stage) == 0


@pytest.mark.everywhere
async def test_photos_lose_what_they_knew(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await parent.say("témoigner")
    await parent.say(STORY)
    await parent.press("Une expérience")
    await parent.press("Le réseau")
    await parent.press("Parent")
    await parent.say("paris")
    await parent.press("Tout le monde")
    await parent.press("Ajouter une photo")
    for _ in range(4):
        await parent.say("passer")
    status, more = await parent.send_photo(photo())
    assert status == 200
    assert "C'est reçu." in more
    _, refused = await parent.send_photo(b"%PDF-1.4 not a photo", "photo.jpg")
    assert "Je ne peux pas ouvrir ce fichier" in refused
    await parent.press("C'est tout")
    await parent.say("non")
    await parent.press("Envoyer")
    await secretary.say("modérer")
    shown = await secretary.press("Lire le suivant")
    [file] = shown.files
    _, content = await secretary.fetch(file)
    assert b"Exif" not in content
    assert b"Untel" not in content
    assert Image.open(io.BytesIO(content)).format == "JPEG"
    if isinstance(parent, Guest):
        assert (await parent.fetch(file))[0] == 404, "the address was given to another chat"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("   ", "Votre réponse est vide"),
        ("é" * 4001, "La limite est 4"),
        ("\u200f\u202eשלום\u202c " * 20, "Qu'avez-vous raconté"),
        ("😀" * 80, "Qu'avez-vous raconté"),
        ("<script>alert(1)</script> **gras** _x_ [a](b) " * 3, "Qu'avez-vous raconté"),
        ("a\x00b\x07c " * 20, "Qu'avez-vous raconté"),
    ],
)
async def test_any_story_gets_a_clear_answer(stage: Stage, typed: str, answer: str) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    assert answer in (await parent.say(typed)).text.replace("\u202f", " ")


async def test_words_of_people_are_shown_as_they_are(stage: Stage) -> None:
    parent = await stage.newcomer()
    await report(parent, "<b>Pas gras</b> & <img src=x onerror=alert(1)> " * 3)
    await parent.say("mes témoignages")
    shown = await parent.press("REX-")
    assert "<img" not in shown.messages[-1]["html"]
    assert "&lt;img" in shown.messages[-1]["html"]
    assert "<b>Pas gras</b> & <img src=x" in shown


async def test_a_short_story_gets_a_question_not_a_refusal(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    assert "en dire un peu plus" in await parent.say("Le wifi est lent.")
    assert "Qu'avez-vous raconté" in await parent.press("C'est tout")


async def test_a_slip_of_the_finger_makes_no_pupil(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    await parent.say("1")
    await parent.say("5")
    await parent.press("Élève")
    await parent.press("Élève")
    assert "Vous êtes élève ?" in str(parent.seen[-4:]), "pressing twice erases nothing"
    assert "Je n'ai pas reconnu votre choix." in await parent.say("o")
    assert "Qui êtes-vous" in await parent.press("Non, je suis adulte")
    assert "De quelle académie" in await parent.press("Parent")
    assert STORY[:40] in str(await stage.db.read(lambda s: s.conversations.draft(1, "report")))


async def test_a_pupil_is_told_and_all_is_erased(stage: Stage) -> None:
    pupil = await stage.newcomer()
    await pupil.say("témoigner")
    await pupil.send_photo(photo((64, 64)))
    await pupil.say(STORY)
    await pupil.press("Une expérience")
    await pupil.press("Je ne sais pas")
    await pupil.press("Élève")
    answer = await pupil.say("oui")
    assert "Un parent ou un enseignant peut raconter pour vous." in answer
    assert {event["kind"] for event in answer.events} == {"delete", "message"}
    left = await stage.db.read(lambda store: store.conversations.draft(1, "report"))
    assert left is None
    assert await photos_kept(stage) == 0


async def test_who_turns_out_to_be_a_pupil_leaves_nothing_behind(stage: Stage) -> None:
    pupil, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await report(pupil)
    await pupil.say("Encore une chose que je voulais dire.")
    await pupil.say("mes témoignages")
    await pupil.press("REX-")
    await pupil.press("Modifier")
    await pupil.press("Modifier une réponse")
    await pupil.press("Vous êtes")
    await pupil.press("Élève")
    assert "est effacé" in await pupil.press("Oui, effacer")
    assert "Aucun témoignage n'attend." in await secretary.say("modérer")
    await pupil.say("mes témoignages")
    assert STORY[:30] not in await pupil.press("REX-")
    assert "Que voulez-vous raconter" in await pupil.say("témoigner"), "nothing is kept"


async def test_a_draft_waits_for_whoever_stops(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    assert "Votre brouillon est gardé" in await parent.say("annuler")
    await parent.say("votes")
    assert "Vous avez un brouillon" in await parent.say("temoigner")
    assert "Qu'avez-vous raconté" in await parent.press("Continuer le brouillon")
    assert "Que voulez-vous raconter" in await parent.say("précédent")


@pytest.mark.everywhere
async def test_withdrawn_is_gone(stage: Stage) -> None:
    parent = await stage.newcomer()
    await report(parent)
    await parent.say("mes témoignages")
    await parent.press("REX-")
    await parent.press("Retirer")
    assert "est retiré" in await parent.press("Oui, retirer")
    assert "n'est pas à vous" not in await parent.say("mes témoignages")
