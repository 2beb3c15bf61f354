"""The Telegram platform: updates in, by long polling or a webhook; calls out."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from telegram import Update
from telegram.error import BadRequest, InvalidToken, TelegramError

from bot.clock import Clock
from bot.messages import Incoming
from bot.pace import Pace
from bot.platforms.base import Call, Outcome, PlatformRefused, Receiver
from bot.platforms.telegram.bots import make_bot
from bot.platforms.telegram.calls import Calls
from bot.platforms.telegram.files import Files
from bot.platforms.telegram.gathering import Gathering
from bot.platforms.telegram.hints import Hints
from bot.platforms.telegram.holding import Holding
from bot.platforms.telegram.menus import set_menus
from bot.platforms.telegram.polling import Polling
from bot.platforms.telegram.updates import ALLOWED, PLATFORM, Arrival, Reader
from bot.platforms.telegram.webhook import Webhook, path_of
from bot.platforms.telegram.wording import parts
from bot.platforms.web.routes import Caller, WebRoute, post
from bot.routing import OPENS_PRIVATELY, link_of
from bot.settings import FREE_RATE, Settings
from storage.database import Database, Unavailable
from storage.deliveries import PageEvent

log = structlog.get_logger()

SLOW = 1.0  # seconds after which a person is shown that an answer is being made
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two tries to begin


class Telegram:
    """See `bot.platforms.base.Platform`."""

    name = PLATFORM
    keeps_page = False
    shows_buttons = True
    knows_repeats = False

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.pace = Pace(settings.telegram_rate)
        self.bot = make_bot(settings)
        is_paid = settings.telegram_rate > FREE_RATE
        self._calls = Calls(self.bot, self._read_file, paid=is_paid)
        self._files = Files(self.bot)
        self._gathering = Gathering(self._prepare, self._apply)
        self._holding = Holding(database, self._gathering)
        self._reader: Reader | None = None
        self.ready = asyncio.Event()  # we know who we are, and what another run left
        self._receiver: Receiver | None = None
        self._hints = Hints(self.bot, settings, lambda: self.pace)

    # Coming in

    def routes(self) -> list[WebRoute]:
        """What Telegram posts to, on our own HTTP server."""
        if self.settings.telegram_webhook_url is None:
            return []
        path, secret = self._posted_to()
        receive = Webhook(self.bot, secret, self._take_posted).receive
        return [post(path, receive, who=Caller.telegram)]

    def _posted_to(self) -> tuple[str, str]:
        """The path to which Telegram posts, and the secret that it sends."""
        token, secret = self.settings.telegram_token, self.settings.telegram_webhook_secret
        assert token is not None
        assert secret is not None
        return path_of(token.get_secret_value()), secret.get_secret_value()

    async def run(self, receiver: Receiver) -> None:
        """Receive until cancelled.

        Raises:
            PlatformRefused: Telegram does not know the token, or refuses our address.
        """
        self._receiver = receiver
        await self._begin(self.bot.initialize)
        self._reader = Reader(self.bot.id, self.bot.username)
        await self._note_name(self.bot.username)
        self._hints.do(self._set_menus())
        try:
            if self.settings.collects:
                await self._holding.resume(self.bot, self._reader.read, receiver.in_hand)
            self.ready.set()
            if self.settings.telegram_webhook_url is None:
                await self._poll()
            else:
                await self._be_posted_to(self.settings.telegram_webhook_url)
        finally:
            await self._gathering.close()
            await self._holding.close()
            await self._files.close()

    async def _poll(self) -> None:
        # What waits at Telegram is kept: changing from one way to the other loses nothing.
        await self._begin(lambda: self.bot.delete_webhook(drop_pending_updates=False))
        polling = Polling(self.bot, self._take)
        try:
            await polling.run()
        finally:
            await self._gathering.close()
            await polling.finish()

    async def _be_posted_to(self, url: str) -> None:
        path, secret = self._posted_to()
        await self._begin(
            lambda: self.bot.set_webhook(
                f"{url}{path}",
                secret_token=secret,
                allowed_updates=ALLOWED,
                drop_pending_updates=False,
            )
        )
        await asyncio.Event().wait()

    async def _begin(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Do what must be done before anything is received, as often as it takes."""
        pause = SHORTEST_PAUSE
        while True:
            try:
                await call()
            except InvalidToken:
                raise PlatformRefused("PREAU_TELEGRAM_TOKEN: Telegram does not know it") from None
            except BadRequest as error:
                line = f"Telegram refuses: {error.message}"
                raise PlatformRefused(line, for_now=True) from None  # a name may not resolve yet
            except TelegramError as error:
                if pause == SHORTEST_PAUSE:
                    log.warning("Telegram does not answer", reason=error.message)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _note_name(self, name: str) -> None:
        with suppress(Unavailable):  # it is noted at another start
            await self.database.write(lambda store: store.own_names.note(PLATFORM, name))

    async def _set_menus(self) -> None:
        try:
            await set_menus(self.bot, self.settings.language, self.settings.zone)
        except TelegramError as error:
            log.warning("the menus of Telegram could not be set", reason=type(error).__name__)

    async def _take_posted(self, update: Update, body: dict[str, Any]) -> None:
        """Take one update from the webhook; when this returns it is committed, or is held."""
        if not self.ready.is_set():  # Telegram is quicker than we are
            raise Unavailable
        await self._take(update, body)

    async def _take(self, update: Update, body: dict[str, Any]) -> None:
        """Take one update; when this returns it is committed or held, or is none of ours.

        Args:
            body: the update as it came.
        """
        assert self._reader is not None
        assert self._receiver is not None
        now = self.clock.now()
        arrival = self._reader.read(update, now)
        if arrival.incoming is None:
            await self._take_other(arrival, now)
        elif not self.settings.collects:
            self._hints.tell(arrival, "web_errors.not_open")
        elif self._receiver.waits(arrival.incoming) or self._gathering.is_needed(arrival):
            await self._holding.hold(arrival, update, body, self._receiver.in_hand)
        elif self._gathering.closed:
            raise Unavailable
        else:
            await self._apply([arrival], [arrival.incoming])

    async def _take_other(self, arrival: Arrival, now: datetime) -> None:
        """Take what nobody said."""
        assert self._receiver is not None
        chat, number = arrival.chat, arrival.number
        if arrival.lost is not None:
            await self._receiver.lost(PLATFORM, chat, arrival.lost, number, now)
        elif arrival.moved_to is not None:
            await self._receiver.moved(PLATFORM, chat, arrival.moved_to, number, now)
        elif arrival.query is not None:
            self._hints.acknowledge(arrival.query)

    async def _prepare(self, arrivals: list[Arrival]) -> list[Incoming]:
        """What was said in one message, or in several that belong together, with their files."""
        assert self._receiver is not None
        with self._typing(arrivals[0]):
            return await self._files.fetched(arrivals, self._receiver)

    async def _apply(self, arrivals: list[Arrival], said: list[Incoming]) -> None:
        """Have it applied; nothing of it may be left, if it was applied already."""
        assert self._receiver is not None
        first, outcome = arrivals[0], None
        try:
            if said:
                with self._typing(first):
                    whole = replace(said[0], more=tuple(said[1:])) if said[1:] else said[0]
                    outcome = await self._receiver.receive(whole)
        except Unavailable:
            if first.query is not None:
                self._hints.tell(first, "people.unavailable")
            raise
        except Exception:
            log.exception("an update could not be taken")
        self._show(first, outcome)

    @contextmanager
    def _typing(self, first: Arrival) -> Iterator[None]:
        """Show that an answer is being made, if it takes long."""
        incoming = first.incoming
        assert incoming is not None
        typing = asyncio.get_running_loop().call_later(
            SLOW, self._hints.type, incoming.chat, incoming.thread
        )
        try:
            yield
        finally:
            typing.cancel()

    async def settled(self) -> None:
        """Wait until all that Telegram was told we have is applied."""
        await self.ready.wait()
        await self._holding.settled()

    # What is shown at once and kept nowhere

    def _show(self, first: Arrival, outcome: Outcome | None) -> None:
        incoming, query = first.incoming, first.query
        assert incoming is not None
        if outcome is not None and outcome.wait and not outcome.told:
            self._hints.tell(first, "web_errors.too_many", outcome.language)
        elif query is not None and outcome is not None and outcome.stranger:
            self._hints.acknowledge(query, url=self._private(link_of(incoming.choice or "")))
        elif query is not None:
            self._hints.acknowledge(query, outcome.toast if outcome else None)
        if outcome is not None and outcome.left and outcome.toast and query is None:
            self._hints.say(incoming.chat, outcome.toast)

    def _private(self, link: str) -> str:
        """The address of a person's own chat with us."""
        return f"https://t.me/{self.bot.username}?start={link or 'menu'}"

    # Going out

    def parts(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return parts(body)

    async def call(self, call: Call) -> str:
        choices = [[self._led(action), label] for action, label in call.body.get("choices", ())]
        return await self._calls.do(replace(call, body={**call.body, "choices": choices}))

    def _led(self, action: str) -> str:
        """An action; one that leads to a person's own chat becomes its address."""
        leads = action.startswith(OPENS_PRIVATELY)
        return self._private(action.removeprefix(OPENS_PRIVATELY)) if leads else action

    async def _read_file(self, file_id: int) -> tuple[str, bytes] | None:
        return await self.database.read(lambda store: store.files.content(file_id))

    def publish(self, chat_id: int, events: tuple[PageEvent, ...]) -> None:
        raise AssertionError("Telegram keeps no page")

    async def close(self) -> None:
        """Say what is being said, and end."""
        await self._hints.close()
        await self.bot.shutdown()
