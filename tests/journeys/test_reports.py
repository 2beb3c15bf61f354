"""A report from the first word to publication, as its author and its reader see it."""

import io

import pytest
from PIL import Image

from storage.grants import Role
from tests.people import STORY, Stage, report


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


async def test_a_report_is_read_published_and_its_author_told(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    number = await report(parent)
    assert number == "REX-2027-00001"
    await secretary.say("modérer")
    shown = await secretary.press("Lire le suivant")
    assert STORY in shown
    await secretary.press("Publier")
    told = await parent.look(1.5)
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
    assert "Plus aucun témoignage" in await two.press("Lire le suivant")
    await one.press("Publier")
    assert "n'est plus entre vos mains" in await one.press("Publier")


async def test_a_question_comes_back_and_is_answered(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await report(parent)
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Poser une question")
    await secretary.say("Combien de tablettes ?")
    assert "Combien de tablettes ?" in await parent.look(1.5)
    await parent.press("Modifier")
    await parent.press("Modifier une réponse")
    await parent.press("Votre récit")
    await parent.say(STORY + " Il y en avait douze.")
    assert "Vos changements sont enregistrés" in await parent.press("Envoyer")
    await secretary.say("modérer")
    assert "Il y en avait douze." in await secretary.press("Lire le suivant")


async def test_photos_lose_what_they_knew(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await parent.say("témoigner")
    await parent.say(STORY)
    await parent.press("Une expérience")
    await parent.press("Le réseau")
    await parent.press("Parent")
    await parent.say("paris")
    await parent.press("Tout le monde")
    await parent.press("Ajouter des précisions")
    for _ in range(4):
        await parent.say("passer")
    status, more = await parent.send_photo(photo())
    assert status == 200
    assert "Photo reçue" in more
    _, refused = await parent.send_photo(b"%PDF-1.4 not a photo", "photo.jpg")
    assert "Je ne peux pas ouvrir ce fichier" in refused
    await parent.press("C'est tout")
    await parent.say("non")
    await parent.press("Envoyer")
    await secretary.say("modérer")
    shown = await secretary.press("Lire le suivant")
    [file] = shown.messages[-1]["files"]
    async with secretary.http.get(secretary.base + file["url"]) as response:
        content = await response.read()
    assert b"Exif" not in content
    assert b"Untel" not in content
    assert Image.open(io.BytesIO(content)).format == "JPEG"
    async with parent.http.get(secretary.base + file["url"]) as response:
        assert response.status == 404, "the address was given to another chat"


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


async def test_a_pupil_is_told_and_all_is_erased(stage: Stage) -> None:
    pupil = await stage.newcomer()
    await pupil.say("témoigner")
    await pupil.say(STORY)
    await pupil.press("Une expérience")
    await pupil.press("Je ne sais pas")
    assert "Vous êtes élève ?" in await pupil.press("Élève")
    answer = await pupil.press("Oui, effacer")
    assert "Un parent ou un enseignant peut raconter pour vous." in answer
    assert {event["kind"] for event in answer.events} == {"delete", "message"}
    left = await stage.db.read(lambda store: store.conversations.draft(1, "report"))
    assert left is None


async def test_a_draft_waits_for_whoever_stops(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    await parent.say(STORY)
    assert "Votre brouillon est gardé" in await parent.say("annuler")
    await parent.say("votes")
    assert "Vous avez un brouillon" in await parent.say("temoigner")
    assert "Qu'avez-vous raconté" in await parent.press("Continuer le brouillon")
    assert "Que voulez-vous raconter" in await parent.say("précédent")


async def test_withdrawn_is_gone(stage: Stage) -> None:
    parent = await stage.newcomer()
    await report(parent)
    await parent.say("mes témoignages")
    await parent.press("REX-")
    await parent.press("Retirer")
    assert "est retiré" in await parent.press("Oui, retirer")
    assert "n'est pas à vous" not in await parent.say("mes témoignages")
