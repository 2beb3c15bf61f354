"""The three rates, refused past them as Telegram does.

core.telegram.org/bots/faq, "My bot is hitting limits, how do I avoid this?": in a single chat no
more than one message a second ("we may allow short bursts that go over this limit, but
eventually you'll begin receiving 429 errors"), in a group 20 a minute, in all about 30 a second.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Rule:
    """So many messages in so many seconds; None as `most` is no limit.

    Attributes:
        burst: messages over the limit that are forgiven, regained at the limit's own pace.
            At 0 the rule is a strict sliding window.
    """

    most: int | None
    seconds: float
    burst: int = 0


class _Window:
    """The last `most` times of a strict rule."""

    def __init__(self, rule: Rule) -> None:
        assert rule.most is not None
        self._times: deque[float] = deque(maxlen=rule.most)
        self._rule = rule

    def wait(self, now: float, count: int) -> float:
        most = self._rule.most or 1
        free = most - len(self._times)
        if count <= free:
            return 0.0
        # As many as must have left the window before there is room for all of them.
        last = self._times[min(count - free, len(self._times)) - 1]
        return max(0.0, last + self._rule.seconds - now)

    def take(self, now: float, count: int) -> None:
        self._times.extend([now] * count)


class _Bucket:
    """A bucket that holds a window's worth and the burst."""

    def __init__(self, rule: Rule) -> None:
        assert rule.most is not None
        self._room = float(rule.most + rule.burst)
        self._pace = rule.most / rule.seconds
        self._left = self._room
        self._at: float | None = None

    def wait(self, now: float, count: int) -> float:
        if self._at is not None:
            self._left = min(self._room, self._left + (now - self._at) * self._pace)
        self._at = now
        return max(0.0, (min(count, self._room) - self._left) / self._pace)

    def take(self, now: float, count: int) -> None:
        self._left -= count


@dataclass
class Waiting:
    """A refusal: which rule, and for how long."""

    rule: str
    seconds: int


class Rates:
    """Counts messages sent and edited, and says when there are too many.

    Args:
        in_all, in_chat, in_group: how many a second, a second, and a minute; None is no limit.
        burst: how many over `in_all` are forgiven; see `Rule`.
        chat_burst, group_burst: the same in one chat and in one group.
        penalty: seconds for which everything is refused after a refusal by `in_all`.
        edits: whether an edited message counts as one sent, as it does for groups in practice.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        in_all: int | None = 30,
        in_chat: int | None = 1,
        in_group: int | None = 20,
        *,
        burst: int = 0,
        chat_burst: int = 0,
        group_burst: int = 0,
        penalty: float = 0.0,
        edits: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules = {
            "all": Rule(in_all, 1.0, burst),
            "chat": Rule(in_chat, 1.0, chat_burst),
            "group": Rule(in_group, 60.0, group_burst),
        }
        self.penalty = penalty
        self.edits = edits
        self.refusals: Counter[str] = Counter()
        self.taken = 0
        self._clock = clock
        self._counters: dict[tuple[str, int], _Window | _Bucket] = {}
        self._closed_until = 0.0

    def take(self, chat: int, count: int = 1) -> Waiting | None:
        """Let `count` messages into a chat, or say how long to wait; groups are below zero."""
        now = self._clock()
        if now < self._closed_until:
            return self._refused("penalty", self._closed_until - now)
        counters = []
        for name in ("all", "group" if chat < 0 else "chat"):
            rule = self.rules[name]
            if rule.most is None:
                continue
            key = (name, 0 if name == "all" else chat)
            counter = self._counters.get(key)
            if counter is None:
                counter = self._counters[key] = _Bucket(rule) if rule.burst else _Window(rule)
            wait = counter.wait(now, count)
            if wait > 0:
                if name == "all" and self.penalty:
                    self._closed_until = now + self.penalty
                    wait = self.penalty
                return self._refused(name, wait)
            counters.append(counter)
        for counter in counters:
            counter.take(now, count)
        self.taken += count
        return None

    def _refused(self, name: str, wait: float) -> Waiting:
        self.refusals[name] += 1
        return Waiting(name, max(1, math.ceil(wait)))
