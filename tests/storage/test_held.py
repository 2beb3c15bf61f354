"""Nothing that refers to a person, or is encrypted, is forgotten by a copy of their data."""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, func, select

from bot.documents.register import CATEGORIES
from storage import held
from storage.base import Base
from storage.data_requests import Asked, RequestKind
from storage.database import Database
from storage.files import File
from storage.grants import Role
from storage.held import held_of
from storage.meetings import Attendance, Plan
from storage.polls import Electorate
from storage.store import Store
from tests.bot.test_photos import encoded
from tests.conftest import NOW
from tests.people import report
from tests.stage import Stage


def referring(to: str) -> set[str]:
    """The columns that refer to a table, as `table.column`."""
    return {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        for key in column.foreign_keys
        if key.target_fullname == to
    }


def test_every_column_that_refers_to_a_person_is_told_or_named_with_its_reason() -> None:
    named = [*held.OWN, *held.DONE, *held.LEFT_OUT]
    assert len(named) == len(set(named)), "each stands in one list"
    assert set(named) - {"people.id"} == referring("people.id")
    assert all({**held.OWN, **held.DONE, **held.LEFT_OUT}.values()), "with a reason"


def test_what_hangs_from_their_rows_is_there() -> None:
    for name, parent in held.HANGS.items():
        assert name in referring(f"{parent}.id"), name


def test_a_copy_holds_every_table_of_theirs_and_nothing_of_others(db: Database) -> None:
    def run(store: Store) -> dict[str, object]:
        mine, _ = store.people.arrive("web", "mine", "fr", NOW)
        other, _ = store.people.arrive("web", "other", "fr", NOW)
        for account, name in ((mine, "Ada Mienne"), (other, "Zoé Tierce")):
            store.people.get(account.person_id).name = name
            store.conversations.save_draft(account.person_id, "report", {"a": name}, NOW)
        by = other.person_id
        store.grants.give(mine.person_id, Role.chair, NOW, scope="group:1", granted_by=by)
        store.session.flush()
        return held_of(store.session, mine.person_id)

    found = db.write_now(run)
    said = json.dumps(found, ensure_ascii=False)
    assert said.count("Ada Mienne") == 2
    assert "Zoé Tierce" not in said
    rows = found["rows"]
    assert isinstance(rows, dict)
    assert rows["accounts"][0]["address"] == "mine"
    assert "address_index" not in rows["accounts"][0], "no hash"
    assert "granted_by" not in rows["grants"][0], "what others did is theirs"


KEPT = {"people", "mandates", "grants", "handovers"}  # with nothing in them but numbers and dates
# What the committee goes on with says by a number who made it.
MADE = {
    "grants.granted_by",
    "invitations.agreed_by",
    "invitations.created_by",
    "polls.created_by",
    "text_versions.created_by",
    "working_groups.created_by",
}


async def test_after_erasure_nothing_encrypted_refers_to_the_person(stage: Stage) -> None:
    """What stays are numbers: that somebody had a role, and what was done with it."""
    person = await with_everything(stage)
    before = await stage.db.read(lambda store: held_of(store.session, person))
    assert before["rows"].keys() >= {
        "accounts", "reports", "threads", "thread_messages", "drafts", "files", "mutes",
        "memberships", "meeting_answers", "electors", "ballots", "data_requests", "data_exports",
        "counted_messages", "grants", "chats", "conversations",
    }  # fmt: skip
    await stage.db.write(lambda store: store.erase(person, stage.clock.now()))
    left = await stage.db.read(lambda store: held_of(store.session, person))
    assert left["rows"].keys() <= KEPT
    assert left["done"].keys() <= MADE
    files = select(func.count()).select_from(File)
    assert await stage.db.read(lambda store: store.session.execute(files).scalar_one()) == 0
    for name, rows in left["rows"].items():
        secret = [one.name for one in Base.metadata.tables[name].columns if is_secret(one)]
        assert [row[one] for row in rows for one in secret if row.get(one) is not None] == []


async def with_everything(stage: Stage) -> int:
    """Somebody who did all that a contributor and a delegate may."""
    parent = await stage.guest()
    await report(parent)
    await parent.say("témoigner")
    await parent.send_photo(encoded("JPEG"))
    await parent.say("/secrétariat")
    await parent.say("Une question.")
    await parent.say("/stop")
    await parent.say("/données")
    await parent.press("Recevoir une copie")
    await stage.advance(timedelta(seconds=1))
    now = stage.clock.now()

    def more(store: Store) -> int:
        [one] = store.session.scalars(store.people.everybody())
        store.people.get(one).name = "Ada Girafon"
        store.grants.give(one, Role.chair, now, scope="group:1", granted_by=one)
        store.groups.join(1, one, now, admitted=True)
        plan = Plan(starts_at=now + timedelta(days=9), ends_at=now + timedelta(days=10), zone="UTC")
        meeting = store.meetings.call(1, plan, one, now)
        store.meetings.answer(meeting.id, 1, one, Attendance.coming, now)
        closing = now + timedelta(days=1)
        poll = store.polls.open(
            "Une question ?", electorate=Electorate.public, closes_at=closing, now=now
        )
        store.polls.cast(poll.id, one, [0], now, as_member=True)
        store.data_requests.add(Asked(RequestKind.access, "Tout.", person_id=one), now)
        store.counted.add("reports", [(one, "$1", "mots")], now)
        return one

    return await stage.db.write(more)


def is_secret(column: Column[Any]) -> bool:
    return hasattr(column.type, "context")


def test_a_table_with_something_encrypted_is_in_a_category() -> None:
    tables = Base.metadata.tables
    wanted = {name for name, table in tables.items() if any(map(is_secret, table.columns))}
    wanted |= {name.partition(".")[0] for name in referring("people.id")}
    known = {name for names in CATEGORIES.values() for name in names}
    assert wanted - known == set()
    assert known <= tables.keys()
