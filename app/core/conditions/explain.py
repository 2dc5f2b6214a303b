"""What a condition saw: every leaf with the value found and its truth, for decision records and `explain`.

Owns `Trace` and `Seen`. Must not put anything into words of a language, and is asked only when somebody wants to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from app.core.conditions.canonical import written
from app.core.conditions.evaluate import (
    Ternary,
    finding_of,
    last_signal,
    latest_answer,
    overdue_at,
    truth_of,
    value_of,
)
from app.core.conditions.needs import leaves
from app.core.conditions.tree import (
    AnswerTo,
    Chance,
    Compare,
    Contains,
    Happened,
    HeldFor,
    IdleFor,
    InSegment,
    InStageFor,
    Known,
    Leaf,
    Node,
    OneOf,
    Operand,
    Overdue,
    Tagged,
    Truth,
)
from app.core.conditions.view import View
from app.core.facts import Value
from app.core.instants import Instant


@dataclass(frozen=True, slots=True)
class Seen:
    """One leaf: its canonical text, its truth, and what was there.

    `value` is the value compared, or how many facts counted; `since` is the instant it rests on: the newest fact that
    counted, the last signal, the begin of the stage, of the membership or of the timer, when an order becomes overdue.
    """

    text: str
    truth: Ternary
    value: Value | None = None
    since: Instant | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The truth of a condition, and its leaves in the order written; those inside `held_for` follow it."""

    truth: Ternary
    seen: tuple[Seen, ...]


def trace_of(node: Node, view: View) -> Trace:
    return Trace(truth_of(node, view), tuple(seen for leaf in leaves(node) for seen in _seen(leaf, view)))


def _seen(leaf: Leaf, view: View) -> tuple[Seen, ...]:
    value, since = _found(leaf, view)
    inner = trace_of(leaf.part, view).seen if isinstance(leaf, HeldFor) else ()
    return (Seen(written(leaf), truth_of(leaf, view), value, since), *inner)


def _found(leaf: Leaf, view: View) -> tuple[Value | None, Instant | None]:
    match leaf:
        case Compare() | OneOf() | Contains() | Truth() | Known():
            return _operand(leaf.operand, view)
        case Happened():
            facts = finding_of(leaf)(view, 0)
            return len(facts), facts[0].at if facts else None
        case InSegment(segment):
            return None, view.subscriber.segments.get(segment)
        case IdleFor():
            return None, last_signal(view)
        case InStageFor():
            return view.subscriber.stage, view.subscriber.stage_since
        case HeldFor(digest=digest):
            return None, view.subscriber.timers.get(digest)
        case Overdue():
            return None, overdue_at(leaf, view)
        case Tagged() | Chance():
            return None, None
        case _:
            assert_never(leaf)


def _operand(operand: Operand, view: View) -> tuple[Value | None, Instant | None]:
    answer = latest_answer(operand, view) if isinstance(operand, AnswerTo) else None
    return value_of(operand, view), None if answer is None else answer.at
