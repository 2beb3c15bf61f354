"""Messages and votes a second on Matrix, beside a bare bot on matrix-nio and the same homeserver.

That is a real Synapse whose rates are open: it takes most of the time of whatever is sent.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bot_api import BotApi
from benchmarks.bot_api import serving as serving_telegram
from benchmarks.committee import PATIENCE, Committee
from benchmarks.deliveries import opened
from benchmarks.forwarder import Forwarder, forwarding
from benchmarks.homeserver import Account, Card, World, Writer, side_by_side
from benchmarks.rows import Row, higher, lower
from benchmarks.server import idle_memory, process
from benchmarks.telegram import on_telegram
from bot.platforms.matrix.sending import TX
from tests.homeserver import Synapse


@dataclass(frozen=True)
class Size:
    """How much is measured with.

    Attributes:
        writers: people with an encrypted direct chat.
        readers: people with one in clear.
        rooms: in which Préau is, in all.
        broadcasts: to all writers, or to all readers, at the same time.
        polls: in which each writer votes, in each round.
    """

    writers: int = 40
    readers: int = 40
    rooms: int = 200
    broadcasts: int = 10
    polls: int = 10


QUICK = Size(writers=20, readers=20, rooms=60)
ROUNDS = 7  # of Préau and the bare bot in turns: a machine's speed drifts
VOTINGS = 3  # the same, of votes
MANNERS = ("sequential", "concurrent", "listening")


async def rows(url: str, folder: Path, size: Size) -> AsyncIterator[list[Row]]:
    """All rows.

    Args:
        url: of Préau's database, which is empty yet.
        folder: for the data of others.

    Raises:
        NotInstalled: Synapse is not.
    """
    logging.getLogger("nio").setLevel(logging.CRITICAL)  # it warns of whom it meets
    server = Synapse(folder)
    server.start()
    try:
        async with World(server, size.writers, size.readers, size.rooms) as world:
            with opened(url) as database:
                committee = Committee(database, world, VOTINGS * size.polls)
                async for measured in Both(world, committee, url, folder).rows(size):
                    yield measured
    finally:
        server.stop()


class Bare:
    """`benchmarks.echo_nio` as a process: what it is asked to do, and what it answers."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._running = running

    async def do(self, name: str, *arguments: object) -> str:
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.write((" ".join(map(str, (name, *arguments))) + "\n").encode())
        line = await asyncio.wait_for(self._running.stdout.readline(), PATIENCE)
        assert line, "it ended"
        return line.decode().strip()

    async def messages_per_second(self, manner: str, count: int, rooms: list[str]) -> float:
        return float(await self.do("send", manner, count, *rooms))


class Both:
    """Préau and a bare bot, each with the same people, and at work in turns."""

    def __init__(self, world: World, committee: Committee, url: str, folder: Path) -> None:
        self.world = world
        self.committee = committee
        self.url = url
        self.folder = folder
        self.preau = world.preau.user_id
        self.bare = world.bare.user_id

    async def rows(self, size: Size) -> AsyncIterator[list[Row]]:
        server = self.world.server.url
        async with self._bare(server) as bare:
            await bare.do("look")
            async with self._preau(server):
                await self._give_words(bare)
                await self._share_keys(bare)
                for encrypted in (False, True):
                    yield await self._sending(bare, size.broadcasts, encrypted=encrypted)
        yield [await self._voting()]
        seconds, memory = await self._first_answer()
        yield [
            lower(f"start to an answer, {size.rooms} rooms, against 5 s", seconds, 5, "s"),
            lower("idle memory, all platforms, against 180 MiB", memory, 180, "MiB"),
        ]

    def _settings(self, homeserver: str) -> dict[str, str]:
        return {
            "PREAU_MATRIX_HOMESERVER": homeserver,
            "PREAU_MATRIX_USER": self.preau,
            "PREAU_MATRIX_PASSWORD": self.world.preau.password,
            "PREAU_MATRIX_RATE": "1000",
        }

    def _preau(
        self, homeserver: str, **more: str
    ) -> AbstractAsyncContextManager[tuple[str, int, float]]:
        return process(self.url, {**self._settings(homeserver), **more})

    @asynccontextmanager
    async def _bare(self, homeserver: str) -> AsyncIterator[Bare]:
        """The bare bot; its keys are kept from one time to the next."""
        device = self.world.bots[self.bare]
        about = (homeserver, device.user_id, device.device, device.token, str(self.folder))
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.echo_nio", *about),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield Bare(running)
        finally:
            running.kill()
            await running.wait()

    async def _give_words(self, bare: Bare) -> None:
        """Have the bare bot say the very words of Préau: a homeserver indexes each of them."""
        await self.committee.broadcasts_per_second(1, to_writers=False)
        said = await self._last_said(self.world.readers[0], self.preau)
        words = {name: value for name, value in said["content"].items() if name != TX}
        file = self.folder / "words.json"
        file.write_text(json.dumps(words), "utf-8")
        await bare.do("words", file)

    async def _share_keys(self, bare: Bare) -> None:
        """Have all who write to each other in encrypted rooms do so once."""
        await self.committee.told()  # of the polls
        writers = self.world.writers
        await side_by_side(one.look() for one in writers)
        await side_by_side(one.say(self.preau, "aide") for one in writers)
        await side_by_side(one.say(self.bare, "aide") for one in writers)
        await bare.do("look")
        await bare.do("send", "concurrent", len(writers), *self._rooms(encrypted=True))
        await self.committee.answered(len(writers))

    def _rooms(self, *, encrypted: bool) -> list[str]:
        """Those of the bare bot."""
        writers, readers = self.world.writers, self.world.readers
        people = [one.account for one in writers] if encrypted else readers
        return [one.direct[self.bare] for one in people]

    async def _sending(self, bare: Bare, broadcasts: int, *, encrypted: bool) -> list[Row]:
        """Messages a second."""
        rooms = self._rooms(encrypted=encrypted)
        ours, theirs = list[float](), {manner: list[float]() for manner in MANNERS}
        for _ in range(ROUNDS):
            for manner, found in theirs.items():
                count = broadcasts * len(rooms)
                found.append(await bare.messages_per_second(manner, count, rooms))
            ours.append(
                await self.committee.broadcasts_per_second(broadcasts, to_writers=encrypted)
            )
        kind = "encrypted" if encrypted else "in clear"
        return [
            higher(
                f"sent, Matrix, {kind}, nio, {manner}",
                median(ours),
                median(found),
                0.9,
                "messages/s",
            )
            for manner, found in theirs.items()
        ]

    async def _vote(self, cards: list[tuple[str, Card]]) -> None:
        """Have people vote while nobody reads it, half of them by number.

        The bare bot is told the same, as answers to something that it said.
        """
        writers = {one.account.direct[self.preau]: one for one in self.world.writers}
        said = {
            room: await self._last_said(one.account, self.bare) for room, one in writers.items()
        }
        votes = [(writers[room], self.preau, card) for room, card in cards]
        for room, card in cards:
            event_id = said[room]["event_id"]
            votes.append((writers[room], self.bare, Card(event_id, event_id, card.answer)))
        await side_by_side(
            writer.vote(bot, card, native=number % 2 == 0)
            for number, (writer, bot, card) in enumerate(votes)
        )

    async def _voting(self) -> Row:
        """Votes committed a second, beside events that the bare bot is called back for."""
        homeserver = self.world.server.url
        async with (
            forwarding(homeserver) as (address, line),
            forwarding(homeserver) as (other_address, other_line),
            self._preau(address),
            self._bare(other_address) as bare,
        ):
            await bare.do("look")
            await self.committee.broadcasts_per_second(1, to_writers=True)  # keys are shared anew
            cards = self.committee.cards()
            rounds = [
                await self._votes_per_second(cards[number::VOTINGS], line, bare, other_line)
                for number in range(VOTINGS)
            ]
        ours, theirs = (median(found) for found in zip(*rounds, strict=True))
        return higher("votes, Matrix, against nio, which decrypts", ours, theirs, 0.4, "votes/s")

    async def _votes_per_second(
        self, cards: list[tuple[str, Card]], line: Forwarder, bare: Bare, other_line: Forwarder
    ) -> tuple[float, float]:
        """Votes that Préau commits a second, and that the bare bot reads.

        Each is cut off while people vote, and then reads it all: from when it asks for that.
        """
        count, voted = len(cards), self.committee.votes()
        with line.cut(), other_line.cut():
            await self._vote(cards)
        voted_at = await self.committee.voted(voted + count)
        await self.committee.told()
        heard_at = float(await bare.do("hear", count))
        return count / (voted_at - line.asked_at), count / (heard_at - other_line.asked_at)

    async def _first_answer(self) -> tuple[float, float]:
        """Seconds from a start to the answer for who waits, and then memory in MiB.

        All platforms are served.
        """
        writer = self.world.writers[0]
        await writer.say(self.preau, "aide")
        async with serving_telegram(BotApi([], [])) as telegram:
            began = time.time()
            settings = on_telegram(telegram)
            async with self._preau(self.world.server.url, **settings) as (_, pid, _):
                answered = await self._answered_at(writer, began)
                return answered - began, await idle_memory(pid)

    async def _answered_at(self, writer: Writer, since: float) -> float:
        """When Préau said something to somebody, as the homeserver says."""
        async with asyncio.timeout(PATIENCE):
            while True:
                last = await self._last_said(writer.account, self.preau)
                at: float = last["origin_server_ts"] / 1000
                if last["sender"] == self.preau and at > since:
                    return at
                await asyncio.sleep(0.1)

    async def _last_said(self, account: Account, bot: str) -> dict[str, Any]:
        """The newest event of a direct chat."""
        path = f"/rooms/{account.direct[bot]}/messages?dir=b&limit=1"
        [last] = (await self.world.ask("GET", path, token=account.token))["chunk"]
        return dict(last)
