"""The clock: APScheduler drives everything that has to happen without being asked.

Owns how often each kind of work is looked for, and the heartbeat. Due times live in the tables, never in jobs; every
job drains until nothing is due. The only importer of APScheduler.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work: its name, how often it is looked for in seconds, and what does it until nothing is due."""

    name: str
    every: float
    do: Callable[[], object]


class Clock:
    """Runs each kind of work on its own thread, one instance at a time, missed beats rolled into one."""

    def __init__(self, works: tuple[Work, ...]) -> None:
        _quiet_library()
        self._stopped = threading.Event()
        executors = {"default": ThreadPoolExecutor(max(1, len(works)))}
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(executors=executors, job_defaults=defaults, timezone="UTC")
        for work in works:
            self._scheduler.add_job(self._guarded(work), "interval", seconds=work.every, id=work.name)

    def run(self) -> None:
        """Tick until stopped."""
        self._scheduler.start()
        self._stopped.wait()
        self._scheduler.shutdown(wait=True)

    def stop(self) -> None:
        """No new work begins; what is under way is finished before `run` returns."""
        self._stopped.set()

    @property
    def is_stopping(self) -> bool:
        return self._stopped.is_set()

    def _guarded(self, work: Work) -> Callable[[], None]:
        """A failure is logged and the work is tried again at its next beat: one kind never stops the others."""

        def once() -> None:
            if self._stopped.is_set():
                return
            try:
                work.do()
            except Exception:  # the worker loop: logged, and the next beat tries again
                log.exception("work_failed", work=work.name)

        return once


def _quiet_library() -> None:
    """`maximum number of running instances` is expected while a batch runs longer than a beat."""
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    logging.getLogger("apscheduler.executors.default").setLevel(logging.ERROR)
