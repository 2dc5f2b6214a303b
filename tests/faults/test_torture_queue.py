"""A million mails in the queue: what a worker needs of memory does not grow with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.faults.house import House, Keeper, house
from tests.servers.smtp import SmtpServer, wait_until

QUEUED = int(os.environ.get("PARVAR_TORTURE_QUEUED", "1000000"))
PEOPLE, DRAINED = 1_000, 1_500
MOST_MORE = 48 << 20
"""Bytes a worker may need beyond what it needs for a thousand mails."""

_COPY = """
INSERT INTO message (public_id, subscriber_id, recipient, step, cause_key, campaign, arm, mail_key, mail_class, lane,
  rank, state, subject, offer, data, wanted_at, slot_at, due_at, claim_no, attempts, reason, reply, created_at)
SELECT randomblob(16), subscriber_id, recipient, step, cause_key || ':' || n, campaign, arm, mail_key, mail_class, lane,
  rank, state, subject, offer, data, wanted_at, slot_at, due_at + n, 0, 0, '', '', created_at
FROM message, (WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < :times) SELECT n FROM up)
"""


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
            session.execute(text("UPDATE message SET state = 'queued', owner = NULL"))
            session.execute(text(_COPY), {"times": QUEUED // PEOPLE})
        many = peak(found, DRAINED)
        open_ = found.states()["queued"]
        print(f"\n{open_:,} queued: {many / 2**20:.0f} MB; {PEOPLE:,} queued: {few / 2**20:.0f} MB")
        assert open_ > QUEUED * 0.9
        assert many <= few + MOST_MORE
