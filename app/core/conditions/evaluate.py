"""Asks a condition of one person: true, false, or None for unknown.

Owns the three-valued meaning of every node, and which facts a leaf counts. Total: never raises on a parsed condition.
Must not know how a condition is written, stored or explained. Unknown follows SQL: `not unknown` is unknown,
`false and unknown` is false, `true or unknown` is true.

A tree is made into one function when it is read, and that function is asked of everybody: a condition is asked millions
of times and read once.
"""

from __future__ import annotations

import math
import operator
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
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
Question: TypeAlias = Callable[[View], Ternary]
Reading: TypeAlias = Callable[[View], Value | None]
Finding: TypeAlias = Callable[[View, int], list[Fact]]
"""(view, at most so many, 0 for all) → the facts that count for a leaf, newest first."""

_HIGHEST_POWER: Final = 1000.0  # 2.0 ** 1024 overflows; a thousand half-lives are for ever anyway


def truth_of(node: Node, view: View) -> Ternary:
    """Asks a part of a condition. Whole conditions carry their question."""
    return _kept_question(node)(view)


def question_of(node: Node) -> Question:
    """The node as a function of a view."""
    match node:
        case And(parts):
            return _all([question_of(part) for part in parts])
        case Or(parts):
            return _any([question_of(part) for part in parts])
        case Not(part):
            return _not(question_of(part))
        case Happened() | IdleFor() | InStageFor() | HeldFor() | Overdue() | Chance():
            return _timed(node)
        case _:
            return _plain(node)


_kept_question = lru_cache(maxsize=4096)(question_of)


def _all(parts: list[Question]) -> Question:
    def ask(view: View) -> Ternary:
        whole: Ternary = True
        for part in parts:
            truth = part(view)
            if truth is False:
                return False
            if truth is None:
                whole = None
        return whole

    return ask


def _any(parts: list[Question]) -> Question:
    def ask(view: View) -> Ternary:
        whole: Ternary = False
        for part in parts:
            truth = part(view)
            if truth is True:
                return True
            if truth is None:
                whole = None
        return whole

    return ask


def _not(part: Question) -> Question:
    def ask(view: View) -> Ternary:
        truth = part(view)
        return None if truth is None else not truth

    return ask


def _plain(node: Plain) -> Question:
    match node:
        case Compare(operand, op, value):
            return _compared(operand, op, value)
        case OneOf(operand, values):
            return _one_of(reading_of(operand), values)
        case Contains(operand, text):
            return _contains(reading_of(operand), text)
        case Truth(operand):
            return _truth(reading_of(operand))
        case Known(operand):
            read = reading_of(operand)
            return lambda view: read(view) is not None
        case Tagged(tag):
            return lambda view: tag in view.subscriber.tags
        case InSegment(segment):
            return lambda view: segment in view.subscriber.segments
        case _:
            assert_never(node)


def _timed(node: Timed) -> Question:
    match node:
        case Happened():
            return _happened(node)
        case IdleFor(span):
            return lambda view: view.now >= last_signal(view) + span
        case InStageFor(span):
            return lambda view: view.now >= view.subscriber.stage_since + span
        case HeldFor(span, part, digest):
            return _held(span, question_of(part), digest)
        case Overdue():
            return _overdue(node)
        case Chance(share, name):
            return lambda view: experiment.chance(view.rules.secret, name, view.subscriber.public_id, share)
        case _:
            assert_never(node)


def _held(span: Span, part: Question, digest: str) -> Question:
    def ask(view: View) -> Ternary:
        since = view.subscriber.timers.get(digest)
        return False if since is None or view.now < since + span else part(view)

    return ask


def _overdue(node: Overdue) -> Question:
    def ask(view: View) -> Ternary:
        due = overdue_at(node, view)
        return due is not None and view.now >= due

    return ask


def _contains(read: Reading, text: str) -> Question:
    def ask(view: View) -> Ternary:
        listed = read(view)
        return text in map(nfc, listed) if isinstance(listed, tuple) else None

    return ask


def _truth(read: Reading) -> Question:
    def ask(view: View) -> Ternary:
        flag = read(view)
        return flag if isinstance(flag, bool) else None

    return ask


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def value_of(operand: Operand, view: View) -> Value | None:
    """What the operand is for this person now; None when it is missing."""
    return reading_of(operand)(view)


def reading_of(operand: Operand) -> Reading:
    """The operand as a function of a view."""
    match operand:
        case Named(name):
            return _NAMED[name]
        case AttributeOf(key):
            return lambda view: _finite(view.subscriber.attributes.get(key))
        case AnswerTo():
            return _answer(operand)
        case EventField(field):
            return lambda view: _finite(view.scope.event.get(field))
        case _:
            assert_never(operand)


def _answer(operand: AnswerTo) -> Reading:
    def read(view: View) -> Value | None:
        fact = latest_answer(operand, view)
        return None if fact is None else _finite(fact.fields.get("answer"))

    return read


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


_NAMED: Final[Mapping[Name, Reading]] = {
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


def _compared(operand: Operand, op: Op, value: Constant) -> Question:
    if isinstance(value, str):
        return _compared_text(reading_of(operand), _ON_TEXTS[op], value)
    if isinstance(operand, Named) and operand.name is Name.SCORE:
        return _compared_score(_ON_NUMBERS[op], value)
    return _compared_number(reading_of(operand), _ON_NUMBERS[op], value)


def _compared_text(read: Reading, holds: Callable[[str, str], bool], value: str) -> Question:
    def ask(view: View) -> Ternary:
        seen = read(view)
        return holds(nfc(seen), value) if isinstance(seen, str) else None

    return ask


def _compared_number(read: Reading, holds: Callable[[float, float], bool], value: float) -> Question:
    def ask(view: View) -> Ternary:
        seen = read(view)
        return None if seen is None or isinstance(seen, str | bool | tuple) else holds(seen, value)

    return ask


def _compared_score(holds: Callable[[float, float], bool], value: float) -> Question:
    def ask(view: View) -> Ternary:
        return holds(view.subscriber.weight, value * growth(view, view.now))

    return ask


def compare_numbers(seen: float, op: Op, value: float) -> bool:
    return _ON_NUMBERS[op](seen, value)


def _one_of(read: Reading, values: tuple[Constant, ...]) -> Question:
    texts = tuple(value for value in values if isinstance(value, str))
    numbers = tuple(value for value in values if not isinstance(value, str))
    otherwise_text: Ternary = False if len(texts) == len(values) else None
    otherwise_number: Ternary = False if len(numbers) == len(values) else None

    def ask(view: View) -> Ternary:
        seen = read(view)
        if isinstance(seen, str):
            return nfc(seen) in texts or otherwise_text
        if seen is None or isinstance(seen, bool | tuple):
            return None
        return seen in numbers or otherwise_number

    return ask


# ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _happened(node: Happened) -> Question:
    find, times, needs_key = finding_of(node), node.times, node.same != ""

    def ask(view: View) -> Ternary:
        if needs_key and (view.scope.run is None or not view.scope.run.key):
            return None
        return len(find(view, times)) == times

    return ask


def finding_of(node: Happened) -> Finding:
    """How the facts that count for a leaf are found.

    There are enough exactly when `times` of them are found. Facts count when later than the begin of the window, else
    of the scope: the fact that began the run carries the run's own instant. A named mail of the run's own campaign is
    this run's message.
    """
    kind, within, is_mail, what = KIND_OF[node.deed], node.within, node.deed in MAIL_DEEDS and not node.ever, node.what
    fits, by_humans = _fitting(node), kind in ENGAGEMENT_KINDS

    def find(view: View, most: int) -> list[Fact]:
        found: list[Fact] = []
        facts = view.facts.of(kind)
        if not facts:
            return found
        scope = view.scope
        is_own = is_mail and what in scope.own_mails
        after = view.now - within if within is not None else None if is_own or node.ever else scope.since
        for fact in reversed(facts):
            if after is not None and fact.at <= after:
                break
            if (is_own and fact.run != scope.run) or (by_humans and not fact.is_human) or not fits(fact, view):
                continue
            found.append(fact)
            if len(found) == most:
                break
        return found

    return find


def _fitting(node: Happened) -> Callable[[Fact, View], bool]:
    about = _about(node.deed, node.what) if node.what else None
    link, topic, same = node.link, node.topic, node.same

    def fits(fact: Fact, view: View) -> bool:
        if about is not None and not about(fact):
            return False
        if link and nfc(fact.link) != link:
            return False
        if topic and nfc(fact.topic) != topic:
            return False
        return not same or _has_key(same, fact, view)

    return fits


def _about(deed: Deed, what: str) -> Callable[[Fact], bool]:
    match deed:
        case Deed.VISITED if what.endswith("*"):
            return lambda fact: nfc(fact.path).startswith(what[:-1])
        case Deed.VISITED:
            return lambda fact: nfc(fact.path) == what
        case Deed.BOUGHT:
            return lambda fact: what in map(nfc, fact.products)
        case _:
            return lambda fact: nfc(fact.name) == what


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
