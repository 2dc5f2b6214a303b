"""The tree of a condition: a closed union of frozen nodes.

Owns the shapes that evaluation, next change, sentences and the SQL compiler walk with `match` and `assert_never`.
Must not hold meaning: no node knows how it is asked. `at` is the offset in the source and takes no part in equality.

The shapes are narrow on purpose, so that every walker is short:
a comparison has an operand on the left and a constant on the right (`30 <= score` is turned round, chains are refused);
a constant is NFC text or a finite number, never a boolean, and of the same sort as a bare name it is compared with;
`score` is only asked for with < <= > >=, and words such as `stage` only with == != in;
`x not in [...]` is Not(OneOf); spans are microseconds;
`And` and `Or` have at least two children, none of them of the same sort; `HeldFor` never stands inside `HeldFor`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from app.core.instants import Span

Constant: TypeAlias = str | int | float


def _at() -> int:
    return field(default=0, compare=False, repr=False)


class Name(StrEnum):
    """The bare names. Two are true or false; an empty locale, country, source or box is unknown."""

    STAGE = "stage"
    KIND = "kind"
    SCORE = "score"
    FIT = "fit"
    LOCALE = "locale"
    COUNTRY = "country"
    SOURCE = "source"
    BOX = "box"
    CONFIRMED = "confirmed"
    ORDERS = "orders"
    REVENUE = "revenue"
    REFERRALS = "referrals"
    REFERRED = "referred"


class Op(StrEnum):
    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


class Deed(StrEnum):
    """What can have happened to or by a person; the names are those of the functions."""

    RECEIVED = "received"
    OPENED = "opened"
    CLICKED = "clicked"
    REPLIED = "replied"
    VISITED = "visited"
    DID = "did"
    BOUGHT = "bought"


# ── Operands: where a value comes from ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Named:
    name: Name
    at: int = _at()


@dataclass(frozen=True, slots=True)
class AttributeOf:
    key: str
    at: int = _at()


@dataclass(frozen=True, slots=True)
class AnswerTo:
    """The latest answer to a survey, within the scope."""

    survey: str
    within: Span | None = None
    ever: bool = False
    at: int = _at()


@dataclass(frozen=True, slots=True)
class EventField:
    """A field of the event that began this run (or that asks to begin one)."""

    field: str
    at: int = _at()


Operand: TypeAlias = Named | AttributeOf | AnswerTo | EventField


# ── Joins ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]
    at: int = _at()


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]
    at: int = _at()


@dataclass(frozen=True, slots=True)
class Not:
    part: Node
    at: int = _at()


# ── Leaves ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Compare:
    """`operand op value`. Unknown when the operand is missing or of another sort than the value."""

    operand: Operand
    op: Op
    value: Constant
    at: int = _at()


@dataclass(frozen=True, slots=True)
class OneOf:
    """`operand in [values]`; an empty list is false."""

    operand: Operand
    values: tuple[Constant, ...]
    at: int = _at()


@dataclass(frozen=True, slots=True)
class Contains:
    """`'text' in operand`, for operands that hold lists."""

    operand: Operand
    value: str
    at: int = _at()


@dataclass(frozen=True, slots=True)
class Truth:
    """A bare operand that is true or false: `confirmed`, `attribute('vip')`."""

    operand: Operand
    at: int = _at()


@dataclass(frozen=True, slots=True)
class Known:
    """Whether there is a value at all; never unknown itself."""

    operand: Operand
    at: int = _at()


@dataclass(frozen=True, slots=True)
class Tagged:
    tag: str
    at: int = _at()


@dataclass(frozen=True, slots=True)
class InSegment:
    segment: str
    at: int = _at()


@dataclass(frozen=True, slots=True)
class Happened:
    """At least `times` distinct facts of one sort. A `*` stands only at the end of a path.

    `what` is the mail, the path, the event or the product; empty means any. `same` narrows to facts whose field of
    that name equals this run's key. `within` counts facts at > now − within; without it the scope says since when.
    """

    deed: Deed
    what: str = ""
    link: str = ""
    topic: str = ""
    times: int = 1
    within: Span | None = None
    ever: bool = False
    same: str = ""
    at: int = _at()


@dataclass(frozen=True, slots=True)
class IdleFor:
    """No signal for a span; counted from the first sight of a person who never gave one."""

    span: Span
    at: int = _at()


@dataclass(frozen=True, slots=True)
class InStageFor:
    span: Span
    at: int = _at()


@dataclass(frozen=True, slots=True)
class HeldFor:
    """`part` is true now, and has been for `span`: the timer under `digest` says since when."""

    span: Span
    part: Node
    digest: str
    at: int = _at()


@dataclass(frozen=True, slots=True)
class Overdue:
    """The last order is `factor` × the usual gap ago, and at least `least`. False without an order."""

    factor: int | float
    least: Span = 0
    at: int = _at()


@dataclass(frozen=True, slots=True)
class Chance:
    """A lasting draw for a share (0..1) of all people; the same name draws the same people everywhere."""

    share: float
    name: str
    at: int = _at()


Join: TypeAlias = Or | And | Not
Plain: TypeAlias = Compare | OneOf | Contains | Truth | Known | Tagged | InSegment
"""Leaves about what is stored of the person."""
Timed: TypeAlias = Happened | IdleFor | InStageFor | HeldFor | Overdue | Chance
"""Leaves about what happened and when, and the draw."""
Leaf: TypeAlias = Plain | Timed
Node: TypeAlias = Join | Leaf
