"""Decided: what saving is given: people before and after, and what the rows of a batch share.

Owns two values, so that the rooms that write parts of a decision need not know each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from app.core.facts import RunKey
from app.core.instants import Instant
from app.core.nurture import Advance
from app.core.person import Person
from app.core.site import ScoringRule
from app.store.loading import Loaded

RunIds: TypeAlias = dict[tuple[int, RunKey], int]
"""(subscriber id, run) → the run's row id"""


@dataclass(frozen=True, slots=True)
class Decided:
    """One person before and after."""

    loaded: Loaded
    advance: Advance
    lane: str = "other"

    @property
    def before(self) -> Person:
        return self.loaded.person

    @property
    def after(self) -> Person:
        return self.advance.person

    @property
    def subscriber_id(self) -> int:
        return self.loaded.person.subscriber.id


@dataclass(frozen=True, slots=True)
class Context:
    """What every row of a batch shares: the instant, the release decided by, its scoring rules, and new ids."""

    now: Instant
    release_id: int | None
    rules: Mapping[str, ScoringRule]
    new_id: Callable[[], bytes]
