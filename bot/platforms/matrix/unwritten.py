"""Rows of `store.matrix` that changed in memory, until they are committed."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from storage.database import Database
from storage.store import Store

Row = tuple[str, str]  # a kind, and a key
Content = dict[str, Any]
Make = Callable[[], Content | None]  # what a row is to hold; None: it is dropped
Also = Callable[[Store], None]


class Unwritten:
    """What has to be written of some kinds of rows.

    Args:
        kinds: those that are written here, and nowhere else.
        anew: the first rows that are written take the place of all that was kept of these kinds.

    Attributes:
        writes: how often some were.
    """

    def __init__(self, kinds: Sequence[str], *, anew: bool) -> None:
        self._kinds = kinds
        self._anew = anew
        self.writes = 0
        self._rows: dict[Row, Make] = {}
        self._flushing = asyncio.Lock()

    def __bool__(self) -> bool:
        return bool(self._rows)

    def put(self, kind: str, key: str, make: Make) -> None:
        """Have a row written; `make` is called on the event loop, and gives plain data of its own.

        What is put again is another `make`, even of the same row.
        """
        self._rows[kind, key] = make

    def drop(self, kind: str, key: str) -> None:
        """Have a row dropped."""
        self._rows[kind, key] = lambda: None

    async def flush(self, database: Database, also: Also | None = None) -> None:
        """See `CryptoStore.flush`."""
        await asyncio.shield(asyncio.create_task(self._flush(database, also)))

    async def _flush(self, database: Database, also: Also | None) -> None:
        async with self._flushing:  # what is older must not be written last
            if not self._rows and also is None:
                return
            taken = dict(self._rows)
            contents = {row: make() for row, make in taken.items()}
            anew = self._anew and bool(contents)

            def work(store: Store) -> None:
                if anew:
                    for kind in self._kinds:
                        store.matrix.drop_kind(kind)
                self._write(store, contents)
                if also is not None:
                    also(store)

            await database.write(work)
            if anew:
                self._anew = False
            self.writes += bool(contents)
            for row, make in taken.items():
                if self._rows[row] is make:  # otherwise it changed again meanwhile
                    del self._rows[row]

    def _write(self, store: Store, contents: Mapping[Row, Content | None]) -> None:
        for kind in self._kinds:
            rows = {key: content for (of, key), content in contents.items() if of == kind}
            store.matrix.drop(kind, [key for key, content in rows.items() if content is None])
            store.matrix.put_all(kind, {key: one for key, one in rows.items() if one is not None})
