"""Threes: base 64 of texts in which values stand, encoded beforehand but for the threes of bytes the values touch.

Owns which these are, and where their code stands in the lines of a body. Must not know what the values are.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Final, TypeAlias

from app.mail.encode import CRLF

Window: TypeAlias = "tuple[bytes | int, ...]"
"""Whole threes of bytes: values by their number, with the bytes they share a three with."""
_LINE: Final = 76


class Threes:
    """The windows of all bodies of one form, spelt together for each letter.

    `size_of` says how many bytes a value has, for every reader; `first` is the number of the first stretch of code.
    """

    def __init__(self, size_of: Callable[[int], int], first: int) -> None:
        self._size_of = size_of
        self._first = first
        self._windows: dict[Window, int] = {}
        self._length = 0
        self._stretches: dict[tuple[int, int], int] = {}

    def body(self, pieces: Iterable[bytes | int]) -> list[bytes | int] | None:
        """The lines of a text as `base64_lines` writes them; None when a value touches its end."""
        made: list[bytes | int] = []
        at = 0
        for run in _runs(pieces, self._size_of):
            if run is None:
                return None
            if isinstance(run, bytes):
                code = b2a_base64(run, newline=False)
                made += (part for start, end in _lines(at, len(code)) for part in (code[start:end], _end(at + end)))
                at += len(code)
            else:
                begin, size = self._placed(run)
                for start, end in _lines(at, size):
                    made += (self._stretch(begin + start, begin + end), _end(at + end))
                at += size
        return [*made, CRLF]

    def _placed(self, window: Window) -> tuple[int, int]:
        """Where the code of a window begins among that of all, and its length."""
        size = sum(len(part) if isinstance(part, bytes) else self._size_of(part) for part in window) // 3 * 4
        if window not in self._windows:
            self._windows[window] = self._length
            self._length += size
        return self._windows[window], size

    def _stretch(self, start: int, end: int) -> int:
        return self._stretches.setdefault((start, end), self._first + len(self._stretches))

    # ── When all is cut ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def windows(self) -> list[bytes | int]:
        """What is spelt for each letter."""
        return [part for window in self._windows for part in window]

    @property
    def count(self) -> int:
        """How many values they come to."""
        return len(self._stretches) + 1 if self._stretches else 0

    def cutter(self) -> Callable[[bytes], tuple[bytes, ...]]:
        """What cuts their code into the stretches; the last one is empty."""
        return itemgetter(*(slice(*place) for place in self._stretches), slice(0, 0))


def _runs(pieces: Iterable[bytes | int], size_of: Callable[[int], int]) -> Iterator[bytes | Window | None]:
    """Windows, and between them, in whole threes, what is the same for all; None for a window the end cuts short."""
    window: list[bytes | int] = []
    same, missing = b"", 0  # bytes behind the window, and how many it still needs
    for piece in pieces:
        if isinstance(piece, bytes):
            window += [piece[:missing]] if missing else []
            same += piece[missing:]
            missing -= len(piece[:missing])
        elif missing:
            window.append(piece)
            missing = (missing - size_of(piece)) % 3
        else:
            yield tuple(window)
            whole = len(same) // 3 * 3
            yield same[:whole]
            missing = -(len(same) - whole + size_of(piece)) % 3
            window, same = [same[whole:], piece], b""
    yield None if missing else tuple(window)
    yield same


def _lines(at: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of so many letters that each stand in one line, when the first stands at this place."""
    start = 0
    while start < size:
        end = min(size, start + _LINE - (at + start) % _LINE)
        yield start, end
        start = end


def _end(at: int) -> bytes:
    return b"" if at % _LINE else CRLF
