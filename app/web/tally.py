"""The tally: what was seen of boxes, added up in memory and written together every two seconds.

Owns counts that name nobody. They are estimates by nature: a process that is killed loses two seconds of them at most.
Signups and confirmations are never counted here but in their own transactions.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from app.store.engine import StoreError

log = structlog.get_logger()

BoxCount = tuple[int, str, str, str, str]
EVERY = 2.0
MOST_KEYS = 5_000
"""Different counters held at once; beyond them pages are not told apart until the next writing."""


class Tally:
    """Adds up; `write` is called with what came together, on a thread of its own, never inside a request."""

    def __init__(self, write: Callable[[Mapping[BoxCount, int]], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._counts: Counter[BoxCount] = Counter()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def add(self, counts: Mapping[BoxCount, int]) -> None:
        with self._lock:
            for key, value in counts.items():
                known = key in self._counts or len(self._counts) < MOST_KEYS
                self._counts[key if known else (*key[:3], "", key[4])] += value
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="tally", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write now. What cannot be written is kept and tried again."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            self._write(counts)
        except StoreError as error:
            log.warning("tally_not_written", error=type(error).__name__, counters=len(counts))
            with self._lock:
                self._counts.update(counts)

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._closing.wait(EVERY):
            self.flush()
