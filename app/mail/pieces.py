"""Template text cut into pieces: static text, expressions and statements, each with its place in its own file.

Owns the cutting and the joining back. It must not know HTML, nor what any expression means.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from jinja2 import Environment, TemplateSyntaxError

from app.core.problem import Problem

_LEXER = Environment(keep_trailing_newline=True, autoescape=True).lexer
_NEEDS_RAW = re.compile(r"\{[{%#]")


class Kind(StrEnum):
    DATA = "data"
    EXPRESSION = "expression"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True)
class Piece:
    """`text` is the static text, or what stands between the braces, stripped."""

    kind: Kind
    text: str
    file: str
    line: int
    column: int

    @property
    def is_data(self) -> bool:
        return self.kind is Kind.DATA

    @property
    def word(self) -> str:
        """The first word of a statement (`if`, `endfor`, `block` …), nothing for other pieces."""
        return self.text.split(None, 1)[0] if self.kind is Kind.STATEMENT and self.text else ""

    def problem(self, code: str, message: str, fix: str) -> Problem:
        """A finding at this piece."""
        return Problem(code, self.file, self.line, self.column, message, fix)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a text begins: a body after its front matter does not begin on line 1."""

    file: str
    line: int = 1
    column: int = 1


class SyntaxFault(Exception):
    """A template that cannot be read; carries the finding."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def cut(source: str, origin: Origin) -> tuple[Piece, ...]:
    """Cut a template; comments are dropped, `{% raw %}` becomes data, white-space control is carried out.

    Raises SyntaxFault for braces that do not close and for characters no expression may hold.
    """
    return tuple(_Cutter(source, origin).pieces())


def join(pieces: Iterable[Piece]) -> str:
    """Template source that means the same as the pieces."""
    return "".join(map(written, pieces))


def written(piece: Piece) -> str:
    """One piece as template source."""
    match piece.kind:
        case Kind.DATA:
            return protect(piece.text)
        case Kind.EXPRESSION:
            return "{{ " + piece.text + " }}"
        case Kind.STATEMENT:
            return "{% " + piece.text + " %}"


def protect(text: str) -> str:
    """Static text that happens to hold template braces, made harmless."""
    if not _NEEDS_RAW.search(text):
        return text
    return _NEEDS_RAW.sub(lambda found: "{{ '" + found[0] + "' }}", text)


class _Cutter:
    def __init__(self, source: str, origin: Origin) -> None:
        self.source = source.replace("\r\n", "\n").replace("\r", "\n")
        self.origin = origin
        self.starts = [0, *(match.end() for match in re.finditer("\n", self.source))]
        self.at = 0

    def place(self, offset: int) -> tuple[int, int]:
        row = bisect_right(self.starts, offset) - 1
        column = offset - self.starts[row] + 1
        return self.origin.line + row, column + (self.origin.column - 1 if row == 0 else 0)

    def pieces(self) -> Iterator[Piece]:
        try:
            yield from self._pieces()
        except TemplateSyntaxError as fault:
            line, column = self.place(self.at)
            raise SyntaxFault(
                Problem(
                    "template-syntax",
                    self.origin.file,
                    max(line, self.origin.line + fault.lineno - 1),
                    column if line >= self.origin.line + fault.lineno - 1 else 1,
                    f"this template cannot be read: {fault.message}",
                    "close every {{ … }}, {% … %} and {# … #}; `{#` in a style sheet needs a space between",
                )
            ) from fault

    def _pieces(self) -> Iterator[Piece]:
        inner: list[str] = []
        start = 0
        opened = ""
        for _, token, value in _LEXER.tokeniter(self.source, self.origin.file):
            offset = self._find(value)
            if token == "data":
                yield self._piece(Kind.DATA, value, offset)
            elif token in ("variable_begin", "block_begin"):
                inner, start, opened = [], offset, value
            elif token == "variable_end":
                opened = ""
                yield self._piece(Kind.EXPRESSION, "".join(inner).strip(), start)
            elif token == "block_end":
                opened = ""
                yield self._piece(Kind.STATEMENT, "".join(inner).strip(), start)
            else:
                inner.append(value)
        if opened:
            line, column = self.place(start)
            fix = f"close it with `{'}}' if opened.startswith('{{') else '%}'}`"
            raise SyntaxFault(
                Problem("template-syntax", self.origin.file, line, column, f"`{opened}` is not closed", fix)
            )

    def _find(self, value: str) -> int:
        """The offset of the next token: the lexer drops only white space between tokens."""
        offset = self.source.find(value, self.at)
        offset = self.at if offset < 0 else offset
        self.at = offset + len(value)
        return offset

    def _piece(self, kind: Kind, text: str, offset: int) -> Piece:
        line, column = self.place(offset)
        return Piece(kind, text, self.origin.file, line, column)
