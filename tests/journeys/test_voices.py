"""Voice notes in a report: sent, heard by the secretariat, and never published."""

import pytest

from bot.voice import clean_voice
from storage.grants import Role
from tests.journeys.test_reports import photo, photos_kept
from tests.people import STORY, Answer, Someone
from tests.stage import Stage
from tests.voices import SECRETS, pages, voice_note, written


async def told_by_voice(author: Someone) -> None:
    """A report with a voice note, as far as its review by the author."""
    await author.say("témoigner")
    _, kept = await author.send_photo(voice_note(), "PTT-20270111.opus")
    assert "Message vocal gardé. Écrivez aussi une phrase" in kept
    assert "Que voulez-vous raconter" in kept
    await author.say(STORY)
    for answer in ("1", "5", "3", "974"):
        await author.say(answer)
    review = await author.press("Tout le monde")
    assert "Photos et messages vocaux : 1 message vocal" in review
    assert came(review, "Message vocal 1")


def came(answer: Answer, *names: str) -> bool:
    """Whether these files came; some platforms show photos and voice notes without a name."""
    found = [file["name"] for file in answer.files]
    return len(found) == len(names) and all(
        one in (name, "") for one, name in zip(found, names, strict=True)
    )


@pytest.mark.web
async def test_a_voice_note_is_heard_by_the_secretariat_alone(stage: Stage) -> None:
    author, secretary = await stage.guest(), await stage.guest(Role.secretariat)
    await told_by_voice(author)
    await author.press("Envoyer")
    await secretary.say("modérer")
    shown = await secretary.press("Lire le suivant")
    assert "Écoutez aussi le message vocal. Une voix n'est jamais publiée." in shown
    [file] = shown.files
    assert (file["name"], file["type"]) == ("Message vocal 1 de REX-2027-00001", "audio/ogg")
    async with secretary.http.get(secretary.base + file["url"]) as response:
        content = await response.read()
        assert response.content_type == "audio/ogg"
        assert response.headers["Content-Disposition"] == "inline"
        assert "media-src 'self';" in response.headers["Content-Security-Policy"]
    assert content == clean_voice(voice_note())
    assert not any(secret in content for secret in SECRETS)
    async with author.http.get(author.base + file["url"]) as response:
        assert response.status == 404, "the address was given to another chat"
    published = await secretary.press("Publier")
    assert "est publié." in published, "no photo is to be looked at"
    copies = await stage.db.read(
        lambda store: (
            store.session.connection().exec_driver_sql("SELECT * FROM published_reports").all()
        )
    )
    [copy] = copies
    assert not [one for one in copy if isinstance(one, bytes) and b"OggS" in one]
    await stage.service.deliver()
    told = await author.look()
    assert "est publié, sans votre nom" in told
    assert came(told)


async def test_photos_alone_are_looked_at_before_a_publication(stage: Stage) -> None:
    author, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await told_by_voice(author)
    await author.send_photo(photo())
    _, review = await author.send_photo(voice_note())
    assert "1 photo, 2 messages vocaux" in review
    assert came(review, "Message vocal 1", "Photo 1", "Message vocal 2")
    await author.press("Envoyer")
    await secretary.say("modérer")
    assert "Écoutez aussi les messages vocaux." in await secretary.press("Lire le suivant")
    asked = await secretary.press("Publier")
    assert "a une photo." in asked
    assert came(asked, "Photo 1 de REX-2027-00001")


@pytest.mark.web
async def test_a_part_of_a_voice_note_can_be_asked_for(stage: Stage) -> None:
    author = await stage.guest()
    await told_by_voice(author)
    url = author.base + author.seen[-1]["files"][0]["url"]
    whole = clean_voice(voice_note())
    for asked, status, said, part in [
        ("bytes=0-", 206, f"bytes 0-{len(whole) - 1}/{len(whole)}", whole),
        ("bytes=0-1", 206, f"bytes 0-1/{len(whole)}", whole[:2]),
        ("bytes=-5", 206, f"bytes {len(whole) - 5}-{len(whole) - 1}/{len(whole)}", whole[-5:]),
        ("bytes=9999-", 416, None, None),
        ("bytes=5-2", 200, None, whole),
        ("lines=1-2", 200, None, whole),
    ]:
        async with author.http.get(url, headers={"Range": asked}) as response:
            assert (response.status, response.headers.get("Content-Range")) == (status, said)
            assert part is None or await response.read() == part
    async with author.http.get(url) as response:
        assert (response.status, response.headers["Accept-Ranges"]) == (200, "bytes")


async def test_a_voice_note_that_cannot_be_kept(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await parent.say("témoigner")
    for data, why in [
        (voice_note()[:-1], "Ce message vocal est abîmé."),
        (voice_note(601), "10 minutes au plus."),
        (written(pages(first=b"\x01vorbis")), "Je ne peux pas ouvrir ce fichier comme"),
    ]:
        _, refused = await parent.send_photo(data)
        assert why in refused
        assert "Que voulez-vous raconter" in refused, "the question is asked again"
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    _, refused = await secretary.send_photo(voice_note())
    assert "Aucun message vocal n'est attendu ici. Le vôtre n'est pas gardé." in refused
    assert await photos_kept(stage) == 0


async def test_voice_notes_count_among_the_five(stage: Stage) -> None:
    parent = await stage.newcomer()
    await parent.say("témoigner")
    for _ in range(4):
        await parent.send_photo(voice_note())
    await parent.send_photo(photo((64, 64)))
    _, surplus = await parent.send_photo(voice_note())
    assert "Cinq fichiers au plus. Celui-ci n'est pas gardé." in surplus
    assert await photos_kept(stage) == 5


@pytest.mark.everywhere
async def test_a_withdrawn_report_leaves_no_voice(stage: Stage) -> None:
    author = await stage.newcomer()
    await told_by_voice(author)
    await author.press("Envoyer")
    await author.say("mes témoignages")
    await author.press("REX-")
    assert "Ses photos et messages vocaux seront effacés." in await author.press("Retirer")
    await author.press("Oui, retirer")
    assert await photos_kept(stage) == 0


async def test_a_voice_note_elsewhere_is_not_stored(stage: Stage) -> None:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    _, refused = await parent.send_photo(voice_note())
    assert "Votre message vocal n'est pas gardé : aucun n'est attendu ici." in refused
    assert refused.labels == ["Raconter mon expérience"]
    await secretary.say("projet")
    await secretary.press("Entrer un nouveau projet")
    _, refused = await secretary.send_photo(voice_note())
    assert "Aucun message vocal n'est attendu ici. Le vôtre n'est pas gardé." in refused
    assert "titre" in refused.text.lower(), "the question is asked again"
    assert await photos_kept(stage) == 0
