"""Which questions a sort of value bears: numbers, texts, choices, dates, lists, flags, scales.

Owns the types of attributes, event fields and answers as conditions see them. Must not know names or places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from app.core.calendar import format_date, parse_date
from app.core.conditions.canonical import operand_written, quoted
from app.core.conditions.tree import Compare, Constant, Contains, Known, OneOf, Op, Truth

Valued: TypeAlias = Compare | OneOf | Contains | Truth | Known
Advice: TypeAlias = tuple[str, str]
"""What is wrong, and what to write instead."""


class Bears(StrEnum):
    """Sorts of value; the text is how a person is told."""

    NUMBER = "a number"
    TEXT = "a text"
    CHOICE = "one of its options"
    DATE = "a date"
    DAY = "a day of the year"
    FLAG = "true or false"
    LIST = "a list"
    CHOICES = "a list of its options"
    SCALE = "a number on its scale"


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of value, with its options or the ends of its scale."""

    bears: Bears
    options: tuple[str, ...] = ()
    low: int = 0
    high: int = 0


_BY_TYPE: Final = {
    "number": Bears.NUMBER,
    "money": Bears.NUMBER,
    "choice": Bears.CHOICE,
    "choices": Bears.CHOICES,
    "list": Bears.LIST,
    "date": Bears.DATE,
    "day": Bears.DAY,
    "bool": Bears.FLAG,
}
_ORDERING: Final = frozenset({Op.LT, Op.LE, Op.GT, Op.GE})
_LISTS: Final = frozenset({Bears.LIST, Bears.CHOICES})


def sort_of(declared: str, options: tuple[str, ...]) -> Sort:
    """The sort of a declared type; text, email, phone, link and hidden are all texts."""
    return Sort(_BY_TYPE.get(declared, Bears.TEXT), options)


def misfits(leaf: Valued, sort: Sort) -> Iterator[Advice]:
    """What a question asks that its value cannot answer."""
    shown = operand_written(leaf.operand)
    is_wrong = f"`{shown}` is {sort.bears}"
    match leaf:
        case Known():
            return
        case Truth():
            if sort.bears is not Bears.FLAG:
                yield f"{is_wrong}, not true or false", f"compare it: `{_example(shown, sort)}`"
        case Contains(_, value):
            if sort.bears not in _LISTS:
                yield f"{is_wrong}, not a list", f"write `{shown} == {quoted(value)}`"
            elif sort.bears is Bears.CHOICES:
                yield from _option(value, sort)
        case Compare(_, op, value):
            yield from _compared(shown, op, (value,), sort)
        case OneOf(_, values):
            yield from _compared(shown, Op.EQ, values, sort)
        case _:
            assert_never(leaf)


def _compared(shown: str, op: Op, values: tuple[Constant, ...], sort: Sort) -> Iterator[Advice]:
    is_wrong = f"`{shown}` is {sort.bears}"
    advice = f"write for example `{_example(shown, sort)}`"
    if sort.bears in _LISTS or sort.bears in (Bears.FLAG, Bears.DAY):
        yield f"{is_wrong} and cannot be compared", advice
    elif any(isinstance(value, str) == _is_number(sort) for value in values):
        yield f"{is_wrong}, and is compared with something else", advice
    elif sort.bears is Bears.CHOICE and op in _ORDERING:
        yield f"{is_wrong}; options have no order", advice
    else:
        for value in values:
            yield from _misfit(value, sort)


def _is_number(sort: Sort) -> bool:
    return sort.bears in (Bears.NUMBER, Bears.SCALE)


def _misfit(value: Constant, sort: Sort) -> Iterator[Advice]:
    if isinstance(value, str):
        if sort.bears is Bears.CHOICE:
            yield from _option(value, sort)
        elif sort.bears is Bears.DATE:
            yield from _date(value)
    elif sort.bears is Bears.SCALE and not sort.low <= value <= sort.high:
        yield f"answers go from {sort.low} to {sort.high}, so {value} says nothing", "choose a number on the scale"


def _option(value: str, sort: Sort) -> Iterator[Advice]:
    if value not in sort.options:
        options = ", ".join(quoted(option) for option in sort.options[:8])
        yield f"there is no option {quoted(value[:60])}", f"write one of {options}"


def _date(value: str) -> Iterator[Advice]:
    try:
        gregorian = format_date(parse_date(value))
    except ValueError as error:
        yield str(error), "write a date such as '2026-11-22'"
        return
    if gregorian != value:
        yield f"dates are kept in the Gregorian calendar, {value} is Jalali", f"write `{quoted(gregorian)}`"


def _example(shown: str, sort: Sort) -> str:
    option = quoted(sort.options[0]) if sort.options else "'…'"
    match sort.bears:
        case Bears.NUMBER:
            return f"{shown} >= 10"
        case Bears.SCALE:
            return f"{shown} >= {sort.high}"
        case Bears.TEXT | Bears.CHOICE:
            return f"{shown} == {option}"
        case Bears.DATE:
            return f"{shown} >= '2026-11-22'"
        case Bears.DAY:
            return shown.replace("attribute", "known", 1)
        case Bears.FLAG:
            return shown
        case Bears.LIST | Bears.CHOICES:
            return f"{option} in {shown}"
        case _:
            assert_never(sort.bears)
