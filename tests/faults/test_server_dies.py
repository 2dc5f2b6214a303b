"""The mail server dies, or stands still, while mails leave. It is a process of its own, and gets real signals."""

from __future__ import annotations

import time

import pytest

from tests.faults.conftest import Note
from tests.faults.house import House
from tests.faults.keeper import ServerProcess
from tests.faults.nursery import Child
from tests.faults.test_delivery import Build, build
from tests.servers.smtp import wait_until

__all__ = ["build"]

MAILS, CONNECTIONS = 80, 2
HASTE = "10"
"""A relay that failed rests for fifteen seconds; the worker's seconds are short ones here."""


def _came(found: House, count: int) -> bool:
    """Wait for so many mails; what was put off is due at once."""

    def is_there() -> bool:
        found.delay_nothing()
        return found.keeper.count() >= count

    return wait_until(is_there, 30)


def _through(found: House, child: Child) -> None:
    """What was put off is due at once, until the worker is through."""
    for _ in range(300):
        found.delay_nothing()
        if child.poll() is not None:
            break
        time.sleep(0.1)
    assert child.wait(30) == 0


def test_a_mail_server_that_is_killed_and_comes_back(build: Build, sqlite_database_url: str, note: Note) -> None:
    found = build(sqlite_database_url, MAILS)
    with ServerProcess(found.keeper.folder, 0.01) as server:
        child = found.start_ready(server.port, CONNECTIONS, HASTE=HASTE)
        for number in (1, 2):
            assert _came(found, 20 * number)
            server.kill()
            server.start()
        _through(found, child)
    end = found.reckon()
    note(f"SMTP server killed, 2 times, {CONNECTIONS} connections", end)
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain <= 2 * CONNECTIONS


@pytest.mark.postgres
def test_a_mail_server_that_stands_still_beyond_our_patience(
    build: Build, postgres_database_url: str, note: Note
) -> None:
    """It may take the mail when it wakes: that is a doubt, and never a second mail."""
    found, stops = build(postgres_database_url, MAILS), 0
    with ServerProcess(found.keeper.folder, 0.02) as server:
        child = found.start_ready(server.port, CONNECTIONS, HASTE=HASTE, TIMEOUT="1")
        while not found.states()["uncertain"]:
            assert _came(found, 10 + 10 * stops)
            stops += 1
            server.stop()
            wait_until(lambda: found.states()["uncertain"] > 0, 3)
            server.go_on()
        _through(found, child)
    end = found.reckon()
    note(f"SMTP server stopped for longer than its answer may take, {CONNECTIONS} connections, postgr", end)
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert 0 < end.uncertain <= stops * CONNECTIONS
