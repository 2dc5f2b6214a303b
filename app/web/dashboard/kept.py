"""Kept figures: totals that need a whole index are counted behind the page's back and shown as they were last known.

Owns one small cache per process. Nobody waits for a long count, not even the first visitor.
Must not know what it counts.
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

PATIENCE = 0.08
"""Seconds from the beginning of a count for which pages wait for it, one page or many; a small installation never waits
longer and sees every change at once."""
SHORTEST = 0.2
"""Seconds a figure is good for at least."""
PRICE = 30.0
"""A figure that took long is good for so many times that long: a count of half a second is made four times a minute."""
CHEAP = 0.05


@dataclass(frozen=True, slots=True)
class Figure(Generic[T]):
    """`is_known` is False while the first count is still under way: `value` is the blank one then."""

    value: T
    is_known: bool


@dataclass(frozen=True, slots=True)
class _Counted(Generic[T]):
    value: T
    at: float
    took: float


class Kept(Generic[T]):
    """One figure: `get` gives the newest there is and lets it be counted anew when it has grown old."""

    def __init__(
        self, count: Callable[[], T], blank: T, monotonic: Callable[[], float], good_for: float = SHORTEST
    ) -> None:
        """`good_for`: seconds at least, for what asks others and changes seldom."""
        self._good_for = good_for
        self._count = count
        self._blank = blank
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: _Counted[T] | None = None
        self._thread: threading.Thread | None = None
        self._begun_at = 0.0

    def get(self) -> Figure[T]:
        known = self._known
        if known is None or self._is_old(known):
            thread = self._begin()
            if known is None or known.took < CHEAP:
                thread.join(max(0.0, PATIENCE - (self._monotonic() - self._begun_at)))
        known = self._known
        return Figure(self._blank, is_known=False) if known is None else Figure(known.value, is_known=True)

    def _is_old(self, known: _Counted[T]) -> bool:
        good_for = SHORTEST if known.took < CHEAP else PRICE * known.took
        return self._monotonic() - known.at >= max(good_for, self._good_for)

    def start(self) -> None:
        """Begin a count nobody knows yet, so that a page with several figures waits for them once."""
        if self._known is None:
            self._begin()

    def _begin(self) -> threading.Thread:
        """The count that is under way, or a new one."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._begun_at = self._monotonic()
                self._thread = threading.Thread(target=self._run, name="kept-figure", daemon=True)
                self._thread.start()
            return self._thread

    def _run(self) -> None:
        try:
            began = self._monotonic()
            value = self._count()
            self._known = _Counted(value, self._monotonic(), self._monotonic() - began)
        except StoreError as error:
            log.warning("figure_not_counted", error=type(error).__name__)
