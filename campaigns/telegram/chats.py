"""What stands in the chats of the Bot API server, compared with the deliveries.

Of each call the server knows when it came and whether it was cut, so that it can be told whether
the bot could know that a message was taken.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from bot.markup import unbroken
from bot.platforms.telegram.wording import NOTHING, as_telegram
from campaigns.records import Told
from campaigns.telegram.api import GIVE_UP, SENDING, WatchedApi
from campaigns.telegram.lives import Life
from storage.deliveries import DeliveryState, Kind, Operation
from tests.bot_api import Call, Message

NOTED = 3.0  # seconds in which what was taken is committed as sent, on a busy machine
LATE = 0.5  # seconds in which the server reads what a process sent before it was killed
WAITED_FOR = 3  # tries, after which others go before what is tried again
CUT = -1


class Chats:
    """The bot's messages, and its calls.

    Args:
        told: the deliveries of each chat, by its number at Telegram, in the order of their ids.
    """

    def __init__(
        self, api: WatchedApi, told: Mapping[int, Sequence[Told]], kills: list[Life]
    ) -> None:
        self.api = api
        self.told = told
        self.kills = [life.ended for life in kills]
        self.doubles: Counter[str] = Counter()  # by what explains them
        self.overtaken = 0
        self._calls: dict[int, list[Call]] = defaultdict(list)
        for call in sorted(api.calls, key=lambda one: one.at):
            if call.method in SENDING:
                self._calls[call.chat].append(call)

    def problems(self) -> Iterator[str]:
        for chat, told in self.told.items():
            said = {one.id: one for one in self.api.world.chats[chat].messages if one.by_bot}
            for problem in (
                *self._lost(told, said),
                *self._standing(told, said),
                *self._overtaken(told, said),
                *self._doubled(chat, told, said),
            ):
                yield f"chat {chat}: {problem}"

    def _lost(self, told: Sequence[Told], said: dict[int, Message]) -> Iterator[str]:
        """What is noted as sent has come."""
        for one in _sent(told):
            if not set(_messages(one)) <= said.keys():
                yield f"delivery {one.id} was sent as {one.message}, which is not there"

    def _standing(self, told: Sequence[Told], said: dict[int, Message]) -> Iterator[str]:
        """Each message reads as what was done to it last says, in the order of the deliveries."""
        done: dict[int, list[Told]] = defaultdict(list)
        for one in told:
            if one.state is DeliveryState.sent and one.operation is not Operation.delete:
                for number in _messages(one):
                    done[number].append(one)
        for number, made in done.items():
            if number in said and said[number].html != _html(made[-1]):
                as_ = [one.id for one in made if _html(one) == said[number].html]
                tries = {one.id: one.attempts for one in made[-4:]}
                yield f"message {number} reads as deliveries {as_}, not the last of {tries}"

    def _overtaken(self, told: Sequence[Told], said: dict[int, Message]) -> Iterator[str]:
        """Replies came in the order in which they were given."""
        newest: tuple[int, Told] | None = None
        for one in _sent(told):
            if one.kind is not Kind.reply:
                continue
            for number in _messages(one):
                if newest is not None and number < newest[0]:
                    before = newest[1]
                    self.overtaken += before.attempts > WAITED_FOR
                    if before.attempts <= WAITED_FOR:
                        yield f"reply {one.id} came before {before.id} (try {before.attempts})"
                else:
                    newest = (number, one)

    def _doubled(self, chat: int, told: Sequence[Told], said: dict[int, Message]) -> Iterator[str]:
        """What came more than once: each time the bot could not know, or had no time to note it."""
        known = {number for one in _sent(told) for number in _messages(one)}
        twins: dict[str, list[Told]] = defaultdict(list)
        for one in told:
            if one.operation is Operation.send:
                twins[_html(one)].append(one)
        for number, message in said.items():
            if number in known:
                continue
            alike = twins[self.api.first_words[chat, number]]
            if not alike:
                yield f"message {number} was said by nobody"
                continue
            if all(one.state is DeliveryState.failed for one in alike):
                continue  # it is said to be in doubt, and came
            why = self._why_unknown(chat, message)
            self.doubles[why] += 1
            if all(one.kind is Kind.broadcast for one in alike):
                yield f"a broadcast came twice, as message {number} ({why})"
            if why == "nothing":
                yield f"message {number} doubles delivery {alike[0].id}, and nothing explains it"

    def _why_unknown(self, chat: int, message: Message) -> str:
        """Why the bot did not learn, or not note, that a message was taken."""
        calls = self._calls[chat]
        position = bisect_right(calls, message.at, key=lambda one: one.at) - 1
        call = calls[position]
        if call.error == CUT:
            return "cuts"
        if message.at - call.at >= GIVE_UP:
            return "slow answers"
        until = calls[position + 1].at if position + 1 < len(calls) else float("inf")
        # One call at a time is made in a chat: it was the last before the kill.
        if any(call.at - LATE <= at <= min(until, message.at + NOTED) for at in self.kills):
            return "kills"
        return "nothing"


def _sent(told: Sequence[Told]) -> list[Told]:
    return [
        one for one in told if one.operation is Operation.send and one.state is DeliveryState.sent
    ]


def _messages(told: Told) -> list[int]:
    return [int(one) for one in (told.message or "").split()]


def _html(told: Told) -> str:
    return as_telegram(unbroken(told.markup)) or NOTHING
