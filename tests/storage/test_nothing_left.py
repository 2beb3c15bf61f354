"""What a person leaves once they are erased, and its time has passed: nothing that is theirs.

Every column of every table is opened with its key and searched, and so are the raw files, a backup
and the log.
"""

import io
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.settings import Settings
from scheduled.retention import sweep
from storage.backup import back_up
from storage.base import Base
from storage.database import Database
from storage.grants import Role
from storage.store import Store
from tests.people import report
from tests.stage import Stage

TRACE = "girafon"
NAME = "Zoulikha"


def opened(database: Database) -> dict[str, str]:
    """All that a database holds, decrypted, by table."""

    def read(store: Store) -> dict[str, str]:
        return {
            table.name: repr(store.session.execute(select(table)).all())
            for table in Base.metadata.sorted_tables
        }

    return database.read_now(read)


def found(database: Database, *traces: str) -> list[tuple[str, str]]:
    held = opened(database)
    return [(table, one) for table, rows in held.items() for one in traces if one in rows]


async def lived(stage: Stage) -> tuple[int, str]:
    """Somebody who did all that one can do; return who, and their address."""
    someone, secretary = await stage.newcomer(), await stage.invited(Role.secretariat)
    await report(someone, f"Un {TRACE} dans le couloir, toute la semaine. " * 3)
    await someone.say("groupes")
    await someone.press("Les usages en classe")
    await someone.press("Entrer dans ce groupe")
    await someone.press("Voir les membres")
    await someone.press("Donner mon nom")
    await someone.say(NAME)
    await someone.say("secrétariat")
    await someone.say(f"Un autre {TRACE}.")
    await secretary.look()
    await secretary.press("Lire la conversation")
    await secretary.press("Répondre")
    await secretary.say(f"Quel {TRACE} ?")
    await secretary.press("Envoyer la réponse")
    await someone.look()
    await someone.say("témoigner")
    await someone.say(f"Un brouillon de {TRACE}. " * 5)
    await someone.say("annuler")
    await someone.say(f"une phrase perdue de {TRACE}")
    await secretary.say("modérer")
    await secretary.press("Lire le suivant")
    await secretary.press("Poser une question")
    await secretary.say(f"De quelle couleur, le {TRACE} ?")

    def who(store: Store) -> tuple[int, str]:
        [account] = store.people.accounts_of(1)
        return account.person_id, account.address

    return await stage.db.read(who)


async def erased(stage: Stage, person: int) -> None:
    await stage.db.write(lambda store: store.erase(person, stage.clock.now()))
    await stage.advance(timedelta(seconds=5))


async def test_there_is_something_to_look_for(stage: Stage) -> None:
    """Or the tests below would find nothing of what was never there."""
    _, address = await lived(stage)
    tables = {table for table, _ in found(stage.db, TRACE, NAME, address)}
    assert {"people", "accounts", "reports", "thread_messages", "drafts", "deliveries"} <= tables


async def test_nothing_is_left_of_who_was_erased(
    stage: Stage, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    person, address = await lived(stage)
    await erased(stage, person)
    assert found(stage.db, NAME, address) == []
    held = {table for table, _ in found(stage.db, TRACE)}
    assert held <= {"deliveries"}  # what the secretary asked, in the secretary's own chat
    await stage.advance(timedelta(days=100))
    await stage.db.write(lambda store: sweep(store, stage.clock.now()))
    assert found(stage.db, TRACE, NAME, address) == []
    said = capfd.readouterr()
    for one in (TRACE, NAME, address):
        assert one not in said.out + said.err
    copy = io.BytesIO()
    back_up(settings.database_url, copy, stage.clock.now(), "test")
    for one in (TRACE, NAME, address):
        assert one.encode() not in copy.getvalue()
