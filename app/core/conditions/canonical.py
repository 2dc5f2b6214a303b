"""Writes a tree back as text, always the same way for the same meaning of the words.

Owns the canonical text and the digest made from it. Must not simplify: it only writes what stands in the tree.
"""

from __future__ import annotations

import hashlib
from typing import assert_never

from app.core.conditions.tree import (
    And,
    AnswerTo,
    AttributeOf,
    Chance,
    Compare,
    Constant,
    Contains,
    Deed,
    EventField,
    Happened,
    HeldFor,
    IdleFor,
    InSegment,
    InStageFor,
    Known,
    Named,
    Node,
    Not,
    OneOf,
    Operand,
    Or,
    Overdue,
    Plain,
    Tagged,
    Timed,
    Truth,
)
from app.core.instants import Span, format_span


def digest_of(node: Node) -> str:
    """32 hexadecimal digits that change when, and only when, the canonical text does."""
    return hashlib.sha256(written(node).encode()).hexdigest()[:32]


def written(node: Node) -> str:
    """The canonical text. Parsing it gives an equal tree."""
    match node:
        case Or(parts):
            return " or ".join(map(written, parts))
        case And(parts):
            return " and ".join(f"({written(part)})" if isinstance(part, Or) else written(part) for part in parts)
        case Not(part):
            return _denied(part)
        case Compare() | OneOf() | Contains() | Truth() | Known() | Tagged() | InSegment():
            return _plain(node)
        case _:
            return _timed(node)


def _denied(part: Node) -> str:
    match part:
        case OneOf(operand, values):
            return f"{operand_written(operand)} not in {_list(values)}"
        case Contains(operand, value):
            return f"{quoted(value)} not in {operand_written(operand)}"
        case Or() | And():
            return f"not ({written(part)})"
        case _:
            return f"not {written(part)}"


def _plain(node: Plain) -> str:
    match node:
        case Compare(operand, op, value):
            return f"{operand_written(operand)} {op} {_constant(value)}"
        case OneOf(operand, values):
            return f"{operand_written(operand)} in {_list(values)}"
        case Contains(operand, value):
            return f"{quoted(value)} in {operand_written(operand)}"
        case Truth(operand):
            return operand_written(operand)
        case Known(operand):
            return _known(operand)
        case Tagged(tag):
            return _call("tagged", tag)
        case InSegment(segment):
            return _call("in_segment", segment)
        case _:
            assert_never(node)


def _timed(node: Timed) -> str:
    match node:
        case Happened():
            return _happened(node)
        case IdleFor(span):
            return _call("idle_for", format_span(span))
        case InStageFor(span):
            return _call("in_stage_for", format_span(span))
        case HeldFor(span, part):
            return f"held_for({quoted(format_span(span))}, {written(part)})"
        case Overdue(factor, least):
            return f"overdue({factor}{_option('least', least)})"
        case Chance(share, name):
            return f"chance({quoted(percent(share))}, {quoted(name)})"
        case _:
            assert_never(node)


def operand_written(operand: Operand) -> str:
    match operand:
        case Named(name):
            return name.value
        case AttributeOf(key):
            return _call("attribute", key)
        case AnswerTo(survey, within, ever):
            return f"answer({quoted(survey)}{_option('within', within)}{', ever=True' if ever else ''})"
        case EventField(field):
            return _call("event", field)
        case _:
            assert_never(operand)


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def percent(share: float) -> str:
    """A share as it is written: 0.1 is `10%`, 0.005 is `0.5%`."""
    return f"{round(share * 100, 6):.15g}%"


def _known(operand: Operand) -> str:
    match operand:
        case Named(name):
            return _call("known", name.value)
        case AttributeOf(key):
            return _call("known", key)
        case AnswerTo() | EventField():
            return f"known({operand_written(operand)})"
        case _:
            assert_never(operand)


def _happened(node: Happened) -> str:
    shown = [f"product={quoted(node.what)}" if node.deed is Deed.BOUGHT else quoted(node.what)] if node.what else []
    shown += [f"link={quoted(node.link)}"] * bool(node.link)
    shown += [f"topic={quoted(node.topic)}"] * bool(node.topic)
    shown += [f"times={node.times}"] * (node.times != 1)
    shown += [f"within={quoted(format_span(node.within or 0))}"] * (node.within is not None)
    shown += [f"same={quoted(node.same)}"] * bool(node.same)
    shown += ["ever=True"] * node.ever
    return f"{node.deed}({', '.join(shown)})"


def _call(function: str, argument: str) -> str:
    return f"{function}({quoted(argument)})"


def _option(name: str, span: Span | None) -> str:
    return f", {name}={quoted(format_span(span))}" if span else ""


def _constant(value: Constant) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def _list(values: tuple[Constant, ...]) -> str:
    return f"[{', '.join(map(_constant, values))}]"
