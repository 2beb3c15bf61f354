"""The main job in a real browser on a phone: report, review, poll, vote and result.

The pictures of the README are made here, from the real thing.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

pytestmark = pytest.mark.servers

PICTURES = Path(os.environ.get("PREAU_PICTURES", "build/pictures"))
PHONE = {"width": 390, "height": 780}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
STORY = (
    "Dans notre école, la connexion tombe dès que deux classes s'en servent. Nous avons déplacé "
    "la borne dans le couloir avec l'agent de la mairie. Depuis, les deux classes travaillent."
)


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[str]:
    """`preau demo`, as a newcomer starts it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "demo",
        "--port",
        "0",
        env={**os.environ, "PREAU_DEMO_DIR": str(tmp_path / "demo")},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        line = (await process.stdout.readline()).decode()
    assert line.startswith("ready http://")
    yield line.split()[1]
    process.terminate()
    await process.wait()


@pytest.fixture
async def browser(browser_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        yield opened
        await opened.close()


async def enter(browser: Browser, base: str, persona: str) -> Page:
    page = await (await browser.new_context(viewport=PHONE, locale="fr-FR")).new_page()  # type: ignore[arg-type]
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    await page.goto(f"{base}/?as={persona}")
    await heard(page, "Bonjour, je suis Préau")
    return page


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Votre message").fill(text)
    await page.get_by_role("button", name="Envoyer", exact=True).last.click()


async def press(page: Page, label: str) -> None:
    """Press the newest button of that name."""
    named = re.compile(rf"^\d+\. {re.escape(label)}")
    await page.get_by_role("button", name=named, disabled=False).last.click()


async def heard(page: Page, text: str) -> None:
    await expect(page.get_by_role("log").get_by_text(text).last).to_be_visible()


async def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.wait_for_timeout(700)  # the bubble has come to rest
    await page.screenshot(path=PICTURES / f"{name}.png")


async def check_access(page: Page) -> None:
    """axe-core finds nothing."""
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


async def test_the_main_job_as_four_people(browser: Browser, demo: str) -> None:
    parent = await enter(browser, demo, "parent")
    await say(parent, "témoigner")
    await heard(parent, "Que voulez-vous raconter")
    await say(parent, STORY)
    await press(parent, "Une expérience")
    await press(parent, "Le réseau et le matériel")
    await press(parent, "Tout le monde")
    await heard(parent, "Relisez avant d'envoyer")
    await picture(parent, "report")
    await check_access(parent)
    await press(parent, "Envoyer")
    await heard(parent, "votre témoignage est enregistré")

    secretary = await enter(browser, demo, "secretariat")
    await say(secretary, "modérer")
    await heard(secretary, "attendent une lecture")
    for _ in range(12):  # until it is the parent's turn
        await press(secretary, "Lire le suivant")
        await secretary.wait_for_timeout(300)
        if await secretary.get_by_text(STORY[:40]).count():
            break
        await press(secretary, "Garder pour le comité")
        await heard(secretary, "est gardé pour le comité")
    await heard(secretary, STORY[:40])
    await picture(secretary, "review")
    await press(secretary, "Publier")
    await heard(parent, "est publié, sans votre nom")

    delegate = await enter(browser, demo, "delegate")
    await heard(delegate, "Votre vote compte aussi pour")
    await picture(delegate, "vote")
    await delegate.get_by_role("button", name="1. Pour", exact=True).first.click()
    await heard(delegate, "Votre vote est compté")
    await check_access(delegate)

    teacher = await enter(browser, demo, "teacher")
    await press(teacher, "Un réseau qui fonctionne")
    await heard(teacher, "Votre vote est compté : Un réseau qui fonctionne")

    await delegate.get_by_text("Horloge").click()
    await delegate.get_by_role("button", name="Prochain événement").click()
    await heard(delegate, "Résultat (VOTE-")
    await picture(delegate, "result")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_the_page_is_for_everybody(
    browser: Browser, demo: str, width: int, scheme: str
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 640},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = await context.new_page()
    await page.goto(demo)
    await expect(page.get_by_role("button", name="Commencer")).to_be_visible()
    await check_access(page)
    await page.get_by_role("button", name="Commencer").click()
    await heard(page, "Bonjour, je suis Préau")
    await say(page, "aide")
    await heard(page, "Écrivez un mot, ou choisissez un bouton.")
    await check_access(page)
    overflow = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0


async def test_what_is_typed_offline_is_sent_later(browser: Browser, demo: str) -> None:
    page = await enter(browser, demo, "parent")
    await page.context.set_offline(True)
    await say(page, "aide")
    await expect(page.get_by_text("En attente de réseau")).to_be_visible()
    await page.context.set_offline(False)
    await heard(page, "Écrivez un mot")
    await page.reload()
    await heard(page, "Écrivez un mot")
    assert await page.locator(".bubble.mine").count() == 1


async def test_leaving_clears_the_phone(browser: Browser, demo: str) -> None:
    page = await (await browser.new_context(viewport=PHONE)).new_page()  # type: ignore[arg-type]
    await page.goto(demo)
    await page.get_by_role("button", name="Commencer").click()
    await heard(page, "Bonjour")
    await say(page, "quitter")
    await heard(page, "Pour revenir, notez ce code")
    code = await page.locator("code").last.inner_text()
    await press(page, "Quitter maintenant")
    await expect(page.get_by_role("button", name="Commencer")).to_be_visible()
    kept = await page.evaluate("Object.keys(localStorage).filter(key => key.includes('mine'))")
    assert kept == []
    await page.locator("#code-details summary").click()
    await page.get_by_label("Votre code").fill(code)
    await page.get_by_role("button", name="Entrer avec ce code").click()
    await heard(page, "Vous revoilà")
