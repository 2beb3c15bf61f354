"""A Bot API server that enforces rates, fails by chance, and can have the bot killed in a call."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from tests.bot_api import BotApi, Fault, Rates
from tests.bot_api.params import Params

NOTHING = b'{"ok":true,"result":[]}'
SAYING = ("sendmessage", "sendphoto", "senddocument")
SENDING = (*SAYING, "editmessagetext")
GIVE_UP = 10.0  # seconds after which the bot waits for no answer: it does not know
FAULTS = (
    Fault("refuse", times=None, chance=0.003, retry_after=1),
    Fault("fail", times=None, chance=0.01, status=502),
    Fault("cut_before", times=None, chance=0.01),
    Fault("cut_after", times=None, chance=0.01),
    Fault("slow", times=None, chance=0.02, seconds=1.5),
    Fault("slow", "sendMessage", times=None, chance=0.001, seconds=GIVE_UP + 1),
    Fault("fail", "getUpdates", times=None, chance=0.02, status=502),
    Fault("cut_before", "getUpdates", times=None, chance=0.02),
    Fault("cut_after", "getUpdates", times=None, chance=0.02),
)
TWICE, ANOTHER_ORDER = 0.05, 0.3  # the share of updates, and of batches


@dataclass
class Trap:
    """What is sprung by a call that was done, before it is answered.

    Attributes:
        methods: of the call, in small letters.
        words: what its text must hold.
        after: how many such calls go by before.
    """

    methods: tuple[str, ...]
    words: str
    after: int
    spring: Callable[[], None]

    def takes(self, method: str, params: Params, body: bytes) -> bool:
        fits = method in self.methods and self.words in params.text("text")
        if not fits or body == NOTHING:
            return False
        self.after -= 1
        return self.after < 0


class WatchedApi(BotApi):
    """See `tests.bot_api.BotApi`; one trap may be set at a time.

    Attributes:
        first_words: how each message read before it was edited, by chat and number.
        slowed: how many calls are being made to wait.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(rates=Rates(), seed=seed)
        self.trap: Trap | None = None
        self.first_words: dict[tuple[int, int], str] = {}
        self.slowed = 0

    def go_wrong(self) -> None:
        """From now on things fail by chance."""
        for fault in FAULTS:
            self.faults.add(Fault(**vars(fault)))
        self.faults.duplicate(TWICE)
        self.faults.reorder(ANOTHER_ORDER)

    async def _struck(self, fault: Fault, request: web.Request) -> bool:
        self.slowed += 1
        try:
            return await super()._struck(fault, request)
        finally:
            self.slowed -= 1

    async def _do(self, method: str, params: Params) -> bytes:
        body = await super()._do(method, params)
        if method in SAYING:
            said = json.loads(body)["result"]
            words = params.text("text") or params.text("caption")
            self.first_words[said["chat"]["id"], said["message_id"]] = words
        trap = self.trap
        if trap is not None and trap.takes(method, params, body):
            self.trap = None
            trap.spring()
        return body
