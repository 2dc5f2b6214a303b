"""Kept figures: totals that need a whole index are counted behind the page's back and shown with their age.

Owns one small cache per process. The first visitor waits once; afterwards nobody does. Must not know what it counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from app.store.engine import StoreError

log = structlog.get_logger()
T = TypeVar("T")

SHORTEST = 1.0
"""Seconds a figure is good for at least."""
PRICE = 30.0
"""A figure is good for so many times the time it took: a count of half a second is made four times a minute."""


@dataclass(frozen=True, slots=True)
class _Counted(Generic[T]):
    value: T
    at: float
    took: float


class Kept(Generic[T]):
    """One figure: `get` gives the newest known and lets it be counted anew when it has grown old."""

    def __init__(self, count: Callable[[], T], monotonic: Callable[[], float]) -> None:
        self._count = count
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: _Counted[T] | None = None
        self._is_counting = False

    def get(self) -> T:
        known = self._known
        if known is None or known.took < 0.02:
            return self._fresh()
        if self._monotonic() - known.at > max(SHORTEST, PRICE * known.took):
            self._begin()
        return known.value

    def _fresh(self) -> T:
        """Counted now: cheap, or the first time."""
        known = self._known
        if known is not None and self._monotonic() - known.at < 0.2:
            return known.value
        began = self._monotonic()
        value = self._count()
        self._known = _Counted(value, self._monotonic(), self._monotonic() - began)
        return value

    def _begin(self) -> None:
        with self._lock:
            if self._is_counting:
                return
            self._is_counting = True
        threading.Thread(target=self._behind, name="kept-figure", daemon=True).start()

    def _behind(self) -> None:
        try:
            began = self._monotonic()
            value = self._count()
            self._known = _Counted(value, self._monotonic(), self._monotonic() - began)
        except StoreError as error:
            log.warning("figure_not_counted", error=type(error).__name__)
        finally:
            self._is_counting = False
