"""A broadcast in a real browser on a phone, as a secretary and as who receives it and answers."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.async_api import Browser, FilePayload, Page, expect

from tests.browser.people import (
    an_hour_passes,
    check_access,
    enter,
    heard,
    member_of,
    newcomer,
    picture,
    press,
    say,
)

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="session")]

GROUP = "Écoles rurales"
BODY = (
    "*Journée de partage à Lyon*\n\n"
    "Elle aura lieu le _jeudi 14 janvier_. Le programme est joint.\n"
    "Pour venir : [inscrivez-vous](https://exemple.fr/journee)."
)
QUESTION = "Bonjour, la journée est-elle ouverte aux parents d'élèves ?"
ANSWER = "Oui, elle est ouverte à tous. Pensez à vous inscrire."


def programme() -> FilePayload:
    content = BytesIO()
    Image.new("RGB", (595, 842), "white").save(content, "PDF")
    return FilePayload(name="programme.pdf", mimeType="application/pdf", buffer=content.getvalue())


async def secretary_of(browser: Browser, demo: str) -> Page:
    """A secretary, who makes a group that nobody else is in."""
    page = await enter(browser, demo, "secretariat")
    await say(page, "groupes")
    await press(page, "Créer un groupe")
    await heard(page, "Quel est le nom du groupe")
    await say(page, GROUP)
    await press(page, "Librement, pour tout adulte")
    await press(page, "Créer le groupe")
    await heard(page, "Le groupe est créé.")
    return page


async def compose(page: Page, body: str) -> None:
    """Write a message to the group, up to the review."""
    await say(page, "diffuser")
    await press(page, "Écrire un nouveau message")
    await heard(page, "Écrivez votre message")
    await say(page, body)
    await press(page, "Un événement")
    await press(page, "Un groupe de travail")
    await press(page, GROUP)
    await heard(page, "Relisez avant d'envoyer")


async def test_a_broadcast_is_written_sent_and_answered(browser: Browser, demo: str) -> None:
    secretary = await secretary_of(browser, demo)
    member = await member_of(browser, demo, GROUP)

    await compose(secretary, BODY)
    await press(secretary, "Ajouter une image ou un PDF")
    await heard(secretary, "Envoyez une image, ou un fichier PDF")
    accepted = re.compile(r"^image/\*,application/pdf,audio/ogg,")
    await expect(secretary.locator("#photo")).to_have_attribute("accept", accepted)
    async with secretary.expect_file_chooser() as choosing:
        await secretary.locator("label.tool").click()
    await (await choosing.value).set_files(programme())
    await heard(secretary, "Fichier : joint")
    sent = secretary.locator(".bubble.mine", has_text="programme.pdf")
    await expect(sent).to_have_text(re.compile("^Vous : programme.pdf"))
    await press(secretary, "Voir l'aperçu")
    await heard(secretary, "Une personne le recevra.")
    exact = secretary.locator(".bubble:has(b:text('Journée de partage à Lyon'))")
    emphasis = exact.last.locator("em", has_text="jeudi 14 janvier")
    await expect(emphasis).to_have_css("font-style", "italic")
    await expect(exact.last.get_by_role("link", name="Fichier joint")).to_be_visible()
    await picture(secretary, "preview")
    await check_access(secretary)
    await press(secretary, "Essayer sur moi")
    await heard(secretary, "Ce message n'est arrivé qu'à vous.")
    await expect(exact).to_have_count(2)
    await expect(member.get_by_text("Journée de partage à Lyon")).to_have_count(0)

    confirm = secretary.get_by_role("button", name=re.compile(r"^\d+\. Envoyer$")).last
    await confirm.focus()
    await secretary.keyboard.press("Enter")
    card = secretary.locator(".bubble:has-text('Confirmé par')").last
    await expect(card).to_contain_text("Départ dans une minute au plus")
    await an_hour_passes(member)
    await heard(member, "Journée de partage à Lyon")
    await expect(card).to_contain_text("Terminé")
    await expect(card).to_contain_text("Déposés sur la page web : 1.")
    await picture(secretary, "broadcast")
    await check_access(secretary)

    received = member.locator(".bubble:has(b:text('Journée de partage à Lyon'))")
    link = received.get_by_role("link", name="inscrivez-vous")
    await expect(link).to_have_attribute("href", "https://exemple.fr/journee")
    url = await received.get_by_role("link", name="Ouvrir").evaluate("(link) => link.href")
    file = await member.request.get(url)
    assert (file.status, (await file.body())[:5]) == (200, b"%PDF-")
    await check_access(member)
    await press(member, "Répondre au secrétariat")
    await heard(member, "Que voulez-vous écrire au secrétariat")
    await say(member, QUESTION)
    await heard(member, "Votre message est bien reçu.")

    await heard(secretary, "Un message attend le secrétariat.")
    await press(secretary, "Lire la conversation")
    await heard(secretary, "En réponse à « Journée de partage à Lyon · Elle")
    await press(secretary, "Je m'en occupe")
    await heard(secretary, "C'est à vous de répondre.")
    await picture(secretary, "thread", of="C'est à vous de répondre")
    await check_access(secretary)
    await press(secretary, "Répondre")
    await heard(secretary, "Que voulez-vous répondre")
    await say(secretary, ANSWER)
    await press(secretary, "Envoyer la réponse")
    await heard(secretary, "Votre réponse est envoyée.")
    await heard(member, ANSWER)
    await press(member, "Ne plus recevoir les événements")
    await heard(member, "Vous ne recevez plus : les événements.")
    await press(secretary, "Fermer la conversation")
    await heard(secretary, "La conversation est fermée.")


async def test_what_is_cancelled_or_stopped_is_not_received(browser: Browser, demo: str) -> None:
    secretary = await enter(browser, demo, "secretariat")
    member = await newcomer(browser, demo)
    await say(member, "stop")
    await press(member, "Choisir ce que je reçois")
    await press(member, "Recevoir de nouveau les événements")
    await heard(member, "Vous recevez : les événements,")
    await check_access(member)
    await say(secretary, "diffuser")
    await press(secretary, "Écrire un nouveau message")
    await heard(secretary, "Écrivez votre message")
    await say(secretary, "Un message pour rien.")
    await press(secretary, "Un événement")
    await press(secretary, "Tout le monde")
    await heard(secretary, "Texte : Un message pour rien.")  # its own buttons, not those of another
    await press(secretary, "Voir l'aperçu")
    await heard(secretary, "personnes le recevront.")
    await press(secretary, "Envoyer")
    await press(secretary, "Annuler l'envoi")
    await heard(secretary, "Rien n'est parti.")
    await an_hour_passes(member)
    await say(member, "merci")  # what comes after would have come before
    await heard(member, "Merci")
    await expect(member.get_by_text("Un message pour rien.")).to_have_count(0)
