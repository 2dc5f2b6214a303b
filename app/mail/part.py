"""One text of a mail as a template: what it yields for a reader, and the wire form of that.

Owns the compiled template and its static strings, encoded once. It must not know headers, MIME or where values come
from. Shared by threads: shapes are only added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Final, NamedTuple, TypeAlias

from jinja2 import Template
from jinja2.runtime import Context

from app.mail.blanks import Blanks, Pieces
from app.mail.encode import base64_body, base64_lines, quoted_piece, quoted_printable, utf8_piece
from app.mail.forms import NO_SWAPS, Swaps, swapped
from app.mail.templates import sandbox_for

_BLANKS = re.compile(r"\n(?:[ \t\u200f]*\n){2,}")
_GAP: Final = "\ufdd0"  # a noncharacter stands for what differs from reader to reader
_HOLLOW: Final = frozenset(" \t\u200f\n")
_MOST_SHAPES: Final = 8
_Cast: TypeAlias = tuple[str | None, ...]
"""The static pieces of a text, None for each other one."""


class Part:
    """One template and the wire form of its static strings."""

    __slots__ = ("_is_shapable", "_shapes", "_tidy_shapes", "is_base64", "known", "sandbox", "source", "yields")

    def __init__(self, source: str, locale: str, is_base64: bool) -> None:
        sandbox = sandbox_for(source, locale)
        code = sandbox.compile(source)
        self.sandbox = sandbox
        self.source = source
        self.yields = Template.from_code(sandbox, code, {}).root_render_func
        self.is_base64 = is_base64
        encode = utf8_piece if is_base64 else quoted_piece
        self.known = {text: encode(text) for text in _constants(code)}
        self._shapes: dict[_Cast, _Shape] = {}
        self._tidy_shapes: dict[_Cast, _Shape] = {}
        self._is_shapable = _GAP not in source

    def pieces(self, variables: dict[str, object]) -> list[str]:
        """What the template yields; a static string is always the same object."""
        return list(self.yields(Context(self.sandbox, variables, None, {})))

    def filled(self, pieces: Sequence[str], often: Mapping[str, bytes]) -> tuple[Filled, list[bytes]]:
        """The text as shape and fills, and its body for the wire.

        `often` are pieces that stand more than once in this mail, quoted-printable.
        """
        key, fills = self._cast(pieces)
        shape = self._shapes.get(key) or self._shape(key)
        if shape is None:
            return Filled(NOTHING_STATIC, ["".join(pieces)]), self._encoded(pieces, often)
        return Filled(shape.static, fills), self._wire(shape, fills, often)

    def tidied(self, pieces: Sequence[str], often: Mapping[str, bytes]) -> tuple[str, list[bytes]]:
        """Plain text and its body for the wire: a branch not taken leaves no heap of empty lines."""
        whole = "".join(pieces)
        if "\n\n\n" not in whole:
            return whole, self._encoded(pieces, often)
        key, fills = self._cast(pieces)
        shape = self._tidy_shape(key, fills)
        if shape is None:
            whole = _tidy(whole)
            return whole, self._encoded((whole,), often)
        return shape.filled(fills), self._wire(shape, fills, often)

    def blanked(self, pieces: Sequence[str], blanks: Blanks, *, is_plain: bool = False) -> tuple[Filled, Pieces] | None:
        """The text and its wire with blanks where the stand-ins are; None when it is not that regular."""
        key, fills = self._cast(pieces)
        is_untidy = is_plain and "\n\n\n" in "".join(pieces)
        shape = self._tidy_shape(key, fills) if is_untidy else self._shapes.get(key) or self._shape(key)
        if shape is None:
            return None
        made: Pieces = [shape.wire[0]]
        for fill, segment in zip(fills, shape.wire[1:], strict=True):
            found = blanks.fill(fill, is_base64=self.is_base64)
            if found is None:
                return None
            made += (*found, segment)
        static = shape.static or tuple((segment,) for segment in shape.segments)
        wire = blanks.body(made) if self.is_base64 else made
        return (Filled(static, fills), wire) if wire else None

    def _cast(self, pieces: Sequence[str]) -> tuple[_Cast, list[str]]:
        """Which static pieces there are, a gap for each other one, and what fills the gaps."""
        known = self.known
        key = tuple([piece if piece in known else None for piece in pieces if piece])
        return key, [piece for piece in pieces if piece and piece not in known]

    def _tidy_shape(self, key: _Cast, fills: Sequence[str]) -> _Shape | None:
        if not _HOLLOW.isdisjoint([fill[0] for fill in fills]) or "\n" in "".join(fills):
            return None  # a fill could be a blank line
        return self._tidy_shapes.get(key) or self._shape(key, is_plain=True)

    def _shape(self, key: _Cast, *, is_plain: bool = False) -> _Shape | None:
        """A text with these branches taken, kept; None when it is one of too many."""
        known = self._tidy_shapes if is_plain else self._shapes
        if len(known) >= _MOST_SHAPES or not self._is_shapable:
            return None
        encode = utf8_piece if self.is_base64 else quoted_piece
        whole = "".join(_GAP if piece is None else piece for piece in key)
        segments = (_tidy(whole) if is_plain else whole).split(_GAP)
        static = () if is_plain else _runs(key)
        shape = known[key] = _Shape(tuple(segments), tuple(map(encode, segments)), static)
        return shape

    def _wire(self, shape: _Shape, fills: Sequence[str], often: Mapping[str, bytes]) -> list[bytes]:
        if self.is_base64:
            return [base64_lines(b"".join(shape.between(map(utf8_piece, fills))))]
        return shape.between(quoted_printable(fills, {}, often))

    def encoded(self, whole: str) -> list[bytes]:
        """The wire form of a text of which nothing is known beforehand."""
        return self._encoded((whole,), {})

    def _encoded(self, pieces: Sequence[str], often: Mapping[str, bytes]) -> list[bytes]:
        if self.is_base64:
            return base64_body(pieces, self.known)
        return quoted_printable(pieces, self.known, often)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A text with the same branches taken: what stands around the fills, one segment more than there are fills."""

    segments: tuple[str, ...]
    wire: tuple[bytes, ...]
    static: Static

    def filled(self, fills: Sequence[str]) -> str:
        made = [""] * (2 * len(self.segments) - 1)
        made[::2], made[1::2] = self.segments, fills
        return "".join(made)

    def between(self, fills: Iterable[bytes]) -> list[bytes]:
        """The wire, with these in its gaps."""
        made = [b""] * (2 * len(self.wire) - 1)
        made[::2], made[1::2] = self.wire, fills
        return made


Static: TypeAlias = tuple[tuple[str, ...], ...]
NOTHING_STATIC: Final[Static] = ((), ())


class Filled(NamedTuple):
    """A text of one reader: the static strings around each fill, the same object for the same shape, and the fills.

    Of a form letter the fills are the same object for all its readers; `swaps` are the stand-ins in them.
    """

    static: Static
    fills: Sequence[str]
    swaps: Swaps = NO_SWAPS

    def __str__(self) -> str:
        pairs = zip(self.static, (*self.fills, ""), strict=True)
        text = "".join([piece for run, fill in pairs for piece in (*run, fill)])
        return swapped(text, self.swaps) if self.swaps.stands else text


def _runs(key: _Cast) -> Static:
    """The static strings between the gaps."""
    runs: list[tuple[str, ...]] = [()]
    for piece in key:
        if piece is None:
            runs.append(())
        else:
            runs[-1] = (*runs[-1], piece)
    return tuple(runs)


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
