"""The subscriber: the scalar state of one person that rules may ask for.

Owns the value only. How it changes is the reducer's matter (core/person), who may be mailed is core/consent's.
Must not hold history: that is the fact log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from app.core.facts import NO_FIELDS, Fields
from app.core.instants import Instant
from app.core.replacing import swift

NO_INSTANTS: Mapping[str, Instant] = MappingProxyType({})
NO_KIND = "none"


class SubscriberState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    PAUSED = "paused"
    ERASED = "erased"


@swift
@dataclass(frozen=True, slots=True)
class Subscriber:
    """One person. `weight` is the forward-decayed engagement at `landmark` (see core/engagement)."""

    id: int
    public_id: bytes
    stage: str
    stage_since: Instant
    furthest_stage: str
    created_at: Instant
    state: SubscriberState = SubscriberState.PENDING
    locale: str = ""
    timezone: str = ""
    country: str = ""
    source: str = ""
    box: str = ""
    kind: str = NO_KIND
    weight: float = 0.0
    landmark: Instant = 0
    fit: int = 0
    orders: int = 0
    revenue: int = 0
    referrals: int = 0
    is_referred: bool = False
    confirmed_at: Instant | None = None
    unsubscribed_at: Instant | None = None
    dormant_at: Instant | None = None
    """Since when marketing rests until this person acts again."""
    looked_at: Instant | None = None
    """When the engine last decided about this person: `when` entries compare with then."""
    ladder_digest: str = ""
    """The ladder the stage was last decided by; a new one is applied quietly."""
    last_signal_at: Instant | None = None
    paused_until: Instant | None = None
    is_suppressed: bool = False
    fell_from: Mapping[str, Instant] = field(default_factory=lambda: NO_INSTANTS)
    """Stage → when this person last fell from it (rise is asked again only after a newer fact it names)."""
    attributes: Fields = field(default_factory=lambda: NO_FIELDS)
    tags: frozenset[str] = frozenset()
    segments: Mapping[str, Instant] = field(default_factory=lambda: NO_INSTANTS)
    """Segment → since when this person is in it."""
    offer_ends: Mapping[str, Instant] = field(default_factory=lambda: NO_INSTANTS)
    """Offer → when it ends for this person, once its clock runs."""
    timers: Mapping[str, Instant] = field(default_factory=lambda: NO_INSTANTS)
    """Condition digest → since when it has held (for `held_for`)."""
