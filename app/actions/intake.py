"""Intake: signups of one process are written together; nobody is answered before hers is durable.

Owns who leads: the first to come writes whatever waits, then hands on to the next who waits. No thread of its own, so
nothing to start, stop or fork. Must not know what a signup is made of: signup_group does.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import structlog

from app.actions.limits import Limits
from app.actions.signup import Outcome
from app.actions.signup_group import Arrival, take_all
from app.store.engine import is_away
from app.store.gate import GateClosedError
from app.world import World

log = structlog.get_logger()

MOST = 64
"""Signups in one transaction: short enough that others get their turn."""


@dataclass(slots=True)
class _Place:
    """Somebody who waits in line. `turn` is let go when she is answered, or when it is hers to lead."""

    arrival: Arrival
    turn: threading.Lock = field(default_factory=threading.Lock)
    outcome: Outcome | None = None
    fault: BaseException | None = None

    @property
    def is_answered(self) -> bool:
        return self.outcome is not None or self.fault is not None


class Intake:
    """The line of one process. `take` may be called by any number of threads."""

    def __init__(self, world: World, limits: Limits, most: int = MOST) -> None:
        self._world, self._limits, self._most = world, limits, most
        self._lock = threading.Lock()
        self._line: list[_Place] = []
        self._is_led = False

    def take(self, arrival: Arrival) -> Outcome:
        """Take a signup. Raises GateClosedError when the database has no turn for us in time, or its own fault."""
        place = _Place(arrival)
        place.turn.acquire()
        with self._lock:
            self._line.append(place)
            leads, self._is_led = not self._is_led, True
        if not leads:
            place.turn.acquire()
        if not place.is_answered:
            self._lead()
        if place.fault is not None:
            raise place.fault
        assert place.outcome is not None
        return place.outcome

    def _lead(self) -> None:
        """Write a group, wake it, and hand on."""
        with self._lock:
            group, self._line = self._line[: self._most], self._line[self._most :]
        try:
            self._write(group)
        except BaseException as fault:
            for place in group:
                place.fault = place.fault or (None if place.is_answered else fault)
            raise
        finally:
            self._hand_on()
            for place in group:
                place.turn.release()

    def _hand_on(self) -> None:
        with self._lock:
            self._is_led = bool(self._line)
            if self._line:
                self._line[0].turn.release()

    def _write(self, group: list[_Place]) -> None:
        """All together; when that fails for a reason that may be one signup's own, each by herself."""
        try:
            for place, outcome in zip(group, self._take([one.arrival for one in group]), strict=True):
                place.outcome = outcome
        except GateClosedError as fault:
            _fail(group, fault)
        except Exception as fault:  # noqa: BLE001  # whatever it is, it is raised again to whom it concerns
            if len(group) == 1 or is_away(fault):
                _fail(group, fault)
            else:
                log.warning("signups_taken_singly", error=type(fault).__name__, number=len(group))
                self._write_singly(group)

    def _write_singly(self, group: list[_Place]) -> None:
        for number, place in enumerate(group):
            self._write([place])
            if isinstance(place.fault, GateClosedError) or (place.fault is not None and is_away(place.fault)):
                _fail(group[number + 1 :], place.fault)
                break

    def _take(self, arrivals: list[Arrival]) -> list[Outcome]:
        return take_all(self._world, self._limits, arrivals)


def _fail(group: list[_Place], fault: BaseException) -> None:
    for place in group:
        place.fault = fault
