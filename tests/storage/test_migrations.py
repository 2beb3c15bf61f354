"""Migrations go up, down, and agree with the models, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage import migrate
from storage.base import Base
from storage.database import Database


def test_the_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migrate.configuration()).get_current_head() == migrate.HEAD


def test_up_and_down_and_as_the_models_say(db: Database) -> None:
    assert migrate.is_current(db.engine)
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []
    migrate.downgrade(db.engine, "base")
    assert not migrate.is_current(db.engine)
    migrate.upgrade(db.engine)
    assert migrate.is_current(db.engine)
