"""The values of an explanation: checks in their order, the verdict, the score receipt, the future.

Owns shapes only. Must not hold words of a language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from app.core.conditions.sentence import Labels
from app.core.instants import Instant
from app.core.person import Seen
from app.core.text import NOWHERE, Place

NOTHING_SEEN: Seen = MappingProxyType({})


class Mark(StrEnum):
    OK = "ok"
    NO = "no"
    UNREACHED = "unreached"


class Topic(StrEnum):
    """What a check is about, in the order they are asked."""

    ENTERED = "entered"
    GOAL = "goal"
    WHILE = "while"
    STAGE = "stage"
    BRANCH = "branch"
    PAUSE = "pause"
    PLACE = "place"
    PERMISSION = "permission"
    HOLDOUT = "holdout"
    LIMIT = "limit"
    FRESHNESS = "freshness"
    HAND_OVER = "hand_over"


@dataclass(frozen=True, slots=True)
class Check:
    """One question, its answer, when it was answered, the code and values of the stored decision, and the rule."""

    topic: Topic
    mark: Mark
    code: str = ""
    at: Instant | None = None
    seen: Seen = field(default_factory=lambda: NOTHING_SEEN)
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Reason:
    """One stored decision. `run` is the row of the run, 0 when it was about no run."""

    at: Instant
    campaign: str
    step: str
    code: str
    seen: Seen
    run: int = 0
    release: int = 0


class Verdict(StrEnum):
    GOT = "got"
    """It was handed over."""
    COMES = "comes"
    """It will leave unless something changes."""
    OPEN = "open"
    """Nothing forbids it, but time alone does not bring it."""
    NEVER = "never"
    """It was decided that it does not come in this run."""
    STANDS = "stands"
    """Asked about a campaign: the run is under way."""
    OVER = "over"
    """Asked about a campaign: the run has ended."""
    OUTSIDE = "outside"
    """She never entered."""


@dataclass(frozen=True, slots=True)
class Who:
    address: str
    name: str
    zone: str
    """IANA name of the zone times are shown in."""
    stage: str
    kind: str
    score: float


@dataclass(frozen=True, slots=True)
class Projected:
    """A mail that leaves at an instant if no new fact comes."""

    at: Instant
    mail: str
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A marketing mail that went out or has its place."""

    at: Instant
    mail: str


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """What one fact earned, and what is left of it now."""

    at: Instant
    rule: str
    points: int
    left: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """Why this stage: the last change of it, and the points the score is made of."""

    stage: str
    since: Instant
    rule: str
    """`rise:<stage>`, `fall:<stage>`, or "" for the stage she began with."""
    condition: str
    score_then: float | None
    score: float
    lines: tuple[ReceiptLine, ...]
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer. `subject` is the mail or campaign asked about, "" for the person as a whole."""

    who: Who
    subject: str
    campaign: str
    verdict: Verdict
    at: Instant | None
    """When it left or will leave, or when the run ended."""
    checks: tuple[Check, ...]
    now: Instant
    looks_at: Instant | None = None
    wakes: tuple[str, ...] = ()
    """Sorts of fact that make the engine look at once."""
    projected: tuple[Projected, ...] = ()
    receipt: Receipt | None = None
    labels: Mapping[str, Labels] = field(default_factory=lambda: MappingProxyType({}))
    """Language → what the files call stages and the like."""
    standing: tuple[tuple[str, str, str], ...] = ()
    """(campaign, state, reason) of each live run."""

    @property
    def stopper(self) -> Check | None:
        return next((check for check in self.checks if check.mark is Mark.NO), None)
