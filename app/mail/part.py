"""One text of a mail as a template: what it yields for a reader, and the wire form of that.

Owns the compiled template and its static strings, encoded once. It must not know headers, MIME or where values come
from. Shared by threads: shapes are only added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Final

from jinja2 import Template
from jinja2.runtime import Context

from app.mail.encode import base64_body, base64_lines, quoted_piece, quoted_printable, utf8_piece
from app.mail.templates import sandbox_for

_BLANKS = re.compile(r"\n(?:[ \t\u200f]*\n){2,}")
_GAP: Final = "\ufdd0"  # a noncharacter stands for what differs from reader to reader
_HOLLOW: Final = frozenset(" \t\u200f\n")
_MOST_SHAPES: Final = 8


class Part:
    """One template and the wire form of its static strings."""

    __slots__ = ("_is_shapable", "_shapes", "is_base64", "known", "sandbox", "yields")

    def __init__(self, source: str, locale: str, is_base64: bool) -> None:
        sandbox = sandbox_for(source, locale)
        code = sandbox.compile(source)
        self.sandbox = sandbox
        self.yields = Template.from_code(sandbox, code, {}).root_render_func
        self.is_base64 = is_base64
        encode = utf8_piece if is_base64 else quoted_piece
        self.known = {text: encode(text) for text in _constants(code)}
        self._shapes: dict[tuple[str | None, ...], _Shape] = {}
        self._is_shapable = _GAP not in source

    def pieces(self, variables: dict[str, object]) -> list[str]:
        """What the template yields; a static string is always the same object."""
        return list(self.yields(Context(self.sandbox, variables, None, {})))

    def encoded(self, pieces: Sequence[str], often: Mapping[str, bytes]) -> list[bytes]:
        """The body for the wire; `often` are pieces that stand more than once in this mail, quoted-printable."""
        if self.is_base64:
            return base64_body(pieces, self.known)
        return quoted_printable(pieces, self.known, often)

    def tidied(self, pieces: list[str], often: Mapping[str, bytes]) -> tuple[Sequence[str], list[bytes]]:
        """The same with its body for the wire, for plain text: a branch not taken leaves no heap of empty lines."""
        whole = "".join(pieces)
        if "\n\n\n" not in whole:
            return pieces, self.encoded(pieces, often)
        known = self.known
        pieces = [piece for piece in pieces if piece]
        fills = [piece for piece in pieces if piece not in known]
        shape = self._shape(pieces, fills)
        if shape is None:
            tidy = (_tidy(whole),)
            return tidy, self.encoded(tidy, often)
        if self.is_base64:
            return shape.filled(fills), [base64_lines(b"".join(shape.encoded([utf8_piece(fill) for fill in fills])))]
        return shape.filled(fills), shape.encoded(quoted_printable(fills, {}, often))

    def _shape(self, pieces: Sequence[str], fills: Sequence[str]) -> _Shape | None:
        """What a text with these branches looks like; None when it is one of too many, or a fill could be blank."""
        known = self.known
        if not all(fill[0] not in _HOLLOW and "\n" not in fill for fill in fills):
            return None
        key = tuple([piece if piece in known else None for piece in pieces])
        shape = self._shapes.get(key)
        if shape is None and self._is_shapable and len(self._shapes) < _MOST_SHAPES:
            segments = _tidy("".join(_GAP if piece is None else piece for piece in key)).split(_GAP)
            encode = utf8_piece if self.is_base64 else quoted_piece
            shape = self._shapes[key] = _Shape(tuple(segments), tuple(map(encode, segments)))
        return shape


@dataclass(frozen=True, slots=True)
class _Shape:
    """A text with the same branches taken: what stands around the fills, one segment more than there are fills."""

    segments: tuple[str, ...]
    wire: tuple[bytes, ...]

    def filled(self, fills: Sequence[str]) -> list[str]:
        made = [""] * (2 * len(fills) + 1)
        made[::2], made[1::2] = self.segments, fills
        return made

    def encoded(self, fills: Sequence[bytes]) -> list[bytes]:
        made = [b""] * (2 * len(fills) + 1)
        made[::2], made[1::2] = self.wire, fills
        return made


def _tidy(text: str) -> str:
    return _BLANKS.sub("\n\n", text).strip("\n") + "\n"


def _constants(code: CodeType) -> Iterator[str]:
    """The strings a compiled template yields are constants of its code."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _constants(constant)
        elif isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple):
            yield from (item for item in constant if isinstance(item, str))
