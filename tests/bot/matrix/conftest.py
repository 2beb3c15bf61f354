"""An account of Préau on a real homeserver, with its database."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from storage.database import Database
from tests.bot.matrix.accounts import Account
from tests.conftest import SECRET, Copy
from tests.homeserver import Synapse


@pytest.fixture
def new_database(sqlite_copy: Copy) -> Iterator[Callable[[], Database]]:
    """Makes another database: migrated, open and empty."""
    with ExitStack() as stack:

        def make() -> Database:
            opened = Database(stack.enter_context(sqlite_copy()), [SECRET])
            opened.open()
            stack.callback(opened.close)
            return opened

        yield make


@pytest.fixture
async def account(synapse: Synapse, new_database: Callable[[], Database]) -> AsyncIterator[Account]:
    made = Account(synapse, new_database())
    yield made
    await made.close()
