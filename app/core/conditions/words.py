"""What a site has declared, as far as conditions may name it, and where a condition stands.

Owns `Words`, `SurveyWords` and `ConditionSite`. Must not read files: the reader of the files fills the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.core.site import Attribute, EventType


class ConditionSite(StrEnum):
    """Where a condition stands; what it may ask depends on it."""

    GOAL = "goal"
    WHILE = "while"
    STEP = "step"
    ENTRY = "entry"
    """`where`, `when` and `who` of an entry."""
    LADDER = "ladder"
    """`rise` and `fall`."""
    KIND = "kind"
    SEGMENT = "segment"
    STREAM = "stream"
    """`when` of an article."""
    SITE_RULE = "site_rule"
    """`when` of a fit rule."""


IN_A_RUN: Final = frozenset({ConditionSite.GOAL, ConditionSite.WHILE, ConditionSite.STEP})
"""Here facts count since the run began; everywhere else they count ever."""
WITH_TIMERS: Final = frozenset({ConditionSite.LADDER, ConditionSite.KIND, ConditionSite.SEGMENT})
"""Only here `held_for` may stand."""


@dataclass(frozen=True, slots=True)
class SurveyWords:
    """What can be answered: one of the options, or a whole number from `low` to `high`."""

    options: tuple[str, ...] = ()
    low: int = 0
    high: int = 0


@dataclass(frozen=True, slots=True)
class Words:
    """The declared vocabulary. A set that is None is not checked; every other one is complete."""

    stages: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    locales: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: MappingProxyType({}))
    events: Mapping[str, EventType] = field(default_factory=lambda: MappingProxyType({}))
    surveys: Mapping[str, SurveyWords] = field(default_factory=lambda: MappingProxyType({}))
    topics: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    boxes: frozenset[str] = frozenset()
    products: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    """Tags that some step, import or box sets."""
    mails: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    """Mail → the names of its links."""
    sent: frozenset[str] | None = None
    """Mails that some campaign or box sends."""
    tracks_opens: bool = True
    tracks_clicks: bool = True
    entered_by: tuple[str, ...] = ()
    """The events that begin runs of this campaign; empty when it has another entry, or outside a campaign."""
    run_key: str = ""
    """The field whose value keys this campaign's runs (`each:`), if they are keyed."""
