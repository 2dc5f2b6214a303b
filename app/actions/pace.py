"""Pace: how each lane stands, as one worker sees it: whose turn it is, who asked for patience, what today still allows.

Owns the memory of `mail.lanes` for one worker's life, by a clock that nobody sets. It is not stored: a new worker
learns it again with the first answer of each provider, and what was put off is put off in the message's own row. Must
not send or wait.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from app.core.instants import SECOND, Instant, Span
from app.core.person import MessageState
from app.mail.lanes import (
    DEFAULT,
    MOST_AT_ONCE,
    Lane,
    Lanes,
    Pace,
    after_success,
    after_throttle,
    budget,
    spend,
)

PATIENT = 5
"""Strikes in a row before the lane of everybody else rests: one small server does not speak for a thousand others."""
WINDOW = 60.0
"""Seconds over which the rate is taken."""
_FRESH = Pace()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a warm-up allows one lane today: its level (-1: stopped), the day's cap, and what was tried already."""

    level: int
    cap: int
    used: int

    @property
    def left(self) -> int:
        return max(0, self.cap - self.used)


@dataclass(frozen=True, slots=True)
class LaneState:
    """How one lane stands: for how long it rests yet, how many a minute it bears now (0: as they go), its warm-up.

    `why`: the answer it rests or is slow for, without addresses.
    """

    name: str
    rests_for: Span = 0
    per_minute: int = 0
    strikes: int = 0
    allowance: Allowance | None = None
    why: str = ""


class Paces:
    """The lanes of one worker. `chance` gives a number from 0 to 1, `clock` seconds. Safe to share between threads."""

    def __init__(self, lanes: Lanes, chance: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._lanes = lanes
        self._chance = chance
        self._clock = clock
        self._paces: dict[str, Pace] = {}
        self._allowed: dict[str, Allowance] = {}
        self._said: dict[str, str] = {}
        self._done: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def lane(self, name: str) -> Lane:
        """The rules of a message's lane; rows may name a provider instead."""
        found = self._lanes.lanes.get(name) or self._lanes.lanes.get(self._lanes.by_provider.get(name, DEFAULT))
        return found or self._lanes.lanes[DEFAULT]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._lanes.lanes)

    def room(self, name: str) -> int:
        """How many mails of a lane may be claimed now; 0 while it rests, or when today's warm-up is used up."""
        lane = self.lane(name)
        with self._lock:
            room = min(MOST_AT_ONCE, budget(lane, self._paces.get(lane.name, _FRESH), self._now()))
            allowance = self._allowed.get(lane.name)
            return room if allowance is None else min(room, allowance.left)

    def took(self, name: str, count: int) -> None:
        """So many were claimed: each takes its turn."""
        lane = self.lane(name)
        with self._lock:
            self._paces[lane.name] = spend(lane, self._paces.get(lane.name, _FRESH), count, self._now())
            if allowance := self._allowed.get(lane.name):
                self._allowed[lane.name] = replace(allowance, used=allowance.used + count)

    def allow(self, allowed: Mapping[str, Allowance]) -> None:
        """What the warm-up allows today, lane by lane, as the counters know it."""
        with self._lock:
            self._allowed = dict(allowed)

    def thanks(self, name: str) -> None:
        """A mail of this lane was taken: strikes are forgiven."""
        lane = self.lane(name)
        pace = self._paces.get(lane.name)
        if pace is not None and pace.strikes:
            with self._lock:
                self._paces[lane.name] = after_success(pace)

    def slowed(self, name: str, reply: str) -> bool:
        """The other side asked for patience. True when the lane has to slow down for it."""
        lane = self.lane(name)
        with self._lock:
            before = self._paces.get(lane.name, _FRESH)
            after = after_throttle(lane, before, reply, self._now(), self._chance())
            is_heard = lane.name != DEFAULT or after.strikes >= PATIENT
            self._said[lane.name] = without_addresses(reply)
            self._paces[lane.name] = after if is_heard else replace(before, strikes=after.strikes)
            return is_heard

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def done(self, count: int) -> None:
        """So many were answered, whatever the answer."""
        with self._lock:
            now = self._clock()
            self._done.append((now, count))
            self._forget(now)

    def per_minute(self) -> float:
        """How many were answered in the last minute; of a shorter stretch of work, what a minute would bring."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            if not self._done:
                return 0.0
            seconds = max(now - self._done[0][0], 1.0)
            return sum(count for _, count in self._done) * 60 / seconds

    def states(self) -> list[LaneState]:
        """Every lane that was used and is limited, slowed or warming up, by name."""
        with self._lock:
            now = self._now()
            known = sorted(self._paces.keys() | self._allowed.keys())
            found = [self._state(self._lanes.lanes[name], now) for name in known]
        return [each for each in found if each != LaneState(each.name)]

    def _state(self, lane: Lane, now: Instant) -> LaneState:
        pace = self._paces.get(lane.name, _FRESH)
        limits = [each for each in (lane.per_minute, pace.slow_per_minute if now < pace.slow_until else 0) if each]
        rests = max(0, pace.paused_until - now)
        why = self._said.get(lane.name, "") if rests or now < pace.slow_until else ""
        return LaneState(lane.name, rests, min(limits, default=0), pace.strikes, self._allowed.get(lane.name), why)

    def _forget(self, now: float) -> None:
        while self._done and self._done[0][0] < now - WINDOW:
            self._done.popleft()

    def _now(self) -> Instant:
        """Microseconds of the clock: spans matter here, never the date."""
        return int(self._clock() * SECOND)


_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")
LONGEST_REASON = 160


def without_addresses(reply: str) -> str:
    """What a server said, short, and about nobody in particular."""
    return _ADDRESS.sub("…", reply[:1_000])[:LONGEST_REASON].strip()


def lane_tally(ends: Mapping[tuple[str, MessageState, str], int]) -> Counter[tuple[str, str]]:
    """(lane, state, reason) of answered mails as what the counters keep of them: tried, deferred, blocked."""
    found: Counter[tuple[str, str]] = Counter()
    for (lane, state, reason), number in ends.items():
        found[lane, "tried"] += number
        if state is MessageState.WAITING:
            found[lane, "deferred"] += number
        elif state is MessageState.REFUSED and reason == "block":
            found[lane, "blocked"] += number
    return found
