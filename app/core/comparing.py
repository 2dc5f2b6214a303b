"""Comparing: which of two shares is larger, told as often as one likes without telling more than is known.

Owns the interval of a difference and when it may be called. Must not know what was tried, and must not stop a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log, sqrt
from typing import Final

DOUBT: Final = 0.05
"""Chance that any call of a test, ever, is wrong."""
FEWEST_TRIED: Final = 200
"""Nothing is called before each side was tried so often,"""
FEWEST_WON: Final = 30
"""and both together won so often: below, shares are not yet spread as the interval supposes."""
_TIGHT_AT: Final = 4_000.0
"""Where the interval is narrowest, as a precision (one by the variance): some thousand tries on each side."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One side of a test: how often it was tried and how often it won."""

    name: str
    tried: int
    won: int

    @property
    def share(self) -> float:
        """Wins of tries; 0 before the first."""
        return self.won / self.tried if self.tried else 0.0


class Call(StrEnum):
    """What may be said of a side against another."""

    BETTER = "better"
    WORSE = "worse"
    OPEN = "open"
    """Not to be told apart yet."""
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A side against another: the difference of their shares, the interval it lies in, and the call."""

    name: str
    against: str
    difference: float
    low: float
    high: float
    call: Call


def compare(sides: Sequence[Tally], against: str, doubt: float = DOUBT) -> tuple[Comparison, ...]:
    """Every other side against one, in the order given; empty when that one is not among them.

    The intervals hold all together and at every moment: whoever looks each hour and stops at the first call is wrong
    no oftener than `doubt`. A confidence sequence by the normal mixture (Robbins 1970; Howard, Ramdas, McAuliffe and
    Sekhon 2021, equation 14), the variance as estimated, `doubt` shared out between the comparisons (Bonferroni).
    """
    base = next((side for side in sides if side.name == against), None)
    others = [side for side in sides if side.name != against]
    return tuple(_compare(side, base, doubt / len(others)) for side in others) if base is not None else ()


def _compare(side: Tally, base: Tally, doubt: float) -> Comparison:
    difference, half = side.share - base.share, _half_width(side, base, doubt)
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    return Comparison(side.name, base.name, difference, low, high, _call(side, base, low, high))


def _half_width(side: Tally, base: Tally, doubt: float) -> float:
    precision = 1 / (_variance(side) + _variance(base))
    widened = precision + _TIGHT_AT
    return sqrt(widened * log(widened / (_TIGHT_AT * doubt * doubt))) / precision


def _variance(tally: Tally) -> float:
    """Of a share; half a win and half a loss are added, so that none is never taken for certain."""
    share = (tally.won + 0.5) / (tally.tried + 1)
    return share * (1 - share) / (tally.tried + 1)


def _call(side: Tally, base: Tally, low: float, high: float) -> Call:
    if min(side.tried, base.tried) < FEWEST_TRIED or side.won + base.won < FEWEST_WON:
        return Call.TOO_FEW
    if low > 0:
        return Call.BETTER
    return Call.WORSE if high < 0 else Call.OPEN
