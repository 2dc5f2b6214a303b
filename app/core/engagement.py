"""Engagement: points from facts, decaying by forward decay, so that a score needs no nightly job.

Owns points, their caps per bucket, and the weight they sum to. Must not know stages.
Forward decay: Cormode, Shkapenyuk, Srivastava, Xu, "Forward Decay: A Practical Time Decay Model for Streaming
Systems", ICDE 2009. Stored is w = Σ p·2^((t−L)/h); the score at an instant is w·2^((L−now)/h).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.core.facts import Fact, FactKind
from app.core.instants import DAY, Instant, Span
from app.core.person import Bucket, BucketKey
from app.core.replacing import replace
from app.core.site import Ladder, ScoringRule
from app.core.subscriber import Subscriber

LANDMARK_STEP: Span = 365 * DAY
"""Landmarks are multiples of this from 1970 UTC, so that the whole list shares one or two."""

_KINDS = {
    "confirmed": FactKind.CONFIRMED,
    "open": FactKind.OPENED,
    "click": FactKind.CLICKED,
    "visit": FactKind.VISITED,
    "reply": FactKind.REPLIED,
    "referral": FactKind.REFERRED,
    "order": FactKind.ORDERED,
    "signup": FactKind.SIGNED_UP,
}


def kind_of(rule: ScoringRule) -> FactKind:
    """The kind of fact a scoring rule listens to."""
    return _KINDS.get(rule.on, FactKind.EVENT)


def earns(rule: ScoringRule, fact: Fact) -> bool:
    """Whether a fact earns a rule's points. What a machine did never does."""
    if fact.kind is not kind_of(rule) or not fact.is_human:
        return False
    return (
        (fact.kind is not FactKind.EVENT or fact.name == rule.on)
        and (not rule.topic or fact.topic == rule.topic)
        and (not rule.mail or fact.name == rule.mail)
        and (not rule.path or _matches(rule.path, fact.path))
    )


def _matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def landmark_of(at: Instant) -> Instant:
    return at // LANDMARK_STEP * LANDMARK_STEP


def weight_of(points: float, at: Instant, landmark: Instant, half_life: Span) -> float:
    """What points earned at an instant add to the weight."""
    return float(points * 2.0 ** ((at - landmark) / half_life))


def score(subscriber: Subscriber, now: Instant, half_life: Span) -> float:
    """The decayed points of a subscriber at an instant."""
    return float(subscriber.weight * 2.0 ** ((subscriber.landmark - now) / half_life))


def rebased(subscriber: Subscriber, now: Instant, half_life: Span) -> Subscriber:
    """The same score told from the landmark of `now`: keeps weights far from what a float can hold."""
    landmark = landmark_of(now)
    if landmark == subscriber.landmark:
        return subscriber
    weight = subscriber.weight * 2.0 ** ((subscriber.landmark - landmark) / half_life) if subscriber.weight else 0.0
    return replace(subscriber, weight=weight, landmark=landmark)


def with_points(subscriber: Subscriber, points: float, at: Instant, half_life: Span) -> Subscriber:
    gained = weight_of(points, at, subscriber.landmark, half_life)
    return replace(subscriber, weight=subscriber.weight + gained)


@dataclass(frozen=True, slots=True)
class Award:
    """What one fact earned: the line of a score receipt. Negative when a better claim displaced it."""

    rule: str
    bucket: int
    fact: bytes
    at: Instant
    points: int


@dataclass(frozen=True, slots=True)
class Awarded:
    buckets: Mapping[BucketKey, Bucket]
    """Only those that changed."""
    awards: tuple[Award, ...]


def award(ladder: Ladder, buckets: Mapping[BucketKey, Bucket], news: Iterable[Fact]) -> Awarded:
    """Points for new facts. Any order of the same facts ends in the same points; a known fact earns nothing again."""
    changed: dict[BucketKey, Bucket] = {}
    awards: list[Award] = []
    for fact in news:
        for rule in ladder.engagement:
            if not earns(rule, fact):
                continue
            key = (rule.key, fact.at // rule.per)
            bucket = changed.get(key, buckets.get(key, ()))
            fuller = _fuller(bucket, fact, _places(rule))
            if fuller != bucket:
                changed[key] = fuller
                awards += _differences(rule, key[1], bucket, fuller)
    return Awarded(changed, tuple(awards))


def _places(rule: ScoringRule) -> int | None:
    """How many facts of a bucket can earn anything; None is no cap."""
    return None if rule.at_most is None or rule.points <= 0 else -(-rule.at_most // rule.points)


def _fuller(bucket: Bucket, fact: Fact, places: int | None) -> Bucket:
    entry = (fact.at, fact.id)
    if entry in bucket:
        return bucket
    return tuple(heapq.merge(bucket, (entry,)))[:places]


def points_in(rule: ScoringRule, bucket: Bucket) -> list[int]:
    """The points of each fact of a bucket, in order: all of the rule's, until the cap is reached."""
    left = rule.at_most if rule.at_most is not None and rule.points > 0 else rule.points * len(bucket)
    if rule.points <= 0:
        return [rule.points] * len(bucket)
    return [max(0, min(rule.points, left - rule.points * i)) for i in range(len(bucket))]


def _differences(rule: ScoringRule, number: int, before: Bucket, after: Bucket) -> Iterable[Award]:
    earned = dict(zip(after, points_in(rule, after), strict=True))
    had = dict(zip(before, points_in(rule, before), strict=True))
    for entry in sorted(earned.keys() | had.keys()):
        gained = earned.get(entry, 0) - had.get(entry, 0)
        if gained:
            yield Award(rule.key, number, entry[1], entry[0], gained)


def credited(subscriber: Subscriber, awards: Iterable[Award], half_life: Span) -> Subscriber:
    """The subscriber with the awards added to the weight, each from its own instant."""
    for line in awards:
        subscriber = with_points(subscriber, line.points, line.at, half_life)
    return subscriber
