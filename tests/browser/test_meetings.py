"""A meeting in a real browser on a phone, as who leads the group and as its members."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_datetime
from ical.calendar_stream import IcsCalendarStream
from ical.event import Event
from playwright.async_api import Browser, Page, expect

from tests.browser.people import (
    an_hour_passes,
    check_access,
    guest,
    heard,
    hour_of,
    member_of,
    picture,
    press,
    say,
)

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="session")]

Invite = Callable[..., str]

# The demo seeds nobody in these: only who comes here is counted.
FRAMEWORKS, INDUSTRY = "Les règles et cadres nationaux", "Les logiciels et les entreprises"
NUMBERS = {FRAMEWORKS: "4", INDUSTRY: "6"}
PLACE = "110 rue de Grenelle, salle Condorcet"
ANSWERS = ("Je viens", "À distance", "Peut-être", "Je ne viens pas")


async def chair_of(browser: Browser, demo: str, invite: Invite, group: str) -> Page:
    """Who leads a group by an invitation, and so belongs to it."""
    return await guest(browser, demo, invite("--role", "chair", "--group", NUMBERS[group]))


def in_words(at: datetime) -> str:
    return format_datetime(at, "d MMMM yyyy 'à' H 'h' mm", ZoneInfo("Europe/Paris"), locale="fr")


async def asked(page: Page, text: str) -> None:
    """Wait until this is the newest thing that was said: an earlier meeting was asked the same."""
    await expect(page.locator(".bubble:not(.mine)").last).to_contain_text(text)


async def call(page: Page, at: datetime) -> None:
    """Call a meeting of the one group that this person leads, up to the review."""
    await say(page, "réunion")
    await answer_start(page, at)
    await asked(page, "À quelle heure finit-elle")
    await page.get_by_role("button", name=re.compile(r"\(1 h 30\)$")).last.click()
    await press(page, "Sur place et à distance")
    await asked(page, "Quelle est l'adresse")
    await say(page, PLACE)
    await asked(page, "Quel est le lien")
    await say(page, "https://visio.example.org/filiere")
    await asked(page, "Relisez avant d'envoyer")


async def answer_start(page: Page, at: datetime) -> None:
    """Answer when it begins. With other meetings to come, the group is asked first."""
    newest = page.locator(".bubble:not(.mine)").last
    await expect(newest).to_contain_text(re.compile("Quel jour, et à quelle heure|Quel groupe"))
    if "Quel groupe" in await newest.inner_text():
        await page.locator(".choices").last.get_by_role("button").first.click()
    await asked(page, "Quel jour, et à quelle heure")
    await say(page, in_words(at))


async def entry(page: Page) -> Event:
    """The meeting in the file that came last, downloaded as a calendar takes it."""
    link = page.get_by_role("link", name="mon agenda").last
    url = await link.evaluate("(link) => link.href")
    response = await page.request.get(url)
    assert response.headers["content-type"].partition(";")[0] == "text/calendar"
    assert 'filename="preau.ics"' in response.headers["content-disposition"]
    [found] = IcsCalendarStream.calendar_from_ics(await response.text()).events
    return found


async def test_a_meeting_is_called_answered_and_moved(
    browser: Browser, demo: str, invite: Invite
) -> None:
    chair = await chair_of(browser, demo, invite, INDUSTRY)
    member, silent = [await member_of(browser, demo, INDUSTRY) for _ in range(2)]
    start = (await hour_of(chair)).replace(hour=13, minute=0) + timedelta(days=12)

    await call(chair, start)
    await press(chair, "Ajouter un ordre du jour")
    await say(chair, "1. Les marchés publics\n2. La reprise des données")
    await heard(chair, "La reprise des données")
    await press(chair, "Convoquer")
    await heard(chair, "2 personnes sont prévenues")
    await heard(chair, "Réponses : 3 sans réponse.")

    await heard(member, "Nouvelle réunion")
    await picture(member, "meeting")
    for answer in ANSWERS:
        button = member.get_by_role("button", name=answer).last
        await expect(button).to_be_in_viewport(ratio=1)  # with the whole card, on a phone
    await check_access(member)
    said = await member.locator(".bubble.mine").count()
    coming, *_, away = [member.get_by_role("button", name=one).last for one in ANSWERS]
    await coming.click()
    await heard(member, "Votre réponse : Je viens.")
    await away.focus()
    await member.keyboard.press("Enter")
    await heard(member, "Votre réponse : Je ne viens pas.")
    await expect(member.get_by_role("button", name="✓ Je ne viens pas")).to_be_focused()
    await member.keyboard.press("ArrowUp")
    await member.keyboard.press("ArrowUp")
    await member.keyboard.press("Enter")
    await heard(member, "Votre réponse : À distance.")
    remotely = member.get_by_role("button", name="✓ À distance")
    await expect(remotely).to_be_focused()
    await expect(remotely).to_be_in_viewport(ratio=1)  # the card did not jump to its beginning
    await expect(member.locator(".bubble.mine")).to_have_count(said)  # the card itself says it
    await picture(member, "answer")
    first = await entry(member)
    assert (first.sequence, first.dtstart) == (0, start)
    async with member.expect_download() as downloading:
        await member.get_by_role("link", name="Mettre dans mon agenda").last.click()
    assert (await downloading.value).suggested_filename == "preau.ics"

    await say(chair, "agenda")
    await heard(chair, "Réponses : 1 à distance, 2 sans réponse.")
    await picture(chair, "chair", of="Réponses : 1 à distance", block="end")
    await check_access(chair)
    await press(chair, "Gérer la réunion")
    await press(chair, "Rappeler maintenant")
    await press(chair, "Ceux qui n'ont pas répondu (2 personnes)")
    await heard(chair, "Le rappel part : 2 personnes.")
    reminders = silent.get_by_role("log").get_by_text(f"« {INDUSTRY} » se réunit")
    await expect(reminders).to_have_count(2)  # the call, and this one
    await expect(member.get_by_text("Dites si vous venez.")).to_have_count(0)

    await press(chair, "Voir la réunion")
    await press(chair, "Gérer la réunion")
    await press(chair, "Déplacer la réunion")
    await answer_start(chair, start + timedelta(days=1))
    await press(chair, "Changer la réunion")
    await heard(chair, "Les rappels suivent.")
    await heard(member, "La réunion est déplacée.")
    moved = await entry(member)
    assert moved.uid == first.uid
    assert (moved.sequence, moved.dtstart) == (1, start + timedelta(days=1))
    await press(member, "Peut-être")
    await heard(chair, "Réponses : 3 sans réponse.")
    await check_access(member)


async def test_who_comes_is_reminded_and_a_cancelled_meeting_is_not(
    browser: Browser, demo: str, invite: Invite
) -> None:
    chair = await chair_of(browser, demo, invite, FRAMEWORKS)
    member = await member_of(browser, demo, FRAMEWORKS)
    soon = await hour_of(chair) + timedelta(hours=2)
    called = chair.get_by_role("log").get_by_text("1 personne est prévenue")
    for count, at in enumerate((soon + timedelta(minutes=5), soon), 1):
        await call(chair, at)
        await press(chair, "Convoquer")
        await expect(called).to_have_count(count)

    await press(chair, "Gérer la réunion")
    await press(chair, "Annuler la réunion")
    await heard(chair, "Tous les membres seront prévenus.")
    await press(chair, "Oui, annuler la réunion")
    await heard(member, "Le fichier joint la retire de votre agenda.")
    cancelled = await entry(member)
    assert (cancelled.status, cancelled.sequence) == ("CANCELLED", 1)
    await check_access(member)

    told = member.get_by_role("log").get_by_text(f"« {FRAMEWORKS} » se réunit")
    await expect(told).to_have_count(2)
    await an_hour_passes(member)
    await an_hour_passes(member)
    await expect(told).to_have_count(3)  # one reminder, of the meeting that holds
    await say(member, "groupes")
    await press(member, f"✓ {FRAMEWORKS}")
    await press(member, "Sortir de ce groupe")
    await heard(member, "Vous n'êtes plus dans le groupe.")
