"""The ladder: rungs nobody reaches, stages that flap, kinds that never come up.

Owns these findings and the score that can be reached. Must not know anybody's score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.core.check.finding import error, finding
from app.core.conditions import Condition
from app.core.conditions.tree import (
    And,
    Compare,
    HeldFor,
    Name,
    Named,
    Node,
    Op,
    Or,
)
from app.core.facts import FactKind
from app.core.instants import DAY, Span
from app.core.problem import Problem
from app.core.site import Ladder, ScoringRule, Stage

MONTH: Final[Span] = 30 * DAY
_ONCE: Final = frozenset({"confirmed"})
"""Signals that come once in a life."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What one person can gather in 30 days: `most` from rules with a limit, and points for each signal without one."""

    most: int
    each: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        more = ", ".join(f"{points} for each {name}" for name, points in self.each)
        return f"{self.most} in 30 days" + (f", and {more}" if more else "")

    def allows(self, score: float) -> bool:
        return bool(self.each) or self.most >= score


def reachable_score(ladder: Ladder) -> Reach:
    """The engagement one person can gather in 30 days if she does everything that counts; fading is left out."""
    gains = [rule for rule in ladder.engagement if rule.points > 0]
    limited = sum(_most(rule) for rule in gains if _is_limited(rule))
    return Reach(limited, tuple((rule.key, rule.points) for rule in gains if not _is_limited(rule)))


def _is_limited(rule: ScoringRule) -> bool:
    return rule.at_most is not None or rule.on in _ONCE


def _most(rule: ScoringRule) -> int:
    if rule.at_most is None:
        return rule.points
    buckets = max(1, -(-MONTH // rule.per))
    return rule.at_most * buckets if rule.on not in _ONCE else min(rule.points, rule.at_most)


def rung_findings(ladder: Ladder) -> Iterator[Problem]:
    """Findings about the ladder."""
    reach = reachable_score(ladder)
    most_fit = sum(max(0, rule.points) for rule in ladder.fit)
    for index, stage in enumerate(ladder.stages):
        yield from _ends_of_ladder(stage, index)
        if stage.rise is not None and not _can_hold(stage.rise.tree, reach, most_fit):
            message = f"nobody can reach '{stage.key}': the score reachable is {reach}; fit {most_fit}"
            yield error("unreachable-rung", stage.rise.place, message, "Ask for less, or give more points")
        yield from _flapping(stage)
    yield from _repeated_kinds(ladder)


def _ends_of_ladder(stage: Stage, index: int) -> Iterator[Problem]:
    if index == 0:
        for condition, word in ((stage.rise, "rise"), (stage.fall, "fall")):
            if condition is not None:
                message = f"everybody begins at '{stage.key}', the first stage: its `{word}` is never asked"
                yield finding("first-rung", condition.place, message, f"Remove `{word}`")
    elif stage.rise is None:
        yield error(
            "rung-without-rise", stage.place, f"nobody comes up to '{stage.key}'", f"Add to {stage.key}: rise: …"
        )


def _can_hold(node: Node, reach: Reach, most_fit: int) -> bool:
    """False only when the score or fit asked for cannot be had."""
    match node:
        case And(parts):
            return all(_can_hold(part, reach, most_fit) for part in parts)
        case Or(parts):
            return any(_can_hold(part, reach, most_fit) for part in parts)
        case HeldFor(part=part):
            return _can_hold(part, reach, most_fit)
        case Compare(operand=Named(name), op=Op.GE | Op.GT | Op.EQ as op, value=value) if isinstance(
            value, int | float
        ):
            least = value + 1 if op is Op.GT else value
            if name is Name.SCORE:
                return reach.allows(least)
            return most_fit >= least if name is Name.FIT else True
        case _:
            return True


# ── Flapping ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _flapping(stage: Stage) -> Iterator[Problem]:
    if stage.rise is None or stage.fall is None:
        return
    up, down = _score_floor(stage.rise.tree), _score_ceiling(stage.fall.tree)
    if up is not None and down is not None and down >= up:
        message = f"'{stage.key}' flaps: people rise at a score of {up:g} and fall below {down:g}"
        yield finding(
            "ladder-flaps", stage.fall.place, message, f"Write: fall: \"held_for('14d', score < {up * 2 / 3:.0f})\""
        )
    if not stage.rise.names().lapses and not _names_fact(stage.rise):
        message = f"who falls from '{stage.key}' never comes back: its `rise` names no fact that could arrive"
        yield finding(
            "ladder-stuck", stage.fall.place, message, "Let `rise` ask for something people do, or drop `fall`"
        )


def _names_fact(condition: Condition) -> bool:
    return bool(condition.names().kinds - {FactKind.CHANGED, FactKind.SIGNED_UP})


def _score_floor(node: Node) -> float | None:
    """The score `rise` asks for, if it is one of its ways up."""
    match node:
        case Compare(operand=Named(Name.SCORE), op=Op.GE | Op.GT, value=value) if isinstance(value, int | float):
            return value
        case Or(parts) | And(parts):
            return next((floor for floor in map(_score_floor, parts) if floor is not None), None)
        case _:
            return None


def _score_ceiling(node: Node) -> float | None:
    """The score below which `fall` holds at once, without having held for a while."""
    match node:
        case Compare(operand=Named(Name.SCORE), op=Op.LT | Op.LE, value=value) if isinstance(value, int | float):
            return value
        case Or(parts) | And(parts):
            return next((top for top in map(_score_ceiling, parts) if top is not None), None)
        case _:
            return None


def _repeated_kinds(ladder: Ladder) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for key, condition in ladder.kinds:
        if condition.digest in seen:
            message = f"'{key}' asks the same as '{seen[condition.digest]}', which comes first: nobody is '{key}'"
            yield finding("unreachable-kind", condition.place, message, "Remove one of the two")
        seen.setdefault(condition.digest, key)
