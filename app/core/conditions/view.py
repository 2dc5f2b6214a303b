"""What a condition is asked about: one person, her facts, the instant, and how far back facts count.

Owns the values `Scope`, `Rules` and `View`. Must not evaluate anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from app.core.facts import NO_FIELDS, FactLog, Fields, RunKey
from app.core.instants import DAY, Instant, Span
from app.core.replacing import swift
from app.core.subscriber import Subscriber

if TYPE_CHECKING:
    from app.core.conditions import Condition


@swift
@dataclass(frozen=True, slots=True)
class Scope:
    """How far back facts count, and which event and key this run has.

    In `goal`, `while` and steps: `since` is when the run began, `run` its key, `own_mails` the mails this campaign
    sends (asked over this run's messages only). Facts count when later than `since`, so a run should begin at the
    instant of the fact that began it. Everywhere else: EVER.
    """

    since: Instant | None = None
    run: RunKey | None = None
    own_mails: frozenset[str] = frozenset()
    event: Fields = field(default_factory=lambda: NO_FIELDS)
    """Fields of the event that began this run (or is asking to begin one)."""


EVER = Scope()


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """The site-wide rules that conditions may lean on: kinds, segments, decay, the list's order rhythm.

    One set of rules is equal to itself only: what is worked out from it is kept beside it.
    """

    stages: tuple[str, ...] = ()
    kinds: tuple[tuple[str, Condition], ...] = ()
    segments: Mapping[str, Condition] = field(default_factory=lambda: MappingProxyType({}))
    rises: Mapping[str, Condition] = field(default_factory=lambda: MappingProxyType({}))
    falls: Mapping[str, Condition] = field(default_factory=lambda: MappingProxyType({}))
    half_life: Span = 30 * DAY
    order_gap: Span = 30 * DAY
    """Median gap between orders over the whole list, for people with fewer than two orders."""
    secret: bytes = b""
    timezone: str = "UTC"


@swift
@dataclass(frozen=True, slots=True)
class View:
    subscriber: Subscriber
    facts: FactLog
    now: Instant
    rules: Rules
    scope: Scope = EVER
