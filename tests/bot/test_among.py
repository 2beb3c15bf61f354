"""What is typed among others: the code of an invitation, which everybody reads, serves no more."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.settings import Settings
from storage.database import Database
from storage.grants import Role
from tests.conftest import NOW
from tests.journeys.test_invitations import PLACE, acts, ask, code_of
from tests.rooms import Square
from tests.stage import Stage

pytestmark = pytest.mark.web  # on a messenger of its own
BURNT = "Ce code a été lu par tous ici : il ne vaut plus."


@pytest.fixture
async def square(settings: Settings, db: Database) -> AsyncIterator[Square]:
    stage = Stage(settings, db, NOW)
    yield await Square.opened(settings, db, stage)
    await stage.close()


async def invitation(square: Square) -> str:
    expires = NOW + timedelta(days=7)
    return await square.stage.db.write(
        lambda store: store.invitations.invite(role=Role.member, expires_at=expires, now=NOW)
    )


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("typed", ["{}", "/start invitation-{}", "Mon code : {}, merci"])
async def test_a_code_that_all_have_read_serves_nobody(
    square: Square, typed: str, is_known: bool
) -> None:
    other = await square.met("other")
    writer = await square.met("writer") if is_known else square.person("writer")
    code = await invitation(square)
    await writer.say_among(typed.format(code.lower()))
    assert [BURNT in one.text for one in square.room()] == [True]
    assert "Cette invitation ne sert plus." in (await other.say(code)).text


async def test_only_a_code_to_a_role_is_burnt_and_who_made_it_is_told(square: Square) -> None:
    """That of a poster is for whoever reads it; who brings it twice uses one."""
    stage, writer = square.stage, await square.met("writer")
    secretary = await stage.guest(Role.secretariat)
    poster = code_of(await ask(secretary, "Aucun : raconter", PLACE, "12", "1er mars 2027"))
    role = code_of(await ask(secretary, "Relecture des témoignages"))
    await writer.say_among(poster, overheard=True)
    await writer.say_among(role, overheard=True)
    assert [BURNT in one.text for one in square.room()] == [True]
    assert "a été lu par tous dans un groupe : relecture" in await secretary.look()
    assert (await acts(stage))[0] == "invitations.burnt"
    for _ in range(2):
        assert "Bonjour" in (await writer.say(poster)).text
    left = await stage.db.read(lambda store: store.invitations.serving(NOW)[0].uses_left)
    assert left == 11


async def test_what_only_looks_like_a_code_is_greeted(square: Square) -> None:
    writer, code = await square.met("writer"), await invitation(square)
    await writer.say_among(f"/x AAAA-BBBB-CCCC-DDDD X{code}")
    [said] = square.room()
    assert BURNT not in said.text
    assert "est acceptée" in (await writer.say(code)).text
