"""Forms: maps with known keys. One declaration reads, writes the schema and the reference, and orders the keys.

Owns unknown and missing keys and the choice between forms by their first key. Must not know any file of the language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from app.core.text import Place
from app.files.nodes import Data, Map, Node, Scalar, Span
from app.files.reading import Reading, UnreadableError
from app.files.shapes import Definitions, Shape, refuse_sort
from app.files.words import cleaned, disguise, listed, nearest

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Needed:
    """Stands for "no default: the key must be there"."""


NEEDED = _Needed()


@dataclass(frozen=True, slots=True, eq=False)
class Field(Generic[T_co]):
    """One key of a form. `help` is a sentence for hover texts and the reference."""

    key: str
    shape: Shape[T_co]
    help: str
    default: T_co | _Needed = NEEDED
    shown_default: str = ""

    @property
    def is_needed(self) -> bool:
        return self.default is NEEDED


def needed(key: str, shape: Shape[T], about: str) -> Field[T]:
    """A key that must be there."""
    return Field(key, shape, about)


def maybe(key: str, shape: Shape[T], about: str) -> Field[T | None]:
    """A key that may be left out; the value is None then."""
    return cast("Field[T | None]", Field(key, cast("Shape[T | None]", shape), about, None))


def usual(key: str, shape: Shape[T], default: T, about: str, shown: str = "") -> Field[T]:
    """A key with a default."""
    return Field(key, shape, about, default, shown)


@dataclass(frozen=True, slots=True)
class Record:
    """What stood in one map: typed values by field."""

    node: Map
    reading: Reading
    values: dict[str, object]
    faulty: set[str]
    """Keys in whose value something was reported: nothing more is said about them."""

    def __getitem__(self, field: Field[T]) -> T:
        if field.key in self.values:
            return cast("T", self.values[field.key])
        return cast("T", field.default)

    def has(self, field: Field[object]) -> bool:
        """Whether the key was written (and could be read)."""
        return field.key in self.values

    def is_whole(self, field: Field[object]) -> bool:
        """Whether everything inside the value could be read."""
        return field.key not in self.faulty

    @property
    def place(self) -> Place:
        return self.reading.place(self.node.span)

    def span_of(self, field: Field[object]) -> Span:
        """Where the value of a key stands, else the map itself."""
        node = self.node.get(field.key)
        return node.span if node else self.node.span

    def place_of(self, field: Field[object]) -> Place:
        return self.reading.place(self.span_of(field))

    def report(self, field: Field[object], code: str, message: str, fix: str) -> None:
        self.reading.report(code, self.span_of(field), message, fix)

    def refused(self, field: Field[object], code: str, message: str, fix: str) -> UnreadableError:
        """Report, and give up on the whole map by raising what this returns."""
        return self.reading.refused(code, self.span_of(field), message, fix)


class Form(Shape[T_co]):
    """A map with known keys, made into a value by `build`. Named forms get their own place in schema and reference."""

    def __init__(
        self, name: str, fields: tuple[Field[object], ...], build: Callable[[Record], T_co], about: str = ""
    ) -> None:
        self.name, self.fields, self.build, self.about = name, fields, build, about
        self.slug = re.sub(r"[^a-z0-9]+", "-", name)
        self.by_key = {field.key: field for field in fields}
        self.label = f"a block of keys ({listed(self.by_key)})" if len(fields) < 9 else "a block of keys"
        shown = [field for field in fields if field.is_needed] or list(fields[:1])
        self.example = "{" + ", ".join(f"{field.key}: {field.shape.example}" for field in shown) + "}"

    def accepts(self, node: Node) -> bool:
        return isinstance(node, Map)

    def read(self, node: Node, reading: Reading) -> T_co:
        if not isinstance(node, Map):
            raise refuse_sort(self, node, reading)
        record = Record(node, reading, {}, set())
        meant: set[str] = set()
        is_broken = False
        for index, (key, value) in enumerate(node.entries):
            field = self.by_key.get(key.raw)
            if field is None:
                meant.add(self._unknown(node, index, reading))
            elif not self._keep(field, value, record) and field.is_needed:
                is_broken = True
        if self._lacks(node, meant, reading) or is_broken:
            raise UnreadableError
        return self.build(record)

    def _keep(self, field: Field[object], value: Node, record: Record) -> bool:
        """Read one value into the record; it is not whole when anything inside it was reported."""
        known = len(record.reading.problems)
        try:
            record.values[field.key] = field.shape.read(value, record.reading)
        except UnreadableError:
            return False
        finally:
            if len(record.reading.problems) > known:
                record.faulty.add(field.key)
        return True

    def _lacks(self, node: Map, meant: set[str], reading: Reading) -> bool:
        """Report needed keys that are not there, but for those that were only misspelt."""
        present = set(node.keys())
        lacking = [field for field in self.fields if field.is_needed and field.key not in present]
        for field in lacking:
            if field.key in meant:
                continue
            message, fix = f"'{field.key}' is missing here", f"Add: {field.key}: {field.shape.example}"
            reading.report("missing-key", node.span, message, fix)
        return bool(lacking)

    def _unknown(self, node: Map, index: int, reading: Reading) -> str:
        """Report a key that is not known here; gives the key that was meant, or nothing."""
        key, value = node.entries[index]
        name, colon, rest = key.raw.partition(":")
        if colon and name in self.by_key and isinstance(value, Scalar) and value.is_empty:
            reading.report("colon-space", key.span, "a space is missing after the ':'", f"Write {name}: {rest.strip()}")
            return name
        comma = comma_ended_text(node, index)
        if comma is not None:
            reading.report("comma-ended-text", comma[0].span, "the comma ended this text early", f"Write: {comma[1]}")
            return ""
        return report_unknown_key(key, self.by_key, reading)

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        return definitions.reference(self.slug, lambda: self._schema(definitions))

    def _schema(self, definitions: Definitions) -> dict[str, Data]:
        properties: dict[str, Data] = {}
        for field in self.fields:
            properties[field.key] = described(field.shape.schema(definitions), field)
        about: dict[str, Data] = {"description": self.about} if self.about else {}
        return {
            "type": "object",
            **about,
            "properties": properties,
            "required": [field.key for field in self.fields if field.is_needed],
            "additionalProperties": False,
        }

    def ordered(self, node: Node) -> Node:
        if not isinstance(node, Map):
            return node
        rank = {field.key: index for index, field in enumerate(self.fields)}
        entries = sorted(node.entries, key=lambda entry: rank.get(entry[0].raw, len(rank)))
        inside = tuple((key, self._ordered_value(key.raw, value)) for key, value in entries)
        return Map(inside, node.is_flow, node.span)

    def _ordered_value(self, key: str, value: Node) -> Node:
        field = self.by_key.get(key)
        return field.shape.ordered(value) if field else value

    def parts(self) -> Iterator[Shape[object]]:
        for field in self.fields:
            yield field.shape


def described(schema: dict[str, Data], field: Field[object]) -> dict[str, Data]:
    """The schema of a value with the help and the default of its key; siblings of `$ref` are allowed since 2019-09."""
    default: dict[str, Data] = {"default": field.shown_default} if field.shown_default else {}
    return {**schema, "description": field.help, **default}


def report_unknown_key(key: Scalar, known: dict[str, Field[object]], reading: Reading) -> str:
    """Report it; gives the key that was meant, or nothing."""
    found = disguise(key.raw)
    if found is not None and cleaned(key.raw) in known:
        reading.report(found[0], key.span, f"{found[1]} in the key '{key.raw}'", f"Write: {cleaned(key.raw)}")
        return cleaned(key.raw)
    meant = nearest(cleaned(key.raw), known)
    fix = f"Write: {meant}" if meant else f"Keys here are: {listed(known, 30)}"
    reading.report("unknown-key", key.span, f"there is no key '{key.raw[:60]}' here", fix)
    return meant or ""


def comma_ended_text(node: Map, index: int) -> tuple[Scalar, str] | None:
    """`{en: Hello, friend, fa: …}`: a text was cut at a comma. Gives that text and what to write."""
    key, value = node.entries[index]
    if not (node.is_flow and index and isinstance(value, Scalar) and value.is_empty and key.is_plain):
        return None
    start = index - 1
    while start and _is_leftover(node, start):
        start -= 1
    owner, first = node.entries[start]
    if not (isinstance(first, Scalar) and isinstance(first.value, str) and not first.style):
        return None
    end = index
    while end + 1 < len(node.entries) and _is_leftover(node, end + 1):
        end += 1
    pieces = [first.raw, *(node.entries[i][0].raw for i in range(start + 1, end + 1))]
    return (first, f'{owner.raw}: "{", ".join(pieces)}"') if start == index - 1 else (first, "")


def _is_leftover(node: Map, index: int) -> bool:
    key, value = node.entries[index]
    return isinstance(value, Scalar) and value.is_empty and key.is_plain


class ByKey(Shape[T]):
    """One of several forms, told apart by the key that names them: `send:`, `wait:`, `if:` …

    `words` are variants written as a bare word: `dormant`, `end`.
    """

    def __init__(
        self, label: str, forms: Mapping[str, Form[T]], words: Mapping[str, Callable[[Place], T]] | None = None
    ) -> None:
        self.forms, self.words, self.label = forms, words or {}, label
        self.example = next(iter(forms.values())).example

    def accepts(self, node: Node) -> bool:
        return isinstance(node, Map) or (bool(self.words) and isinstance(node, Scalar))

    def read(self, node: Node, reading: Reading) -> T:
        if isinstance(node, Scalar) and self.words and isinstance(node.value, str):
            return self._word(node, reading)
        if not isinstance(node, Map):
            raise refuse_sort(self, node, reading)
        form = self.chosen(node)
        if form is None:
            raise self._no_form(node, reading)
        return form.read(self._without_others(node, form, reading), reading)

    def chosen(self, node: Map) -> Form[T] | None:
        """By the order of the forms, not of the file: `{days: -2, date: …}` is a date."""
        present = set(node.keys())
        return next((form for name, form in self.forms.items() if name in present), None)

    def _without_others(self, node: Map, form: Form[T], reading: Reading) -> Map:
        """`send:` and `wait:` in one step: mostly a forgotten dash."""
        others = [key for key, _ in node.entries if key.raw in self.forms and key.raw not in form.by_key]
        for key in others:
            own = next(name for name, known in self.forms.items() if known is form)
            message = f"'{own}' and '{key.raw}' are two things"
            reading.report("two-in-one", key.span, message, f"Begin a line of its own: - {key.raw}: …")
        return Map(tuple(entry for entry in node.entries if entry[0] not in others), node.is_flow, node.span)

    def _word(self, node: Scalar, reading: Reading) -> T:
        make = self.words.get(node.raw)
        if make is not None:
            return make(reading.place(node.span))
        known = (*self.words, *self.forms)
        meant = nearest(cleaned(node.raw), known)
        if meant is not None and meant in self.forms:
            fix = f"Write: {self.forms[meant].example.strip('{}')}"
            raise reading.refused("unknown-word", node.span, f"'{node.raw[:60]}' alone is not {self.label}", fix)
        fix = f"Write: {meant}" if meant else f"{self.label.capitalize()} is one of: {listed(known, 40)}"
        raise reading.refused("unknown-word", node.span, f"there is no '{node.raw[:60]}'", fix)

    def _no_form(self, node: Map, reading: Reading) -> UnreadableError:
        known = (*self.forms, *self.words)
        strange = [key for key, _ in node.entries if all(key.raw not in form.by_key for form in self.forms.values())]
        for key in strange:
            meant = nearest(cleaned(key.raw), known)
            if meant:
                found = disguise(key.raw)
                code, what = found or ("unknown-key", "")
                message = f"{what} in the key '{key.raw}'" if what else f"there is no key '{key.raw[:60]}' here"
                fix = f"Write: {meant} alone, without ':'" if meant in self.words else f"Write: {meant}"
                return reading.refused(code, key.span, message, fix)
        first = node.entries[0][0].raw[:60] if node.entries else ""
        message = f"'{first}' does not say what this is" if first else "nothing is given here"
        return reading.refused(
            "unknown-form", node.span, message, f"{self.label.capitalize()} is one of: {listed(known, 40)}"
        )

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        options: list[Data] = [form.schema(definitions) for form in self.forms.values()]
        if self.words:
            options.append({"enum": list(self.words)})
        return {"anyOf": options}

    def ordered(self, node: Node) -> Node:
        form = self.chosen(node) if isinstance(node, Map) else None
        return form.ordered(node) if form else node

    def parts(self) -> Iterator[Shape[object]]:
        yield from self.forms.values()
