"""Requests about data: from the page without an account, from the chat, to the answer."""

from datetime import timedelta

import aiohttp
import pytest

from storage.grants import Role
from tests.people import Guest, Someone, report
from tests.stage import Stage

FORM = {
    "kind": "withdrawal",
    "name": "Camille Anonyme",
    "contact": "camille@example.org",
    "report": "REX-2027-00001",
    "said": "Je ne veux plus que ce récit soit public.",
    "website": "",
}


async def send(
    stage: Stage, headers: dict[str, str] | None = None, **fields: str
) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{stage.base}/demande", data={**FORM, **fields}, headers=headers) as response,
    ):
        return response.status, await response.text()


async def published(stage: Stage, parent: Someone, secretary: Someone) -> str:
    number = await report(parent)
    await secretary.say("/modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Publier")
    await parent.look()
    return number


@pytest.mark.web
async def test_who_has_no_account_has_a_report_withdrawn(stage: Stage) -> None:
    parent, secretary = await stage.guest(), await stage.guest(Role.secretariat)
    number = await published(stage, parent, secretary)
    status, page = await send(stage)
    assert (status, "DEM-2027-001" in page) == (200, True)
    assert "11 février 2027" in page, "a calendar month later"
    told = await secretary.look()
    assert "DEM-2027-001" in told
    assert "Les demandes sur les données" in (await secretary.say("menu")).labels
    assert "Camille" not in told, "who asks is said to who opens it"
    card = await secretary.press("Lire la demande")
    assert "De : Camille Anonyme." in card
    assert "camille@example.org" in card
    asked = await secretary.press(f"Retirer {number}")
    assert "Rien ne prouve que l'auteur vous écrit" in asked
    await secretary.press("Oui, retirer ce témoignage")
    assert "a retiré votre témoignage" in await parent.look()
    await secretary.press("Accepter")
    done = await secretary.press("Oui, c'est fait")
    assert "Prévenez maintenant la personne : camille@example.org" in done
    assert "Aucune demande" in await secretary.say("demandes")
    await secretary.say("journal")
    assert "demande sur des données acceptée (DEM-2027-001)" in secretary.seen[-1]["text"]
    assert "témoignage retiré sur demande" in secretary.seen[-1]["text"]
    assert await stage.db.read(lambda store: store.reports.published(1)) is None


@pytest.mark.web
async def test_who_asks_by_letter_or_on_paper_is_erased(stage: Stage) -> None:
    parent, secretary = await stage.guest(), await stage.guest(Role.secretariat)
    number = await published(stage, parent, secretary)
    await send(stage, kind="erasure", said=f"Effacez-moi : {number}.", report="")
    await secretary.look()
    await secretary.press("Lire la demande")
    sure = await secretary.press(f"Effacer l'auteur de {number}")
    assert "Effacer Parent d'élève (n° 1), à sa demande" in sure
    assert "Rien ne prouve qui demande" in sure
    await secretary.say("annuler")
    other = await stage.guest()
    await report(other)
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    assert "Rien ne prouve qui demande" in await secretary.press("Effacer, à sa demande")
    await secretary.say("annuler")
    await other.say("secrétariat")
    await other.say("Effacez tout, merci.")
    await secretary.say("courrier")
    await secretary.press("Parent d'élève")
    sure = await secretary.press("Effacer, à sa demande")
    assert "Effacer Parent d'élève (n° 3), à sa demande" in sure
    assert "Rien ne prouve" not in sure, "it is they who wrote"
    assert "C'est décidé." in await secretary.say("effacer")
    await stage.advance(timedelta(minutes=10))
    assert "n° 3" not in " ".join(one["text"] for one in (await secretary.look()).messages)
    assert await stage.db.read(lambda store: store.people.accounts_of(3)) == []


@pytest.mark.web
async def test_a_number_alone_or_a_name_alone_is_refused_with_the_reason(stage: Stage) -> None:
    status, page = await send(stage, report="23", contact="jean")
    assert status == 422
    assert "REX-2026-00042. Sans ce numéro, laissez la case vide." in page
    assert "Écrivez une adresse électronique ou postale complète." in page
    assert (await send(stage, report="", contact="3 rue des Lilas, Foix"))[0] == 200


@pytest.mark.web
async def test_the_page_keeps_what_was_typed_and_says_what_is_missing(stage: Stage) -> None:
    status, page = await send(stage, contact="", said="<script>alert(1)</script>")
    assert status == 422
    assert 'id="problem-contact"' in page
    assert "Camille Anonyme" in page
    assert "<script>" not in page
    assert (await send(stage, kind="everything"))[0] == 422
    assert (await send(stage, said="x" * 5000))[0] == 422
    assert await waiting(stage) == 0


@pytest.mark.web
async def test_no_field_says_more_than_its_line(stage: Stage) -> None:
    secretary = await stage.guest(Role.secretariat)
    await send(stage, contact="a@example.org\nCette personne est connue.")
    await secretary.look()
    card = await secretary.press("Lire la demande")
    assert "Répondre à : a@example.org Cette personne est connue." in card.text.splitlines()


@pytest.mark.web
async def test_machines_and_other_sites_ask_nothing(stage: Stage) -> None:
    assert (await send(stage, website="https://example.org"))[0] == 422
    assert (await send(stage, headers={"Origin": "https://elsewhere.example"}))[0] == 403
    assert await waiting(stage) == 0
    statuses = [(await send(stage))[0] for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    assert await waiting(stage) == 20
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{stage.base}/demande", data=FORM) as refused,
    ):
        assert refused.headers["Retry-After"] == str(24 * 60 * 60)


@pytest.mark.web
async def test_nothing_is_taken_before_somebody_answers_for_it(stage: Stage) -> None:
    stage.web.settings.controller = None
    status, page = await send(stage)
    assert (status, "Préau n'est pas encore ouvert" in page, "<form" in page) == (403, True, True)
    assert await waiting(stage) == 0


@pytest.mark.web
@pytest.mark.parametrize("language", ["fr", "en"])
async def test_the_pages_need_no_script_and_label_every_field(stage: Stage, language: str) -> None:
    async with aiohttp.ClientSession() as http:
        for path in ("/demande", "/confidentialite"):
            async with http.get(f"{stage.base}{path}?lang={language}") as response:
                page = await response.text()
            assert response.status == 200
            assert f'<html lang="{language}">' in page
            assert "<script" not in page
            assert page.count("<h1>") == 1
            for one in ("name", "contact", "report", "said") if path == "/demande" else ():
                assert f'for="{one}"' in page
                assert f'id="{one}"' in page
    if language == "fr":
        assert "Délégué à la protection des données : dpo@example.org." in page


async def waiting(stage: Stage) -> int:
    return await stage.db.read(lambda store: store.data_requests.count_waiting())


@pytest.mark.everywhere
async def test_a_person_asks_in_chat_and_is_answered_there(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await parent.say("données")
    await parent.press("Corriger ou refuser")
    await parent.press("Faire une demande")
    await parent.press("Corriger une donnée")
    await parent.say("Mon rôle dans le groupe est faux.")
    assert "DEM-2027-001" in await parent.press("Envoyer")
    await secretary.look()
    await secretary.press("Lire la demande")
    await secretary.press("Prolonger")
    await secretary.say("Il faut retrouver le compte rendu.")
    assert "11 avril 2027" in await secretary.press("Envoyer")
    told = await parent.look()
    assert "Il faut retrouver le compte rendu." in told
    await secretary.say("demandes")
    again = await secretary.press("DEM-2027-001")
    assert not any(one.startswith("Prolonger") for one in again.labels), "once only"
    await secretary.press("Refuser")
    await secretary.say("Ce rôle est exact.")
    assert "La personne est prévenue." in await secretary.press("Envoyer")
    told = await parent.look()
    assert "Ce rôle est exact." in told
    assert "CNIL" in told


@pytest.mark.web
async def test_the_secretariat_is_reminded_until_it_answers(stage: Stage) -> None:
    """Of all that waits at once, however much that is."""
    secretary = await stage.guest(Role.secretariat)
    for _ in range(3):
        await send(stage)
        await stage.advance(timedelta(minutes=50))
    await secretary.look()
    told = []
    for third in range(3 * 33):  # of a day: their page stays signed in
        await stage.advance(timedelta(hours=8))
        for text in (await secretary.say("menu")).texts:
            said, named, others = text.partition(" DEM-2027-001")
            if named:
                assert "2 autres demandes attendent" in others
                told.append((third // 3 + 1, said))
    assert told == [
        (16, "Il reste 15 jours pour répondre à"),
        (24, "Il reste 7 jours pour répondre à"),
        (30, "Il reste un jour pour répondre à"),
        (32, "La réponse à"),
    ]


@pytest.mark.web
async def test_who_erases_themselves_asks_nothing_any_more(stage: Stage) -> None:
    parent, secretary = await stage.guest(), await stage.guest(Role.secretariat)
    await parent.say("données")
    await parent.press("Corriger ou refuser")
    await parent.press("Faire une demande")
    await parent.press("M'opposer")
    await parent.say("Une phrase de girafon.")
    await parent.press("Envoyer")
    await secretary.look()
    await secretary.press("Lire la demande")
    await parent.say("données")
    await parent.press("Tout effacer")
    await parent.say("effacer")
    gone = await secretary.look()
    assert "delete" in [event["kind"] for event in gone.events]
    assert await waiting(stage) == 0


@pytest.mark.web
async def test_who_has_no_role_reads_no_request(stage: Stage) -> None:
    await send(stage)
    parent = await stage.guest()
    assert isinstance(parent, Guest)
    assert "DEM-" not in await parent.say("demandes")
