"""People at a browser: they come in, say, press, and look."""

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

PICTURES = Path(os.environ.get("PREAU_PICTURES", "build/pictures"))
PHONE = (390, 780)
STORY = (
    "Dans notre école, la connexion tombe dès que deux classes s'en servent. Nous avons déplacé "
    "la borne dans le couloir avec l'agent de la mairie. Depuis, les deux classes travaillent."
)


async def open_page(
    browser: Browser, address: str, size: tuple[int, int] = PHONE, **options: Any
) -> Page:
    """A page of a new browser; an error in its scripts fails the test."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="fr-FR", **options
    )
    return await open_tab(context, address)


async def open_tab(context: BrowserContext, address: str) -> Page:
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    await page.goto(address)
    return page


async def newcomer(
    browser: Browser, demo: str, size: tuple[int, int] = PHONE, **options: Any
) -> Page:
    """Somebody new, who pressed « Commencer »."""
    page = await open_page(browser, demo, size, **options)
    await page.get_by_role("button", name="Commencer").click()
    await heard(page, "Bonjour, je suis Préau")
    return page


async def enter(browser: Browser, demo: str, persona: str) -> Page:
    page = await open_page(browser, f"{demo}/?as={persona}")
    await expect(page.locator(".bubble").first).to_be_visible()
    return page


async def guest(browser: Browser, demo: str, code: str) -> Page:
    """Somebody who opened the link of an invitation."""
    page = await open_page(browser, f"{demo}/#code={code}")
    await page.get_by_role("button", name="Entrer avec ce code").click()
    await heard(page, "Votre invitation est acceptée")
    return page


async def member_of(browser: Browser, demo: str, group: str) -> Page:
    """Somebody new, who says who they are and joins."""
    page = await newcomer(browser, demo)
    await say(page, "groupes")
    await press(page, group)
    await press(page, "Entrer dans ce groupe")
    await press(page, "Enseignante ou enseignant")
    await heard(page, "Vous êtes membre de ce groupe")
    return page


async def say(page: Page, text: str) -> None:
    await composer(page).fill(text)
    await page.get_by_role("button", name="Envoyer", exact=True).last.click()


async def press(page: Page, label: str) -> None:
    """Press the newest button of that name."""
    named = re.compile(rf"^\d+\. {re.escape(label)}")
    await page.get_by_role("button", name=named, disabled=False).last.click()


async def answer_until(page: Page, text: str, *labels: str) -> None:
    """Answer each question by the one of these choices that it offers, until a text is heard."""
    question = page.locator(".bubble:not(.mine)").last
    for _ in range(10):
        asked = await question.inner_text()
        if text in asked:
            return
        label = next((one for one in labels if one in asked), None)
        await (press(page, label) if label else say(page, "Paris"))
        await expect(question).not_to_have_text(asked, use_inner_text=True)
    pytest.fail(f"never heard: {text}")


async def pick(page: Page, item: str) -> None:
    """Choose an item of the menu."""
    await page.locator("#more > summary").click()
    await page.locator("#items").get_by_role("button", name=item, exact=True).click()


async def heard(page: Page, text: str) -> None:
    await expect(page.get_by_role("log").get_by_text(text).last).to_be_visible()


async def hour_of(page: Page) -> datetime:
    """The hour and minute of the newest message: the clock may have been moved."""
    at = await page.locator(".bubble time").last.get_attribute("datetime")
    assert at is not None
    return datetime.fromisoformat(at).replace(second=0, microsecond=0)


async def an_hour_passes(page: Page) -> None:
    """Move the demo's clock."""
    now = page.locator("#now")
    if not await now.is_visible():
        await page.get_by_text("Horloge").click()
    before = await now.inner_text()
    await page.get_by_role("button", name="+ 1 heure").click()
    await expect(now).not_to_have_text(before)


async def picture(page: Page, name: str, of: str = "", block: str = "start") -> None:
    """A picture for the documents, from the real thing; `of`: scrolled to the last such bubble."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    if of:
        bubble = page.locator(".bubble:not(.mine)", has_text=of).last
        await bubble.evaluate("(bubble, block) => bubble.scrollIntoView({block})", block)
    await page.screenshot(path=PICTURES / f"{name}.png")


def composer(page: Page) -> Locator:
    return page.get_by_label("Votre message")


async def in_order(page: Page) -> list[str]:
    """The bubbles as they stand, each with who speaks; buttons and times left out."""
    return await page.evaluate(  # type: ignore[no-any-return]
        """[...document.querySelectorAll('.bubble')].map((bubble) => {
          const copy = bubble.cloneNode(true);
          copy.querySelectorAll('small, .choices, .actions').forEach((one) => one.remove());
          return copy.textContent.trim().slice(0, 60);
        })"""
    )


async def is_in_view(bubble: Locator) -> bool:
    """Whether the beginning of a bubble stands within the log, or the whole of it if it fits."""
    return await bubble.evaluate(  # type: ignore[no-any-return]
        """(bubble) => {
          const inner = bubble.getBoundingClientRect();
          const outer = document.getElementById('log').getBoundingClientRect();
          const isWhole = inner.bottom <= outer.bottom + 1 || inner.height > outer.height - 16;
          return inner.top >= outer.top - 1 && inner.top < outer.bottom - 40 && isWhole;
        }"""
    )


async def check_access(page: Page) -> None:
    """axe-core finds nothing."""
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
