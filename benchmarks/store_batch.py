"""A batch of 50 people as the worker takes it: load, decide, save. Run: `python -m benchmarks.store_batch`.

On SQLite and PostgreSQL; the parts, the number of statements, and one person at a time as the baseline.
Goal: a whole batch of 50 within 30 ms on SQLite.
"""

from __future__ import annotations

import sys
import time

from app.core.book import Book
from app.core.facts import Fact, FactKind
from app.core.instants import DAY
from app.store.engine import Database
from app.store.events import announce, fact_row, record
from app.store.people import wake
from benchmarks._crowd import START, grow, line, p, postgres_database, small_book, sqlite_database, tick

PEOPLE = 2_000
GOAL = 30.0


def measure(database: Database, book: Book, name: str) -> float:
    grow(database, PEOPLE)
    first = drain(database, book, START)
    click(database, START + DAY)
    batches = drain(database, book, START + DAY)
    for place, part in enumerate(("load", "decide", "save", "commit")):
        print(line(f"{name}: {part}", [batch[place] for batch in batches]))
    whole = sorted(map(sum, batches))
    print(line(f"{name}: whole batch of 50, one new fact each", whole))
    print(line(f"{name}: whole batch of 50, entering a campaign", [sum(batch) for batch in first]))
    click(database, START + 2 * DAY)
    began, seen = time.perf_counter(), 0
    while seen < 200 and tick(database, book, START + 2 * DAY, 1)[0]:
        seen += 1
    alone = (time.perf_counter() - began) / seen
    print(f"{name}: a person alone costs {alone * 1e3 / (p(whole, 0.5) / 50):.1f} x a person in a batch")
    return p(whole, 0.5)


def drain(database: Database, book: Book, now: int) -> list[list[float]]:
    found: list[list[float]] = []
    while True:
        size, marks = tick(database, book, now)
        if not size:
            return found
        if size == 50:
            found.append(marks)


def click(database: Database, at: int) -> None:
    """One click of everybody, announced."""
    for begin in range(1, PEOPLE + 1, 500):
        ids = range(begin, begin + 500)
        with database.transaction() as session:
            rows = [fact_row(id_, Fact(_id(id_, at), FactKind.CLICKED, at, name="book/a", link="more")) for id_ in ids]
            record(session, rows)
            announce(session, rows)
            wake(session, ids, at)


def _id(number: int, at: int) -> bytes:
    return number.to_bytes(8, "big") + at.to_bytes(8, "big")


def main() -> int:
    book = small_book()
    with sqlite_database() as database:
        spent = measure(database, book, "SQLite")
    with postgres_database() as served:
        if served:
            measure(served, book, "PostgreSQL")
    print(f"\na batch of 50 on SQLite: {spent:.1f} ms (goal {GOAL:.0f} ms)")
    return int(spent > GOAL)


if __name__ == "__main__":
    sys.exit(main())
