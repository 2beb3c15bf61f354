"""A report by its number, typed or in a link: as its author, a reader or everybody sees it."""

import pytest

from storage.grants import Role
from tests.journeys.test_reviews import waiting
from tests.people import Someone
from tests.stage import Stage


@pytest.mark.everywhere
async def test_its_author_and_a_reader_each_see_it_in_their_way(stage: Stage) -> None:
    [author] = await waiting(stage, 1)
    reader, other = await stage.invited(Role.reviewer), await stage.newcomer()
    for typed in ("REX-2027-00001", " rex-2027-00001 "):
        assert "REX-2027-00001 : pas encore lu." in await author.say(typed)
    assert "n'est pas publié, ou n'existe plus" in await other.say("REX-2027-00001")
    assert "n'est pas publié, ou n'existe plus" in await other.say("REX-2027-00009")
    read = await reader.say("REX-2027-00001")
    assert "Personne d'autre ne le lit." in read
    assert "REX-2027-00001 : en lecture." in await author.say("REX-2027-00001")
    await reader.press("Publier")
    assert "Témoignage publié (REX-2027-00001)." in await other.say("REX-2027-00001")
    assert "REX-2027-00001 : publié." in await reader.say("/start report-REX-2027-00001")


async def test_in_a_form_it_is_an_answer(stage: Stage) -> None:
    author: Someone = await stage.newcomer()
    await author.say("témoigner")
    assert "Pouvez-vous en dire un peu plus" in await author.say("REX-2027-00001")
