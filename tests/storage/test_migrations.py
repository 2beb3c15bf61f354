"""Migrations go up, down, and agree with the models, on both databases; and lose nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from bot.demo.seed import seed
from bot.settings import Settings
from storage import migrate
from storage.base import Base
from storage.database import Database

NOW = datetime(2027, 1, 11, 9, 0, tzinfo=UTC)

# On SQLite a batch makes another table, copies the rows, and drops the first.
REBUILDS = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", {head!r}


def upgrade():
    for table in {tables}:
        with op.batch_alter_table(table, recreate="auto") as batch:
            batch.add_column(sa.Column("trial", sa.Integer(), nullable=True))
            batch.create_check_constraint("trial", "trial IS NULL OR trial > 0")


def downgrade():
    for table in {tables}:
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint("trial", type_="check")
            batch.drop_column("trial")
"""
BREAKS = """
from alembic import op

revision, down_revision = "9999", {head!r}


def upgrade():
    op.execute("DELETE FROM people")


def downgrade():
    pass
"""

Scripts = Callable[..., Path]


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    """A folder of migrations with one more."""

    def make(source: str, **given: object) -> Path:
        folder = tmp_path / "scripts"
        (folder / "versions").mkdir(parents=True)
        for path in [migrate.MIGRATIONS / "env.py", *migrate.MIGRATIONS.glob("versions/0*.py")]:
            (folder / path.relative_to(migrate.MIGRATIONS)).symlink_to(path)
        (folder / "versions" / "9999_trial.py").write_text(source.format(**given))
        return folder

    return make


def content(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with db.engine.connect() as connection:
        return {
            table.name: sorted(
                (tuple(row) for row in connection.execute(text(f"SELECT * FROM {table.name}"))),
                key=repr,
            )
            for table in Base.metadata.sorted_tables
        }


def differences(db: Database) -> list[object]:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def test_the_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migrate.configuration()).get_current_head() == migrate.HEAD


def test_up_and_down_and_as_the_models_say(db: Database) -> None:
    assert migrate.is_current(db.engine)
    assert differences(db) == []
    migrate.downgrade(db.engine, "base")
    assert not migrate.is_current(db.engine)
    assert migrate.upgrade(db.engine)
    assert migrate.is_current(db.engine)
    assert not migrate.upgrade(db.engine)


def test_a_filled_database_is_rebuilt_and_loses_nothing(
    settings: Settings, db: Database, scripts: Scripts
) -> None:
    db.write_now(lambda store: seed(store, settings, NOW))
    before = content(db)
    assert len(before["people"]) > 50
    assert before["ballots"]
    tables = [table.name for table in Base.metadata.sorted_tables]
    more = scripts(REBUILDS, head=migrate.HEAD, tables=tables)
    assert migrate.upgrade(db.engine, scripts=more)
    with pytest.raises(migrate.NewerDatabase):
        migrate.is_current(db.engine)
    rebuilt = content(db)
    assert {name: len(rows) for name, rows in rebuilt.items()} == {
        name: len(rows) for name, rows in before.items()
    }
    migrate.downgrade(db.engine, migrate.HEAD, scripts=more)
    assert content(db) == before
    assert differences(db) == []


def test_two_who_migrate_at_once_do_it_once(db: Database) -> None:
    migrate.downgrade(db.engine, "base")
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: migrate.upgrade(db.engine), range(2)))
    assert sorted(done) == [False, True]
    assert migrate.is_current(db.engine)


def test_a_migration_that_loses_what_others_refer_to_is_undone(
    settings: Settings, sqlite_url: str, scripts: Scripts
) -> None:
    db = Database(sqlite_url, settings.secrets())
    db.open()
    db.write_now(lambda store: seed(store, settings, NOW))
    before = content(db)
    with pytest.raises(migrate.BrokenReferences):
        migrate.upgrade(db.engine, scripts=scripts(BREAKS, head=migrate.HEAD))
    assert content(db) == before
    assert migrate.is_current(db.engine)
    db.close()


def test_an_id_is_never_given_twice_on_sqlite(sqlite_url: str) -> None:
    """Buttons, drafts and links name rows by their ids, and may be older than the row."""
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        made = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        reused = {name for name, sql in made if "\tid INTEGER" in sql and "AUTOINCR" not in sql}
        assert reused == set()
        texts = "INSERT INTO texts (public_id, theme, created_at) VALUES (:name, 'usages', :at)"
        given = []
        for name in ("one", "two"):
            connection.execute(text("DELETE FROM texts"))
            connection.execute(text(texts), {"name": name, "at": NOW.isoformat()})
            given.append(connection.execute(text("SELECT id FROM texts")).scalar_one())
        assert given == [1, 2]
    engine.dispose()
