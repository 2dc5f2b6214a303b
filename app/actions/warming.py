"""Warming up: how many mails a new sending domain may send to each lane today.

Owns the way from kept counters to a day's allowance: levels are worked out from the days before, nothing else is
stored; and who is first while little may leave: those who were active most lately. Marketing only. Must not send; with
several workers the cap may be passed by what one of them takes between two looks, a second.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy.orm import Session

from app.actions.pace import Allowance, Paces
from app.core.instants import DAY, Instant
from app.core.person import MailClass
from app.mail.lanes import DayFigures, daily_cap, next_level
from app.store import claims, warmth
from app.store import paces as figures
from app.store.claims import Claim, Wanted

Counts = Mapping[tuple[str, int, str], int]
CHOSEN = 10_000
"""So many mails of a lane are chosen at once."""
_DEAREST = 20
"""A lane is looked through again after so many times what the last look took."""


class WarmUp:
    """The plans of one worker: domain → its first day (0: the first it ever sent on). Remembers levels for the day, and
    for each lane whose mails are next. For one courier: not to be shared between threads.
    """

    def __init__(self, plans: Mapping[str, int], clock: Callable[[], float] = time.monotonic) -> None:
        self._plans = plans
        self._clock = clock
        self._known: tuple[int, str, dict[str, int]] | None = None
        self._left: dict[str, int] = {}
        self._lane_of: Callable[[str], str] = str
        self._next: dict[str, deque[int]] = {}
        self._again_at: dict[str, float] = {}

    def refresh(self, session: Session, sender: str, paces: Paces, now: Instant) -> None:
        """Tell the lanes what they may still send today from this address; without a plan nothing is limited."""
        domain = sender.rpartition("@")[2].lower()
        if domain not in self._plans:
            paces.allow({})
            self._left = {}
            return
        self._lane_of = lambda name: paces.lane(name).name
        today = now // DAY
        levels = self._levels(session, domain, today, paces.names)
        tried = figures.lanes_by_day(session, domain, today, today)
        leaving = _by_lane(figures.under_way(session), self._lane_of)
        allowed = {
            lane: Allowance(level, daily_cap(level), tried.get((lane, today, "tried"), 0) + leaving.get(lane, 0))
            for lane, level in levels.items()
        }
        paces.allow(allowed)
        self._left = {lane: allowance.left for lane, allowance in allowed.items()}

    def choose(self, session: Session, lanes: Iterable[str], now: Instant) -> None:
        """Find out whose mails are next in lanes that may not send all they have. Seldom, for it reads the lane."""
        for lane in lanes:
            left = self._left.get(self._lane_of(lane), 0)
            began = self._clock()
            if left and not self._next.get(lane) and began >= self._again_at.get(lane, began):
                self._next[lane] = deque(warmth.most_engaged(session, lane, now, min(left, CHOSEN)))
                self._again_at[lane] = self._clock() + _DEAREST * (self._clock() - began)

    def claim(self, session: Session, owner: str, wanted: Wanted) -> list[Claim]:
        """Take what is due: of a lane that warms up those who were chosen, elsewhere the oldest first."""
        if wanted.mail_class is not MailClass.MARKETING or self._lane_of(wanted.lane) not in self._left:
            return claims.claim(session, owner, wanted)
        chosen = self._next.get(wanted.lane, deque())
        ids = [chosen.popleft() for _ in range(min(wanted.limit, len(chosen)))]
        return warmth.claim_these(session, owner, wanted, ids)

    def _levels(self, session: Session, domain: str, today: int, lanes: Sequence[str]) -> dict[str, int]:
        if self._known is None or self._known[:2] != (today, domain):
            first = self._plans[domain] or figures.first_day(session, domain) or today
            counts: dict[tuple[str, int, str], int] = {}
            for whose in (domain, figures.ANYBODY) if first < today else ():
                counts |= figures.lanes_by_day(session, whose, first, today - 1)
            self._next.clear()
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
