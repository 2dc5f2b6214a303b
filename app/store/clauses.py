"""Clauses: a condition as an expression over the whole list, on both databases.

Owns the SQL form of every node. It holds for exactly the people for whom `evaluate` says true: unknown is NULL, text
compares by code point, time and money are whole numbers, the score is compared by its stored weight.
Must not know segments or publishing, and uses nothing but SQLAlchemy's expressions.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from sqlalchemy import (
    BigInteger,
    Float,
    Integer,
    LargeBinary,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
)

from app.core.conditions.evaluate import growth
from app.core.conditions.needs import KIND_OF
from app.core.conditions.tree import (
    And,
    AnswerTo,
    Chance,
    Compare,
    Constant,
    Contains,
    Deed,
    Happened,
    HeldFor,
    IdleFor,
    InSegment,
    InStageFor,
    Known,
    Leaf,
    Name,
    Named,
    Node,
    Not,
    OneOf,
    Op,
    Or,
    Overdue,
    Tagged,
    Truth,
)
from app.core.conditions.view import Rules, View
from app.core.experiment import Draw, bound
from app.core.facts import FactKind, FactLog
from app.core.instants import Instant
from app.core.subscriber import Subscriber
from app.store.base import table_of
from app.store.messages import MessageRow
from app.store.operands import COUNTED, EVENT, PERSON, Expression, NotInSqlError, holding, product, seen
from app.store.people import ConditionTimerRow, SegmentMemberRow, TagRow

_MESSAGE = table_of(MessageRow).c
_TAG = table_of(TagRow).c
_MEMBER = table_of(SegmentMemberRow).c
_TIMER = table_of(ConditionTimerRow).c
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Asking:
    """What the conditions of one query are asked with."""

    now: Instant
    rules: Rules
    landmarks: tuple[Instant, ...]
    """All landmarks that any weight is told from: one or two, for the whole list moves on together."""
    for_sqlite: bool
    later: bool = False
    """Ask instead whether the condition could become true by time alone: where time can turn a leaf, it counts as
    turned the way that helps."""


def clause(node: Node, asking: Asking) -> Expression:
    """The node over the columns of `subscriber`. Raises NotInSqlError for what only a run can answer."""
    return _clause(node, asking, is_wanted=True)


def _clause(node: Node, asking: Asking, *, is_wanted: bool) -> Expression:
    match node:
        case And(parts):
            return and_(*(_clause(part, asking, is_wanted=is_wanted) for part in parts))
        case Or(parts):
            return or_(*(_clause(part, asking, is_wanted=is_wanted) for part in parts))
        case Not(part):
            return not_(_clause(part, asking, is_wanted=not is_wanted))
        case _:
            if asking.later and _turns(node, to=is_wanted):
                return true() if is_wanted else false()
            return _leaf(node, asking)


def _leaf(leaf: Leaf, asking: Asking) -> Expression:
    match leaf:
        case Compare():
            return _compared(leaf, asking)
        case OneOf():
            return _one_of(leaf, asking)
        case Contains(operand, value):
            return holding(operand, value, asking.now, for_sqlite=asking.for_sqlite)
        case Truth(operand):
            return seen(operand, asking.now, for_sqlite=asking.for_sqlite).flag
        case Known(operand):
            return seen(operand, asking.now, for_sqlite=asking.for_sqlite).known
        case Tagged(tag):
            return PERSON.id.in_(select(_TAG.subscriber_id).where(_TAG.tag == tag))
        case InSegment(segment):
            return PERSON.id.in_(select(_MEMBER.subscriber_id).where(_MEMBER.segment == segment))
        case _:
            return _timed(leaf, asking)


def _timed(leaf: Happened | IdleFor | InStageFor | HeldFor | Overdue | Chance, asking: Asking) -> Expression:
    match leaf:
        case Happened():
            return PERSON.id.in_(_happened(leaf, asking))
        case IdleFor(span):
            return func.coalesce(PERSON.last_signal_at, PERSON.created_at) <= asking.now - span
        case InStageFor(span):
            return PERSON.stage_since <= asking.now - span
        case HeldFor(span, part, digest):
            held = (_TIMER.condition_digest == digest) & (_TIMER.true_since <= asking.now - span)
            return and_(PERSON.id.in_(select(_TIMER.subscriber_id).where(held)), clause(part, replace_later(asking)))
        case Overdue():
            return PERSON.id.in_(_overdue(leaf, asking))
        case Chance(share, name):
            return _chance(share, name, asking)
        case _:
            assert_never(leaf)


def replace_later(asking: Asking) -> Asking:
    return replace(asking, later=False)


# ── Comparisons ──────────────────────────────────────────────────────────────────────────────────────────────────────

_SIGNS: Final[dict[Op, Callable[[Any, Any], Expression]]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}
_ORDERING: Final = frozenset({Op.LT, Op.LE, Op.GT, Op.GE})


def _compared(leaf: Compare, asking: Asking) -> Expression:
    operand, op, value = leaf.operand, leaf.op, leaf.value
    if operand == Named(Name.SCORE):
        return _score(op, value, asking)
    found = seen(operand, asking.now, for_sqlite=asking.for_sqlite)
    if isinstance(value, str):
        return _texts(found.text, op, value, asking)
    return _SIGNS[op](found.number, _number(value))


def _texts(found: Expression, op: Op, value: str, asking: Asking) -> Expression:
    """By code point. Equality is that anyway; order has to be asked of PostgreSQL by name."""
    if op in _ORDERING and not asking.for_sqlite:
        found = found.collate("C")
    return _SIGNS[op](found, value)


def _number(value: Constant) -> Expression:
    """A constant as the database compares it: a whole number where one fits, else a float."""
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return literal(value, BigInteger)
    return literal(float(value), Float(53))


def _score(op: Op, value: Constant, asking: Asking) -> Expression:
    """`score op k` is `weight op k · growth`, one comparison for each landmark, which an index answers."""
    if isinstance(value, str):
        return null()
    found = [
        and_(
            PERSON.landmark == landmark,
            _SIGNS[op](PERSON.weight, literal(value * _growth(landmark, asking), Float(53))),
        )
        for landmark in asking.landmarks
    ]
    return or_(false(), *found)


def _growth(landmark: Instant, asking: Asking) -> float:
    nobody = Subscriber(0, b"", "", 0, "", 0, landmark=landmark)
    return growth(View(nobody, FactLog(), asking.now, asking.rules), asking.now)


def _one_of(leaf: OneOf, asking: Asking) -> Expression:
    """Where values of the other sort are among them, a miss is unknown: SQL says so too, for that side is NULL."""
    found = seen(leaf.operand, asking.now, for_sqlite=asking.for_sqlite)
    texts = [value for value in leaf.values if isinstance(value, str)]
    numbers = [_number(value) for value in leaf.values if not isinstance(value, str)]
    parts: list[Expression] = []
    if texts:
        parts.append(found.text.in_(texts))
    if numbers:
        parts.append(or_(*(found.number == number for number in numbers)))
    return or_(false(), *parts)


# ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _happened(leaf: Happened, asking: Asking) -> Select[Any]:
    """The people with enough facts: one range of an index, grouped, never a look-up for each person."""
    if leaf.same:
        raise NotInSqlError(f"same='{leaf.same}' compares with a run's key, and cannot be asked of the whole list")
    query, at = _received(leaf) if leaf.deed is Deed.RECEIVED else _events(leaf, asking)
    if leaf.within is not None:
        query = query.where(at > asking.now - leaf.within)
    person = next(iter(query.selected_columns))
    if leaf.times == 1:
        return query
    return query.group_by(person).having(func.count() >= leaf.times)


def _received(leaf: Happened) -> tuple[Select[Any], Expression]:
    """Mails that left: uncertain ones count, what went to our own people does not."""
    left = and_(_MESSAGE.state.in_(("sent", "uncertain")), _MESSAGE.mail_class != "team")
    query = select(_MESSAGE.subscriber_id).where(left)
    if leaf.what:
        query = query.where(_MESSAGE.mail_key == leaf.what)
    return query, func.coalesce(_MESSAGE.settled_at, _MESSAGE.slot_at)


def _events(leaf: Happened, asking: Asking) -> tuple[Select[Any], Expression]:
    # a NULL among the people would make every `not in` unknown
    query = select(EVENT.subscriber_id).where(EVENT.subscriber_id.is_not(None), COUNTED)
    query = query.where(EVENT.kind == KIND_OF[leaf.deed].value, *_about(leaf, asking))
    if leaf.link:
        query = query.where(EVENT.link == leaf.link)
    if leaf.topic:
        query = query.where(EVENT.topic == leaf.topic)
    return query, EVENT.at


def _about(leaf: Happened, asking: Asking) -> tuple[Expression, ...]:
    what = leaf.what
    if not what:
        return ()
    if leaf.deed is Deed.BOUGHT:
        return (product(what, for_sqlite=asking.for_sqlite),)
    if leaf.deed is not Deed.VISITED:
        return (EVENT.name == what,)
    if not what.endswith("*"):
        return (EVENT.path == what,)
    begin = what[:-1]
    return (func.substr(EVENT.path, 1, len(begin)) == begin,) if begin else ()


def _overdue(leaf: Overdue, asking: Asking) -> Select[Any]:
    """The people whose last order is longer ago than `least`, and than `factor` × the lower median of their gaps."""
    mine = and_(EVENT.kind == FactKind.ORDERED.value, EVENT.subscriber_id.is_not(None), COUNTED)
    order = (EVENT.at, EVENT.fact_id)
    before = func.lag(EVENT.at).over(partition_by=EVENT.subscriber_id, order_by=order)
    gaps = select(EVENT.subscriber_id, EVENT.at, (EVENT.at - before).label("gap")).where(mine).subquery()
    place = func.row_number().over(partition_by=gaps.c.subscriber_id, order_by=gaps.c.gap)
    number = func.count().over(partition_by=gaps.c.subscriber_id)
    ranked = (
        select(gaps.c.subscriber_id, gaps.c.gap, cast(place, Integer).label("place"), cast(number, Integer).label("n"))
        .where(gaps.c.gap.is_not(None))
        .subquery()
    )
    middle = select(ranked.c.subscriber_id, ranked.c.gap).where(ranked.c.place == (ranked.c.n + 1) // 2).subquery()
    last = select(gaps.c.subscriber_id, func.max(gaps.c.at).label("at")).group_by(gaps.c.subscriber_id).subquery()
    usual = func.coalesce(middle.c.gap, asking.rules.order_gap)
    wait = _times(leaf.factor, usual, asking)
    longer = case((wait > leaf.least, wait), else_=literal(leaf.least, BigInteger))
    joined = last.outerjoin(middle, middle.c.subscriber_id == last.c.subscriber_id)
    return select(last.c.subscriber_id).select_from(joined).where(last.c.at + longer <= asking.now)


def _times(factor: float, gap: Expression, asking: Asking) -> Expression:
    """`int(factor * gap)`: PostgreSQL would round where Python and SQLite cut off."""
    if isinstance(factor, int):
        return literal(factor, BigInteger) * gap
    exact = literal(factor, Float(53)) * cast(gap, Float(53))
    return cast(exact if asking.for_sqlite else func.trunc(exact), BigInteger)


# ── Draws ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_BLOCK: Final = 64


def _chance(share: float, name: str, asking: Asking) -> Expression:
    """HMAC-SHA256 (RFC 2104) as core/experiment draws it: its first eight bytes, compared as bytes."""
    before = b"\0".join((Draw.CHANCE.value.encode(), b"", name.encode(), b""))
    key = asking.rules.secret
    limit = bound(share).to_bytes(8, "big")
    if asking.for_sqlite:
        drawn = func.hmac_sha256(key, before, PERSON.public_id, type_=LargeBinary)
        return func.substr(drawn, 1, 8, type_=LargeBinary) < literal(limit, LargeBinary)
    inner, outer = _pads(key)
    first = func.sha256(_bytes(inner + before).op("||")(PERSON.public_id))
    drawn = func.sha256(_bytes(outer).op("||")(first))
    return func.substr(drawn, 1, 8, type_=LargeBinary) < literal(limit, LargeBinary)


def _bytes(given: bytes) -> Expression:
    return cast(literal(given, LargeBinary), LargeBinary)


def _pads(key: bytes) -> tuple[bytes, bytes]:
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


# ── What time alone can turn ─────────────────────────────────────────────────────────────────────────────────────────

_BY_RULES: Final = frozenset({Name.STAGE, Name.KIND, Name.FIT})


def _turns(leaf: Leaf, *, to: bool) -> bool:
    """Whether a leaf can become true (or false) with no new fact; the rules behind `stage` and the like count too."""
    match leaf:
        case IdleFor() | InStageFor() | HeldFor() | Overdue() | InSegment():
            return True
        case Happened(within=within):
            return within is not None and not to
        case Known(AnswerTo(within=within)):
            return within is not None and not to
        case Compare(Named(Name.SCORE), op, value):
            return _score_turns(op, value, to=to)
        case Compare(Named(name)) | OneOf(Named(name)):
            return name in _BY_RULES
        case _:
            return False


def _score_turns(op: Op, value: Constant, *, to: bool) -> bool:
    """A score only moves towards zero: above a positive bound it can but fall."""
    if isinstance(value, str) or value <= 0:
        return True
    return to == (op in (Op.LT, Op.LE))
