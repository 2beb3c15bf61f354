"""What an account of Matrix remembers between two runs: its keys and sessions, how far it read."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import String, bindparam, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, execute, insert_into
from storage.types import BlindIndex, EncryptedJSON

Content = dict[str, Any]


class Kept(Base):
    """One thing that is kept. Of its key there is only a hash: the content says what it is of."""

    __tablename__ = "matrix_kept"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    key_index: Mapped[str] = mapped_column(BlindIndex("matrix_kept.key"), primary_key=True)
    content: Mapped[Content] = mapped_column(EncryptedJSON("matrix_kept.content"))


_drop = delete(Kept).where(Kept.kind == bindparam("of_kind"), Kept.key_index == bindparam("of_key"))


class Matrix:
    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, kind: str, key: str = "") -> Content | None:
        """What is kept under a key; the only one of its kind has none."""
        wanted = select(Kept.content).where(Kept.kind == kind, Kept.key_index == key)
        return self.session.scalar(wanted)

    def all(self, kind: str) -> list[Content]:
        """All that is kept of a kind, in no order."""
        return list(self.session.scalars(select(Kept.content).where(Kept.kind == kind)))

    def put(self, kind: str, key: str, content: Content) -> None:
        """Keep something, in place of what was there."""
        self.put_all(kind, {key: content})

    def put_all(self, kind: str, contents: Mapping[str, Content]) -> None:
        """Keep things by their keys, each in place of what was there."""
        if not contents:
            return
        insert = insert_into(self.session, Kept)
        statement = insert.on_conflict_do_update(
            index_elements=[Kept.kind, Kept.key_index], set_={"content": insert.excluded.content}
        )
        rows = [
            {"kind": kind, "key_index": key, "content": content}
            for key, content in contents.items()
        ]
        execute(self.session, statement, rows)

    def drop(self, kind: str, keys: Iterable[str]) -> None:
        """Keep some things no more; those that are not there are no error."""
        rows = [{"of_kind": kind, "of_key": key} for key in keys]
        if rows:
            execute(self.session, _drop, rows)

    def drop_kind(self, kind: str) -> None:
        """Keep nothing of a kind any more."""
        self.session.execute(delete(Kept).where(Kept.kind == kind))
