"""Finding what is due among a million people: SQLite and PostgreSQL. Run: `python -m benchmarks.store_due [people]`.

The next 500 of 1 % due, a poll with nothing due, claiming 500 messages; the baseline is the same question without the
index made for it. Prints percentiles, and the ratios that hold on other machines.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from sqlalchemy import Connection, insert, select
from sqlalchemy.orm import Session

from app.core.instants import DAY, MINUTE
from app.core.person import MailClass
from app.store import claims
from app.store.base import table_of
from app.store.claims import Wanted
from app.store.engine import Database
from app.store.messages import MessageRow
from app.store.people import SubscriberRow, next_due, take_due
from benchmarks._crowd import START, analyze, line, p, postgres_database, sqlite_database, timed

GMAIL = Wanted(MailClass.MARKETING, "gmail", 500, START, START + MINUTE)


def grow(database: Database, people: int) -> None:
    """People of whom one in a hundred is due, each with one message, due likewise."""
    for begin in range(1, people + 1, 10_000):
        ids = range(begin, min(begin + 10_000, people + 1))
        with database.transaction() as session:
            _fill(session.connection(), ids)


def _fill(connection: Connection, ids: range) -> None:
    connection.execute(insert(table_of(SubscriberRow)), [_person(number) for number in ids])
    connection.execute(insert(table_of(MessageRow)), [_message(number) for number in ids])


def _due(number: int) -> int:
    """Scattered over the table: one in a hundred in the past, the others in the coming month."""
    place = number * 2_654_435_761 % 1_000_003
    return START - place * 60 if number % 100 == 0 else START + DAY + place * 2_000_000


def _person(number: int) -> dict[str, object]:
    name = f"person{number}@example.com"
    return {
        "public_id": number.to_bytes(16, "big"),
        "address": name,
        "address_key": name,
        "stage": "lead",
        "stage_since": START,
        "furthest_stage": "lead",
        "created_at": START,
        "due_at": _due(number),
    }


def _message(number: int) -> dict[str, object]:
    return {
        "public_id": number.to_bytes(16, "big"),
        "subscriber_id": number,
        "cause_key": f"c{number}",
        "mail_key": "a/b",
        "mail_class": "marketing",
        "lane": "gmail",
        "state": "queued",
        "wanted_at": START,
        "slot_at": START,
        "due_at": _due(number),
        "created_at": START,
    }


def reading(database: Database, work: Callable[..., object], *given: object) -> Callable[[], None]:
    def once() -> None:
        with database.transaction("read") as session:
            work(session, *given)

    return once


def measure(database: Database, name: str, people: int) -> None:
    grow(database, people)
    analyze(database)
    due = timed(reading(database, take_due, START, 500), 60)
    poll = timed(reading(database, take_due, START - DAY, 500), 200)
    earliest = timed(reading(database, next_due), 200)
    unindexed = timed(reading(database, _without_index), 3)
    taken = timed(lambda: _claim(database), max(4, people // 100 // 500 // 2))
    print(line(f"{name}: next 500 due of {people:,}", due))
    print(line(f"{name}: poll, nothing due", poll))
    print(line(f"{name}: when is anybody due", earliest))
    print(line(f"{name}: claim 500", taken))
    print(line(f"{name}: next 500 without the index", unindexed))
    print(f"{name}: the index is worth {p(unindexed, 0.5) / p(due, 0.5):.0f} x\n")


def _without_index(session: Session) -> None:
    """The same question put so that no index answers it."""
    hidden = SubscriberRow.due_at + 0
    session.scalars(select(SubscriberRow.id).where(hidden <= START).order_by(hidden).limit(500)).all()


def _claim(database: Database) -> None:
    with database.transaction() as session:
        claims.claim(session, "bench:1", GMAIL)


def main() -> int:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with sqlite_database() as database:
        measure(database, "SQLite", people)
    with postgres_database() as served:
        if served:
            measure(served, "PostgreSQL", people)
    return 0


if __name__ == "__main__":
    sys.exit(main())
