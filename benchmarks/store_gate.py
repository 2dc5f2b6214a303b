"""How long a visitor's commit takes on SQLite while the worker drains 100,000 due people.

Run: `python -m benchmarks.store_gate [people] [seconds]`. A process of its own drains; this one commits a fact and a
wake every few milliseconds, as signups and clicks do. The baseline is the same without the write gate.
Goal: p99 below 100 ms, and nobody refused.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from sqlalchemy.exc import OperationalError

from app.core.facts import Fact, FactKind
from app.store.engine import Database, open_database
from app.store.events import record_facts
from app.store.tables import metadata
from benchmarks._crowd import START, grow, line, p, small_book, tick

GOAL = 100.0
BATCH = 25
GAP = 0.001
"""Seconds the worker rests between batches, so that who waits gets a turn."""


def opened(file: Path, has_gate: bool) -> Database:
    database = open_database(f"sqlite:///{file}")
    if not has_gate:
        database._gate = None
    return database


def drain(file: Path, has_gate: bool, stop: Event) -> None:
    """What the worker does, until it is told to stop. Says how many people it decided about."""
    database, book, done = opened(file, has_gate), small_book(), 0
    began = time.perf_counter()
    while not stop.is_set():
        size, _ = tick(database, book, START, BATCH)
        done += size
        if not size:
            break
        time.sleep(GAP)
    print(f"  the worker decided about {done} people, {done / (time.perf_counter() - began):.0f} a second")


def visit(database: Database, seconds: float) -> tuple[list[float], int]:
    """Commit small facts for a while: how long each took, and how many were refused."""
    found: list[float] = []
    refused = number = 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        number += 1
        began = time.perf_counter()
        try:
            with database.transaction("write") as session:
                fact = Fact(os.urandom(16), FactKind.VISITED, START, path="/pricing")
                record_facts(session, number % 1_000 + 1, [fact], START)
        except OperationalError:
            refused += 1
        found.append(time.perf_counter() - began)
        time.sleep(0.005)
    return found, refused


def measure(file: Path, has_gate: bool, seconds: float) -> float:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    worker = context.Process(target=drain, args=(file, has_gate, stop))
    database = opened(file, has_gate)
    worker.start()
    time.sleep(1.5)
    found, refused = visit(database, seconds)
    stop.set()
    worker.join(60)
    print(line(f"{'with' if has_gate else 'without'} the gate: {len(found)} commits", found))
    print(f"  longest {max(found) * 1e3:.0f} ms, refused {refused}")
    database.dispose()
    return p(sorted(found), 0.99)


def main() -> int:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 15.0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parvar.db"
        database = opened(file, has_gate=True)
        metadata().create_all(database.engine)
        grow(database, people)
        database.dispose()
        spent = measure(file, has_gate=True, seconds=seconds)
        measure(file, has_gate=False, seconds=min(seconds, 5.0))
    print(f"\nweb commit p99 while the worker drains: {spent:.0f} ms (goal {GOAL:.0f} ms)")
    return int(spent >= GOAL)


if __name__ == "__main__":
    sys.exit(main())
