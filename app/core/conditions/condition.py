"""A condition: its text, its tree and where it was written; and reading one.

Owns `Condition` and `parse`. Must not know what a site has declared (check) and must not ask it of anybody (evaluate).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from app.core.conditions.canonical import digest_of, written
from app.core.conditions.change import Foresight, foresight_of
from app.core.conditions.evaluate import Question, question_of
from app.core.conditions.grammar import read
from app.core.conditions.needs import Names, Need, names_of, needs_of
from app.core.conditions.shape import shaped
from app.core.conditions.tokens import Fault, FaultError
from app.core.conditions.tree import Node
from app.core.problem import Problem
from app.core.text import NOWHERE, Place

Lines: TypeAlias = tuple[tuple[int, Place], ...]
"""For texts written over several lines or with escapes: from this offset on, count columns from that place."""


class _Made:
    """What is made of a condition's tree once, when it is read."""

    __slots__ = ("_names", "ask", "foresee", "lapses", "leans")

    ask: Question
    """Whether it holds for a view."""
    foresee: Foresight
    """What becomes of it; see `change`."""
    leans: bool
    """Whether it looks at stage, kind or a segment, which rules of their own decide."""
    lapses: bool
    """Whether time alone can ever change it, by itself or by the rules it leans on."""
    _names: Names


@dataclass(frozen=True, slots=True)
class Condition(_Made):
    """One condition. Two are equal when their canonical texts are: places and spacing take no part."""

    source: str = field(compare=False)
    tree: Node = field(compare=False)
    digest: str
    place: Place = field(default=NOWHERE, compare=False)
    lines: Lines = field(default=(), compare=False)

    def __post_init__(self) -> None:
        names = names_of(self.tree)
        leans = names.uses_stage or names.uses_kind or bool(names.segments)
        made = {"_names": names, "leans": leans, "lapses": names.lapses or leans or bool(names.timers)}
        for name, value in {**made, "ask": question_of(self.tree), "foresee": foresight_of(self.tree)}.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[type[Condition], tuple[object, ...]]:
        """Functions do not travel; they are made again."""
        return Condition, (self.source, self.tree, self.digest, self.place, self.lines)

    def __repr__(self) -> str:
        return f"Condition({written(self.tree)!r})"

    def __str__(self) -> str:
        return written(self.tree)

    def names(self) -> Names:
        """The words this condition uses and what can change it."""
        return self._names

    def needs(self) -> tuple[Need, ...]:
        """The facts it asks for, so that a store may fetch no others."""
        return _needs(self)

    def place_of(self, at: int) -> Place:
        """Where an offset of the source stands in the file."""
        return placed(at, self.place, self.lines)


@lru_cache(maxsize=4096)
def _needs(condition: Condition) -> tuple[Need, ...]:
    return needs_of(condition.tree)


def parse(source: str, place: Place = NOWHERE, lines: Lines = ()) -> Condition | tuple[Problem, ...]:
    """Read one condition. `place` is where its first character stands in the file.

    Gives the condition, or all problems found (at least one), never an exception, in time linear in the length.
    """
    try:
        tree = shaped(read(source))
    except FaultError as error:
        return tuple(problem_at(fault, place, lines) for fault in error.faults)
    return Condition(source, tree, digest_of(tree), place, lines)


def problem_at(fault: Fault, place: Place, lines: Lines) -> Problem:
    spot = placed(fault.at, place, lines)
    return Problem(fault.code, spot.file, spot.line, spot.column, fault.message, fault.fix)


def placed(at: int, place: Place, lines: Lines) -> Place:
    start, base = 0, place
    for offset, line in lines:
        if offset <= at:
            start, base = offset, line
    return Place(base.file, base.line, base.column + at - start)
