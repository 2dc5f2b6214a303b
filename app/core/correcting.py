"""Correcting: what a verdict that no longer stands takes back from a person, by the receipts of what it gave.

Owns points of a bucket counted anew, and whether a rise still holds without the facts that turned out a machine's.
Must not un-send anything, enter anybody anywhere, or know where receipts are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.core.book import Book
from app.core.conditions import evaluate
from app.core.conditions.view import View
from app.core.engagement import Award, award, earns, points_in, weight_of
from app.core.facts import Fact, FactLog
from app.core.instants import Instant
from app.core.person import Bucket, BucketKey, Person
from app.core.site import Ladder, ScoringRule
from app.core.subscriber import Subscriber


@dataclass(frozen=True, slots=True)
class Recount:
    """One bucket as it is to be, and what that changes: each line a fact whose points come or go."""

    key: BucketKey
    bucket: Bucket
    points: int
    awards: tuple[Award, ...]


def buckets_touched(ladder: Ladder, facts: Iterable[Fact]) -> dict[BucketKey, ScoringRule]:
    """The buckets in which these facts would earn points, were they a human's."""
    touched: dict[BucketKey, ScoringRule] = {}
    for fact in facts:
        as_human = replace(fact, is_human=True)
        touched |= {(rule.key, fact.at // rule.per): rule for rule in ladder.engagement if earns(rule, as_human)}
    return touched


def recount(ladder: Ladder, rule: ScoringRule, number: int, before: Bucket, facts: Iterable[Fact]) -> Recount:
    """A bucket counted from all facts that still count, against what its receipt says."""
    only = replace(ladder, engagement=(rule,))
    inside = [fact for fact in facts if fact.at // rule.per == number]
    after = award(only, {}, inside).buckets.get((rule.key, number), ())
    earned = dict(zip(after, points_in(rule, after), strict=True))
    had = dict(zip(before, points_in(rule, before), strict=True))
    lines = [
        Award(rule.key, number, fact_id, at, earned.get((at, fact_id), 0) - had.get((at, fact_id), 0))
        for at, fact_id in sorted(earned.keys() | had.keys())
    ]
    changed = tuple(line for line in lines if line.points)
    return Recount((rule.key, number), after, sum(points_in(rule, after)), changed)


def reweighed(subscriber: Subscriber, awards: Iterable[Award], ladder: Ladder) -> float:
    """The weight with these awards added, each from its own instant."""
    half_life = ladder.half_life
    gains = (weight_of(line.points, line.at, subscriber.landmark, half_life) for line in awards)
    return subscriber.weight + sum(gains)


@dataclass(frozen=True, slots=True)
class Rise:
    """The newest change of a person's stage, as its receipt has it."""

    at: Instant
    before: str
    after: str
    rule: str
    score: float


def still_holds(book: Book, person: Person, rise: Rise, awards: Sequence[Award]) -> bool:
    """Whether a rise would have happened without what was taken away; anything but a rise to this stage stands.

    Asked as of the instant of the rise: the facts up to then, and the score then without the points that went.
    """
    way, _, rung = rise.rule.partition(":")
    rule = book.rules.rises.get(rung)
    if way != "rise" or rule is None or person.subscriber.stage != rise.after:
        return True
    half_life = book.ladder.half_life
    gone = sum(weight_of(line.points, line.at, rise.at, half_life) for line in awards if line.at <= rise.at)
    then = replace(person.subscriber, weight=rise.score + gone, landmark=rise.at, stage=rise.before)
    facts = FactLog(fact for fact in person.facts if fact.at <= rise.at)
    return evaluate(rule, View(then, facts, rise.at, book.rules)) is True


def furthest(ladder: Ladder, first: str, changes: Iterable[tuple[str, str]]) -> str:
    """The highest stage that was reached and not taken back. `changes` are (rule, stage after), oldest first."""
    reached = [first]
    for rule, after in changes:
        if rule.startswith("taken_back:") and len(reached) > 1:
            reached.pop()
        else:
            reached.append(after)
    return max(reached, key=ladder.index)
