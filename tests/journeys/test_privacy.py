"""What is held about a person, as they see it, and its erasure."""

import json
from datetime import timedelta

import pytest

from scheduled import retention
from storage.broadcasts import Unasked
from storage.grants import Role
from storage.people import Profile
from storage.reports import ReportState
from storage.store import Store
from tests.bot.test_photos import encoded
from tests.people import STORY, Guest, report
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
        "Cette conversation : 90 jours après chaque message.",
        "Un brouillon : 30 jours après le dernier changement.",
        "Un contact qui ne revient pas : 12 mois après la dernière visite.",
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


@pytest.mark.everywhere
async def test_a_copy_of_all_that_is_kept_comes_as_two_files(stage: Stage) -> None:
    parent = await stage.newcomer()
    await report(parent)
    await parent.say("données")
    asked = await parent.press("Recevoir une copie")
    assert "se prépare" in asked.texts[0]
    await stage.advance(timedelta(seconds=1))
    came = await parent.look()
    types = {one["type"] for one in [*asked.files, *came.files]}
    assert types == {"text/html", "application/json"}


@pytest.mark.web
async def test_a_copy_says_everything_to_its_person_alone_for_a_week(stage: Stage) -> None:
    parent, other = await stage.guest(), await stage.guest()
    await parent.say("témoigner")
    await parent.say(STORY)
    await parent.press("Une expérience vécue")
    await parent.press("Le réseau et le matériel")
    await parent.press("Parent d'élève")
    await parent.say("974")
    await parent.press("Tout le monde")
    await parent.send_photo(encoded("JPEG"))
    await parent.press("Envoyer")
    await parent.say("secrétariat")
    await parent.say("Une question <b>de girafon</b>.")
    await parent.say("témoigner")
    await parent.say("Un second récit, à peine commencé.")
    await parent.say("annuler")
    await parent.say("Une phrase perdue.")
    await report(
        other, "Un autre récit, celui de quelqu'un d'autre, qui ne regarde personne ici. " * 2
    )
    await parent.say("données")
    await parent.press("Recevoir une copie")
    await stage.advance(timedelta(seconds=1))
    files = {one["type"]: one for one in (await parent.look()).files}
    status, page = await parent.fetch(files["text/html"])
    said = page.decode()
    assert status == 200
    assert '<html lang="fr">' in said
    assert "REX-2027-00001" in said
    assert "Le réseau tombait chaque matin" in said
    assert "&lt;b&gt;de girafon&lt;/b&gt;" in said, "what was typed is data"
    assert "Un second récit, à peine commencé." in said
    assert "Une phrase perdue." in said
    assert "data:image/jpeg;base64," in said
    assert "<script" not in said
    assert "un autre récit" not in said.casefold()
    status, raw = await parent.fetch(files["application/json"])
    data = json.loads(raw)
    assert status == 200
    assert data["rows"]["reports"][0]["story"] == STORY
    assert data["rows"]["accounts"][0]["platform"] == "web"
    assert "un autre récit" not in raw.decode().casefold()
    assert (await other.fetch(files["text/html"]))[0] == 404
    async with parent.http.get(f"{parent.base}{files['text/html']['url']}") as response:
        assert response.headers["Cache-Control"] == "private, no-store"
    await parent.say("données")
    assert "Voici la copie" in await parent.press("Recevoir une copie"), "the same one again"
    await stage.advance(timedelta(days=8))
    await stage.db.write(lambda store: retention.sweep(store, stage.clock.now()))
    assert (await parent.fetch(files["text/html"]))[0] == 404


async def test_who_one_is_can_be_corrected(stage: Stage) -> None:
    parent = await stage.newcomer()
    await report(parent)
    await parent.say("données")
    await parent.press("Corriger ou refuser")
    await parent.press("Corriger qui je suis")
    await parent.press("Modifier")
    await parent.press("Vous êtes")
    await parent.press("Enseignant")
    assert "C'est corrigé" in await parent.press("Envoyer")
    person = await stage.db.read(lambda store: store.people.get(1))
    assert (person.profile, person.academie) == (Profile.teacher, "28")
    told = await stage.db.read(lambda store: store.reports.written_by(1)[0])
    assert told.profile is Profile.parent, "what was told is not told anew"


async def test_no_report_is_public_any_more_but_the_committee_keeps_them(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await report(parent)
    await secretary.say("/modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Publier")
    await report(parent)
    await parent.say("données")
    await parent.press("Corriger ou refuser")
    asked = await parent.press("Ne plus publier")
    assert "REX-2027-00001" in asked
    assert "REX-2027-00002" in asked
    await parent.press("Oui, ne plus rien publier")
    one, two = await stage.db.read(lambda store: store.reports.written_by(1)[::-1])
    assert (one.state, two.state) == (ReportState.kept, ReportState.submitted)
    assert one.story
    assert await stage.db.read(lambda store: store.reports.published(1)) is None
    await secretary.say("/modérer")
    read = await secretary.press("Lire le suivant")
    assert "Publier" not in read.labels
    await parent.say("données")
    await parent.press("Corriger ou refuser")
    assert "Rien n'a changé" in await parent.press("Ne plus publier")


async def test_each_kind_of_unasked_message_can_be_refused(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await parent.say("données")
    await parent.press("Corriger ou refuser")
    await parent.press("Choisir ce que je reçois")
    assert "les votes qui s'ouvrent" in await parent.press("Ne plus être prévenu des votes")
    await secretary.look()

    def reached(store: Store) -> tuple[list[int], list[int]]:
        everybody = store.people.everybody()
        return tuple(
            sorted(store.session.scalars(store.broadcasts.unmuted(everybody, kind)))
            for kind in (Unasked.poll, Unasked.result)
        )  # type: ignore[return-value]

    assert await stage.db.read(reached) == ([2], [1, 2])
    await parent.press("Être de nouveau prévenu des votes")
    assert await stage.db.read(reached) == ([1, 2], [1, 2])


@pytest.mark.web
async def test_the_last_secretary_is_told_so_before_they_erase_themselves(stage: Stage) -> None:
    first, alone = await stage.guest(Role.secretariat), "Personne d'autre ne fait partie du secré"
    await first.say("données")
    assert alone in await first.press("Tout effacer")
    await first.say("annuler")
    await stage.guest(Role.secretariat)
    await first.say("données")
    assert alone not in await first.press("Tout effacer")
