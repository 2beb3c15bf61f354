"""What time does to broadcasts that nobody sent, and to their pictures."""

from datetime import timedelta

from scheduled import retention
from storage.broadcasts import Broadcast
from storage.files import File
from storage.grants import Role
from tests.bot.test_photos import encoded
from tests.people import Someone, Stage
from tests.scheduled.test_retention import count

DAY = timedelta(days=1)


async def pictured(stage: Stage) -> Someone:
    """A preview with a picture."""
    secretary = await stage.invited(Role.secretariat)
    await secretary.say("diffuser")
    await secretary.press("Écrire un nouveau message")
    await secretary.say("Bonjour")
    await secretary.send_photo(encoded("JPEG"))
    await secretary.press("Une nouvelle")
    await secretary.press("Tout le monde")
    await secretary.press("Voir l'aperçu")
    return secretary


async def after(stage: Stage, period: timedelta) -> tuple[int, int]:
    """How many broadcasts and files are left after some time."""
    moment = stage.clock.now() + period
    await stage.db.write(lambda store: retention.sweep(store, moment))
    return await count(stage, Broadcast), await count(stage, File)


async def test_a_preview_goes_after_thirty_days_with_its_picture(stage: Stage) -> None:
    await pictured(stage)
    assert await after(stage, 29 * DAY) == (1, 1)
    assert await after(stage, 31 * DAY) == (0, 0)


async def test_what_was_sent_stays_with_its_picture(stage: Stage) -> None:
    secretary = await pictured(stage)
    await secretary.press("Envoyer")
    await stage.advance(timedelta(minutes=1))
    assert await after(stage, 100 * DAY) == (1, 1)
    assert await after(stage, 100 * DAY) == (1, 1)
