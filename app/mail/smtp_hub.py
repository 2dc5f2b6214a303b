"""A hub: many connections on one thread, each served by straight-line code that pauses where it would have to wait.

Owns the waiting: for a socket, for a time, for what another thread does. A thread for each connection would spend
a fifth of a mail on taking turns at the interpreter. Must not know SMTP.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from math import ceil, inf
from typing import Final, Generic, NamedTuple, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")

READ: Final = select.POLLIN
WRITE: Final = select.POLLOUT


class _Waiting(NamedTuple):
    task: greenlet
    until: float


class Hub:
    """Runs tasks until all have ended. Belongs to the thread that calls `run`; tasks call the other methods on it."""

    def __init__(self) -> None:
        self._main = getcurrent()
        self._ready: deque[greenlet] = deque()
        self._later: deque[greenlet] = deque()  # who gave way
        self._waiting: dict[int, _Waiting] = {}  # by descriptor; by a negative number who waits for a time only
        self._poll = select.poll()
        self._next_look = inf  # nobody's time is over before
        self._sleepers = 0
        self._abroad = 0
        self._returned: deque[greenlet] = deque()
        self._bell: tuple[int, int] | None = None

    def spawn(self, work: Callable[[], None]) -> None:
        """Begin a task when the others pause. What it raises, `run` raises."""
        self._ready.append(greenlet(work, self._main))

    def run(self) -> None:
        """Until no task is left."""
        self._main = getcurrent()
        try:
            while self._is_anybody_waiting():
                while self._ready:
                    self._ready.popleft().switch()
                if self._waiting or self._abroad:
                    self._look()
                if not self._ready:
                    self._ready, self._later = self._later, self._ready
        finally:
            if self._bell and not self._abroad:
                self._close_bell(*self._bell)

    def _is_anybody_waiting(self) -> bool:
        return bool(self._ready or self._later or self._waiting or self._abroad)

    # ── What a task may wait for ─────────────────────────────────────────────────────────────────────────────────────

    def wait(self, handle: int, what: int, timeout: float) -> bool:
        """Pause until this descriptor can be read or written. False when that did not come in time (seconds)."""
        self._poll.register(handle, what)
        return self._pause(handle, timeout)

    def give_way(self) -> None:
        """Go on when all others that can go on have done so."""
        self._later.append(getcurrent())
        self._main.switch()

    def sleep(self, seconds: float) -> None:
        """Pause for a time."""
        self._sleepers += 1
        self._pause(-self._sleepers, seconds)

    def call(self, work: Callable[[], T]) -> T:
        """What blocks is done by another thread, as long as another task needs this one."""
        if not self._is_anybody_waiting():
            return work()
        errand = _Errand(work, getcurrent(), self._back)
        self._abroad += 1
        self._bell = self._bell or self._hang_bell()
        threading.Thread(target=errand.run, name="smtp-errand", daemon=True).start()
        self._main.switch()
        self._abroad -= 1
        if errand.error:
            raise errand.error
        return errand.found[0]

    def _pause(self, number: int, timeout: float) -> bool:
        until = time.monotonic() + timeout
        self._waiting[number] = _Waiting(getcurrent(), until)
        self._next_look = min(self._next_look, until)
        return self._main.switch() is not False

    # ── Looking who may go on ────────────────────────────────────────────────────────────────────────────────────────

    def _look(self) -> None:
        for handle, _ in self._poll.poll(self._patience()):
            if handle >= 0 and (paused := self._waiting.pop(handle, None)):
                self._poll.unregister(handle)
                self._ready.append(paused.task)
            elif self._bell and handle == self._bell[0]:
                os.read(handle, 1)
                self._ready.append(self._returned.popleft())
        if time.monotonic() >= self._next_look:
            self._give_up()

    def _patience(self) -> int | None:
        """Milliseconds until somebody's time is over."""
        if self._later or self._next_look == inf:
            return 0 if self._later else None
        return max(0, ceil((self._next_look - time.monotonic()) * 1000))

    def _give_up(self) -> None:
        """Whose time is over goes on, and is told so."""
        now = time.monotonic()
        for number in [number for number, paused in self._waiting.items() if paused.until <= now]:
            paused = self._waiting.pop(number)
            if number >= 0:
                self._poll.unregister(number)
            paused.task.switch(False)
        self._next_look = min((paused.until for paused in self._waiting.values()), default=inf)

    # ── Other threads ────────────────────────────────────────────────────────────────────────────────────────────────

    def _back(self, task: greenlet) -> None:
        """On the other thread."""
        assert self._bell is not None
        self._returned.append(task)
        os.write(self._bell[1], b"!")

    def _hang_bell(self) -> tuple[int, int]:
        ends = os.pipe()
        self._poll.register(ends[0], READ)
        return ends

    def _close_bell(self, *ends: int) -> None:
        self._poll.unregister(ends[0])
        for end in ends:
            os.close(end)
        self._bell = None


class _Errand(Generic[T]):
    """One call on another thread."""

    def __init__(self, work: Callable[[], T], task: greenlet, back: Callable[[greenlet], None]) -> None:
        self._work = work
        self._task = task
        self._back = back
        self.found: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again by the task that waits for it
            self.error = error
        self._back(self._task)
