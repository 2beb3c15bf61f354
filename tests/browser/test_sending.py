"""What is typed, pressed and photographed arrives once, whatever the network and the tabs do."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.async_api import Browser, FilePayload, Page, Route, expect

from tests.browser.people import (
    STORY,
    check_access,
    composer,
    enter,
    heard,
    in_order,
    newcomer,
    open_page,
    open_tab,
    pick,
    press,
    say,
)

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="session")]


def photo(name: str = "photo.png", size: tuple[int, int] = (900, 700)) -> FilePayload:
    content = BytesIO()
    Image.effect_noise(size, 80).save(content, "PNG")
    return FilePayload(name=name, mimeType="image/png", buffer=content.getvalue())


async def own_words(page: Page) -> list[str]:
    return [one.removeprefix("Vous : ") for one in await in_order(page) if one.startswith("Vous")]


async def test_the_menu_is_no_answer_to_an_open_question(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    newest = page.locator(".turn:has(.mine) .bubble:not(.mine)").last  # what answers last words
    for item, answer in [
        ("Que faire ?", "Que voulez-vous faire"),
        ("Aide", "Répondez à la question"),
        ("Mes données", "Voir ce qui est gardé"),
        ("Mes réglages", "un code de retour"),
        ("Quitter", "Cette conversation va disparaître"),
    ]:
        await say(page, "/témoigner")
        await expect(newest).to_contain_text(re.compile("raconter|continuer"))
        if "brouillon" in await newest.inner_text():
            await press(page, "Continuer le brouillon")
            await expect(newest).to_contain_text("Que voulez-vous raconter")
        await pick(page, item)
        await expect(page.locator("#more > summary")).to_be_focused()
        await expect(newest).to_contain_text(answer)
        assert (await own_words(page))[-1] == item
    await press(page, "Rester")
    await page.reload()
    await heard(page, "Cette conversation va disparaître")
    assert "Quitter" in await own_words(page)
    assert "/quitter" not in await own_words(page)


async def test_what_is_typed_offline_is_sent_later(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    await page.context.set_offline(True)
    await expect(page.get_by_text("Pas de réseau.")).to_be_visible()
    await say(page, "aide")
    await say(page, "menu")
    await expect(page.get_by_text("En attente")).to_have_count(2)
    await page.locator(".bubble.mine").last.get_by_role("button", name="Annuler l'envoi").click()
    await expect(page.locator(".bubble.mine")).to_have_count(1)
    await page.context.set_offline(False)
    await heard(page, "Écrivez un mot")
    await expect(page.get_by_text("Pas de réseau.")).to_be_hidden()
    await page.reload()
    await heard(page, "Écrivez un mot")
    assert await own_words(page) == ["aide"]


async def test_a_filter_or_a_portal_is_not_believed(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)

    async def portal(route: Route) -> None:
        await route.fulfill(status=200, content_type="text/html", body="<h1>Wifi gratuit</h1>")

    async def school(route: Route) -> None:
        await route.fulfill(status=403, content_type="text/html", body="<h1>Site interdit</h1>")

    for stranger in (portal, school):
        await page.route("**/api/v1/messages", stranger)
        await say(page, f"menu {stranger.__name__}")
        await expect(page.locator(".bubble.mine").last).to_contain_text("En attente")
        await page.unroute("**/api/v1/messages")
    await page.reload()
    await heard(page, "J'ai gardé votre message")
    await expect(page.get_by_text("En attente")).to_have_count(0)
    assert await own_words(page) == ["menu portal", "menu school"]


async def test_who_goes_too_fast_is_told_why_it_waits(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    why = "Vous allez très vite."

    async def too_many(route: Route) -> None:
        answer = {"error": "too_many", "text": why}
        await route.fulfill(status=429, json=answer, headers={"Retry-After": "1"})

    await page.route("**/api/v1/messages", too_many, times=1)
    await say(page, "menu")
    await expect(page.get_by_role("status")).to_contain_text(why)
    await expect(page.locator(".bubble.mine")).to_contain_text("En attente")
    await heard(page, "Que voulez-vous faire")  # sent again by itself


async def test_words_pass_a_photo_that_does_not_leave(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)

    async def no_photo(route: Route) -> None:
        is_photo = "multipart" in (route.request.headers.get("content-type") or "")
        await (route.abort() if is_photo else route.continue_())

    await page.route("**/api/v1/messages", no_photo)
    await page.get_by_label("Ajouter une photo").set_input_files(photo(size=(60, 40)))
    await expect(page.locator(".bubble.mine")).to_contain_text("En attente")
    await say(page, "menu")
    await expect(page.get_by_role("log")).to_contain_text("Que voulez-vous faire", timeout=12_000)


async def test_a_refusal_leaves_the_words_at_hand(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    await say(page, "mot " * 5100)
    await expect(page.get_by_role("status")).to_contain_text("Votre texte est trop long")
    lost = page.locator(".bubble.mine").last
    await expect(lost.get_by_role("button", name="Réessayer")).to_be_visible()
    await lost.get_by_role("button", name="Modifier").click()
    await expect(composer(page)).to_have_value("mot " * 5100)
    await expect(page.locator(".bubble.mine")).to_have_count(0)


async def test_an_ended_session_keeps_what_was_typed(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    await page.context.clear_cookies()
    await page.wait_for_timeout(100)
    await say(page, STORY)
    await expect(page.get_by_text("Votre conversation est fermée")).to_be_visible()
    await page.get_by_role("button", name="Commencer").click()
    held = page.locator(".bubble.mine")
    await expect(held).to_contain_text("Pas encore envoyé")
    await held.get_by_role("button", name="Envoyer ce message").click()
    await heard(page, "J'ai gardé votre message")


async def test_a_persona_comes_back_by_itself(browser: Browser, demo: str) -> None:
    page = await enter(browser, demo, "parent")
    await composer(page).fill("à suivre")
    await page.context.clear_cookies()
    await pick(page, "Aide")
    await heard(page, "Écrivez un mot, ou choisissez.")
    await expect(composer(page)).to_have_value("à suivre")


async def test_two_tabs_do_not_undo_each_other(browser: Browser, demo: str) -> None:
    one = await newcomer(browser, demo)
    await composer(one).fill("brouillon un")
    two = await open_tab(one.context, demo)
    await expect(composer(two)).to_have_value("brouillon un")
    await composer(two).fill("brouillon deux")
    for page, words in ((one, "premier"), (two, "second")):
        await page.route("**/api/v1/messages", lambda route: route.abort())
        draft = await composer(page).input_value()
        await say(page, words)
        await expect(page.get_by_text("En attente")).to_be_visible()
        await composer(page).fill(draft)
    await one.unroute("**/api/v1/messages")
    await one.reload()
    await expect(composer(one)).to_have_value("brouillon un")
    await expect(one.locator(".bubble.mine")).to_have_count(2)
    await expect(one.get_by_text("En attente")).to_have_count(0)
    assert await own_words(one) == ["premier", "second"]
    await expect(composer(two)).to_have_value("brouillon deux")
    await expect(two.locator(".bubble.mine")).to_have_count(2)  # told by its stream
    await expect(two.get_by_text("En attente")).to_have_count(0)


async def test_a_photo_that_waits_survives_a_reload(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    weights: list[int] = []

    async def cut(route: Route) -> None:
        weights.append(len(route.request.post_data_buffer or b""))
        await route.abort()

    await page.route("**/api/v1/messages", cut)
    await page.get_by_label("Ajouter une photo").set_input_files(photo(size=(2400, 1800)))
    await expect(page.locator(".bubble.mine img")).to_be_visible()
    await expect(page.get_by_text("En attente")).to_be_visible()
    assert 0 < max(weights) < 350_000
    await page.unroute("**/api/v1/messages")
    await page.reload()
    await heard(page, "Votre photo n'est pas gardée")  # it arrived; nothing asked for it here
    assert await own_words(page) == ["Photo"]


async def test_photos_that_cannot_go_are_refused_before(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    choose = page.get_by_label("Ajouter une photo")
    heic = FilePayload(name="IMG_1.HEIC", mimeType="image/heic", buffer=b"\0\0\0 ftypheic" * 9)
    await choose.set_input_files(heic)
    await expect(page.get_by_role("status")).to_contain_text("Choisissez une photo JPEG ou PNG")
    assert await own_words(page) == []
    await choose.set_input_files([photo(f"{n}.png", (60, 40)) for n in range(7)])
    await expect(page.get_by_role("status")).to_contain_text("Les cinq premières partent")
    await expect(page.locator(".bubble.mine")).to_have_count(5)


async def test_leaving_clears_the_phone(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    other = await open_tab(page.context, demo)
    await composer(other).fill("un secret")
    await say(page, "quitter")
    await heard(page, "Pour revenir, notez ce code")
    await page.get_by_role("button", name="Copier").last.click()
    await expect(page.get_by_role("button", name=re.compile("Copié|Sélectionné"))).to_be_visible()
    code = await page.locator("code").last.inner_text()
    assert await page.evaluate("getSelection().toString()") == code
    await press(page, "Quitter maintenant")
    await expect(page.get_by_text("Au revoir.")).to_be_visible()
    for tab in (page, other):
        await expect(tab.get_by_role("button", name="Commencer")).to_be_visible()
        kept = "JSON.stringify([{...localStorage}, {...sessionStorage}])"
        assert "secret" not in await tab.evaluate(kept)
    await page.locator("#code-details summary").click()
    await page.get_by_label("Votre code").fill(code)
    await page.get_by_role("button", name="Entrer avec ce code").click()
    await heard(page, "Vous revoilà")


async def test_a_link_brings_an_invitation_and_no_return_code(browser: Browser, demo: str) -> None:
    page = await open_page(browser, f"{demo}/#code=BCDF-GHJK-MNPQ")
    await expect(page.get_by_role("button", name="Commencer")).to_be_enabled()
    await expect(page.get_by_label("Votre code")).to_have_value("")
    await page.goto(f"{demo}/#code=BCDF-GHJK-MNPQ-RTVW")
    await expect(page.get_by_text("Vous ouvrez une invitation")).to_be_visible()
    for code, by_link in ((None, "true"), ("BCDF-GHJK-MNPQ", "false")):
        if code is not None:
            await page.get_by_label("Votre code").fill(code)
        async with page.expect_request("**/api/v1/session") as sent:
            await page.get_by_role("button", name="Entrer avec ce code").click()
        assert f'"link":{by_link}' in ((await sent.value).post_data or "")
        await expect(page.get_by_text("Ce code n'est pas valable")).to_be_visible()


async def test_a_code_over_a_conversation_says_what_it_does(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    await pick(page, "J'ai un code")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Celle-ci quittera alors cet appareil")
    await check_access(page)
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await pick(page, "J'ai un code")
    await dialog.get_by_role("button", name="Revenir à la conversation").click()
    await expect(composer(page)).to_be_focused()
    await pick(page, "J'ai un code")
    await page.get_by_label("Votre code").fill("AAAA-BBBB-CCCC")
    await page.get_by_role("button", name="Entrer avec ce code").click()
    await expect(dialog).to_contain_text("Ce code n'est pas valable")


async def test_a_whole_vote_by_keyboard(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    await expect(composer(page)).to_be_focused()
    keys = page.keyboard
    await keys.type("témoigner")
    await keys.press("Enter")
    await heard(page, "Que voulez-vous raconter")
    await keys.type(STORY)
    await keys.press("Enter")
    await heard(page, "Qu'avez-vous raconté")
    await keys.press("ArrowUp")
    await expect(page.locator(":focus")).to_have_text("1. Une expérience vécue")
    await keys.press("ArrowDown")
    await expect(page.locator(":focus")).to_contain_text("2. ")
    await keys.press("Escape")
    await expect(composer(page)).to_be_focused()
    await keys.press("ArrowUp")
    await keys.press("Enter")
    await heard(page, "De quoi parle surtout")
    await expect(page.locator(":focus")).to_have_text("1. Une expérience vécue")
    await keys.press("Tab")  # to the newest question
    await expect(page.locator(":focus")).to_contain_text("1. Les usages")
    await page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    await page.locator("#skip").focus()
    await keys.press("Enter")
    await expect(composer(page)).to_be_focused()
