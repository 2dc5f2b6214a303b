"""When a condition may next change by time alone: the instant at which it must be asked again.

Owns `Horizon` and the search for the next change, so that nobody has to poll. Never late: up to the instant given,
with no new fact, the condition keeps its value. Early is allowed, and happens only where a rule behind it may change.
Must not ask more than the view holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from app.core.conditions.evaluate import (
    Ternary,
    compare_numbers,
    finding_of,
    growth,
    last_signal,
    latest_answer,
    overdue_at,
    question_of,
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
from app.core.instants import DAY, LONGEST_SPAN, Instant, Span
from app.core.replacing import replace

if TYPE_CHECKING:
    from app.core.conditions.condition import Condition

Change: TypeAlias = Instant | None
"""An instant after now, or None for never."""

NEVER: Final[Instant] = 1 << 100
"""Inside this module never is an instant that does not come, so that the earliest and latest are plain comparisons."""
_ROUNDING: Final = 16  # microseconds by which the logarithm may miss the exact crossing
_SEGMENT: Final = "segment "  # so that a segment may be called `kind`
_FARTHEST: Final = 10 * LONGEST_SPAN

Outlook: TypeAlias = tuple[Ternary, Instant, Instant]
"""A node's value now, the earliest instant it may differ, and the earliest a timer inside needs a look."""


class Horizon:
    """Looks ahead for one view. `is_static` holds stage, kind and segments still: used inside the rules behind them."""

    __slots__ = ("_behinds", "_leaning", "_plain", "_still", "is_static", "now", "view")

    def __init__(self, view: View, plain: dict[int, Outlook] | None = None, is_static: bool = False) -> None:
        self.view = view
        self.now = view.now
        self.is_static = is_static
        self._behinds: dict[str, Instant] = {}  # many conditions lean on the same stage, kind or segment
        self._leaning: dict[int, Outlook] = {}
        self._plain: dict[int, Outlook] = {} if plain is None else plain
        self._still: Horizon | None = None

    def of(self, condition: Condition) -> Outlook:
        """What becomes of a condition; asked once, however many others lean on it."""
        asked = self._leaning if condition.leans else self._plain
        known = asked.get(id(condition))
        if known is None:
            known = asked[id(condition)] = condition.foresee(self)
        return known

    def later(self, instant: Instant) -> Instant:
        return instant if instant > self.now else NEVER

    def behind(self, word: str) -> Instant:
        """The next change of any rule behind stage, kind or a segment; the first to change sees all others still."""
        if self.is_static:
            return NEVER
        known = self._behinds.get(word)
        if known is None:
            known = self._behinds[word] = self._ask_behind(word)
        return known

    def _ask_behind(self, word: str) -> Instant:
        still = self._still = self._still or self._held_still()
        conditions, by_stage = _reached(self.view.rules, word)
        change = NEVER
        for condition in conditions:
            _, next_change, timer = still.of(condition)
            change = min(change, next_change, timer)
        if by_stage:
            for fell in self.view.subscriber.fell_from.values():
                change = min(change, self.later(fell + DAY))
        return change

    def _held_still(self) -> Horizon:
        """Conditions that lean on nothing see no difference; they are asked once for both."""
        if self.view.scope is EVER:
            return Horizon(self.view, self._plain, is_static=True)
        return Horizon(replace(self.view, scope=EVER), is_static=True)


Foresight: TypeAlias = Callable[[Horizon], Outlook]
_Lapse: TypeAlias = Callable[[Horizon], Instant]


# ── Nodes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def foresight_of(node: Node) -> Foresight:
    """The node as a function of a horizon; made once, as its question is."""
    match node:
        case And(parts):
            return _joined([foresight_of(part) for part in parts], decisive=False)
        case Or(parts):
            return _joined([foresight_of(part) for part in parts], decisive=True)
        case Not(part):
            return _not(foresight_of(part))
        case HeldFor():
            return _held(node)
        case Happened(within=within) if within is not None:
            return _lapsing(node, within)
        case _:
            return _leaf(node)


_kept_foresight = lru_cache(maxsize=4096)(foresight_of)


def _leaf(node: Leaf) -> Foresight:
    ask, lapse = question_of(node), _lapse_of(node)
    if lapse is None:
        return lambda horizon: (ask(horizon.view), NEVER, NEVER)
    return lambda horizon: (ask(horizon.view), lapse(horizon), NEVER)


def _joined(parts: list[Foresight], decisive: bool) -> Foresight:
    """Of `and` (decisive: false) and `or` (decisive: true).

    While one part has the decisive value the whole has it too, so the last of these to change is early enough.
    """

    def foresee(horizon: Horizon) -> Outlook:
        whole: Ternary = not decisive
        first = timer = NEVER
        latest: Instant | None = None
        for part in parts:
            truth, change, look = part(horizon)
            if look < timer:
                timer = look
            if truth is decisive:
                latest = change if latest is None or change > latest else latest
            elif latest is None:
                first = min(first, change)
                whole = None if truth is None else whole
        return (whole, first, timer) if latest is None else (decisive, latest, timer)

    return foresee


def _not(part: Foresight) -> Foresight:
    def foresee(horizon: Horizon) -> Outlook:
        truth, change, timer = part(horizon)
        return None if truth is None else not truth, change, timer

    return foresee


def _held(node: HeldFor) -> Foresight:
    """True from timer + span on, while the part holds. A timer not set yet would begin now at the soonest."""
    ask, inside = question_of(node), foresight_of(node.part)

    def foresee(horizon: Horizon) -> Outlook:
        truth, change, timer = inside(horizon)
        if truth is True:
            since = horizon.view.subscriber.timers.get(node.digest, horizon.now)
            change = min(change, horizon.later(since + node.span))
        return ask(horizon.view), change, min(change, timer)

    return foresee


def _lapsing(node: Happened, within: Span) -> Foresight:
    """There are too few from the moment the n-th latest fact leaves the window."""
    ask, find, times = question_of(node), finding_of(node), node.times
    needs_key = node.same != ""

    def foresee(horizon: Horizon) -> Outlook:
        found = find(horizon.view, times)
        is_enough = len(found) == times
        truth = ask(horizon.view) if needs_key else is_enough
        return truth, horizon.later(found[-1].at + within) if is_enough else NEVER, NEVER

    return foresee


# ── Leaves ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lapse_of(leaf: Leaf) -> _Lapse | None:
    """When time alone may change a leaf; None when it never does."""
    match leaf:
        case IdleFor(span):
            return lambda horizon: horizon.later(last_signal(horizon.view) + span)
        case InStageFor(span):
            return lambda horizon: min(
                horizon.later(horizon.view.subscriber.stage_since + span), horizon.behind(Name.STAGE)
            )
        case Overdue():
            return _overdue(leaf)
        case InSegment(segment):
            return lambda horizon: horizon.behind(_SEGMENT + segment)
        case Compare(Named(name=Name.SCORE), op, value) if not isinstance(value, str):
            return lambda horizon: _crossing(horizon, op, value)
        case _:
            operand = operand_of(leaf)
            return None if operand is None else _operand(operand)


def _operand(operand: Operand) -> _Lapse | None:
    match operand:
        case Named(name=Name.STAGE | Name.KIND as name):
            return lambda horizon: horizon.behind(name)
        case AnswerTo(within=within):
            return None if within is None else _forgotten(operand, within)
        case Named() | AttributeOf() | EventField():
            return None
        case _:
            assert_never(operand)


def _overdue(leaf: Overdue) -> _Lapse:
    def lapse(horizon: Horizon) -> Instant:
        due = overdue_at(leaf, horizon.view)
        return NEVER if due is None else horizon.later(due)

    return lapse


def _forgotten(operand: AnswerTo, within: Span) -> _Lapse:
    def lapse(horizon: Horizon) -> Instant:
        fact = latest_answer(operand, horizon.view)
        return NEVER if fact is None else horizon.later(fact.at + within)

    return lapse


def _crossing(horizon: Horizon, op: Op, value: float) -> Instant:
    """The instant the decaying score passes a constant of its own sign; it never reaches zero."""
    view = horizon.view
    weight = view.subscriber.weight
    passes = weight * value > 0 and abs(weight) >= abs(value) * growth(view, horizon.now)
    if not passes or not math.isfinite(weight):
        return NEVER
    ahead = math.log2(weight / value) * view.rules.half_life
    guess = view.subscriber.landmark + int(min(ahead, _FARTHEST))
    return _first_difference(horizon, op, value, guess)


def _first_difference(horizon: Horizon, op: Op, value: float, guess: Instant) -> Instant:
    """Exact to the microsecond by bisection, since the logarithm and the comparison round differently."""
    view, now = horizon.view, horizon.now
    weight = view.subscriber.weight

    def holds(instant: Instant) -> bool:
        return compare_numbers(weight, op, value * growth(view, instant))

    before = holds(now)
    low, high = now, max(guess - _ROUNDING, now)
    if holds(high) == before:
        low, high = high, max(guess, now) + _ROUNDING
    if holds(high) == before:
        return horizon.later(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) != before else (middle, high)
    return high


# ── The rules behind stage, kind and segments ────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def _reached(rules: Rules, seed: str) -> tuple[tuple[Condition, ...], bool]:
    """The rules a word leans on, through any number of others, and whether the stage is among the words."""
    reached, fresh = {seed}, [seed]
    while fresh:
        for condition in _rules_of(rules, fresh.pop()):
            names = condition.names()
            words = {*(_SEGMENT + segment for segment in names.segments), *(names.names & {Name.STAGE, Name.KIND})}
            fresh.extend(words - reached)
            reached |= words
    found = {id(condition): condition for word in sorted(reached) for condition in _rules_of(rules, word)}
    return tuple(found.values()), Name.STAGE in reached


def _rules_of(rules: Rules, word: str) -> tuple[Condition, ...]:
    """The conditions that decide a stage, a kind, or membership of a segment."""
    if word == Name.STAGE:
        return (*rules.rises.values(), *rules.falls.values())
    if word == Name.KIND:
        return tuple(condition for _, condition in rules.kinds)
    condition = rules.segments.get(word.removeprefix(_SEGMENT))
    return () if condition is None else (condition,)


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def earliest(changes: Iterable[Change]) -> Change:
    return min((change for change in changes if change is not None), default=None)


def next_change_of(node: Node, view: View) -> Change:
    """Asks a part of a condition. Whole conditions carry their foresight."""
    _, change, timer = _kept_foresight(node)(Horizon(view))
    return _known(min(change, timer))


def first_change_of(conditions: Iterable[Condition], view: View) -> Change:
    """The earliest change of any of these, asked with one look behind stage, kind and segments."""
    horizon, first = Horizon(view), NEVER
    for condition in conditions:
        _, change, timer = horizon.of(condition)
        first = min(first, change, timer)
    return _known(first)


def _known(instant: Instant) -> Change:
    return None if instant >= NEVER else instant
