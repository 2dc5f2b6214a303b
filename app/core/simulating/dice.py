"""Dice: chances that are the same every time they are thrown in the same order.

Owns one small generator: SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA
2014). Must not be used for anything secret.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from app.core.instants import Span

T = TypeVar("T")
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


class Dice:
    """One person's chances: seed and number choose the stream."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, number: int) -> None:
        self._state = (seed * 0x5851F42D4C957F2D + number * 0x14057B7EF767814F + 1) & _MASK
        self.bits()

    def bits(self) -> int:
        """64 of them."""
        self._state = (self._state + _GOLDEN) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def share(self) -> float:
        """A number from 0 up to 1."""
        return (self.bits() >> 11) / (1 << 53)

    def hits(self, chance: float) -> bool:
        return self.share() < chance

    def up_to(self, bound: int) -> int:
        """A whole number from 0 up to a bound."""
        return self.bits() * bound >> 64

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[self.up_to(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, float]]) -> T:
        left = self.share() * sum(weight for _, weight in choices)
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][0]

    def wait(self, mean: Span) -> Span:
        """A waiting time without memory (exponential) of this mean, at least a second."""
        return max(1_000_000, int(-math.log(1.0 - self.share()) * mean))

    def id(self) -> bytes:
        """16 bytes."""
        return self.bits().to_bytes(8, "big") + self.bits().to_bytes(8, "big")
