"""How long the dashboard's pages take with many people. Run: `python -m benchmarks.dashboard [people]`.

People (1,000,000 unless said otherwise) on SQLite, a name for each, a tag for a tenth, a live run for a third, as many
mails and clicks; all made in the database itself. Every page is asked for three times, the middle time counts; figures
that are counted behind the page's back have had their time before. Exits 1 when a page takes 200 ms or more of it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, Table, text

from app.core.instants import DAY, SECOND
from app.store.base import table_of
from app.store.engine import open_database
from app.store.events import EventRow
from app.store.ledgers import CountRow
from app.store.messages import MessageRow
from app.store.people import AttributeRow, SubscriberRow, TagRow
from app.store.runs import RunRow
from app.store.tables import metadata
from tests.services.clock import Clock
from tests.web.dashboard_stage import House, open_house

GOAL = 0.2
PAGES = (
    "",
    "ladder",
    "campaigns",
    "campaigns/welcome",
    "campaigns/ahead",
    "campaigns/overlap",
    "campaigns/welcome/clicks?step=book/deliver",
    "people",
    "people?text=person77",
    "people?state=pending",
    "people?stage=lead",
    "people?tag=vip",
    "people?field=first_name&value=Name77",
    "people?campaign=welcome&step=book/deliver",
    "people/change?what=tag&word=x&stage=lead",
    "boxes",
    "mails",
    "delivery",
    "segments",
    "segments?condition=stage+%3D%3D+'lead'",
    "publish",
    "releases",
    "work",
    "audit",
)


def fill(connection: Connection, table: Table, values: Mapping[str, str], rows: int) -> None:
    """So many rows, `i` counted from 1; columns not named get their type's blank."""
    columns, blanks = [], []
    for column in table.columns:
        if column.name in values:
            columns.append(column.name)
            blanks.append(values[column.name])
        elif not column.nullable and not (column.primary_key and column.name == "id"):
            columns.append(column.name)
            blanks.append("0" if column.type.python_type in (int, float, bool) else "''")
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
    names = ", ".join(f'"{name}"' for name in columns)
    connection.execute(text(f'INSERT INTO "{table.name}" ({names}) {numbers} SELECT {", ".join(blanks)} FROM n'))


def crowd(house: House, people: int) -> None:
    """Everybody at once, and what they did."""
    now = house.desk.clock()
    at = f"{now} - (i % 5000) * {DAY // 20}"
    version = house.desk.parts.shelved().book.campaigns["welcome"].digest  # type: ignore[union-attr]
    with house.desk.world.database.exclusive() as connection:
        fill(connection, table_of(SubscriberRow), _person(at), people)
        name = {"subscriber_id": "i", "key": "'first_name'", "text": "'Name' || i", "sort": "'text'", "at": at}
        fill(connection, table_of(AttributeRow), name, people)
        fill(connection, table_of(TagRow), {"subscriber_id": "i", "tag": "'vip'"}, people // 10)
        fill(connection, table_of(RunRow), _run(version, at), people // 3)
        fill(connection, table_of(MessageRow), _message(at), people // 3)
        fill(connection, table_of(EventRow), _click(at), people // 3)
        fill(connection, table_of(CountRow), _count(now), 90)
        connection.execute(text("ANALYZE"))


def _person(at: str) -> dict[str, str]:
    return {
        "public_id": "randomblob(16)",
        "address": "'person' || i || '@example.com'",
        "address_key": "'person' || i || '@example.com'",
        "state": "CASE WHEN i % 20 = 0 THEN 'pending' ELSE 'active' END",
        "stage": "CASE WHEN i % 3 = 0 THEN 'guest' ELSE 'lead' END",
        "furthest_stage": "'lead'",
        "kind": "'none'",
        "fell_from": "'{}'",
        "created_at": at,
        "stage_since": at,
    }


def _run(version: str, at: str) -> dict[str, str]:
    where = {"sequence": "'any'", "step": "'book/deliver'", "cursors": "'{}'", "event": "'{}'"}
    who = {"subscriber_id": "i * 3", "campaign": "'welcome'", "turn": "1", "version": f"'{version}'"}
    return {**who, **where, "state": "'waiting'", "entered_at": at}


def _message(at: str) -> dict[str, str]:
    state = {"state": "'sent'", "settled_at": at, "wanted_at": at, "slot_at": at, "due_at": at, "created_at": at}
    about = {"campaign": "'welcome'", "step": "'book/deliver'", "mail_key": "'book/deliver'", "data": "'{}'"}
    return {**state, **about, "public_id": "randomblob(16)", "subscriber_id": "i * 3", "mail_class": "'marketing'"}


def _click(at: str) -> dict[str, str]:
    place = {"campaign": "'welcome'", "step": "'book/deliver'", "link_number": "1", "message_id": "i"}
    fact = {"fact_id": "randomblob(16)", "kind": "'clicked'", "subscriber_id": "i * 3", "verdict": "'human'"}
    return {**fact, **place, "at": at, "payload": "'{}'"}


def _count(now: int) -> dict[str, str]:
    return {
        "day": f"{now // DAY} - i + 1",
        "campaign": "'welcome'",
        "step": "'book/deliver'",
        "arm": "''",
        "metric": "'sent'",
        "value": "1000 + i",
    }


def ask(house: House, page: str) -> float:
    began = time.perf_counter()
    answer = house.get(f"/dashboard/{page}")
    assert answer.status_code == 200, (page, answer.status_code)
    return time.perf_counter() - began


def main() -> int:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = open_database(f"sqlite:///{folder / 'parvar.db'}")
        metadata().create_all(database.engine)
        house = open_house(database, folder, Clock(1_772_355_600 * SECOND), demo=True)
        began = time.perf_counter()
        crowd(house, people)
        print(f"{people:,} people made in {time.perf_counter() - began:.0f} s")
        slow = measured(house)
        house.desk.parts.spool.close()
        database.dispose()
    return 1 if slow else 0


def measured(house: House) -> list[str]:
    slow, key = [], house.desk.rows(SubscriberRow, SubscriberRow.id == 33)[0].public_id.hex()
    for page in (*PAGES, f"people/{key}", f"people/{key}?why=book/deliver"):
        ask(house, page)
        time.sleep(3 if page in ("", "ladder", "campaigns", "segments") else 0)
        took = statistics.median(ask(house, page) for _ in range(3))
        print(f"{took * 1_000:6.0f} ms  /dashboard/{page}", flush=True)
        slow += [page] if took >= GOAL else []
    return slow


if __name__ == "__main__":
    sys.exit(main())
