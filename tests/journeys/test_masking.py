"""What may tell who somebody is is shown for masking: to who tells it, and to who reads it."""

import pytest

from storage.grants import Role
from storage.reports import PublishedReport
from tests.people import Answer, Someone
from tests.stage import Stage

STORY = (
    "Madame Dupont a prêté des tablettes au collège Jules Ferry. On peut l'appeler au "
    "06 12 34 56 78, ou lui écrire à m.dupont@example.org, après les cours."
)
MASKED = (
    "Madame [nom] a prêté des tablettes au collège [nom d'école]. On peut l'appeler au "
    "[téléphone], ou lui écrire à [adresse électronique], après les cours."
)


async def told(someone: Someone, story: str = STORY) -> Answer:
    """Tell a report until what was found in it is asked about."""
    await someone.say("témoigner")
    await someone.say(story)
    await someone.press("Une expérience vécue")
    await someone.press("Le réseau et le matériel")
    await someone.press("Parent d'élève")
    await someone.say("974")
    return await someone.press("Tout le monde")


async def story(stage: Stage) -> str:
    return await stage.db.read(lambda store: store.reports.written_by(1)[0].story)


async def public(stage: Stage) -> PublishedReport | None:
    return await stage.db.read(lambda store: store.reports.published(1))


@pytest.mark.everywhere
async def test_all_that_was_found_is_masked_before_it_is_sent(stage: Stage) -> None:
    parent = await stage.newcomer()
    asked = await told(parent)
    for found in ("« Dupont »", "« Jules Ferry »", "« 06 12 34 56 78 »", "m.dupont@"):
        assert found in asked
    review = await parent.press("Tout masquer")
    assert MASKED in review, "it is shown before it is sent"
    assert "REX-2027-00001" in await parent.press("Envoyer")
    assert await story(stage) == MASKED


async def test_who_keeps_it_is_not_asked_again_but_of_what_is_new(stage: Stage) -> None:
    parent = await stage.newcomer()
    await told(parent)
    review = await parent.press("Garder mon texte")
    assert "Envoyer mon témoignage" in review.labels
    await parent.press("Modifier")
    await parent.press("Votre récit")
    asked = await parent.say(f"{STORY} Demandez aussi Zoé Petit.")
    assert "« Zoé Petit »" in asked
    assert "Dupont" not in asked.texts[-1].partition("Voulez-vous")[0].split("ceci")[-1]
    await parent.press("Garder mon texte")
    await parent.press("Envoyer")
    assert "Zoé Petit" in await story(stage)


async def test_it_can_be_rewritten_instead(stage: Stage) -> None:
    parent = await stage.newcomer()
    await told(parent)
    assert STORY in await parent.press("Réécrire moi-même"), "what was written stands there"
    clean = "Une collègue a prêté des tablettes à une classe de sixième, et tout le monde est ravi."
    review = await parent.say(clean)
    assert "Envoyer mon témoignage" in review.labels
    await parent.press("Envoyer")
    assert await story(stage) == clean


async def test_what_answers_a_question_is_masked_too(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await told(parent)
    await parent.press("Tout masquer")
    await parent.press("Envoyer")
    await secretary.say("/modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Poser une question")
    await secretary.say("Qui peut en dire plus ?")
    await parent.look()
    await parent.press("Répondre")
    assert "« Petit »" in await parent.say("Demandez à Monsieur Petit.")
    await parent.press("Tout masquer")
    assert await story(stage) == f"{MASKED}\n\nDemandez à Monsieur [nom]."


async def test_nothing_found_is_nothing_asked(stage: Stage) -> None:
    parent = await stage.newcomer()
    clean = "Nous avons prêté des tablettes à une classe de sixième. Le réseau tombait le matin."
    assert "Envoyer mon témoignage" in (await told(parent, clean)).labels


@pytest.mark.everywhere
async def test_the_reader_sees_what_is_left_and_masks_it(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await told(parent)
    await parent.press("Garder mon texte")
    await parent.press("Envoyer")
    await secretary.say("/modérer")
    read = await secretary.press("Lire le suivant")
    assert "À vérifier : « Dupont »" in read
    await secretary.press("Masquer des mots")
    one = await secretary.press("Masquer « Dupont »")
    assert "Madame [nom] a prêté" in one
    assert "06 12 34 56 78" in one
    await secretary.press("Masquer d'autres mots")
    assert "Je ne trouve pas" in await secretary.say("Martin")
    await secretary.press("Masquer d'autres mots")
    assert "des [masqué] au" in await secretary.say("tablettes")
    everything = await secretary.press("Tout masquer")
    assert "[téléphone], ou lui écrire à [adresse électronique]" in everything
    assert "Rien d'autre n'est trouvé" in everything
    await secretary.press("Revenir à la lecture")
    await secretary.press("Publier")
    shown = await public(stage)
    assert shown is not None
    assert shown.story == MASKED.replace("tablettes", "[masqué]")
    assert "Dupont" not in shown.title
    assert await story(stage) == STORY, "its author's own text stays"


async def test_what_was_masked_can_be_taken_back_and_only_by_who_reads_it(stage: Stage) -> None:
    parent, one = await stage.newcomer(), await stage.invited(Role.secretariat)
    two = await stage.invited(Role.secretariat)
    await told(parent)
    await parent.press("Garder mon texte")
    await parent.press("Envoyer")
    await one.say("/modérer")
    await one.press("Lire le suivant")
    await one.press("Masquer des mots")
    masking = one.button("Tout masquer")
    await one.press_again(masking)
    assert STORY in await one.press("Ne rien masquer")
    await one.press("Revenir à la lecture")
    await one.press("Arrêter")
    await two.say("/modérer")
    await two.press("Lire le suivant")
    assert "Un collègue lit" in await one.press_again(masking)
    masked = await stage.db.read(lambda store: store.reports.written_by(1)[0].masked)
    assert masked is None
