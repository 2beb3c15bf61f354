"""What time does to broadcasts that nobody sent, and to their pictures."""

from datetime import timedelta

from sqlalchemy import select

from scheduled import retention
from storage.broadcasts import Broadcast
from storage.files import File
from storage.grants import Role
from storage.store import Store
from tests.bot.test_photos import encoded
from tests.journeys.test_broadcast_cards import tick
from tests.people import Someone
from tests.scheduled.test_retention import count
from tests.stage import Stage

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


async def sent(stage: Stage) -> Someone:
    """One that was sent with its picture, and has ended."""
    secretary = await pictured(stage)
    await secretary.press("Envoyer")
    await stage.advance(timedelta(minutes=1))
    await tick(stage)
    return secretary


async def test_what_was_sent_stays_three_years_with_its_picture(stage: Stage) -> None:
    await sent(stage)
    assert await after(stage, 100 * DAY) == (1, 1)
    assert await after(stage, 3 * 365 * DAY - DAY) == (1, 1)
    assert await after(stage, 3 * 365 * DAY + DAY) == (0, 0)


async def test_a_picture_stays_as_long_as_another_one_shows_it(stage: Stage) -> None:
    await sent(stage)

    def again(store: Store) -> None:
        [first] = store.session.scalars(select(Broadcast))
        now = stage.clock.now() + 3 * 365 * DAY
        store.broadcasts.compose("Encore", first.kind, first.whom, now, file_id=first.file_id)

    await stage.db.write(again)
    assert await after(stage, 3 * 365 * DAY + DAY) == (1, 1)
