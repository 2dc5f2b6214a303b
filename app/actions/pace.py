"""Pace: how each lane stands, as one worker sees it: whose turn it is, who asked for patience, who is forgiven.

Owns the memory of `mail.lanes` for one worker's life. It is not stored: a new worker learns it again with the first
answer of each provider, and what was put off is put off in the message's own row. Must not send or wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from app.core.instants import Instant
from app.mail.lanes import DEFAULT, MOST_AT_ONCE, Lane, Lanes, Pace, after_success, after_throttle, budget, spend

PATIENT = 5
"""Strikes in a row before the lane of everybody else rests: one small server does not speak for a thousand others."""
_FRESH = Pace()


class Paces:
    """The lanes of one worker. `chance` gives a number from 0 to 1. Safe to share between threads."""

    def __init__(self, lanes: Lanes, chance: Callable[[], float]) -> None:
        self._lanes = lanes
        self._chance = chance
        self._paces: dict[str, Pace] = {}
        self._lock = threading.Lock()

    def lane(self, name: str) -> Lane:
        """The rules of a message's lane; rows may name a provider instead."""
        found = self._lanes.lanes.get(name) or self._lanes.lanes.get(self._lanes.by_provider.get(name, DEFAULT))
        return found or self._lanes.lanes[DEFAULT]

    def room(self, name: str, wall: Instant) -> int:
        """How many mails of a lane may be claimed now; 0 while it rests."""
        lane = self.lane(name)
        with self._lock:
            return min(MOST_AT_ONCE, budget(lane, self._paces.get(lane.name, _FRESH), wall))

    def took(self, name: str, count: int, wall: Instant) -> None:
        """So many were claimed: each takes its turn."""
        lane = self.lane(name)
        with self._lock:
            self._paces[lane.name] = spend(lane, self._paces.get(lane.name, _FRESH), count, wall)

    def thanks(self, name: str) -> None:
        """A mail of this lane was taken: strikes are forgiven."""
        lane = self.lane(name)
        pace = self._paces.get(lane.name)
        if pace is not None and pace.strikes:
            with self._lock:
                self._paces[lane.name] = after_success(pace)

    def slowed(self, name: str, reply: str, wall: Instant) -> bool:
        """The other side asked for patience. True when the lane has to slow down for it."""
        lane = self.lane(name)
        with self._lock:
            before = self._paces.get(lane.name, _FRESH)
            after = after_throttle(lane, before, reply, wall, self._chance())
            is_heard = lane.name != DEFAULT or after.strikes >= PATIENT
            self._paces[lane.name] = after if is_heard else replace(before, strikes=after.strikes)
            return is_heard

    def resting(self, wall: Instant) -> dict[str, Instant]:
        """The lanes that rest, and until when."""
        with self._lock:
            return {name: pace.paused_until for name, pace in sorted(self._paces.items()) if pace.paused_until > wall}
