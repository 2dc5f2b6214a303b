"""A million mails in the queue: what a worker needs of memory does not grow with it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.store.messages import MessageRow
from app.store.people import SubscriberRow
from tests.faults.house import House, house
from tests.faults.keeper import Keeper
from tests.servers.smtp import SmtpServer, wait_until

QUEUED = 1_000_000
PEOPLE, DRAINED = 1_000, 1_500
MOST_MORE = 48 << 20
"""Bytes a worker may need beyond what it needs for a thousand mails."""


def multiply(session: Session, times: int) -> None:
    """One more person and one more due mail, so many times, each like the first ones."""
    first = session.scalar(select(func.max(SubscriberRow.id))) or 0
    numbers = {"first": first, "times": times}
    _copy(session, SubscriberRow.__table__, _PERSON, numbers)
    _copy(session, MessageRow.__table__, _MAIL, numbers)


_ADDRESS = "'q' || n || '@example.com'"
_PERSON = {"id": ":first + n", "public_id": "randomblob(16)", "address": _ADDRESS, "address_key": _ADDRESS}
_MAIL = {"id": "NULL", "public_id": "randomblob(16)", "subscriber_id": ":first + n", "cause_key": "'torture:' || n"}


def _copy(session: Session, table: Any, new: dict[str, str], numbers: dict[str, int]) -> None:
    """Rows like the first one of a table, made by the database itself."""
    columns = [column.name for column in table.columns]
    values = ", ".join(new.get(name, f"one.{name}") for name in columns)
    up = "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < :times)"
    one = f"(SELECT * FROM {table.name} ORDER BY id LIMIT 1) AS one"
    session.execute(
        text(f"INSERT INTO {table.name} ({', '.join(columns)}) {up} SELECT {values} FROM up, {one}"), numbers
    )


def peak(found: House, count: int) -> int:
    """Bytes of memory a worker had at most (VmHWM) while it sent so many more mails."""
    before = found.keeper.count()
    child = found.start_ready(connections=2)
    assert wait_until(lambda: found.keeper.count() >= before + count, 120)
    status = Path(f"/proc/{child.pid}/status").read_text()
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 0
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) << 10


@pytest.mark.torture
def test_a_worker_needs_no_more_memory_for_a_million_mails_than_for_a_thousand(
    tmp_path: Path, sqlite_database_url: str
) -> None:
    keeper = Keeper(tmp_path / "server")
    with SmtpServer(keep=keeper) as server, house(sqlite_database_url, tmp_path, PEOPLE, server, keeper) as found:
        few = peak(found, PEOPLE // 2)
        with found.database.transaction("write") as session:
            session.execute(text("UPDATE message SET state = 'queued', owner = NULL WHERE id = 1"))
            multiply(session, QUEUED)
        many = peak(found, DRAINED)
        open_ = found.states()["queued"]
        print(f"\n{open_:,} queued: {many / 2**20:.0f} MB; {PEOPLE:,} queued: {few / 2**20:.0f} MB")
        assert open_ > QUEUED * 0.9
        assert many <= few + MOST_MORE
