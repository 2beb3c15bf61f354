"""Files that people send: fetched from our homeserver, decrypted, and written anew."""

import asyncio
import hashlib
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from nio.crypto import encrypt_attachment
from PIL import Image
from structlog.testing import capture_logs

from bot import photos
from bot.attachments import FileKind
from bot.messages import Incoming
from bot.platforms import fetching
from bot.platforms.base import Outcome
from bot.platforms.fetching import NotFetched
from bot.platforms.matrix import files
from bot.platforms.matrix.attached import Sent
from bot.platforms.matrix.connection import Connection
from bot.platforms.matrix.events import Arrival
from bot.platforms.matrix.files import DOWNLOAD, OLD_DOWNLOAD, Files
from storage.conversations import Seen
from storage.database import Unavailable
from tests.bot.matrix.accounts import Account
from tests.conftest import NOW
from tests.homeserver import Correspondent, Synapse
from tests.journeys.test_reports import photo
from tests.voices import voice_note

PHOTO = photo((64, 48))
SAID = Incoming("matrix", "!room", "@anna:home.test", "$1", NOW, text="Voici.")
URL = "mxc://home.test/abc"
TOKEN = "a-token"
NOT_FETCHED = "forms.file_not_fetched"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Wanting:
    """A receiver that wants files, or answers something else, by their kind."""

    def __init__(self, **answers: Outcome) -> None:
        self.answers = answers
        self.asked: list[tuple[FileKind, int]] = []

    async def wants(self, incoming: Incoming, kind: FileKind, others: int = 0) -> Outcome | None:
        self.asked.append((kind, others))
        return self.answers.get(kind)


async def taken(
    client: Any, sent: Sent, receiver: Wanting | None = None, *others: Sent
) -> list[Incoming]:
    arrivals = [Arrival(SAID, one) for one in (sent, *others)]
    wanting: Any = receiver or Wanting()
    return await Files(client).fetched(arrivals, wanting)


# On a real homeserver


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_picture_is_taken_and_written_anew(
    account: Account, synapse: Synapse, encrypted: bool
) -> None:
    client = await account.open()
    async with Correspondent(synapse, "anna") as anna:
        place = await anna.upload(PHOTO, "image/jpeg", encrypted=encrypted)
        url = (place.get("file") or place)["url"]
        sent = Sent(FileKind.photo, url, len(PHOTO), place.get("file"))
        [incoming] = await taken(client, sent)
    [kept] = incoming.photos
    assert incoming.problem is None
    assert incoming.text == "Voici."
    assert incoming.digest == hashlib.sha256(PHOTO).hexdigest()
    assert Image.open(io.BytesIO(kept)).size == (64, 48)


async def test_what_is_encrypted_under_other_keys_is_not_taken(
    account: Account, synapse: Synapse
) -> None:
    client = await account.open()
    async with Correspondent(synapse, "anna") as anna:
        file = (await anna.upload(PHOTO, "image/jpeg", encrypted=True))["file"]
        other = (await anna.upload(PHOTO, "image/jpeg", encrypted=True))["file"]
    others: list[dict[str, Any]] = [
        other,
        {**file, "hashes": other["hashes"]},
        {**file, "iv": 7},
        {},
        {"key": []},
    ]
    for keys in others:
        [incoming] = await taken(client, Sent(FileKind.photo, file["url"], 0, keys))
        assert incoming.problem == NOT_FETCHED
        assert incoming.photos == ()


async def test_what_the_homeserver_does_not_have_is_said_to_be_missing(
    account: Account, synapse: Synapse
) -> None:
    client = await account.open()
    for url in (f"mxc://{synapse.name}/nothing", "mxc://elsewhere.test/nothing"):
        [incoming] = await taken(client, Sent(FileKind.photo, url))
        assert incoming.problem == NOT_FETCHED


async def test_a_picture_that_is_a_voice_note_is_asked_about_again(
    account: Account, synapse: Synapse
) -> None:
    client, note = await account.open(), voice_note()
    async with Correspondent(synapse, "anna") as anna:
        url = (await anna.upload(note, "audio/ogg", encrypted=False))["url"]
    receiver = Wanting(voice=Outcome(Seen.new, problem="forms.no_voice_here"))
    [incoming] = await taken(client, Sent(FileKind.photo, url), receiver)
    assert incoming.problem == "forms.no_voice_here"
    assert receiver.asked == [(FileKind.photo, 0), (FileKind.voice, 0)]
    [incoming] = await taken(client, Sent(FileKind.voice, url))
    assert len(incoming.voices) == 1


# On homeservers that do odd things


class Odd:
    """A homeserver that answers as it is told, by path.

    Attributes:
        asked: the paths, with whether they came with our token.
    """

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, bool]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        has_token = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        self.asked.append((request.path, has_token))
        for path, answer in self.answers.items():
            if request.path.startswith(path):
                return await answer(request)
        return web.json_response({"errcode": "M_UNRECOGNIZED", "error": "?"}, status=404)


@pytest.fixture
async def odd() -> AsyncIterator[Odd]:
    made = Odd()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    async with TestServer(app) as server:
        made.url = str(server.make_url("")).rstrip("/")
        yield made


@pytest.fixture
async def client(odd: Odd) -> AsyncIterator[Connection]:
    made = Connection(odd.url, "@preau:home.test", None)
    made.connect()
    made.access_token = TOKEN
    yield made
    await made.close()


def gives(data: bytes) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=data)

    return answer


async def test_an_older_homeserver_is_asked_as_it_expects(odd: Odd, client: Connection) -> None:
    odd.answers[OLD_DOWNLOAD] = gives(PHOTO)
    [incoming] = await taken(client, Sent(FileKind.photo, URL))
    assert len(incoming.photos) == 1
    name = "/home.test/abc"
    assert [path for path, _ in odd.asked] == [DOWNLOAD + name, OLD_DOWNLOAD + name]


async def test_a_file_kept_elsewhere_is_asked_for_without_our_token(
    odd: Odd, client: Connection
) -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"{odd.url}/cdn/abc")

    odd.answers = {DOWNLOAD: elsewhere, "/cdn/": gives(PHOTO)}
    [incoming] = await taken(client, Sent(FileKind.photo, URL))
    assert len(incoming.photos) == 1
    assert odd.asked == [(f"{DOWNLOAD}/home.test/abc", True), ("/cdn/abc", False)]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_file_larger_than_it_may_be_is_not_read_to_its_end(
    odd: Odd, client: Connection, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    monkeypatch.setattr(photos, "LARGEST", 1_000_000)
    written = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        if announced:
            response.content_length = 500_000_000
        await response.prepare(request)
        while True:
            await response.write(b"x" * 100_000)
            written += 100_000

    odd.answers[DOWNLOAD] = endless
    [incoming] = await taken(client, Sent(FileKind.photo, URL, 10))
    assert incoming.problem == "reports.photo_too_heavy"
    assert written < 10_000_000


async def test_a_file_said_to_be_too_large_is_not_asked_for(odd: Odd, client: Connection) -> None:
    [incoming] = await taken(client, Sent(FileKind.photo, URL, photos.LARGEST + 1))
    assert incoming.problem == "reports.photo_too_heavy"
    assert odd.asked == []


async def test_a_file_that_comes_too_slowly_is_given_up(
    odd: Odd, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    monkeypatch.setattr(fetching, "WHOLE", 0.3)
    odd.answers[DOWNLOAD] = drip
    [incoming] = await taken(client, Sent(FileKind.photo, URL))
    assert incoming.problem == NOT_FETCHED


async def test_after_a_file_that_does_not_come_no_other_is_tried(
    odd: Odd, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if "begun" in request.path:
            await response.prepare(request)
            await response.write(b"x")
        await asyncio.sleep(1)
        return response

    monkeypatch.setattr(files, "SILENCE", 0.1)
    odd.answers[DOWNLOAD] = hang
    for name in ("nothing", "begun"):
        odd.asked.clear()
        sent = [Sent(FileKind.photo, f"mxc://home.test/{name}{number}") for number in range(10)]
        began = time.monotonic()
        said = await taken(client, sent[0], None, *sent[1:])
        assert time.monotonic() - began < 0.9
        assert [one.problem for one in said] == [NOT_FETCHED] * 10
        assert len(odd.asked) == 1


async def test_a_file_that_keeps_coming_is_taken(
    odd: Odd, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(PHOTO), len(PHOTO) // 5):
            await response.write(PHOTO[start : start + len(PHOTO) // 5])
            await asyncio.sleep(0.08)
        return response

    monkeypatch.setattr(files, "SILENCE", 0.2)
    odd.answers[DOWNLOAD] = slowly
    [incoming] = await taken(client, Sent(FileKind.photo, URL))
    assert len(incoming.photos) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mxc://",
        "mxc://home.test",
        "mxc://home.test/",
        "mxc://home.test/a/b",
        "mxc://../abc",
        "mxc://home.test/..",
        "mxc://home.test/a?b",
        "mxc://home.test/a#b",
        "mxc://home.test/%2e%2e",
        "mxc://user@home.test/abc",
        "https://home.test/abc",
        "mxc://home.test/abc\n",
    ],
)
async def test_an_address_that_is_none_is_not_asked_for(
    odd: Odd, client: Connection, url: str
) -> None:
    [incoming] = await taken(client, Sent(FileKind.photo, url))
    assert incoming.problem == NOT_FETCHED
    assert odd.asked == []


@pytest.mark.parametrize("server", ["home.test:8448", "[2001:db8::1]", "[2001:db8::1]:8448"])
async def test_a_server_may_have_a_port_or_be_an_address(
    odd: Odd, client: Connection, server: str
) -> None:
    odd.answers[DOWNLOAD] = gives(PHOTO)
    [incoming] = await taken(client, Sent(FileKind.photo, f"mxc://{server}/abc"))
    assert len(incoming.photos) == 1
    assert odd.asked == [(f"{DOWNLOAD}/{server}/abc", True)]


async def test_what_cannot_be_fetched_names_nobody_in_the_log(odd: Odd, client: Connection) -> None:
    async def refuses(request: web.Request) -> web.StreamResponse:
        return web.json_response({"errcode": "M_FORBIDDEN", "error": "?"}, status=403)

    odd.answers[DOWNLOAD] = refuses
    with capture_logs() as logs:
        [incoming] = await taken(client, Sent(FileKind.photo, URL))
    assert incoming.problem == NOT_FETCHED
    [logged] = logs
    assert logged["reason"] == "HTTP status 403"
    assert "home.test" not in str(logged)


# What is not looked at


async def test_what_is_known_or_not_wanted_is_not_asked_for(odd: Odd, client: Connection) -> None:
    known = Wanting(photo=Outcome(Seen.applied))
    assert await taken(client, Sent(FileKind.photo, URL), known) == []
    throttled = Wanting(photo=Outcome(Seen.new, wait=15))
    assert await taken(client, Sent(FileKind.photo, URL), throttled) == [SAID]
    stray = Wanting(photo=Outcome(Seen.new, problem="people.stray_photo"))
    [incoming] = await taken(client, Sent(FileKind.photo, URL), stray)
    assert incoming.problem == "people.stray_photo"
    assert odd.asked == []


async def test_several_files_count_each_other(odd: Odd, client: Connection) -> None:
    odd.answers[DOWNLOAD] = gives(PHOTO)
    receiver = Wanting()
    sent = Sent(FileKind.photo, URL)
    assert len(await taken(client, sent, receiver, sent, sent)) == 3
    assert [others for _, others in receiver.asked] == [0, 1, 2]


async def test_a_database_that_is_away_is_no_problem_of_the_file(
    odd: Odd, client: Connection
) -> None:
    class Away(Wanting):
        async def wants(
            self, incoming: Incoming, kind: FileKind, others: int = 0
        ) -> Outcome | None:
            raise Unavailable

    with pytest.raises(Unavailable):
        await taken(client, Sent(FileKind.photo, URL), Away())


def test_keys_of_any_shape_are_no_bug() -> None:
    data, keys = encrypt_attachment(PHOTO)
    odd_values: list[Any] = [None, 1, "", "é", "AA", [], {}, "A" * 100, b"x"]
    for part in (("key", "k"), ("hashes", "sha256"), ("iv",)):
        for value in odd_values:
            broken = {**keys}
            if len(part) == 1:
                broken[part[0]] = value
            else:
                broken[part[0]] = {**keys[part[0]], part[1]: value}
            with suppress(NotFetched):
                assert files._decrypted(data, broken) != PHOTO
    assert files._decrypted(data, keys) == PHOTO
