"""What is withdrawn or erased goes from everywhere, also from what others read."""

from datetime import timedelta
from pathlib import Path

from storage.grants import Role
from tests.bot.test_photos import encoded
from tests.people import Someone, Stage, report

STORY = (
    "Une histoire reconnaissable entre toutes, avec un détail : le girafon bleu du couloir. " * 2
)
TRACE = "girafon"


async def read_by_a_reviewer(stage: Stage) -> tuple[Someone, Someone, str]:
    parent, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    number = await report(parent, STORY)
    await secretary.say("/modérer")
    assert TRACE in await secretary.press("Lire le suivant")
    return parent, secretary, number


async def history(someone: Someone) -> str:
    address = f"{someone.base}/api/v1/history?before={someone.last + 1}&most=200"
    async with someone.http.get(address) as response:
        return await response.text()


async def test_a_withdrawn_report_leaves_every_chat(stage: Stage) -> None:
    parent, secretary, number = await read_by_a_reviewer(stage)
    await secretary.press("Publier")
    await parent.look()
    await parent.say("/mes témoignages")
    await parent.press(number)
    await parent.press("Retirer")
    await parent.press("Oui, retirer")
    gone = await secretary.look()
    assert [event["kind"] for event in gone.events] == ["delete"]
    assert TRACE not in await history(secretary)
    stories = await stage.db.read(lambda store: [one.story for one in store.reports.written_by(1)])
    assert stories == [""]


async def test_an_erased_person_leaves_every_chat_and_file(stage: Stage, tmp_path: Path) -> None:
    parent, secretary, _ = await read_by_a_reviewer(stage)
    await secretary.press("Publier")
    await stage.db.write(lambda store: store.erase(1, stage.clock.now()))
    gone = await secretary.look()
    assert "delete" in [event["kind"] for event in gone.events]
    assert TRACE not in await history(secretary)
    stage.clock.advance_to(stage.clock.now() + timedelta(seconds=6))
    assert await parent.status() == 403
    if stage.db.is_sqlite:
        files = b"".join(path.read_bytes() for path in tmp_path.glob("preau.db*"))
        assert TRACE.encode() not in files, "nor in the write-ahead log"


async def test_all_that_somebody_wrote_can_be_forgotten(stage: Stage) -> None:
    parent = await stage.newcomer()
    await report(parent, STORY)
    await parent.say("témoigner")
    await parent.send_photo(encoded("JPEG"))
    await stage.db.write(lambda store: store.forget_writings(1, stage.clock.now()))
    left = await stage.db.read(
        lambda store: (
            [one.story for one in store.reports.written_by(1)],
            store.conversations.drafts_of(1),
            store.files.orphans(stage.clock.now()),
        )
    )
    assert left == ([""], [], [])
