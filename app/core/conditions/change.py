"""When a condition may next change by time alone: the instant at which it must be asked again.

Owns `Outlook` and the search for the next change, so that nobody has to poll. Never late: up to the instant given,
with no new fact, the condition keeps its value. Early is allowed, and happens only where a rule behind it may change.
Must not ask more than the view holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from app.core.conditions.condition import Condition
from app.core.conditions.evaluate import (
    Ternary,
    compare_numbers,
    growth,
    last_signal,
    latest_answer,
    nth_latest,
    overdue_at,
    truth_of,
)
from app.core.conditions.needs import operand_of
from app.core.conditions.tree import (
    And,
    AnswerTo,
    AttributeOf,
    Compare,
    EventField,
    Happened,
    HeldFor,
    IdleFor,
    InSegment,
    InStageFor,
    Leaf,
    Name,
    Named,
    Node,
    Not,
    Op,
    Operand,
    Or,
    Overdue,
)
from app.core.conditions.view import EVER, Rules, View
from app.core.instants import DAY, LONGEST_SPAN, Instant
from app.core.replacing import replace

Change: TypeAlias = Instant | None
"""An instant after now, or None for never."""

_ROUNDING: Final = 16  # microseconds by which the logarithm may miss the exact crossing
_SEGMENT: Final = "segment "  # so that a segment may be called `kind`
_FARTHEST: Final = 10 * LONGEST_SPAN


@dataclass(frozen=True, slots=True)
class Outlook:
    """A node's value now, the earliest instant it may differ, and the earliest a timer inside needs a look."""

    truth: Ternary
    change: Change
    timer: Change = None


class Horizon:
    """Looks ahead for one view. `is_static` holds stage, kind and segments still: used inside the rules behind them."""

    __slots__ = ("_behinds", "_is_static", "_view")

    def __init__(self, view: View, is_static: bool = False) -> None:
        self._view = view
        self._is_static = is_static
        self._behinds: dict[str, Change] = {}  # many conditions lean on the same stage, kind or segment

    def of(self, node: Node) -> Outlook:
        match node:
            case And(parts):
                return _joined([self.of(part) for part in parts], decisive=False)
            case Or(parts):
                return _joined([self.of(part) for part in parts], decisive=True)
            case Not(part):
                inner = self.of(part)
                truth = None if inner.truth is None else not inner.truth
                return Outlook(truth, inner.change, inner.timer)
            case HeldFor():
                return self._held(node)
            case _:
                return Outlook(truth_of(node, self._view), self._leaf(node))

    def _held(self, node: HeldFor) -> Outlook:
        """True from timer + span on, while the part holds. A timer not set yet would begin now at the soonest."""
        inner = self.of(node.part)
        since = self._view.subscriber.timers.get(node.digest, self._view.now)
        ripe = self._later(since + node.span) if inner.truth is True else None
        change = earliest((inner.change, ripe))
        return Outlook(truth_of(node, self._view), change, earliest((change, inner.timer)))

    def _leaf(self, leaf: Leaf) -> Change:
        match leaf:
            case Happened():
                return self._lapse_of(leaf)
            case IdleFor(span):
                return self._later(last_signal(self._view) + span)
            case InStageFor(span):
                ripe = self._later(self._view.subscriber.stage_since + span)
                return earliest((ripe, self._behind(Name.STAGE)))
            case Overdue():
                due = overdue_at(leaf, self._view)
                return None if due is None else self._later(due)
            case InSegment(segment):
                return self._behind(_SEGMENT + segment)
            case Compare(Named(name=Name.SCORE), op, value) if not isinstance(value, str):
                return self._crossing(op, value)
            case _:
                operand = operand_of(leaf)
                return None if operand is None else self._operand(operand)

    def _operand(self, operand: Operand) -> Change:
        match operand:
            case Named(name=Name.STAGE | Name.KIND as name):
                return self._behind(name)
            case AnswerTo(within=within):
                fact = latest_answer(operand, self._view)
                return None if fact is None or within is None else self._later(fact.at + within)
            case Named() | AttributeOf() | EventField():
                return None
            case _:
                assert_never(operand)

    def _lapse_of(self, leaf: Happened) -> Change:
        """There are too few from the moment the n-th latest fact leaves the window."""
        if leaf.within is None:
            return None
        fact = nth_latest(leaf, self._view)
        return None if fact is None else self._later(fact.at + leaf.within)

    def _crossing(self, op: Op, value: float) -> Change:
        """The instant the decaying score passes a constant of its own sign; it never reaches zero."""
        weight, now = self._view.subscriber.weight, self._view.now
        passes = weight * value > 0 and abs(weight) >= abs(value) * growth(self._view, now)
        if not passes or not math.isfinite(weight):
            return None
        ahead = math.log2(weight / value) * self._view.rules.half_life
        guess = self._view.subscriber.landmark + int(min(ahead, _FARTHEST))
        return self._first_difference(op, value, guess)

    def _first_difference(self, op: Op, value: float, guess: Instant) -> Change:
        """Exact to the microsecond by bisection, since the logarithm and the comparison round differently."""
        weight, now = self._view.subscriber.weight, self._view.now

        def holds(instant: Instant) -> bool:
            return compare_numbers(weight, op, value * growth(self._view, instant))

        before = holds(now)
        low, high = now, max(guess - _ROUNDING, now)
        if holds(high) == before:
            low, high = high, max(guess, now) + _ROUNDING
        if holds(high) == before:
            return self._later(high)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(middle) != before else (middle, high)
        return high

    def _behind(self, seed: str) -> Change:
        """The next change of any rule behind stage, kind or a segment; the first to change sees all others still."""
        if self._is_static:
            return None
        if seed not in self._behinds:
            self._behinds[seed] = self._ask_behind(seed)
        return self._behinds[seed]

    def _ask_behind(self, seed: str) -> Change:
        rules, person = self._view.rules, self._view.subscriber
        reached = _reached(rules, seed)
        still = Horizon(replace(self._view, scope=EVER), is_static=True)
        outlooks = [still.of(condition.tree) for word in reached for condition in _rules_of(rules, word)]
        changes = [change for outlook in outlooks for change in (outlook.change, outlook.timer)]
        if Name.STAGE in reached:
            changes.extend(self._later(fell + DAY) for fell in person.fell_from.values())
        return earliest(changes)

    def _later(self, instant: Instant) -> Change:
        return instant if instant > self._view.now else None


def _rules_of(rules: Rules, word: str) -> tuple[Condition, ...]:
    """The conditions that decide a stage, a kind, or membership of a segment."""
    if word == Name.STAGE:
        return (*rules.rises.values(), *rules.falls.values())
    if word == Name.KIND:
        return tuple(condition for _, condition in rules.kinds)
    condition = rules.segments.get(word.removeprefix(_SEGMENT))
    return () if condition is None else (condition,)


def _reached(rules: Rules, seed: str) -> frozenset[str]:
    """`stage`, `kind` and the segments that a word leans on, itself included, through any number of rules."""
    reached, fresh = {seed}, [seed]
    while fresh:
        for condition in _rules_of(rules, fresh.pop()):
            names = condition.names()
            words = {*(_SEGMENT + segment for segment in names.segments), *(names.names & {Name.STAGE, Name.KIND})}
            fresh.extend(words - reached)
            reached |= words
    return frozenset(reached)


def earliest(changes: Iterable[Change]) -> Change:
    return min((change for change in changes if change is not None), default=None)


def _latest(changes: Iterable[Change]) -> Change:
    """Never, when one of them is never."""
    latest: Change = 0
    for change in changes:
        if change is None or latest is None:
            return None
        latest = max(latest, change)
    return latest


def _joined(parts: list[Outlook], decisive: bool) -> Outlook:
    """Of `and` (decisive: false) and `or` (decisive: true).

    While one part has the decisive value the whole has it too, so the last of these to change is early enough.
    """
    timer = earliest(part.timer for part in parts)
    deciding = [part.change for part in parts if part.truth is decisive]
    if deciding:
        return Outlook(decisive, _latest(deciding), timer)
    truth = None if any(part.truth is None for part in parts) else not decisive
    return Outlook(truth, earliest(part.change for part in parts), timer)


def next_change_of(node: Node, view: View) -> Change:
    return first_change_of((node,), view)


def first_change_of(nodes: Iterable[Node], view: View) -> Change:
    """The earliest change of any of these, asked with one look behind stage, kind and segments."""
    horizon = Horizon(view)
    outlooks = [horizon.of(node) for node in nodes]
    return earliest(change for outlook in outlooks for change in (outlook.change, outlook.timer))
