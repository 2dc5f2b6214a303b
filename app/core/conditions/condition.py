"""A condition: its text, its tree and where it was written; and reading one.

Owns `Condition` and `parse`. Must not know what a site has declared (check) and must not ask it of anybody (evaluate).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from app.core.conditions.canonical import digest_of, written
from app.core.conditions.grammar import read
from app.core.conditions.needs import Names, Need, names_of, needs_of
from app.core.conditions.shape import shaped
from app.core.conditions.tokens import Fault, FaultError
from app.core.conditions.tree import Node
from app.core.problem import Problem
from app.core.text import NOWHERE, Place

Lines: TypeAlias = tuple[tuple[int, Place], ...]
"""For texts written over several lines or with escapes: from this offset on, count columns from that place."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. Two are equal when their canonical texts are: places and spacing take no part."""

    source: str = field(compare=False)
    tree: Node = field(compare=False)
    digest: str
    place: Place = field(default=NOWHERE, compare=False)
    lines: Lines = field(default=(), compare=False)

    def __repr__(self) -> str:
        return f"Condition({written(self.tree)!r})"

    def __str__(self) -> str:
        return written(self.tree)

    def names(self) -> Names:
        """The words this condition uses and what can change it."""
        return _names(self)

    def may_lapse(self) -> bool:
        """Whether time alone can ever change it, by itself or by the rules behind stage, kind and segments."""
        return _may_lapse(self)

    def needs(self) -> tuple[Need, ...]:
        """The facts it asks for, so that a store may fetch no others."""
        return _needs(self)

    def place_of(self, at: int) -> Place:
        """Where an offset of the source stands in the file."""
        return placed(at, self.place, self.lines)


@lru_cache(maxsize=4096)
def _names(condition: Condition) -> Names:
    return names_of(condition.tree)


@lru_cache(maxsize=4096)
def _may_lapse(condition: Condition) -> bool:
    names = condition.names()
    return names.lapses or names.uses_stage or names.uses_kind or bool(names.segments or names.timers)


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
