"""The main job in a real browser on a phone: report, review, poll, vote and result.

The pictures of the README are made here, from the real thing.
"""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.people import (
    STORY,
    answer_until,
    check_access,
    enter,
    heard,
    open_page,
    picture,
    press,
    say,
)

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="session")]


async def move_clock_to(page: Page, hour: str) -> None:
    """Go from event to event, until one at that hour."""
    now, onward = page.locator("#now"), page.get_by_role("button", name="Prochain événement")
    await page.get_by_text("Horloge").click()
    for _ in range(20):
        before = await now.inner_text()
        await onward.click()
        await expect(now).not_to_have_text(before)
        if hour in await now.inner_text():
            return


async def test_the_main_job_as_four_people(browser: Browser, demo: str) -> None:
    parent = await enter(browser, demo, "parent")
    await say(parent, "témoigner")
    await heard(parent, "Que voulez-vous raconter")
    await say(parent, STORY)
    await heard(parent, "Qu'avez-vous raconté")
    choices = ("Une expérience", "Le réseau et le matériel", "Parent d'élève", "Tout le monde")
    await answer_until(parent, "Relisez avant d'envoyer", *choices)
    await picture(parent, "report")
    await check_access(parent)
    await press(parent, "Envoyer")
    await heard(parent, "votre témoignage est enregistré")

    secretary = await enter(browser, demo, "secretariat")
    await say(secretary, "modérer")
    await heard(secretary, "attendent une lecture")
    await press(secretary, "Lire le suivant")
    for _ in range(12):  # until it is the parent's turn
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
    await heard(delegate, "Êtes-vous favorable au projet")
    await picture(delegate, "vote", of="Êtes-vous favorable")
    vote = delegate.get_by_role("button", name=re.compile(r"^1\. (✓ )?Pour$")).first
    for _ in range(2):  # a press that changes nothing can be made again, from the same place
        await vote.focus()
        await delegate.keyboard.press("Enter")
        await heard(delegate, "Votre vote est compté")
        await expect(vote).not_to_have_attribute("aria-disabled", "true")
        await expect(vote).to_be_focused()
    await expect(delegate.locator(".bubble.mine")).to_have_count(0)  # the card itself says it
    await check_access(delegate)

    teacher = await enter(browser, demo, "teacher")
    await say(teacher, "votes")
    await press(teacher, "Un réseau qui fonctionne")
    await heard(teacher, "Votre vote est compté : Un réseau qui fonctionne")

    await move_clock_to(delegate, "18:00")  # in Paris, not in the browser
    await heard(delegate, "Résultat (VOTE-")
    await expect(delegate.locator("#now")).to_contain_text("18:00")
    await picture(delegate, "result", of="Résultat (VOTE-")


@pytest.mark.parametrize("size", [(1366, 768), (1024, 768)])
async def test_four_people_fit_side_by_side(
    browser: Browser, demo: str, size: tuple[int, int]
) -> None:
    page = await open_page(browser, f"{demo}/demo", size, timezone_id="America/Cayenne")
    for frame in await page.locator("iframe").all():
        inner = frame.content_frame
        await expect(inner.locator("#text")).to_be_in_viewport(ratio=1)
        await expect(inner.get_by_role("navigation")).to_have_count(0)
        box = await frame.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= size[1]
    await expect(page.get_by_role("button", name="Prochain événement")).to_have_count(1)
    await check_access(page)
