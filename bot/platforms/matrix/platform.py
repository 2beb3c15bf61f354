"""The Matrix platform: what syncs bring in; calls out."""

import asyncio
from dataclasses import replace
from typing import Any

import structlog

from bot.clock import Clock
from bot.messages import Incoming
from bot.platforms.base import Call, Outcome, PlatformRefused, Receiver, SendFailed
from bot.platforms.matrix.calls import Calls
from bot.platforms.matrix.client import (
    Client,
    DeviceLost,
    ServerRefused,
    TakenOver,
    Unreachable,
)
from bot.platforms.matrix.events import Arrival
from bot.platforms.matrix.files import Files
from bot.platforms.matrix.hints import Hints
from bot.platforms.matrix.insisting import said_by_us
from bot.platforms.matrix.lanes import step_aside
from bot.platforms.matrix.pace import LearningPace
from bot.platforms.matrix.replied import until_noted
from bot.platforms.matrix.rooms import Rooms
from bot.platforms.matrix.spells import Spell
from bot.platforms.matrix.syncing import Syncing
from bot.platforms.matrix.together import together
from bot.platforms.matrix.whose import PLATFORM
from bot.platforms.matrix.wording import parts
from bot.platforms.web.routes import WebRoute
from bot.settings import Settings
from storage.database import Database, Unavailable
from storage.deliveries import Failure, PageEvent
from storage.store import Store

log = structlog.get_logger()

NOT_READY = 1.0  # seconds after which a call is made again that came before we were ready
SELDOM = 3600.0  # seconds after which somebody is told again that they are not admitted


class Matrix:
    """See `bot.platforms.base.Platform`."""

    name = PLATFORM
    keeps_page = False
    shows_buttons = False
    knows_repeats = True

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.client = Client(settings, database)
        self.pace = LearningPace(settings.matrix_rate)
        self.ready = asyncio.Event()  # we know the rooms in which we are
        self._calls = Calls(
            self.client, settings, self._read_file, self._known_rooms, self.pace, clock.now
        )
        self._files = Files(self.client)
        self._hints = Hints(self.client, settings, self.pace, self._is_direct)
        self._spell = Spell()
        self._rooms: Rooms | None = None
        self._receiver: Receiver | None = None

    # Coming in

    def routes(self) -> list[WebRoute]:
        """What a homeserver posts to, on our own HTTP server: nothing."""
        return []

    async def run(self, receiver: Receiver) -> None:
        """Receive until cancelled; whatever ends it, begin again.

        Raises:
            PlatformRefused: we cannot be served as we are set, and never were, on this database.
        """
        self._receiver = receiver
        while True:
            try:
                await self.client.open()
                await self._serve(receiver)
            except PlatformRefused as refused:
                if not (self._spell.has_served or self.client.has_login):
                    raise
                pause = self._spell.failed(refused)
            except (Unreachable, Unavailable, ServerRefused, DeviceLost, TakenOver) as error:
                pause = self._spell.failed(error)
            finally:
                self.ready.clear()
            await asyncio.sleep(pause)

    async def _serve(self, receiver: Receiver) -> None:
        self._rooms = rooms = Rooms(
            self.client,
            self.database,
            self.settings,
            self.clock,
            self.pace,
            receiver,
            self._take_arrival,
        )
        await rooms.begin()
        syncing = Syncing(
            self.client,
            self.database,
            self.clock,
            rooms,
            self._take,
            self._tell_unreadable,
            receiver.in_hand,
        )
        try:
            await together(syncing.run(), rooms.run(), self._say_ready(syncing.ready))
        except asyncio.CancelledError:
            await self.client.finish()
            raise

    async def _say_ready(self, known: asyncio.Event) -> None:
        await known.wait()
        self.ready.set()
        if not self._spell.has_served:
            client = self.client
            log.info(
                "Matrix is served",
                account=client.user_id,
                device=client.device_id,
                signed=client.is_signed,
            )
        await self._spell.serving()

    async def _take(self, arrivals: list[Arrival]) -> None:
        """Take one answer; when this returns it is committed, or is none of ours.

        Raises:
            Unavailable: the database is away.
        """
        assert self._receiver is not None
        first = arrivals[0]
        is_allowed = self._known_rooms().is_allowed(first.incoming.sender)
        if not is_allowed and not first.incoming.overheard:
            self._hints.tell(first.incoming.chat, "matrix.not_admitted", every=SELDOM)
            return
        if first.poll is not None:
            answered = await self._answered(first, first.poll)
            if answered is None:
                return
            arrivals = [answered]
        await until_noted(self.client, self.database, first.incoming)
        if not self.settings.collects:
            self._hints.tell(first.incoming.chat, "web_errors.not_open")
            return
        with self._hints.typing(first.incoming.chat):
            said = await self._files.fetched(arrivals, self._receiver)
            if said:
                await self._apply(replace(said[0], more=tuple(said[1:])))
        self._hints.read(first.incoming.chat, arrivals[-1].incoming.update_id)

    async def _answered(self, arrival: Arrival, poll: str) -> Arrival | None:
        """An answer to a poll, as a press of the message it goes with; None: it is none.

        It may come before it is noted that the poll was said, if we died meanwhile.
        """
        incoming = arrival.incoming
        message = await self.database.read_with_others(_messages_with, (incoming.chat, poll))
        is_ours = message is not None
        if not is_ours and incoming.choice:
            is_ours = await said_by_us(self.client, incoming.chat, poll) is not None
        if not is_ours:
            return None
        if not incoming.choice:  # only another vote takes a vote back
            name = "matrix.vote_stands" if incoming.choice is None else "people.stale_choice"
            self._hints.tell(incoming.chat, name)
            return None
        return replace(arrival, incoming=replace(incoming, message=message))

    async def _take_arrival(self, incoming: Incoming) -> None:
        """We came into a room: something is said there."""
        if self.settings.collects:
            await self._apply(incoming)
        else:
            self._hints.tell(incoming.chat, "web_errors.not_open")

    async def _apply(self, incoming: Incoming) -> None:
        assert self._receiver is not None
        if self._receiver.waits(incoming):
            step_aside()
        try:
            outcome = await self._receiver.receive(incoming)
        except Unavailable:
            self._hints.tell(incoming.chat, "people.unavailable")
            raise
        self._show(incoming, outcome)

    def _show(self, incoming: Incoming, outcome: Outcome) -> None:
        """Say what other platforms show for a moment, where nothing else is said."""
        if outcome.wait and not outcome.told:
            self._hints.tell(incoming.chat, "web_errors.too_many", language=outcome.language)
        elif outcome.toast and not outcome.born:
            self._hints.say(incoming.chat, outcome.toast)

    async def _tell_unreadable(self, room_id: str) -> bool:
        return await self._hints.told(room_id, "matrix.unreadable")

    async def settled(self) -> None:
        """Wait until all is said that is kept nowhere."""
        await self._hints.settled()

    # Going out

    def parts(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return parts(body, self.client.device_id or "", self.clock.now())

    async def call(self, call: Call) -> str:
        if not self.ready.is_set():
            raise SendFailed(Failure.unreachable, wait=NOT_READY, for_all=True)
        return await self._calls.do(call)

    def _known_rooms(self) -> Rooms:
        assert self._rooms is not None
        return self._rooms

    def _is_direct(self, room_id: str) -> bool:
        return self._rooms is not None and self._rooms.is_direct(room_id)

    async def _read_file(self, file_id: int) -> tuple[str, bytes] | None:
        return await self.database.read(lambda store: store.files.content(file_id))

    def publish(self, chat_id: int, events: tuple[PageEvent, ...]) -> None:
        raise AssertionError("Matrix keeps no page")

    async def close(self) -> None:
        """Say what is being said, and end."""
        await self._hints.close()
        await self.client.close()


def _messages_with(store: Store, polls: list[tuple[str, str]]) -> list[str | None]:
    """The message of ours with which each poll goes, by its room and its event."""
    return [store.deliveries.message_with(PLATFORM, room, poll) for room, poll in polls]
