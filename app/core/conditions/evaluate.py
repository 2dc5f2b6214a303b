"""Asks a condition of one person: true, false, or None for unknown.

Owns the three-valued meaning of every node, and which facts a leaf counts. Total: never raises on a parsed condition.
Must not know how a condition is written, stored or explained. Unknown follows SQL: `not unknown` is unknown,
`false and unknown` is false, `true or unknown` is true.
"""

from __future__ import annotations

import math
import operator
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

from app.core import experiment
from app.core.conditions.needs import KIND_OF, MAIL_DEEDS
from app.core.conditions.tree import (
    And,
    AnswerTo,
    AttributeOf,
    Chance,
    Compare,
    Constant,
    Contains,
    Deed,
    EventField,
    Happened,
    HeldFor,
    IdleFor,
    InSegment,
    InStageFor,
    Known,
    Name,
    Named,
    Node,
    Not,
    OneOf,
    Op,
    Operand,
    Or,
    Overdue,
    Plain,
    Tagged,
    Timed,
    Truth,
)
from app.core.conditions.view import View
from app.core.facts import ENGAGEMENT_KINDS, Fact, FactKind, Value
from app.core.instants import Instant, Span

Ternary: TypeAlias = bool | None

_HIGHEST_POWER: Final = 1000.0  # 2.0 ** 1024 overflows; a thousand half-lives are for ever anyway


def truth_of(node: Node, view: View) -> Ternary:
    match node:
        case And(parts):
            return _all(parts, view)
        case Or(parts):
            return _any(parts, view)
        case Not(part):
            truth = truth_of(part, view)
            return None if truth is None else not truth
        case Happened() | IdleFor() | InStageFor() | HeldFor() | Overdue() | Chance():
            return _timed(node, view)
        case _:
            return _plain(node, view)


def _all(parts: tuple[Node, ...], view: View) -> Ternary:
    whole: Ternary = True
    for part in parts:
        truth = truth_of(part, view)
        if truth is False:
            return False
        if truth is None:
            whole = None
    return whole


def _any(parts: tuple[Node, ...], view: View) -> Ternary:
    whole: Ternary = False
    for part in parts:
        truth = truth_of(part, view)
        if truth is True:
            return True
        if truth is None:
            whole = None
    return whole


def _plain(node: Plain, view: View) -> Ternary:
    match node:
        case Compare(operand, op, value):
            return _compared(operand, op, value, view)
        case OneOf(operand, values):
            return _one_of(value_of(operand, view), values)
        case Contains(operand, text):
            listed = value_of(operand, view)
            return text in map(nfc, listed) if isinstance(listed, tuple) else None
        case Truth(operand):
            flag = value_of(operand, view)
            return flag if isinstance(flag, bool) else None
        case Known(operand):
            return value_of(operand, view) is not None
        case Tagged(tag):
            return tag in view.subscriber.tags
        case InSegment(segment):
            return segment in view.subscriber.segments
        case _:
            assert_never(node)


def _timed(node: Timed, view: View) -> Ternary:
    match node:
        case Happened():
            return None if _lacks_key(node, view) else nth_latest(node, view) is not None
        case IdleFor(span):
            return view.now >= last_signal(view) + span
        case InStageFor(span):
            return view.now >= view.subscriber.stage_since + span
        case HeldFor(span, part, digest):
            since = view.subscriber.timers.get(digest)
            return False if since is None or view.now < since + span else truth_of(part, view)
        case Overdue():
            due = overdue_at(node, view)
            return due is not None and view.now >= due
        case Chance(share, name):
            return experiment.chance(view.rules.secret, name, view.subscriber.public_id, share)
        case _:
            assert_never(node)


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def value_of(operand: Operand, view: View) -> Value | None:
    """What the operand is for this person now; None when it is missing."""
    match operand:
        case Named(name):
            return _NAMED[name](view)
        case AttributeOf(key):
            return _finite(view.subscriber.attributes.get(key))
        case AnswerTo():
            fact = latest_answer(operand, view)
            return None if fact is None else _finite(fact.fields.get("answer"))
        case EventField(field):
            return _finite(view.scope.event.get(field))
        case _:
            assert_never(operand)


def _finite(value: Value | None) -> Value | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def score_at(view: View, instant: Instant) -> float:
    """The engagement score at an instant, if nothing new happens: weight · 2^((landmark − t) / half-life)."""
    return view.subscriber.weight / growth(view, instant)


def growth(view: View, instant: Instant) -> float:
    """By how much a point of an instant outweighs one of the landmark: 2^((t − landmark) / half-life).

    `score >= k` is asked as `weight >= k · growth`, which is what the database compares too.
    """
    power = (instant - view.subscriber.landmark) / max(view.rules.half_life, 1)
    return math.pow(2.0, max(-_HIGHEST_POWER, min(_HIGHEST_POWER, power)))


_NAMED: Final[Mapping[Name, Callable[[View], Value | None]]] = {
    Name.STAGE: lambda view: view.subscriber.stage,
    Name.KIND: lambda view: view.subscriber.kind,
    Name.SCORE: lambda view: score_at(view, view.now),
    Name.FIT: lambda view: view.subscriber.fit,
    Name.LOCALE: lambda view: view.subscriber.locale or None,
    Name.COUNTRY: lambda view: view.subscriber.country or None,
    Name.SOURCE: lambda view: view.subscriber.source or None,
    Name.BOX: lambda view: view.subscriber.box or None,
    Name.CONFIRMED: lambda view: view.subscriber.confirmed_at is not None,
    Name.ORDERS: lambda view: view.subscriber.orders,
    Name.REVENUE: lambda view: view.subscriber.revenue,
    Name.REFERRALS: lambda view: view.subscriber.referrals,
    Name.REFERRED: lambda view: view.subscriber.is_referred,
}
# Text compares by code point, which is how Python, SQLite and PostgreSQL under COLLATE "C" order it.
_ON_TEXTS: Final[Mapping[Op, Callable[[str, str], bool]]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}
_ON_NUMBERS: Final[Mapping[Op, Callable[[float, float], bool]]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}


def nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _compared(operand: Operand, op: Op, value: Constant, view: View) -> Ternary:
    if isinstance(operand, Named) and operand.name is Name.SCORE and not isinstance(value, str):
        return compare_numbers(view.subscriber.weight, op, value * growth(view, view.now))
    seen = value_of(operand, view)
    if isinstance(seen, str):
        return _ON_TEXTS[op](nfc(seen), value) if isinstance(value, str) else None
    if isinstance(seen, bool | tuple) or seen is None or isinstance(value, str):
        return None
    return compare_numbers(seen, op, value)


def compare_numbers(seen: float, op: Op, value: float) -> bool:
    return _ON_NUMBERS[op](seen, value)


def _one_of(seen: Value | None, values: tuple[Constant, ...]) -> Ternary:
    if seen is None or isinstance(seen, bool | tuple):
        return None
    if isinstance(seen, str):
        seen = nfc(seen)
    alike = [value for value in values if isinstance(value, str) == isinstance(seen, str)]
    return seen in alike or (False if len(alike) == len(values) else None)


# ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lacks_key(node: Happened, view: View) -> bool:
    return node.same != "" and (view.scope.run is None or not view.scope.run.key)


def nth_latest(node: Happened, view: View) -> Fact | None:
    """The `times`-th newest fact that counts: there are enough exactly when it exists."""
    left = node.times
    for fact in counting(node, view):
        left -= 1
        if not left:
            return fact
    return None


def counting(node: Happened, view: View) -> Iterator[Fact]:
    """The facts that count for a leaf, newest first."""
    kind = KIND_OF[node.deed]
    scope = view.scope
    is_own = node.deed in MAIL_DEEDS and node.what in scope.own_mails and not node.ever
    after = _after(node, view, is_own)
    for fact in reversed(view.facts.of(kind)):
        if after is not None and fact.at <= after:
            return
        if is_own and fact.run != scope.run:
            continue
        if _matches(node, fact, view) and (fact.is_human or kind not in ENGAGEMENT_KINDS):
            yield fact


def _after(node: Happened, view: View, is_own: bool) -> Instant | None:
    """Facts count when later than this: the fact that began the run carries the run's own instant."""
    if node.within is not None:
        return view.now - node.within
    return None if is_own or node.ever else view.scope.since


def _matches(node: Happened, fact: Fact, view: View) -> bool:
    if node.what and not _is_about(node, fact):
        return False
    if node.link and nfc(fact.link) != node.link:
        return False
    if node.topic and nfc(fact.topic) != node.topic:
        return False
    return not node.same or _has_key(node.same, fact, view)


def _is_about(node: Happened, fact: Fact) -> bool:
    match node.deed:
        case Deed.VISITED:
            path = nfc(fact.path)
            return path.startswith(node.what[:-1]) if node.what.endswith("*") else path == node.what
        case Deed.BOUGHT:
            return node.what in map(nfc, fact.products)
        case _:
            return nfc(fact.name) == node.what


def _has_key(field: str, fact: Fact, view: View) -> bool:
    value = fact.fields.get(field)
    return value is not None and view.scope.run is not None and nfc(str(value)) == nfc(view.scope.run.key)


def latest_answer(operand: AnswerTo, view: View) -> Fact | None:
    after = view.now - operand.within if operand.within is not None else None if operand.ever else view.scope.since
    for fact in reversed(view.facts.of(FactKind.ANSWERED)):
        if after is not None and fact.at <= after:
            return None
        if nfc(fact.name) == operand.survey:
            return fact
    return None


def last_signal(view: View) -> Instant:
    """The last sign of life; a person who never gave one is counted from first sight."""
    signal = view.subscriber.last_signal_at
    return view.subscriber.created_at if signal is None else signal


def overdue_at(node: Overdue, view: View) -> Instant | None:
    """When the next order counts as overdue; None for people who never ordered."""
    orders = view.facts.of(FactKind.ORDERED)
    if not orders:
        return None
    return orders[-1].at + max(int(node.factor * _usual_gap(orders, view)), node.least)


def _usual_gap(orders: tuple[Fact, ...], view: View) -> Span:
    """The lower median of the person's own gaps, so that a whole number of microseconds comes out everywhere."""
    if len(orders) < 2:
        return view.rules.order_gap
    gaps = sorted(later.at - sooner.at for sooner, later in pairwise(orders))
    return gaps[(len(gaps) - 1) // 2]
