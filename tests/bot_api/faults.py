"""What goes wrong, by script or by seeded chance."""

import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["refuse", "fail", "cut_before", "cut_after", "slow", "conflict"]
KINDS: tuple[Kind, ...] = ("refuse", "fail", "cut_before", "cut_after", "slow", "conflict")


@dataclass
class Fault:
    """One thing that happens to calls.

    Attributes:
        method: the method it strikes, in any case; `*` is every one but getUpdates.
        times: how many calls it strikes yet; None is no end.
        after: how many calls of the method go well before.
        chance: the share of calls that it strikes, when it is their turn.
        status: the HTTP status of `fail`; past 500 the body is a proxy's page, not JSON.
        retry_after: seconds asked for by `refuse`.
        seconds: how long `slow` waits before the call is looked at.
    """

    kind: Kind
    method: str = "*"
    times: int | None = 1
    after: int = 0
    chance: float = 1.0
    status: int = 500
    retry_after: int = 1
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.method = self.method.lower()


class Faults:
    """The script. What has struck is counted by kind in `struck`."""

    def __init__(self, seed: int = 0) -> None:
        self.struck: Counter[str] = Counter()
        self._script: list[Fault] = []
        self._random = random.Random(seed)
        self._closed_until = 0.0
        self._duplicate = self._reorder = 0.0

    def add(self, fault: Fault) -> None:
        self._script.append(fault)

    def refuse(self, method: str = "*", times: int | None = 1, **more: Any) -> None:
        """429 with `retry_after` seconds."""
        self.add(Fault("refuse", method, times, **more))

    def refuse_all(self, seconds: float = 5.0) -> None:
        """From now on every call but getUpdates gets 429, for that long."""
        self._closed_until = time.monotonic() + seconds

    def fail(
        self, method: str = "*", times: int | None = 1, status: int = 500, **more: Any
    ) -> None:
        """A server error: 500 as JSON; 502 and others as a page in HTML."""
        self.add(Fault("fail", method, times, status=status, **more))

    def cut_before(self, method: str = "*", times: int | None = 1, **more: Any) -> None:
        """The connection ends and nothing was done."""
        self.add(Fault("cut_before", method, times, **more))

    def cut_after(self, method: str = "*", times: int | None = 1, **more: Any) -> None:
        """It is done, and the connection ends without an answer."""
        self.add(Fault("cut_after", method, times, **more))

    def slow(
        self, method: str = "*", seconds: float = 1.0, times: int | None = 1, **more: Any
    ) -> None:
        """The answer takes a while."""
        self.add(Fault("slow", method, times, seconds=seconds, **more))

    def conflict(self, times: int | None = 1, **more: Any) -> None:
        """409 to getUpdates, as if another bot polled."""
        self.add(Fault("conflict", "getUpdates", times, **more))

    def duplicate(self, share: float = 1.0) -> None:
        """That share of updates is given twice, the second time in the next batch. 0 ends it."""
        self._duplicate = share

    def reorder(self, share: float = 1.0) -> None:
        """That share of batches comes in another order. 0 ends it."""
        self._reorder = share

    def clear(self) -> None:
        self._script.clear()
        self._closed_until = 0.0
        self._duplicate = self._reorder = 0.0

    def strike(self, method: str) -> Fault | None:
        """What befalls this call; `method` in small letters."""
        if self._closed_until and method != "getupdates":
            left = self._closed_until - time.monotonic()
            if left > 0:
                self.struck["refuse_all"] += 1
                return Fault("refuse", times=1, retry_after=max(1, int(left + 0.999)))
            self._closed_until = 0.0
        if not self._script:
            return None
        for fault in self._script:
            if fault.method != method and (fault.method != "*" or method == "getupdates"):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.chance < 1 and self._random.random() >= fault.chance:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._script.remove(fault)
            self.struck[fault.kind] += 1
            return fault
        return None

    def twice(self) -> bool:
        """Whether this update is to be given again."""
        if self._duplicate and self._random.random() < self._duplicate:
            self.struck["duplicate"] += 1
            return True
        return False

    def shuffle(self, batch: list[Any]) -> None:
        """Perhaps put a batch in another order, for good."""
        if len(batch) > 1 and self._reorder and self._random.random() < self._reorder:
            before = list(batch)
            self._random.shuffle(batch)
            if batch == before:
                batch.reverse()
            self.struck["reorder"] += 1
