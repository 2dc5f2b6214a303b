"""Summary: what is counted of simulated lives. Lives are added one by one and forgotten, so memory stays flat.

Owns the counts and their sums. Must not hold anybody's life.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from app.core.instants import DAY, Instant, Span
from app.core.purse import Turn

EXHAUSTED_AFTER = 10
"""Marketing mails in a row without a sign of life: that person is exhausted."""
_WEEK = 7 * DAY


Harm: TypeAlias = tuple[str, str, int]
"""(`sent` | `complaints` | `hard_bounces` | `unsubscribes`, campaign, day since 1970)"""


@dataclass(slots=True)
class Account:
    """One life as it is counted: what came, what she did, how she climbed."""

    mails: list[Instant] = field(default_factory=list)
    """Marketing mails, in order."""
    joined_at: Instant = 0
    ends_at: Instant = 0
    by_campaign: Counter[str] = field(default_factory=Counter)
    by_mail: Counter[str] = field(default_factory=Counter)
    service: int = 0
    team: int = 0
    entered: Counter[str] = field(default_factory=Counter)
    goals: Counter[str] = field(default_factory=Counter)
    ghosts: Counter[str] = field(default_factory=Counter)
    stages: list[tuple[str, Instant]] = field(default_factory=list)
    """(stage, first reached), in order."""
    final_stage: str = ""
    delayed: int = 0
    delays: Span = 0
    capped: Counter[str] = field(default_factory=Counter)
    """Rule that delayed a mail → how often."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Campaign → mails given up for limits or age."""
    paused: Counter[str] = field(default_factory=Counter)
    """Campaign → times it had to wait for a rival."""
    opened: int = 0
    clicked: int = 0
    unsubscribed: int = 0
    complained: int = 0
    bounced: int = 0
    orders: int = 0
    revenue: int = 0
    confirmed: int = 0
    longest_unanswered: int = 0
    taken: dict[str, Instant] = field(default_factory=dict)
    """Offer → when she was first given it."""
    harm: Counter[Harm] = field(default_factory=Counter)
    trace: str = ""
    """Digest of everything decided and sent in this life."""

    @property
    def worst_week(self) -> int:
        """The most marketing mails in any seven days."""
        most = start = 0
        for end, at in enumerate(self.mails):
            while at - self.mails[start] >= _WEEK:
                start += 1
            most = max(most, end - start + 1)
        return most

    @property
    def longest_silence(self) -> Span:
        """The longest stretch without any marketing mail between the first one and the end."""
        if not self.mails:
            return 0
        marks = [*self.mails, self.ends_at]
        return max(later - sooner for sooner, later in pairwise(marks))


_COUNTERS = ("by_campaign", "by_mail", "entered", "goals", "ghosts", "capped", "skipped", "paused", "harm")
_NUMBERS = (
    "service",
    "team",
    "delayed",
    "delays",
    "opened",
    "clicked",
    "unsubscribed",
    "complained",
    "bounced",
    "orders",
    "revenue",
    "confirmed",
)
_HIST = 64


@dataclass(slots=True)
class Summary:
    """The sum of many lives. Sums of parts may be added in any order of parts, the digest in the order of people."""

    people: int = 0
    days: Counter[int] = field(default_factory=Counter)
    """Day of the simulation → marketing mails."""
    by_campaign: Counter[str] = field(default_factory=Counter)
    by_mail: Counter[str] = field(default_factory=Counter)
    entered: Counter[str] = field(default_factory=Counter)
    goals: Counter[str] = field(default_factory=Counter)
    ghosts: Counter[str] = field(default_factory=Counter)
    capped: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    paused: Counter[str] = field(default_factory=Counter)
    service: int = 0
    team: int = 0
    delayed: int = 0
    delays: Span = 0
    opened: int = 0
    clicked: int = 0
    unsubscribed: int = 0
    complained: int = 0
    bounced: int = 0
    orders: int = 0
    revenue: int = 0
    confirmed: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    """Stage → people who ever reached it."""
    final: Counter[str] = field(default_factory=Counter)
    took: dict[str, Counter[int]] = field(default_factory=dict)
    """Stage → days from joining to reaching it → people."""
    worst_weeks: Counter[int] = field(default_factory=Counter)
    silences: Counter[int] = field(default_factory=Counter)
    """Weeks of the longest silence → people."""
    exhausted: int = 0
    worst: tuple[int, int] = (0, 0)
    """(mails in the worst week, number of that person)"""
    silent: tuple[int, int] = (0, 0)
    """(days of the longest silence, number of that person)"""
    digests: list[str] = field(default_factory=list)
    harm: Counter[Harm] = field(default_factory=Counter)
    given: Counter[str] = field(default_factory=Counter)
    """Offer → people who were given it."""
    scarce: frozenset[str] = frozenset()
    """Offers of which the turns are kept, for their stock ends; of others only how many."""
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    """Scarce offer → who took it when."""

    def add(self, number: int, life: Account, began: Instant) -> None:
        self.people += 1
        self.days.update((at - began) // DAY for at in life.mails)
        for name in _COUNTERS:
            getattr(self, name).update(getattr(life, name))
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(life, name))
        self._climb(life)
        self.worst_weeks[min(life.worst_week, _HIST)] += 1
        self.silences[min(life.longest_silence // _WEEK, _HIST)] += 1
        self.exhausted += life.longest_unanswered >= EXHAUSTED_AFTER
        self.worst = max(self.worst, (life.worst_week, -number))
        self.silent = max(self.silent, (life.longest_silence // DAY, -number))
        self.digests.append(life.trace)
        self.given.update(life.taken.keys())
        for offer, at in life.taken.items():
            if offer in self.scarce:
                self.turns.setdefault(offer, []).append((at, number))

    def _climb(self, life: Account) -> None:
        self.final[life.final_stage] += 1
        for stage, at in life.stages:
            self.reached[stage] += 1
            self.took.setdefault(stage, Counter())[(at - life.joined_at) // DAY] += 1

    @property
    def mails(self) -> int:
        return self.days.total()

    def median_days(self, stage: str) -> int | None:
        """The median of days from joining to reaching a stage, over those who reached it."""
        took = self.took.get(stage)
        if not took:
            return None
        half = took.total() / 2
        seen = 0
        for days, people in sorted(took.items()):
            seen += people
            if seen >= half:
                return days
        return None

    @property
    def half_of_worst_weeks(self) -> int:
        """The median, over all people, of the mails in their worst week."""
        seen, half = 0, sum(self.worst_weeks.values()) / 2
        for count, people in sorted(self.worst_weeks.items()):
            seen += people
            if seen >= half:
                return count
        return 0

    @property
    def risk(self) -> dict[str, float]:
        """Shares of sent marketing mails that hurt delivery."""
        sent = max(1, self.mails)
        return {
            "complaints": self.complained / sent,
            "hard_bounces": self.bounced / sent,
            "unsubscribes": self.unsubscribed / sent,
        }

    @property
    def starving(self) -> tuple[str, ...]:
        """Campaigns that give up, or wait for rivals, more often than they mail anybody."""
        names = sorted(self.entered)
        return tuple(n for n in names if self.skipped[n] + self.paused[n] > self.by_campaign[n])


def total(parts: Iterable[Summary]) -> Summary:
    """The sum of parts, given in the order of their people."""
    whole = Summary()
    for part in parts:
        whole.people += part.people
        for name in (*_COUNTERS, "days", "reached", "final", "worst_weeks", "silences", "given"):
            getattr(whole, name).update(getattr(part, name))
        for name in (*_NUMBERS, "exhausted"):
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        for stage, took in part.took.items():
            whole.took.setdefault(stage, Counter()).update(took)
        whole.worst, whole.silent = max(whole.worst, part.worst), max(whole.silent, part.silent)
        whole.digests += part.digests
        for offer, turns in part.turns.items():
            whole.turns.setdefault(offer, []).extend(turns)
    return whole
