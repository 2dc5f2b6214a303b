"""Operands in SQL: where the values of a condition lie, for every subscriber at once.

Owns the expression of a value as text, as a number, as yes or no, as a list, and whether it is known. Each is NULL
where the person has no value of that sort, which is what makes SQL's unknown and ours the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Float,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.core.conditions.tree import AnswerTo, AttributeOf, EventField, Name, Named, Operand
from app.core.facts import FactKind
from app.core.instants import Instant
from app.store.base import BETWEEN, table_of
from app.store.events import EventRow
from app.store.people import AttributeRow, SubscriberRow

PERSON = table_of(SubscriberRow).c
ATTRIBUTE = table_of(AttributeRow).c
EVENT = table_of(EventRow).c
COUNTED = EVENT.verdict.in_(("", "human"))
"""Facts that loading shows to the engine too."""

Expression = ColumnElement[Any]


class NotInSqlError(ValueError):
    """The condition asks for something that only one person's run can answer; the text names it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One operand as SQL, in each form it may be asked in."""

    text: Expression
    number: Expression
    flag: Expression
    known: Expression


_NO_TEXT, _NO_NUMBER, _NO_FLAG = cast(null(), Text), cast(null(), Float(53)), cast(null(), Boolean)


def seen(operand: Operand, now: Instant, *, for_sqlite: bool) -> Seen:
    """The operand's value at an instant. Raises NotInSqlError for what only a run knows."""
    match operand:
        case Named(name):
            return _named(name)
        case AttributeOf(key):
            return _attribute(key)
        case AnswerTo():
            return _answer(operand, now, for_sqlite=for_sqlite)
        case EventField(field):
            raise NotInSqlError(f"event('{field}') is known within a run only, and cannot be asked of the whole list")
        case _:
            assert_never(operand)


def holding(operand: Operand, text: str, now: Instant, *, for_sqlite: bool) -> Expression:
    """Whether a list holds a text; NULL where there is no list."""
    match operand:
        case AttributeOf(key):
            return _of_attribute(key, case((ATTRIBUTE.sort == "list", _holds(ATTRIBUTE.text, text, for_sqlite))))
        case AnswerTo():
            return _answer_holds(operand, text, now, for_sqlite=for_sqlite)
        case _:
            return _NO_FLAG


def _holds(column: Expression, text: str, for_sqlite: bool) -> Expression:
    """Whether a column laid out by `listed` holds a text."""
    sought = f"{BETWEEN}{text}{BETWEEN}"
    place = func.instr(column, sought) if for_sqlite else func.strpos(column, sought)
    return place > 0


def product(text: str, *, for_sqlite: bool) -> Expression:
    """Whether an order held a product."""
    return _holds(EVENT.products, text, for_sqlite)


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_WORDS = {Name.STAGE: PERSON.stage, Name.KIND: PERSON.kind}
_MAYBE = {
    Name.LOCALE: PERSON.locale,
    Name.COUNTRY: PERSON.country,
    Name.SOURCE: PERSON.source,
    Name.BOX: PERSON.box,
}
_NUMBERS = {
    Name.FIT: PERSON.fit,
    Name.ORDERS: PERSON.orders,
    Name.REVENUE: PERSON.revenue,
    Name.REFERRALS: PERSON.referrals,
}


def _named(name: Name) -> Seen:
    if name in _WORDS:
        return Seen(_WORDS[name], _NO_NUMBER, _NO_FLAG, true())
    if name in _MAYBE:
        return Seen(func.nullif(_MAYBE[name], "", type_=Text), _NO_NUMBER, _NO_FLAG, _MAYBE[name] != "")
    if name in _NUMBERS:
        return Seen(_NO_TEXT, _NUMBERS[name], _NO_FLAG, true())
    flag = PERSON.confirmed_at.is_not(None) if name is Name.CONFIRMED else PERSON.is_referred
    return Seen(_NO_TEXT, _NO_NUMBER, flag, true())


# ── Attributes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _attribute(key: str) -> Seen:
    is_number = ATTRIBUTE.sort.in_(("int", "float"))
    return Seen(
        text=_of_attribute(key, case((ATTRIBUTE.sort == "text", ATTRIBUTE.text))),
        number=_of_attribute(key, case((is_number, ATTRIBUTE.number))),
        flag=_of_attribute(key, case((ATTRIBUTE.sort == "bool", ATTRIBUTE.number))) == literal(1.0, Float),
        known=exists().where(_is_hers(key), or_(ATTRIBUTE.sort != "float", ATTRIBUTE.number.is_not(None))),
    )


def _of_attribute(key: str, value: Expression) -> Expression:
    return select(value).where(_is_hers(key)).scalar_subquery()


def _is_hers(key: str) -> Expression:
    return and_(ATTRIBUTE.subscriber_id == PERSON.id, ATTRIBUTE.key == key)


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _answer(operand: AnswerTo, now: Instant, *, for_sqlite: bool) -> Seen:
    payload = _latest(operand, now)
    if for_sqlite:
        sort, value = func.json_type(payload, "$.answer"), func.json_extract(payload, "$.answer")
        numbers, text, flag = ("integer", "real"), "text", sort == "true"
        flag = case((sort.in_(("true", "false")), flag))
    else:
        answer = cast(payload, JSONB)["answer"]
        sort, value = func.jsonb_typeof(answer), answer.astext
        numbers, text = ("number", "number"), "string"
        flag = case((sort == "boolean", cast(value, Boolean)))
    return Seen(
        text=case((sort == text, cast(value, Text))),
        number=case((sort.in_(numbers), cast(value, Float(53)))),
        flag=flag,
        known=and_(sort.is_not(None), sort != "null"),
    )


def _latest(operand: AnswerTo, now: Instant) -> Expression:
    """The payload of the latest answer that counts."""
    mine = and_(EVENT.subscriber_id == PERSON.id, EVENT.kind == FactKind.ANSWERED.value, COUNTED)
    query = select(EVENT.payload).where(mine, EVENT.name == operand.survey)
    if operand.within is not None:
        query = query.where(EVENT.at > now - operand.within)
    return query.order_by(EVENT.at.desc(), EVENT.fact_id.desc()).limit(1).scalar_subquery()


def _answer_holds(operand: AnswerTo, text: str, now: Instant, *, for_sqlite: bool) -> Expression:
    payload = _latest(operand, now)
    if for_sqlite:
        each = func.json_each(payload, "$.answer").table_valued("value")
        found = exists(select(literal(1)).select_from(each).where(each.c.value == text))
        return case((func.json_type(payload, "$.answer") == "array", found))
    answer = cast(payload, JSONB)["answer"]
    return case((func.jsonb_typeof(answer) == "array", answer.contains([text])))
