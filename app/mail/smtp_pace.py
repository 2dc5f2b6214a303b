"""The pace of one relay: mails a second over all its connections, and how many connections may carry one lane at once.

Owns both counts. Must not know of sessions, hooks or what a mail is for.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Final

from app.mail.transports import Envelope

Clock = Callable[[], float]

HELD_MOST: Final = 100
"""So many drawn mails may wait for a turn or a connection; then nothing more is drawn."""


class Turns:
    """At most `rate` mails a second, evenly; 0 means as fast as they go. Shared by every transport of one relay."""

    def __init__(self, rate: float, clock: Clock = time.monotonic) -> None:
        self.gap = 1 / rate if rate else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0

    def take_now(self) -> bool:
        """Take the turn if it has come."""
        if not self.gap:
            return True
        with self._lock:
            now = self._clock()
            if now < self._next:
                return False
            self._next = now + self.gap
            return True

    def reserve(self) -> float:
        """Take the next turn, and say in how many seconds it comes."""
        if not self.gap:
            return 0.0
        with self._lock:
            now = self._clock()
            at = max(self._next, now)
            self._next = at + self.gap
            return at - now


class Held:
    """Mails that were drawn and wait: for their turn, or until a connection may carry their lane.

    A connection that carries a lane already may take more of it; another one may only when fewer than the lane's
    `at_once` do. For the connections of one thread.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Envelope] = deque()
        self._carrying: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= HELD_MOST

    def hold(self, envelope: Envelope, *, first: bool = False) -> None:
        (self._waiting.appendleft if first else self._waiting.append)(envelope)

    def next_for(self, slot: int) -> Envelope | None:
        """The first mail waiting that this connection may carry."""
        if not self._waiting:
            return None
        for number, envelope in enumerate(self._waiting):
            if self._may_carry(slot, envelope):
                del self._waiting[number]
                return envelope
        return None

    def all(self) -> tuple[Envelope, ...]:
        """Take out whatever is left."""
        found = tuple(self._waiting)
        self._waiting.clear()
        return found

    def begin(self, slot: int, envelope: Envelope, *, anyway: bool = False) -> bool:
        """This connection carries it from now on; False when its lane is on enough connections already."""
        if not self._is_counted(envelope):
            return True
        if not anyway and not self._may_carry(slot, envelope):
            return False
        self._carrying[envelope.lane][slot] += 1
        return True

    def end(self, slot: int, envelope: Envelope) -> None:
        if not self._is_counted(envelope):
            return
        slots = self._carrying[envelope.lane]
        slots[slot] -= 1
        if slots[slot] <= 0:
            del slots[slot]

    def _is_counted(self, envelope: Envelope) -> bool:
        return 0 < envelope.at_once < self._most

    def _may_carry(self, slot: int, envelope: Envelope) -> bool:
        slots = self._carrying.get(envelope.lane)
        return not self._is_counted(envelope) or not slots or slot in slots or len(slots) < envelope.at_once
