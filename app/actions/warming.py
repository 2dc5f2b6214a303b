"""Warming up: how many mails a new sending domain may send to each lane today.

Owns the way from kept counters to a day's allowance: levels are worked out from the days before, nothing else is
stored. Marketing only. Must not claim or send; with several workers the cap may be passed by what one of them takes
between two looks, a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.orm import Session

from app.actions.pace import Allowance, Paces
from app.core.instants import DAY, Instant
from app.mail.lanes import DayFigures, daily_cap, next_level
from app.store import paces as figures

Counts = Mapping[tuple[str, int, str], int]


class WarmUp:
    """The plans of one worker: domain → its first day (0: the first it ever sent on). Remembers levels for the day."""

    def __init__(self, plans: Mapping[str, int]) -> None:
        self._plans = plans
        self._known: tuple[int, str, dict[str, int]] | None = None

    def refresh(self, session: Session, sender: str, paces: Paces, now: Instant) -> None:
        """Tell the lanes what they may still send today from this address; without a plan nothing is limited."""
        domain = sender.rpartition("@")[2].lower()
        if domain not in self._plans:
            paces.allow({})
            return
        today = now // DAY
        levels = self._levels(session, domain, today, paces.names)
        tried = figures.lanes_by_day(session, domain, today, today)
        leaving = _by_lane(figures.under_way(session), lambda name: paces.lane(name).name)
        paces.allow(
            {
                lane: Allowance(level, daily_cap(level), tried.get((lane, today, "tried"), 0) + leaving.get(lane, 0))
                for lane, level in levels.items()
            }
        )

    def _levels(self, session: Session, domain: str, today: int, lanes: Sequence[str]) -> dict[str, int]:
        if self._known is None or self._known[:2] != (today, domain):
            first = self._plans[domain] or figures.first_day(session, domain) or today
            counts: dict[tuple[str, int, str], int] = {}
            for whose in (domain, figures.ANYBODY) if first < today else ():
                counts |= figures.lanes_by_day(session, whose, first, today - 1)
            self._known = today, domain, {lane: level_of(counts, lane, range(first, today)) for lane in lanes}
        return self._known[2]


def level_of(counts: Counts, lane: str, days: range) -> int:
    """The level after these days, from 0; -1 means that complaints stopped it."""
    level = 0
    for day in days:
        found = (counts.get((lane, day, what), 0) for what in ("tried", "deferred", "blocked", "complained"))
        level = next_level(level, DayFigures(*found))
    return level


def _by_lane(found: Mapping[str, int], lane_of: Callable[[str], str]) -> dict[str, int]:
    lanes: dict[str, int] = {}
    for name, number in found.items():
        lanes[lane_of(name)] = lanes.get(lane_of(name), 0) + number
    return lanes
