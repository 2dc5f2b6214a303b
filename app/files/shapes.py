"""Shapes: what may stand at a place of a file. Each one reads, writes its JSON Schema and names itself for the docs.

Owns lists, tables, choices between shapes. Must not know any file of the language; single words live in files/scalars,
maps with known keys in files/forms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from app.files.nodes import Data, List, Map, Node, Scalar
from app.files.reading import Reading, UnreadableError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(slots=True)
class Definitions:
    """The `$defs` of a schema being written, and the forms met on the way (for the reference page)."""

    schemas: dict[str, Data] = field(default_factory=dict)

    def reference(self, name: str, make: Callable[[], dict[str, Data]]) -> dict[str, Data]:
        if name not in self.schemas:
            self.schemas[name] = {}  # a place holder ends recursion
            self.schemas[name] = make()
        return {"$ref": f"#/$defs/{name}"}


class Shape(ABC, Generic[T_co]):
    """One thing that may be written. `example` is a text that can be pasted; `label` a noun phrase."""

    example: str
    label: str

    @abstractmethod
    def accepts(self, node: Node) -> bool:
        """Whether the node is of the sort this shape reads; a choice asks this before it reads."""

    @abstractmethod
    def read(self, node: Node, reading: Reading) -> T_co:
        """The value, or UnreadableError after reporting what is wrong."""

    @abstractmethod
    def schema(self, definitions: Definitions) -> dict[str, Data]:
        """The JSON Schema; named parts go into the definitions."""

    def ordered(self, node: Node) -> Node:
        """The node with its known keys in canonical order."""
        return node

    def parts(self) -> Iterator[Shape[object]]:
        """The shapes directly inside."""
        return iter(())


class OneValue(Shape[T_co]):
    """A shape that is written as one scalar."""

    def accepts(self, node: Node) -> bool:
        return isinstance(node, Scalar)

    def schema(self, definitions: Definitions) -> dict[str, Data]:  # noqa: ARG002  # one value defines nothing
        return self.own_schema()

    @abstractmethod
    def own_schema(self) -> dict[str, Data]:
        """The JSON Schema, whole."""


def sort_of(node: Node) -> str:
    """What was written, in words."""
    match node:
        case Scalar(value=str()):
            return "a text"
        case Scalar(value=bool()):
            return "true or false"
        case Scalar(value=None):
            return "null"
        case Scalar():
            return "a number"
        case List():
            return "a list"
        case Map():
            return "a block of keys"


def refuse_sort(shape: Shape[object], node: Node, reading: Reading) -> UnreadableError:
    """Report that a node is of the wrong sort; the caller raises what this returns."""
    message = f"this should be {shape.label}, not {sort_of(node)}"
    if isinstance(node, Scalar) and node.is_empty:
        message = f"nothing is written here; it should be {shape.label}"
    reading.report("wrong-sort", node.span, message, f"Write: {shape.example}")
    return UnreadableError()


class ListOf(Shape[tuple[T, ...]]):
    """A list; all faulty items are reported, not only the first."""

    def __init__(self, item: Shape[T], *, least: int = 0) -> None:
        self.item, self.least = item, least
        self.label = f"a list ({item.label} each)"
        self.example = f"[{item.example}]"

    def accepts(self, node: Node) -> bool:
        return isinstance(node, List)

    def read(self, node: Node, reading: Reading) -> tuple[T, ...]:
        if not isinstance(node, List):
            raise refuse_sort(self, node, reading)
        if len(node.items) < self.least:
            raise reading.refused("empty-list", node.span, "this list is empty", f"Write: {self.example}")
        return read_all(self.item, node.items, reading)

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        least: dict[str, Data] = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": self.item.schema(definitions), **least}

    def ordered(self, node: Node) -> Node:
        if not isinstance(node, List):
            return node
        return List(tuple(map(self.item.ordered, node.items)), node.is_flow, node.span)

    def parts(self) -> Iterator[Shape[object]]:
        yield self.item


def read_all(shape: Shape[T], nodes: tuple[Node, ...], reading: Reading) -> tuple[T, ...]:
    """Every node read; those that cannot be are reported and left out."""
    values = []
    for node in nodes:
        try:
            values.append(shape.read(node, reading))
        except UnreadableError:
            continue
    return tuple(values)


class OneOrMany(Shape[tuple[T, ...]]):
    """One thing, or a list of it."""

    def __init__(self, item: Shape[T]) -> None:
        self.item, self.many = item, ListOf(item)
        self.label, self.example = f"{item.label}, or a list of them", item.example

    def accepts(self, node: Node) -> bool:
        return self.item.accepts(node) or self.many.accepts(node)

    def read(self, node: Node, reading: Reading) -> tuple[T, ...]:
        return self.many.read(node, reading) if isinstance(node, List) else (self.item.read(node, reading),)

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        return {"anyOf": [self.item.schema(definitions), self.many.schema(definitions)]}

    def ordered(self, node: Node) -> Node:
        return self.many.ordered(node) if isinstance(node, List) else self.item.ordered(node)

    def parts(self) -> Iterator[Shape[object]]:
        yield self.item


class TableOf(Shape[tuple[tuple[str, T], ...]]):
    """A map with free keys, in the order written. `fallback` stands in for a faulty value: its name stays known."""

    def __init__(
        self, key: Shape[str], value: Shape[T], *, least: int = 0, fallback: Callable[[str], T] | None = None
    ) -> None:
        self.key, self.value, self.least, self.fallback = key, value, least, fallback
        self.label = f"a block: {key.label} → {value.label}"
        self.example = f"{{{key.example}: {value.example}}}"

    def accepts(self, node: Node) -> bool:
        return isinstance(node, Map)

    def read(self, node: Node, reading: Reading) -> tuple[tuple[str, T], ...]:
        if not isinstance(node, Map):
            raise refuse_sort(self, node, reading)
        if len(node.entries) < self.least:
            message = "nothing is given here" if self.least == 1 else f"at least {self.least} are needed here"
            raise reading.refused("too-few", node.span, message, f"Write: {self.example}")
        return tuple(self._entries(node, reading))

    def _entries(self, node: Map, reading: Reading) -> Iterator[tuple[str, T]]:
        for key_node, value_node in node.entries:
            key = ""
            try:
                key = self.key.read(as_text(key_node), reading)
                yield key, self.value.read(value_node, reading)
            except UnreadableError:
                if key and self.fallback is not None:
                    yield key, self.fallback(key)

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        names = {
            key: value for key, value in self.key.schema(definitions).items() if key in ("pattern", "enum", "anyOf")
        }
        least: dict[str, Data] = {"minProperties": self.least} if self.least else {}
        return {
            "type": "object",
            "additionalProperties": self.value.schema(definitions),
            "propertyNames": names,
            **least,
        }

    def ordered(self, node: Node) -> Node:
        if not isinstance(node, Map):
            return node
        return Map(tuple((key, self.value.ordered(value)) for key, value in node.entries), node.is_flow, node.span)

    def parts(self) -> Iterator[Shape[object]]:
        yield self.key
        yield self.value


def as_text(key: Scalar) -> Scalar:
    """A key is always text, even one that looks like a number."""
    return Scalar(key.raw, key.raw, key.style, key.span)


class Either(Shape[T]):
    """The first of several shapes that accepts what was written."""

    def __init__(self, *options: Shape[T], label: str = "") -> None:
        self.options = options
        self.label = label or ", or ".join(option.label for option in options)
        self.example = options[0].example

    def accepts(self, node: Node) -> bool:
        return any(option.accepts(node) for option in self.options)

    def read(self, node: Node, reading: Reading) -> T:
        for option in self.options:
            if option.accepts(node):
                return option.read(node, reading)
        raise refuse_sort(self, node, reading)

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        return {"anyOf": [option.schema(definitions) for option in self.options]}

    def ordered(self, node: Node) -> Node:
        return next((option.ordered(node) for option in self.options if option.accepts(node)), node)

    def parts(self) -> Iterator[Shape[object]]:
        yield from self.options


S = TypeVar("S")


class Made(Shape[T], Generic[S, T]):
    """Another shape's value made into something else. `make` may raise ValueError: "what is wrong; what to write"."""

    def __init__(self, shape: Shape[S], make: Callable[[S], T]) -> None:
        self.shape, self.make = shape, make
        self.label, self.example = shape.label, shape.example

    def accepts(self, node: Node) -> bool:
        return self.shape.accepts(node)

    def read(self, node: Node, reading: Reading) -> T:
        value = self.shape.read(node, reading)
        try:
            return self.make(value)
        except ValueError as error:
            refuse_value(str(error), node, reading, self.example)
            raise UnreadableError from None

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        return self.shape.schema(definitions)

    def ordered(self, node: Node) -> Node:
        return self.shape.ordered(node)

    def parts(self) -> Iterator[Shape[object]]:
        yield self.shape


def refuse_value(words: str, node: Node, reading: Reading, example: str) -> None:
    """Report "what is wrong; what to write" as the core's parsers say it."""
    message, _, fix = words.partition("; ")
    fix = fix[:1].upper() + fix[1:] if fix else f"Write it like: {example}"
    reading.report("bad-value", node.span, message, fix)


class Later(Shape[T]):
    """A shape that is defined further down: steps contain steps."""

    def __init__(self, get: Callable[[], Shape[T]], label: str, example: str) -> None:
        self.get, self.label, self.example = get, label, example

    def accepts(self, node: Node) -> bool:
        return self.get().accepts(node)

    def read(self, node: Node, reading: Reading) -> T:
        return self.get().read(node, reading)

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        return self.get().schema(definitions)

    def ordered(self, node: Node) -> Node:
        return self.get().ordered(node)

    def parts(self) -> Iterator[Shape[object]]:
        yield self.get()
