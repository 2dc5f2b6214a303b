"""The tree a file is read into: scalars, lists and maps that know where they stand.

Owns the three node values and turning them into plain data. Must not know YAML's syntax or what any key means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Data: TypeAlias = "str | int | float | bool | list[Data] | dict[str, Data] | None"
"""What a JSON document may hold."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node begins and where it ends (just after its last character); lines and columns count from 1."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `raw` is its text after unquoting; `style` is "" for plain, else ' \" | or >."""

    value: str | int | float | bool | None
    raw: str
    style: str
    span: Span

    @property
    def is_plain(self) -> bool:
        return self.style == ""

    @property
    def is_empty(self) -> bool:
        """Nothing was written at all, as after `key:`."""
        return self.is_plain and self.raw == ""


@dataclass(frozen=True, slots=True)
class List:
    items: tuple[Node, ...]
    is_flow: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Map:
    entries: tuple[tuple[Scalar, Node], ...]
    is_flow: bool
    span: Span

    def get(self, key: str) -> Node | None:
        return next((node for name, node in self.entries if name.raw == key), None)

    def keys(self) -> tuple[str, ...]:
        return tuple(name.raw for name, _ in self.entries)


Node: TypeAlias = Scalar | List | Map


def to_data(node: Node) -> Data:
    """The node as plain data, for a JSON Schema validator; keys are always text."""
    match node:
        case Scalar():
            return node.value
        case List():
            return [to_data(item) for item in node.items]
        case Map():
            return {key.raw: to_data(value) for key, value in node.entries}
