"""The declarative base and the number series that every noun shares."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    Connection,
    CursorResult,
    Executable,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


Insert = postgresql.Insert | sqlite.Insert


def insert_into(session: Session, model: type[Base]) -> Insert:
    """The dialect's own `INSERT`, which knows `ON CONFLICT` on both databases.

    It is on the bare table: the ORM would compile such a statement anew each time.
    """
    return dialect_insert(dialect_of(session), model)


def dialect_of(session: Session) -> str:
    return session.get_bind().dialect.name


def dialect_insert(dialect: str, model: type[Base]) -> Insert:
    table = cast(Table, model.__table__)
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def execute(
    session: Session, statement: Executable, given: Any = None
) -> CursorResult[*tuple[Any, ...]]:
    """Execute a Core statement in the session's transaction, without the ORM's detour.

    Every session here is bound to one connection (`storage.database`).
    """
    return cast(Connection, session.bind).execute(statement, given)


class Series(Base):
    """The last number given in a yearly series, such as REX in 2026."""

    __tablename__ = "series"

    prefix: Mapped[str] = mapped_column(String(8), primary_key=True)
    year: Mapped[int] = mapped_column(Integer, primary_key=True)
    last: Mapped[int] = mapped_column(Integer)


def next_number(session: Session, prefix: str, now: datetime) -> tuple[int, int]:
    """Give the next (year, number) of a series. Gaps are allowed, doubles are not."""
    insert = insert_into(session, Series).values(prefix=prefix, year=bindparam("y"), last=1)
    statement = insert.on_conflict_do_update(
        index_elements=[Series.prefix, Series.year], set_={"last": Series.last + 1}
    ).returning(Series.last)
    return now.year, session.execute(statement, {"y": now.year}).scalar_one()
