"""Progress: how fast mails leave, how far behind they are, when the queue will be through, how lanes and relays stand.

Owns what a worker tells with each sign of life, and the one value that command line and dashboard make of it. Only the
worker counts the queue, and the longer that takes the less often. Must not change anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from app.actions.pace import LONGEST_REASON, Allowance, LaneState, Paces
from app.core.instants import MINUTE, SECOND, Instant, Span
from app.mail.smtp_relays import rests_of
from app.mail.transports import Transport
from app.store import ledgers, waiting
from app.store.ledgers import Heartbeat
from app.store.waiting import Queued
from app.world import World

COUNT_EVERY = 10.0
"""Seconds between two counts of the queue; fifty times what the last one took, if that is longer."""
_DEAREST = 50
ALIVE: Span = 30 * SECOND
"""A worker that gave no sign for so long says nothing of now."""


# ── Telling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Reporter:
    """What one worker tells of itself."""

    def __init__(self, world: World, lanes: Paces, transports: Sequence[Transport]) -> None:
        self._world = world
        self._lanes = lanes
        self._transports = transports
        self._queue: list[Queued] = []
        self._again_at = 0.0

    def words(self, journal_fault: str = "") -> dict[str, object]:
        """Everything as JSON may hold it; spans in microseconds."""
        return {
            "per_minute": round(self._lanes.per_minute(), 1),
            "journal": journal_fault,
            "queue": [asdict(each) for each in self._count()],
            "lanes": [asdict(each) for each in self._lanes.states()],
            "relays": [asdict(each) for each in self._relays()],
        }

    def _count(self) -> list[Queued]:
        began = self._world.monotonic()
        if began >= self._again_at:
            with self._world.transaction("read") as session:
                self._queue = waiting.queue(session, self._world.now())
            took = self._world.monotonic() - began
            self._again_at = began + max(COUNT_EVERY, _DEAREST * took)
        return self._queue

    def _relays(self) -> list[RelayProgress]:
        """For how long each rests yet, the longest of what our transports say."""
        found: dict[str, RelayProgress] = {}
        for transport in self._transports:
            for name, rest in rests_of(transport).items():
                state = RelayProgress(name, int(rest.seconds * SECOND), rest.why[:LONGEST_REASON])
                found[name] = max(found.get(name, state), state, key=lambda each: each.rests_for)
        return [found[name] for name in sorted(found)]


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RelayProgress:
    """One relay: for how long it rests yet, 0 for one that works, and after what."""

    name: str
    rests_for: Span = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """One lane: what waits in it, and how it stands with the worker that is slowest there."""

    name: str
    due: int = 0
    later: int = 0
    deferred: int = 0
    oldest: Instant | None = None
    rests_for: Span = 0
    per_minute: int = 0
    allowance: Allowance | None = None
    why: str = ""
    """The answer it rests or is slow for."""

    @property
    def has_news(self) -> bool:
        """Whether there is anything to be said of it."""
        used = self.allowance is not None and self.allowance.used
        return bool(self.due or self.later or self.deferred or self.rests_for or used)

    @property
    def left(self) -> Span:
        """How long what may leave today takes at least, as far as this lane's rest and limit say."""
        moving = max(0, self.due - self.held_back)
        takes = moving * MINUTE // self.per_minute if self.per_minute else 0
        return self.rests_for + takes if moving else 0

    @property
    def held_back(self) -> int:
        """How many of those due have to wait for another day of the warm-up."""
        return 0 if self.allowance is None else max(0, self.due - self.allowance.left)


@dataclass(frozen=True, slots=True)
class Progress:
    """How delivery goes. `per_minute`: mails answered in the last minute, of all workers; `lag`: how late the most
    belated one is.
    """

    workers: int
    per_minute: float
    lag: Span
    lanes: tuple[LaneProgress, ...]
    relays: tuple[RelayProgress, ...]
    journal_fault: str = ""

    @property
    def due(self) -> int:
        return sum(lane.due for lane in self.lanes)

    @property
    def later(self) -> int:
        return sum(lane.later for lane in self.lanes)

    @property
    def held_back(self) -> int:
        return sum(lane.held_back for lane in self.lanes)

    @property
    def left(self) -> Span | None:
        """When what is due and may leave today will have left, at the present rate and the lanes' limits; None when
        nothing moves.
        """
        moving = self.due - self.held_back
        if not moving:
            return 0
        if not self.per_minute:
            return None
        slowest = max((lane.left for lane in self.lanes), default=0)
        return max(int(moving / self.per_minute * MINUTE), slowest)


def progress(world: World) -> Progress:
    """What the workers last told."""
    with world.transaction("read") as session:
        beats = [beat for beat in ledgers.heartbeats(session) if beat.role == "worker"]
    alive = [beat for beat in beats if world.wall() - beat.at < ALIVE]
    return of_beats(alive)


def of_beats(beats: Sequence[Heartbeat]) -> Progress:
    """One value of several workers' words; the newest comes first and counts for the queue."""
    told = [found for beat in beats if isinstance(found := json.loads(beat.detail), dict)]
    lanes: dict[str, LaneProgress] = {}
    for each in _list(told[0] if told else {}, "queue"):
        lanes[str(each["lane"])] = LaneProgress(
            str(each["lane"]), each["due"], each["later"], each["deferred"], each["oldest"]
        )
    for words in told:
        for each in _list(words, "lanes"):
            state = _state(each)
            lanes[state.name] = _slowest(lanes.get(state.name, LaneProgress(state.name)), state)
    relays: dict[str, RelayProgress] = {}
    for words in told:
        for each in _list(words, "relays"):
            relay = RelayProgress(str(each["name"]), _int(each, "rests_for"), str(each.get("why", "")))
            relays[relay.name] = max(relays.get(relay.name, relay), relay, key=lambda one: one.rests_for)
    return Progress(
        workers=len(beats),
        per_minute=sum(float(words.get("per_minute", 0)) for words in told),
        lag=max((beat.lag for beat in beats), default=0),
        lanes=tuple(lanes[name] for name in sorted(lanes)),
        relays=tuple(relays[name] for name in sorted(relays)),
        journal_fault=next((str(words["journal"]) for words in told if words.get("journal")), ""),
    )


def _list(words: Mapping[str, object], key: str) -> list[dict[str, int]]:
    found = words.get(key)
    return found if isinstance(found, list) else []


def _state(found: Mapping[str, object]) -> LaneState:
    allowance = found.get("allowance")
    given = Allowance(**allowance) if isinstance(allowance, dict) else None
    numbers = _int(found, "rests_for"), _int(found, "per_minute")
    return LaneState(str(found["name"]), *numbers, 0, given, str(found.get("why", "")))


def _int(found: Mapping[str, object], key: str) -> int:
    value = found.get(key)
    return value if isinstance(value, int) else 0


def _slowest(lane: LaneProgress, state: LaneState) -> LaneProgress:
    limits = [each for each in (lane.per_minute, state.per_minute) if each]
    return LaneProgress(
        lane.name,
        lane.due,
        lane.later,
        lane.deferred,
        lane.oldest,
        max(lane.rests_for, state.rests_for),
        min(limits, default=0),
        state.allowance or lane.allowance,
        state.why or lane.why,
    )
