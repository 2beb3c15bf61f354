"""How many rows a piece of work removes or empties, as the database counts them."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, event
from sqlalchemy.orm import Session

_REMOVES = re.compile(r"\s*(?:DELETE FROM|UPDATE) (\w+)")


@contextmanager
def counted(session: Session) -> Iterator[Counter[str]]:
    """The rows that are deleted or changed meanwhile, by table.

    What a foreign key takes along is not counted.
    """
    rows: Counter[str] = Counter()

    def note(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        found = _REMOVES.match(statement)
        if found is not None and cursor.rowcount > 0:
            rows[found[1]] += cursor.rowcount

    connection = cast(Connection, session.bind)
    session.flush()
    event.listen(connection, "after_cursor_execute", note)
    try:
        yield rows
        session.flush()
    finally:
        event.remove(connection, "after_cursor_execute", note)
