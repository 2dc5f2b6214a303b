"""A condition in plain words of a language, for people who do not read conditions.

Owns the walk: negations go down to the leaves, joins are bracketed where reading would be doubtful.
Must not know any language: the tongues do (`sentence_en`, `sentence_fa`). A sentence says something of a person
without naming her: «has bought», «خرید کرده است».
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from app.core.conditions.tree import And, Compare, HeldFor, Leaf, Node, Not, Op, Or

OPPOSITE: Mapping[Op, Op] = MappingProxyType(
    {Op.EQ: Op.NE, Op.NE: Op.EQ, Op.LT: Op.GE, Op.GE: Op.LT, Op.GT: Op.LE, Op.LE: Op.GT}
)


class Said(StrEnum):
    """Sorts of word that may have a label for people."""

    STAGE = "stage"
    KIND = "kind"
    ATTRIBUTE = "attribute"
    OPTION = "option"
    """Keyed `attribute.option`."""
    EVENT = "event"
    TOPIC = "topic"
    SEGMENT = "segment"
    SURVEY = "survey"
    MAIL = "mail"
    LINK = "link"
    BOX = "box"
    PRODUCT = "product"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels in the language of the sentence. A word without one is shown by its key, set apart."""

    texts: Mapping[tuple[Said, str], str] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, sort: Said, key: str) -> str | None:
        return self.texts.get((sort, key))


NO_LABELS = Labels()


class Tongue(Protocol):
    """One language: what a leaf says, or denies, of a person, and how sayings are joined."""

    def says(self, leaf: Leaf, is_denied: bool) -> str: ...

    def held(self, span: int, saying: str, is_denied: bool) -> str: ...

    def joined(self, sayings: list[str], is_or: bool, is_inner: bool) -> str: ...


def spoken(node: Node, tongue: Tongue) -> str:
    return _spoken(node, tongue, is_denied=False, depth=0)


def _spoken(node: Node, tongue: Tongue, is_denied: bool, depth: int) -> str:
    match node:
        case Not(part):
            return _spoken(part, tongue, not is_denied, depth)
        case Or(parts) | And(parts):
            is_or = isinstance(node, Or) != is_denied
            sayings = [_spoken(part, tongue, is_denied, depth + 1) for part in parts]
            return tongue.joined(sayings, is_or, is_inner=depth > 0)
        case HeldFor(span, part):
            saying = tongue.held(span, _spoken(part, tongue, is_denied=False, depth=0), is_denied)
            return f"({saying})" if depth else saying
        case Compare(operand, op, value, at) if is_denied:
            return tongue.says(Compare(operand, OPPOSITE[op], value, at), False)
        case _:
            return tongue.says(node, is_denied)
