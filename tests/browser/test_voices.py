"""A voice note, from a phone's files to the ears of the secretariat."""

import re

import pytest
from playwright.async_api import Browser, FilePayload, expect

from tests.browser.people import STORY, check_access, enter, heard, newcomer, press, say
from tests.voices import SECRETS, voice_note

pytestmark = [pytest.mark.servers, pytest.mark.asyncio(loop_scope="session")]


async def test_a_voice_note_is_sent_and_played(browser: Browser, demo: str) -> None:
    parent = await newcomer(browser, demo)
    await say(parent, "témoigner")
    await heard(parent, "Que voulez-vous raconter")
    note = FilePayload(name="PTT-2041.opus", mimeType="audio/ogg", buffer=voice_note(3))
    await parent.get_by_label("Ajouter une photo, un PDF ou un message vocal").set_input_files(note)
    await heard(parent, "Message vocal gardé")
    sent = parent.locator(".bubble.mine").last
    await expect(sent).to_have_text(re.compile("^Vous : Message vocal"))
    await say(parent, STORY)
    await press(parent, "Une expérience vécue")
    await press(parent, "Je ne sais pas")
    await press(parent, "Parent")
    await heard(parent, "De quelle académie")
    await say(parent, "974")
    await press(parent, "Tout le monde")
    await heard(parent, "Relisez avant d'envoyer")
    await expect(parent.get_by_label("Message vocal 1", exact=True)).to_be_visible()
    await check_access(parent)
    await press(parent, "Envoyer")
    await heard(parent, "votre témoignage est enregistré")

    said = await parent.locator(".bubble", has_text="est enregistré").last.inner_text()
    number = re.search(r"REX-\d{4}-\d+", said)
    assert number is not None

    secretary = await enter(browser, demo, "secretariat")
    await say(secretary, "modérer")
    await press(secretary, "Ouvrir par numéro")
    await heard(secretary, "Quel")
    await say(secretary, number[0])
    await heard(secretary, "Écoutez aussi le message vocal.")
    sound = secretary.locator("audio").last
    await expect(sound).to_have_attribute("aria-label", re.compile("^Message vocal 1 de REX-"))
    played = await sound.evaluate(
        """async (sound) => {
          sound.muted = true;
          await sound.play();
          sound.currentTime = 2;
          await new Promise((done) => sound.addEventListener('ended', done));
          return [sound.duration, sound.seekable.end(0), sound.currentTime];
        }"""
    )
    assert played == pytest.approx([3, 3, 3], abs=0.1)
    file = await secretary.request.get(await sound.evaluate("(sound) => sound.src"))
    content = await file.body()
    assert not any(secret in content for secret in SECRETS)
    await check_access(secretary)


async def test_a_recording_of_another_kind_is_refused(browser: Browser, demo: str) -> None:
    page = await newcomer(browser, demo)
    other = FilePayload(name="memo.m4a", mimeType="audio/mp4", buffer=b"\0\0\0 ftypM4A ")
    await page.get_by_label("Ajouter une photo").set_input_files(other)
    await expect(page.get_by_role("status")).to_contain_text("Cette photo n'est pas lisible ici.")
