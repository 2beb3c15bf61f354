"""Real parts for every test: a migrated database, a service, and people who say and press.

A test of Matrix asks for `synapse`, the worker's own homeserver, and makes its people on it:

    def test_…(synapse: Synapse) -> None:
        user_id, password = synapse.register("camille")  # @camille-1:home.test: never the same
        client = AsyncClient(synapse.url, user_id)

with people on it who have a client of their own (see `tests.homeserver.client`):

    async def test_…(synapse: Synapse, node: Node) -> None:
        async with Correspondent(synapse, "anna") as anna, JsCorrespondent(node, synapse) as jean:
            room = await anna.direct(user_id)  # waits until the other has joined
            question = await anna.say(room, "bonjour")
            [event] = await anna.hear(room)

Such a test is marked `servers` by itself. Whoever stops or restarts the server asks for
`own_synapse` instead, and whoever wants Synapse's default rates for `strict_synapse`: each takes
two seconds to start.
"""

import gc
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest

import handlers  # noqa: F401 (declares every command)
from bot.settings import Settings
from storage import migrate
from storage.database import Database
from storage.limits import rates
from tests.compiled import Compiled
from tests.homeserver import Node, NotInstalled, Synapse
from tests.lending import Lending
from tests.servers import NoServer, chromium, database, postgresql
from tests.stage import Stage

hypothesis.settings.register_profile("preau", deadline=None)  # a machine may be busy
hypothesis.settings.load_profile("preau")

SECRET = "a secret of the tests, long enough to be taken"
NOW = datetime(2027, 1, 11, 9, 0, tzinfo=UTC)  # a Monday

MATRIX = {"synapse", "own_synapse", "strict_synapse", "node"}

Copy = Callable[[], AbstractContextManager[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--matrix-all", action="store_true", help="make every journey on Matrix as well"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs no server fails first."""
    for item in items:
        if isinstance(item, pytest.Function) and MATRIX & set(item.fixturenames):
            item.add_marker(pytest.mark.servers)
    items.sort(key=lambda item: item.get_closest_marker("servers") is not None)


def pytest_collection_finish() -> None:
    """What is loaded stays, as in `bot.__main__.tune`: no test waits while it is looked through."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgresql(fsync=False))
        except NoServer:
            pytest.skip("install PostgreSQL")
        yield url


@contextmanager
def _started(folder: Path, *, strict_rates: bool = False) -> Iterator[Synapse]:
    try:
        made = Synapse(folder, strict_rates=strict_rates)
    except NotInstalled:
        pytest.skip("run: make homeserver")
    made.start()
    yield made
    made.stop(kill=True)


@pytest.fixture(scope="session")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A Matrix homeserver with open rates, for all tests of this worker."""
    with _started(tmp_path_factory.mktemp("synapse")) as made:
        yield made


@pytest.fixture
def own_synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A Matrix homeserver for one test, which may stop it."""
    with _started(tmp_path_factory.mktemp("synapse")) as made:
        yield made


@pytest.fixture
def strict_synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A Matrix homeserver for one test, with the rates that Synapse has by default."""
    with _started(tmp_path_factory.mktemp("synapse"), strict_rates=True) as made:
        yield made


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """The process of the clients of matrix-js-sdk."""
    try:
        made = Node()
    except NotInstalled:
        pytest.skip("run: make homeserver")
    yield made
    made.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file with its keys, to be copied."""
    path = tmp_path_factory.mktemp("template") / "preau.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> Iterator[str]:
    """A migrated PostgreSQL database with its keys, to be copied."""
    with database(postgresql_server) as url:
        _migrated(url)
        yield url


def _migrated(url: str) -> None:
    made = Database(url, [SECRET])
    migrate.upgrade(made.engine)
    made.open()
    made.close()


@pytest.fixture(scope="session")
def sqlite_copy(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Makes a new migrated SQLite file."""

    @contextmanager
    def copy() -> Iterator[str]:
        path = tmp_path_factory.mktemp("copy") / "preau.db"
        shutil.copy(sqlite_template, path)
        yield f"sqlite:///{path}"

    return copy


@pytest.fixture(scope="session")
def postgresql_copy(postgresql_server: str, postgresql_template: str) -> Copy:
    """Lends a migrated PostgreSQL database in which nothing was done yet."""
    return Lending(postgresql_server, postgresql_template).lent


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A new migrated SQLite file."""
    path = shutil.copy(sqlite_template, tmp_path / "preau.db")
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgresql_copy: Copy) -> Iterator[str]:
    """A migrated PostgreSQL database, lent as if new; mark such a test `servers`."""
    with postgresql_copy() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new migrated database, on each engine in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        database_url=database_url,
        secret_key=SECRET,
        data_dir=tmp_path,
        controller="Le comité",
        dpo_contact="dpo@example.org",
        web_port=0,
    )


@pytest.fixture(scope="session", autouse=True)
def no_rest() -> Iterator[None]:
    """Who does much in a test does not wait for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "LONGEST", 0.0)
        yield


@pytest.fixture(scope="session")
def compiled() -> Compiled:
    return Compiled()


@pytest.fixture
def db(settings: Settings, compiled: Compiled) -> Iterator[Database]:
    """A migrated, open database."""
    opened = Database(settings.database_url, settings.secrets())
    compiled.lend(opened)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
async def stage(settings: Settings, db: Database) -> AsyncIterator[Stage]:
    """A service that runs, at a clock that stands still until it is moved."""
    made = Stage(settings, db, NOW)
    await made.open()
    yield made
    await made.close()


@pytest.fixture(scope="session")
def browser_path() -> str:
    path = chromium()
    if path is None:
        pytest.skip("install chromium")
    return path
