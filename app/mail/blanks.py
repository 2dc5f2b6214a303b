"""Blanks: the wire of a form letter, with numbers where each reader gets something else.

Owns how texts with stand-ins become such a wire, and how it is filled. Must not render, or know what is in a header.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from app.mail.encode import CRLF, quoted_piece, utf8_piece
from app.mail.forms import Stands, Stencil
from app.mail.threes import Threes

Pieces: TypeAlias = "list[bytes | int]"
"""A wire in order: what everybody gets, and numbers of values."""
DATE, TO, SUBJECT = range(3)
"""The first values of every letter: three fields of its header."""
_FIRST_WORD: Final = 3
_CODE: Final = 1 << 20
"""Numbers from here on are of code in base 64; when all is cut, they follow the others."""
_SOFT: Final = b"=" + CRLF
_ADDRESS_BEFORE: Final = re.compile(r"[A-Za-z0-9./:_~-]*\Z")
_ADDRESS_AFTER: Final = re.compile(r"[A-Za-z0-9./:_~-]*")


class Blanks:
    """The values of one form by number: after the first ones each word twice, quoted-printable and plain, then
    stretches of the reader's tokens, first of all each token as a whole, then code in base 64.
    """

    def __init__(self, stands: Stands, sizes: Sequence[int]) -> None:
        self._stands = stands
        self.threes = Threes(self._size, _CODE)
        self._stencil = Stencil(stands)
        self._starts = [0, *accumulate(sizes)]
        self._tokens = len(sizes)
        self._first_stretch = _FIRST_WORD + 2 * (len(stands) - len(sizes))
        self._stretches: dict[tuple[int, int], int] = {}
        for token in range(self._tokens):
            self._stretch(token, 0, sizes[token])

    def line(self, text: str) -> Pieces | None:
        """A text that goes as it is, such as a field of the header; None when a word stands in it."""
        parts, numbers = self._stencil.line(text)
        if any(number >= self._tokens for number in numbers):
            return None
        made: Pieces = [part.encode("ascii") for part in parts]
        made[1::2] = [self._whole(number) for number in numbers]
        return made

    def fill(self, text: str, *, is_base64: bool) -> Pieces | None:
        """One fill of a body; None when more than one value stands in it."""
        encode = utf8_piece if is_base64 else quoted_piece
        parts, numbers = self._stencil.line(text)
        if not numbers:
            return [encode(text)]
        if len(numbers) > 1:
            return None
        before, after = encode(parts[0]), encode(parts[2])
        if numbers[0] >= self._tokens:
            return [before, _FIRST_WORD + 2 * (numbers[0] - self._tokens) + is_base64, after]
        return [before, self._whole(numbers[0]), after] if is_base64 else self._quoted(numbers[0], parts[0], parts[2])

    def _quoted(self, token: int, before: str, after: str) -> Pieces | None:
        """The address around a token, broken into lines where that of any reader is; None when it is not that plain."""
        stem, end = _ADDRESS_BEFORE.search(before), _ADDRESS_AFTER.match(after)
        left, right = stem[0] if stem else "", end[0] if end else ""
        address = left + self._stands[token] + right
        lines = quoted_piece(address).split(_SOFT)
        if b"".join(lines) != address.encode("ascii"):
            return None
        made: Pieces = [quoted_piece(before[: len(before) - len(left)])]
        at = -len(left)
        for line in lines[:-1]:
            made += (*self._in_line(token, line, at), _SOFT)
            at += len(line)
        return [*made, quoted_piece(after[len(right) :])]

    def _in_line(self, token: int, line: bytes, at: int) -> Pieces:
        """A line of which the first letter is so many letters behind the token's first."""
        size = len(self._stands[token])
        start, end = (min(max(edge - at, 0), len(line)) for edge in (0, size))
        if start == end:
            return [line]
        return [line[:start], self._stretch(token, at + start, at + end), line[end:]]

    def body(self, pieces: Pieces) -> Pieces | None:
        """A body in base 64, of the pieces of its text; None when it is not that regular."""
        return self.threes.body(pieces)

    def _size(self, number: int) -> int:
        """The bytes of a plain word or a whole token: its stand-in has as many."""
        if number >= self._first_stretch:
            return len(self._stands[number - self._first_stretch])
        return len(self._stands[self._tokens + (number - _FIRST_WORD) // 2].encode())

    def _whole(self, token: int) -> int:
        return self._first_stretch + token

    def _stretch(self, token: int, start: int, end: int) -> int:
        """The number of a part of a token."""
        place = self._starts[token] + start, self._starts[token] + end
        return self._stretches.setdefault(place, self._first_stretch + len(self._stretches))

    # ── When all is cut ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def count(self) -> int:
        """How many values a letter has before its code."""
        return self._first_stretch + len(self._stretches) + 1

    def cutter(self) -> Callable[[bytes], tuple[bytes, ...]]:
        """What cuts a reader's tokens into the stretches; the last one is empty."""
        return itemgetter(*(slice(*place) for place in self._stretches), slice(0, 0))

    def wire(self, pieces: Iterable[bytes | int], tail: bytes) -> Wire:
        """The whole message, of which the tail is the same in many forms."""
        placed = (
            self.count + piece - _CODE if isinstance(piece, int) and piece >= _CODE else piece for piece in pieces
        )
        return Wire(placed, self.count + self.threes.count, tail)

    def code(self) -> Code | None:
        """What spells the code of a letter; None when there is none."""
        windows = self.threes.windows
        return Code(Wire(windows, self.count), self.threes.cutter()) if windows else None


class Code(NamedTuple):
    """What of a letter is spelt in base 64, and how that is cut."""

    windows: Wire
    cut: Callable[[bytes], tuple[bytes, ...]]

    def spelt(self, values: Sequence[bytes]) -> tuple[bytes, ...]:
        return self.cut(b2a_base64(self.windows.filled(values), newline=False))


class Wire:
    """A wire ready to be filled: everything but the values, and in which order they stand."""

    __slots__ = ("_pick", "_same")

    def __init__(self, pieces: Iterable[bytes | int], values: int, tail: bytes = b"") -> None:
        """`tail` is kept as it is, for what is long and the same in many forms."""
        same, order = [b""], [values]
        for piece in pieces:
            if isinstance(piece, int):
                order.append(piece)
            elif order[-1] >= values:
                same[-1] += piece
            else:
                order.append(values + len(same))
                same.append(piece)
        self._same = (*same, tail)
        self._pick: Callable[[tuple[bytes, ...]], tuple[bytes, ...]] = itemgetter(*order, values + len(same))

    def filled(self, values: Sequence[bytes]) -> bytes:
        return b"".join(self._pick((*values, *self._same)))
