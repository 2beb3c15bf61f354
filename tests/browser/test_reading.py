"""What the page shows, whatever the window: answers in view, in order, for everybody."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.people import (
    PHONE,
    STORY,
    check_access,
    composer,
    heard,
    in_order,
    is_in_view,
    newcomer,
    open_page,
    press,
    say,
)

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="session")]


async def newest_is_in_view(page: Page, asks: str) -> None:
    await heard(page, asks)
    assert await is_in_view(page.locator(".bubble").last), asks


async def test_after_a_reload_the_conversation_reads_the_same(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    await say(page, "témoigner")
    await heard(page, "Que voulez-vous raconter")
    await say(page, STORY)
    await press(page, "Une expérience")
    await heard(page, "De quoi parle surtout")
    before = await in_order(page)
    assert [one.partition(" ")[0] for one in before] == ["Préau", *["Vous", "Préau"] * 3]
    pressed = page.locator("[aria-pressed=true]")
    await expect(pressed).to_have_text(re.compile("Une expérience"))

    await page.reload()
    await newest_is_in_view(page, "De quoi parle surtout")
    assert await in_order(page) == before
    await expect(pressed).to_have_text(re.compile("Une expérience"))

    await page.goto(f"{demo}/static/icon.svg")
    await page.go_back()
    await newest_is_in_view(page, "De quoi parle surtout")
    assert await in_order(page) == before


@pytest.mark.parametrize("size", [(320, 568), (360, 640)])
async def test_each_question_is_in_view_on_a_small_phone(
    browser: Browser, demo: str, size: tuple[int, int]
) -> None:
    page = await newcomer(browser, demo, size)
    await press(page, "Raconter mon expérience")
    await newest_is_in_view(page, "Que voulez-vous raconter")
    await say(page, STORY)
    await newest_is_in_view(page, "Qu'avez-vous raconté")
    newest = page.locator(".turn:has(.mine) .bubble:not(.mine)").last  # what answers last words
    for _ in range(8):  # the first choice of each question
        asked = await newest.inner_text()
        if await newest.get_by_role("button").count():
            await newest.get_by_role("button").first.click()
        else:
            await say(page, "Paris")
        await expect(newest).not_to_have_text(asked, use_inner_text=True)
        assert await is_in_view(newest), await newest.inner_text()
        if "enregistré" in await newest.inner_text():
            return
    pytest.fail("the report was not sent")


async def test_who_reads_above_is_not_moved(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo, (390, 500))
    for _ in range(3):
        await say(page, "aide")
        await page.wait_for_timeout(100)
    await expect(page.get_by_text("Écrivez un mot, ou choisissez.")).to_have_count(3)
    await page.locator("#log").evaluate("(log) => { log.scrollTop = 0; }")
    await page.wait_for_timeout(100)
    await page.evaluate(
        """fetch('/api/v1/messages', {method: 'POST', body: '{"id": "elsewhere", "text": "menu"}',
           headers: {'Content-Type': 'application/json'}})"""
    )
    pill = page.get_by_role("button", name="Nouveau message")
    await expect(pill).to_be_visible()
    assert await page.locator("#log").evaluate("(log) => log.scrollTop") == 0
    await expect(page).to_have_title("(1) Préau")
    await pill.click()
    assert await is_in_view(page.locator(".bubble").last)
    await expect(page).to_have_title("Préau")


@pytest.mark.parametrize("size", [(390, 300), (640, 400), (780, 390)])
async def test_in_a_low_window_one_can_still_write(
    browser: Browser, demo: str, size: tuple[int, int]
) -> None:
    page = await newcomer(browser, demo)
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    await expect(composer(page)).to_be_in_viewport(ratio=1)
    await expect(page.get_by_role("button", name="Envoyer", exact=True)).to_be_in_viewport(ratio=1)
    assert await page.locator("#log").evaluate("(log) => log.clientHeight") > size[1] / 2
    await page.locator("#more > summary").click()
    await page.get_by_text("Horloge").click()  # within reach, in the menu
    await expect(page.get_by_role("button", name="+ 1 heure")).to_be_visible()


async def test_letters_twice_as_large_leave_all_within_reach(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    await page.context.set_offline(True)  # a line more
    await expect(page.get_by_text("Pas de réseau.")).to_be_visible()
    send = page.get_by_role("button", name="Envoyer", exact=True)
    assert await page.locator("#log").evaluate("(log) => log.clientHeight") > PHONE[1] / 3
    for part in (composer(page), send, page.locator(".tool")):
        await expect(part).to_be_in_viewport(ratio=1)
    assert await send.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    assert await overflow(page) <= 0


async def overflow(page: Page) -> int:
    return await page.evaluate(  # type: ignore[no-any-return]
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_the_page_is_for_everybody(
    browser: Browser, demo: str, width: int, scheme: str
) -> None:
    page = await open_page(browser, demo, (width, 640), color_scheme=scheme)
    await expect(page.get_by_role("button", name="Commencer")).to_be_enabled()
    await check_access(page)
    await page.get_by_role("button", name="Commencer").click()
    await heard(page, "Bonjour, je suis Préau")
    await say(page, "أهلا " + "anticonstitutionnellement" * 20)
    await heard(page, "J'ai gardé votre message")
    await page.locator("#more > summary").click()
    await check_access(page)
    assert await overflow(page) <= 0


async def test_a_long_history_is_told_from_its_end(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    await page.evaluate(
        """(async () => {
          for (let n = 0; n < 45; n += 1) {
            const answer = await fetch('/api/v1/messages', {
              method: 'POST', headers: {'Content-Type': 'application/json'},
              body: JSON.stringify({id: `long${n}`, text: `message ${n}`}),
            });
            if (answer.status === 429) { n -= 1; await new Promise((go) => setTimeout(go, 500)); }
          }
        })()"""
    )
    await page.reload()
    await heard(page, "message 44")
    await expect(page.locator(".bubble.mine")).to_have_count(40)
    older = page.get_by_role("button", name="Voir les messages plus anciens")
    await older.scroll_into_view_if_needed()
    first = page.locator(".bubble.mine").first
    told = await first.element_handle()
    assert told is not None
    before = await told.bounding_box()
    await older.click()
    await heard(page, "Bonjour, je suis Préau")
    after = await told.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 1  # what is read did not move
    said = [one for one in await in_order(page) if one.startswith("Vous")]
    assert said == [f"Vous : message {n}" for n in range(45)]
    await expect(older).to_be_hidden()


async def test_without_script_the_page_says_so(browser: Browser, demo: str) -> None:
    page = await open_page(browser, demo, java_script_enabled=False)
    await expect(page.get_by_text("L'assistant du Comité")).to_be_visible()
    await expect(page.locator("noscript p")).to_be_visible()


async def test_a_script_that_does_not_come_leaves_a_word(browser: Browser, demo: str) -> None:
    context = await browser.new_context(locale="fr-FR")
    page = await context.new_page()
    await page.route("**/chat.js*", lambda route: route.abort())
    await page.goto(demo)
    await expect(page.get_by_text("Si cela dure, rechargez-la.")).to_be_visible(timeout=8000)


async def test_the_first_load_is_light_on_a_slow_line(browser: Browser, demo: str) -> None:
    context = await browser.new_context(locale="fr-FR")
    page = await context.new_page()
    line = await context.new_cdp_session(page)
    await line.send("Network.enable")
    slow = 50_000 / 8  # bytes a second
    conditions = {"latency": 300, "downloadThroughput": slow, "uploadThroughput": slow}
    await line.send("Network.emulateNetworkConditions", {"offline": False, **conditions})
    weights: list[float] = []
    line.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(demo)
    await expect(page.get_by_role("button", name="Commencer")).to_be_enabled(timeout=15_000)
    assert sum(weights) < 40_000
    scripts = [url for url in asked if ".js" in url or ".css" in url]
    assert len(scripts) == len(set(scripts))
    assert all(url.startswith(demo) for url in asked)
    tag = (await page.request.get(demo)).headers["etag"]
    again = await page.request.get(demo, headers={"If-None-Match": tag})
    assert again.status == 304


async def test_the_page_and_the_conversation_speak_one_language(
    browser: Browser, demo: str
) -> None:
    page = await open_page(browser, demo)
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("button", name="Start")).to_be_enabled()
    await page.goto(demo)
    await page.get_by_role("button", name="Start").click()
    await heard(page, "Hello, I am Préau")
    await page.reload()
    await heard(page, "Hello, I am Préau")
    await expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/demande", "/confidentialite"])
async def test_the_public_pages_are_for_everybody(
    browser: Browser, demo: str, path: str, scheme: str
) -> None:
    page = await open_page(browser, demo + path, (320, 640), color_scheme=scheme)
    await check_access(page)
    assert await overflow(page) <= 0


async def test_a_request_is_made_without_script(browser: Browser, demo: str) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{demo}/demande")
    await page.get_by_label("Retirer un témoignage publié").check()
    await page.get_by_label("Votre nom").fill("Camille")
    await page.get_by_label("Où vous répondre").fill("camille@example.org")
    await page.get_by_label("Votre demande").fill("Retirez-le.")
    await page.get_by_role("button", name="Envoyer ma demande").click()
    await expect(page.get_by_role("status")).to_contain_text("DEM-")
