"""Comments and blank lines of a file, and the entries they belong to.

Owns finding them and deciding whose they are. Must not write anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from app.files.nodes import List, Map, Node, Scalar

Line: TypeAlias = int


@dataclass(slots=True)
class Remarks:
    """What stands above an entry, and behind it on its own line. Entries are known by where they start."""

    above: dict[tuple[Line, int], list[str]] = field(default_factory=dict)
    behind: dict[tuple[Line, int], list[str]] = field(default_factory=dict)
    spaced: set[tuple[Line, int]] = field(default_factory=set)
    """Entries with an empty line before them (and before what stands above them)."""
    end: list[str] = field(default_factory=list)


def find_comments(text: str, root: Node) -> Iterator[tuple[Line, int, str]]:
    """Every comment as (line, column, text with its #), in order."""
    taken = list(_scalar_parts(root))
    for number, line in enumerate(text.split("\n"), 1):
        start = 0
        inside = [(left, right) for top, left, bottom, right in _on_line(taken, number, len(line))]
        while (at := line.find("#", start)) >= 0:
            is_free = at == 0 or line[at - 1] in " \t"
            if is_free and not any(left <= at < right for left, right in inside):
                yield number, at + 1, line[at:].rstrip()
                break
            start = at + 1


def _scalar_parts(node: Node) -> Iterator[tuple[int, int, int, int]]:
    """Where characters of scalars stand: first line, column, last line, column (from 0, end excluded)."""
    match node:
        case Scalar(span=span, style=style):
            if style in ("|", ">"):
                yield span.line + 1, 0, span.end_line - (span.end_column == 1), 10**9
            else:
                yield span.line, span.column - 1, span.end_line, span.end_column - 1
        case List(items):
            for item in items:
                yield from _scalar_parts(item)
        case Map(entries):
            for key, value in entries:
                yield from _scalar_parts(key)
                yield from _scalar_parts(value)


def _on_line(parts: list[tuple[int, int, int, int]], number: int, length: int) -> Iterator[tuple[int, int, int, int]]:
    for top, left, bottom, right in parts:
        if top <= number <= bottom:
            yield top, left if top == number else 0, bottom, right if bottom == number else length


def remarks_of(text: str, root: Node) -> Remarks:
    """Every comment given to the entry it stands above or behind."""
    lines = text.split("\n")
    remarks = Remarks()
    starts = sorted(set(_starts(root)))
    outermost = {line: min(column for at, column in starts if at == line) for line, _ in starts}
    innermost = {line: max(column for at, column in starts if at == line) for line, _ in starts}
    ordered = sorted(outermost)
    for line, column, comment in find_comments(text, root):
        if not lines[line - 1][: column - 1].strip():
            owner = next((at for at in ordered if at > line), None)
            if owner is None:
                remarks.end.append(comment)
            else:
                remarks.above.setdefault((owner, outermost[owner]), []).append(comment)
        else:
            owner = max((at for at in ordered if at <= line), default=ordered[0])
            remarks.behind.setdefault((owner, innermost[owner]), []).append(comment)
    for line in ordered:
        above = line - 1
        while above > 0 and lines[above - 1].strip().startswith("#"):
            above -= 1
        if above > 0 and not lines[above - 1].strip():
            remarks.spaced.add((line, outermost[line]))
    return remarks


def _starts(node: Node) -> Iterator[tuple[Line, int]]:
    """Where entries of maps and items of lists begin."""
    match node:
        case List(items):
            for item in items:
                yield item.span.line, item.span.column
                yield from _starts(item)
        case Map(entries):
            for key, value in entries:
                yield key.span.line, key.span.column
                yield from _starts(value)
        case _:
            return
