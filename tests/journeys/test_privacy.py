"""What is held about a person, as they see it, and its erasure."""

import pytest

from storage.grants import Role
from tests.people import Guest, report
from tests.stage import Stage


async def test_what_is_held_is_said_line_by_line(stage: Stage) -> None:
    await stage.organisation("amf", "AMF")
    delegate, parent = await stage.invited(Role.delegate, "amf"), await stage.newcomer()
    await delegate.say("données")
    lines = (await delegate.press("Voir ce qui est gardé")).text.splitlines()
    assert "Votre rôle : titulaire." in lines
    assert "Vous parlez pour : AMF." in lines
    assert "Vous n'avez pas de témoignage." in lines
    assert "Vous n'avez pas voté." in lines
    await report(parent)
    await parent.say("données")
    lines = (await parent.press("Voir ce qui est gardé")).text.splitlines()
    assert "Vous êtes : Parent d'élève." in lines
    assert any(line.startswith("REX-2027-00001 · ") for line in lines)


async def test_the_notice_says_how_long_each_thing_is_kept(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("données")
    lines = (await parent.press("Lire la notice")).text.splitlines()
    assert "Délégué à la protection des données : dpo@example.org." in lines
    for kept in (
        "Cette conversation : 90 jours.",
        "Un brouillon : 30 jours.",
        "Un contact qui ne revient pas : 12 mois.",
    ):
        assert kept in lines


@pytest.mark.everywhere
async def test_each_layer_of_the_notice_says_who_carries_the_messages(
    stage: Stage, place: tuple[str, str]
) -> None:
    """Telegram's terms for bots ask for a command of this name."""
    parent = await stage.newcomer()
    on_telegram, on_matrix = place[1] == "telegram", place[1] == "matrix"
    assert ("Telegram les transporte" in (await parent.say("/start")).text) is on_telegram
    short = await parent.say("/privacy")
    assert ("Telegram les transporte" in short.text) is on_telegram
    notice = (await parent.press("Lire la notice")).text
    assert ("pas chiffrés de bout en bout" in notice) is on_telegram
    assert ("Vos messages passent par des serveurs Matrix" in notice) is on_matrix
    assert ("Rien n'est transmis hors de l'Union" in notice) is (place[1] == "web")


@pytest.mark.everywhere
async def test_only_the_word_erases(stage: Stage, place: tuple[str, str]) -> None:
    parent = await stage.newcomer()
    await report(parent)
    await parent.say("données")
    asked = await parent.press("Tout effacer")
    assert asked.labels == ["Annuler"]
    for typed in ("2", "oui", "effacer tout"):
        assert "Rien n'est effacé." in await parent.say(typed)
    assert "Vos données restent" in await parent.say("1")
    await parent.say("données")
    await parent.press("Tout effacer")
    assert "Vos données restent" in await parent.press("Annuler")
    assert "REX-2027-00001" in "".join((await parent.say("mes témoignages")).labels)
    await parent.say("données")
    await parent.press("Tout effacer")
    await parent.say("Effacer")
    gone = parent.seen[-1]["text"]
    assert ("Telegram garde cette conversation" in gone) is (place[1] == "telegram")
    assert ("Votre messagerie garde cette conversation" in gone) is (place[1] == "matrix")
    if isinstance(parent, Guest):
        assert await parent.status() == 403
    left = await stage.db.read(lambda store: store.reports.numbered("REX-2027-00001"))
    assert left is None
