"""One person on the page, on Telegram and on Matrix at once."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.settings import Channels, Settings
from storage.database import Database
from storage.grants import Role
from storage.polls import Electorate
from storage.store import Store
from tests.bot_api import BotApi
from tests.conftest import NOW
from tests.journeys.conftest import homeserver
from tests.journeys.test_linking import code_in
from tests.matrix_people import Correspond
from tests.people import Someone
from tests.stage import Stage

pytestmark = pytest.mark.servers
QUESTION = "Avez-vous le réseau ?"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
async def town(settings: Settings, db: Database) -> AsyncIterator[Stage]:
    """A service with the page and Telegram."""
    async with BotApi() as api:
        made = Stage(settings, db, NOW, api)
        await made.open()
        yield made
        await made.close()


@pytest.fixture
async def everywhere(
    settings: Settings, db: Database, request: pytest.FixtureRequest
) -> AsyncIterator[Stage]:
    """A service with the page, Telegram and Matrix."""
    async with BotApi() as api:
        made = Stage(settings, db, NOW, api, homeserver=homeserver(request))
        await made.open()
        yield made
        await made.close()


async def linked(shows: Someone, types: Someone) -> None:
    code = code_in((await shows.say("lier")).text)
    assert "Est-ce bien vous" in await types.say(code)
    await types.say("Oui, c'est moi !")
    assert "Est-ce bien vous" in await shows.look()
    assert "à une seule personne : vous" in await shows.press("Oui, c'est bien moi")
    assert "à une seule personne : vous" in await types.look()


async def opened(stage: Stage) -> int:
    def make(store: Store) -> int:
        closes = NOW + timedelta(days=2)
        poll = store.polls.open(QUESTION, electorate=Electorate.public, closes_at=closes, now=NOW)
        asked = store.polls.asked(poll, NOW)
        store.deliveries.notify("polls.opened", {"poll": poll.id}, asked, NOW)
        return poll.id

    return await stage.db.write(make)


async def voices(stage: Stage, poll_id: int) -> list[int]:
    def read(store: Store) -> list[int]:
        poll = store.polls.get(poll_id)
        assert poll is not None
        return list(store.polls.tally(poll).persons)

    return await stage.db.read(read)


async def changed(someone: Someone, option: str) -> None:
    """Vote, or change one's vote; the list is left out where it has one line."""
    found = await someone.say("votes")
    if not any(label.startswith(option) for label in found.labels):
        await someone.press(found.labels[0])
    await someone.press(option)


async def test_on_the_page_and_on_telegram(town: Stage) -> None:
    guest, chatter = await town.guest(), town.chatter()
    await chatter.start()
    poll_id = await opened(town)
    await guest.look()
    await guest.press("Pour")
    await linked(guest, chatter)
    await changed(chatter, "Contre")
    assert await voices(town, poll_id) == [0, 0, 1, 0]
    chatter.seen.clear()
    await town.db.write(lambda store: store.grants.give(1, Role.secretariat, NOW))
    assert "Relire les témoignages" in (await chatter.say("menu")).labels


async def test_by_a_link_to_the_bot(town: Stage) -> None:
    guest, chatter = await town.guest(), town.chatter()
    shown = (await guest.say("lier")).text
    code = code_in(shown)
    assert f"https://t.me/preau_test_bot?start=link-{code}" in shown
    assert "Est-ce bien vous" in await chatter.start(f"link-{code}")


async def test_of_two_accounts_on_one_platform_each_is_told_apart(town: Stage) -> None:
    """Both are known since the same day: each is said with when it was used last."""
    guest, first, second = await town.guest(), town.chatter(), town.chatter("Zoé")
    for one in (first, second):
        await one.start()
        await linked(guest, one)
        await town.advance(timedelta(hours=1))
    await guest.say("délier")
    mine = await guest.press("Mes comptes reliés")
    parted = [label for label in mine.labels if label.startswith("Délier : Telegram")]
    assert ["10 h" in parted[0], "11 h" in parted[1]] == [True, True]


@pytest.mark.matrix
async def test_on_three_platforms(everywhere: Stage) -> None:
    """A vote cast on one is changed on the next, and what is unlinked has no part in it."""
    chatter = everywhere.chatter()
    await chatter.start()
    guest, correspondent = await everywhere.guest(), await everywhere.correspondent()
    await linked(chatter, guest)
    await linked(correspondent, chatter)
    poll_id = await opened(everywhere)
    for someone, option in ((guest, "Pour"), (chatter, "Contre"), (correspondent, "Abstention")):
        await changed(someone, option)
    assert await voices(everywhere, poll_id) == [0, 0, 0, 1]
    await chatter.say("réglages")
    assert "par 3 comptes" in await chatter.press("Mes comptes reliés")
    await chatter.press("Délier : la page web")
    await chatter.press("Oui, délier")
    assert await guest.status() == 403
    await changed(correspondent, "Pour")
    assert await voices(everywhere, poll_id) == [1, 0, 0, 0]


@pytest.mark.matrix
async def test_a_code_said_to_others_in_a_room_is_burnt(everywhere: Stage) -> None:
    """Nobody addressed us; of what was said only the code is heard."""
    guest, correspondent = await everywhere.guest(), await everywhere.correspondent()
    code = code_in((await guest.say("lier")).text)
    room = await correspondent.client.group("Équipements", correspondent.bot)
    among = Correspond(
        correspondent.client, correspondent.bot, room, everywhere.settle, in_group=True
    )
    await among.look()
    assert (await among.say("rien pour toi")).texts == []
    assert "il ne vaut plus" in await among.say(f"tiens, mon code : {code}")
    assert "Ce code ne sert pas" in await correspondent.say(code)


async def test_in_the_strict_profile_telegram_lends_no_role(
    settings: Settings, db: Database
) -> None:
    """By itself: where nobody of the secretariat can confirm, it opens none on the page."""
    strict = settings.model_copy(update={"channels": Channels.strict})
    async with BotApi() as api:
        stage = Stage(strict, db, NOW, api)
        await stage.open()
        guest, chatter = await stage.guest(), stage.chatter()
        await chatter.start()
        await linked(guest, chatter)
        await db.write(lambda store: store.grants.give(1, Role.secretariat, NOW))
        await chatter.say(code_in((await guest.say("lier")).text))
        await chatter.press("Oui, c'est bien moi")
        await guest.look()
        refused = await guest.press("Oui, c'est bien moi")
        assert "Une autre personne du secrétariat doit confirmer, et il n'y en a pas." in refused
        assert "il faut être reconnu sur cette page" in await guest.say("modérer")
        await stage.close()
