"""The test server's page, on a phone: one human is several people, and the demo answers.

Pictures of Telegram for the documents are made here.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.people import PHONE, STORY, picture

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def telegram(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What `make demo-telegram` runs; yields the address of the page."""
    folder = tmp_path_factory.mktemp("telegram") / "demo"
    options = ["--demo", "--port", "0", "--web-port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bot_api", *options],
        env={**os.environ, "PREAU_DEMO_DIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if line.startswith("A Telegram of its own"):
                    break
            assert said[1].startswith("ready http://"), said
            yield said[-1].split()[-1]
        finally:
            process.terminate()


async def opened(browser: Browser, address: str, name: str = "Claire") -> Page:
    """The page, as one of the people."""
    page = await browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.on("console", lambda one: pytest.fail(one.text) if one.type == "error" else None)
    await page.goto(address)
    await page.get_by_label("Vous êtes").select_option(label=name)
    return page


def buttons(page: Page, label: str) -> Locator:
    return page.get_by_role("main").get_by_role("button", name=label, exact=True)


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Votre message").fill(text)
    await page.keyboard.press("Enter")


async def heard(page: Page, text: str) -> None:
    await expect(page.get_by_role("main").get_by_text(text).last).to_be_visible()


async def test_pressing_and_saying_are_answered(telegram: str, browser: Browser) -> None:
    page = await opened(browser, telegram)
    await buttons(page, "Démarrer").click()
    messages = page.get_by_role("main")
    await buttons(page, "Voir le menu").click()
    await expect(messages.get_by_role("article")).to_have_count(3)
    await say(page, "aide")
    await expect(messages.get_by_role("article")).to_have_count(5)
    await page.get_by_title("Les commandes du bot").click()
    await expect(page.locator("#commands button").first).to_be_visible()
    await page.close()


async def test_a_report_is_told_by_pressing_and_saying(telegram: str, browser: Browser) -> None:
    page = await opened(browser, telegram, "Claire")
    await say(page, "témoigner")
    await heard(page, "Que voulez-vous raconter")
    await say(page, STORY)
    await heard(page, "Qu'avez-vous raconté")
    await buttons(page, "Une expérience vécue").last.click()
    await heard(page, "De quoi parle surtout")
    await picture(page, "telegram-report")
    await page.close()


async def test_a_guest_votes_in_a_group(telegram: str, browser: Browser) -> None:
    ines = await opened(browser, telegram, "Inès")
    await ines.get_by_text("Que faire").click()
    await expect(ines.locator("#guide")).to_contain_text("Karim est délégué")
    await ines.get_by_text("Que faire").click()
    await buttons(ines, "Ouvrir l'invitation").click()
    await heard(ines, "Votre invitation est acceptée")
    await ines.get_by_label("avec").select_option(label="Groupe de travail")
    await heard(ines, "je montre les votes et les réunions")
    await say(ines, "/votes")
    await heard(ines, "Quel vote montrer ici")
    await buttons(ines, "1").last.click()
    await heard(ines, "Ouvrir en privé")

    karim = await opened(browser, telegram, "Karim")
    await buttons(karim, "Ouvrir l'invitation").click()
    await heard(karim, "Vous parlez pour")
    await karim.get_by_label("avec").select_option(label="Groupe de travail")
    await buttons(karim, "Pour").click()
    await expect(karim.locator("#toast")).to_contain_text("Pour")
    await heard(karim, "10 organisations sur 11 ont voté")
    await picture(karim, "telegram-group")
    await karim.close()
    await ines.close()


async def test_two_people_are_apart(telegram: str, browser: Browser) -> None:
    page = await opened(browser, telegram, "Claire")
    await say(page, "bonjour de Claire")
    await heard(page, "bonjour de Claire")
    await page.get_by_label("Vous êtes").select_option(label="Inès")
    await expect(page.get_by_text("bonjour de Claire", exact=True)).to_have_count(0)
    await page.close()
