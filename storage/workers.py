"""Threads that take what is waiting, some at once, and tell those who wait for it."""

import asyncio
import contextlib
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

GROUP = 64
LAST = 8  # more of a group, for those that go after the others, where there are others
PATIENCE = 0.05  # seconds


class Job:
    """One piece of work: `work` of an item, which others may wait for as well.

    Args:
        loop: where its future belongs; None if a thread waits for it.
        last: it goes after the others.
    """

    def __init__(
        self,
        work: Any,
        item: Any,
        loop: asyncio.AbstractEventLoop | None,
        *,
        last: bool = False,
    ) -> None:
        self.work = work
        self.item = item
        self.loop = loop
        self.last = last
        self.future: Future[Any] | asyncio.Future[Any]
        self.future = Future() if loop is None else loop.create_future()
        self.tries = 1
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Tell who waits, unless they left."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Workers:
    """Some threads over what waits. They take turns, unless one is long at it.

    Two that work at once only get in each other's way; but while one waits, for a lock or in a
    long write, others must go on. What goes last has a small part of each group in which there are
    others: however much of it there is, these wait for one group at most.

    Args:
        do: does a group of jobs, in order, and leaves in each its result or its error; it never
            raises.
    """

    def __init__(self, name: str, threads: int, do: Callable[[Sequence[Job]], None]) -> None:
        self._do = do
        self._first: deque[Job] = deque()
        self._last: deque[Job] = deque()
        self._tokens = queue.SimpleQueue[bool]()  # one a job, or more; False: end
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        self._turn = threading.Lock()
        self._started = False

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self._started = True

    def stop(self) -> None:
        """Finish what waits, then end."""
        if self._started:
            for _ in self._threads:
                self._tokens.put(False)
            for thread in self._threads:
                thread.join()
            self._started = False

    def submit(self, job: Job) -> None:
        if not self._started:
            raise RuntimeError("nobody works here yet, or any more")
        (self._last if job.last else self._first).append(job)
        self._tokens.put(True)

    @property
    def waiting(self) -> int:
        """How many jobs nobody has taken yet."""
        return len(self._first) + len(self._last)

    def _work(self) -> None:
        while self._goes_on():
            in_turn = self._turn.acquire(timeout=PATIENCE)
            try:
                group = list(self._group())
                waited_for = [one for one in group if not one.future.cancelled()]
                if waited_for:
                    self._do(waited_for)
            finally:
                if in_turn:
                    self._turn.release()
            _tell(group)

    def _goes_on(self) -> bool:
        """Wait for something to do; False at the end, when nothing waits any more."""
        if self._tokens.get():
            return True
        if self.waiting:  # a token for it was put back behind that for the end
            self._tokens.put(False)
            return True
        return False

    def _group(self) -> Iterator[Job]:
        """Take what waits, to be done at once; there is a token in hand for one job."""
        first = last = 0
        while True:
            most_last = LAST if first else GROUP
            queues = [self._first] * (first < GROUP) + [self._last] * (last < most_last)
            job = _taken(queues)
            if job is None:
                if self.waiting:  # it has no place in this group
                    self._tokens.put(True)
                return
            first, last = first + (not job.last), last + job.last
            yield job
            try:
                if not self._tokens.get_nowait():
                    self._tokens.put(False)  # for another thread
                    return
            except queue.Empty:
                return


def _taken(queues: Sequence[deque[Job]]) -> Job | None:
    for one in queues:
        with contextlib.suppress(IndexError):  # it is empty, or another thread was quicker
            return one.popleft()
    return None


def _tell(group: Sequence[Job]) -> None:
    """Wake each event loop once for the whole group: a wake-up is a call of the system."""
    by_loop: defaultdict[asyncio.AbstractEventLoop | None, list[Job]] = defaultdict(list)
    for job in group:
        by_loop[job.loop].append(job)
    for loop, jobs in by_loop.items():
        if loop is None:
            _settle(jobs)
        else:
            with contextlib.suppress(RuntimeError):  # it ended meanwhile: nobody waits
                loop.call_soon_threadsafe(_settle, jobs)


def _settle(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.settle()
