"""Delivery on a machine that misbehaves: calendars that are set, memory that is refused, workers that fall asleep."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.faults import allocation
from tests.faults.conftest import Note
from tests.faults.house import House
from tests.faults.nursery import Child
from tests.faults.test_delivery import Build, build, slowly
from tests.servers.smtp import wait_until
from tests.services import memory

__all__ = ["build"]

HOURS = 3 * 3600


@pytest.mark.parametrize(
    ("database", "first"), [("sqlite", HOURS), pytest.param("postgres", -HOURS, marks=pytest.mark.postgres)]
)
def test_a_calendar_that_is_set_loses_nothing_and_ends_no_lease(
    build: Build, tmp_path: Path, note: Note, request: pytest.FixtureRequest, database: str, first: int
) -> None:
    database_url = request.getfixturevalue(f"{database}_database_url")
    calendar = tmp_path / "calendar"
    calendar.write_text("0")
    found = build(database_url, 90, slowly(0.01))
    child = found.start_ready(CLOCK=str(calendar))
    for count, wrong_by in ((10, first), (30, 0), (50, -first), (50, 0)):
        wait_until(lambda: found.keeper.count() >= count, 3)  # noqa: B023 - asked at once
        calendar.with_suffix(".new").write_text(str(wrong_by))
        calendar.with_suffix(".new").rename(calendar)
    assert child.wait(60) == 0
    end = found.reckon()
    way = "forwards, then back" if first > 0 else "back, then forwards"
    note(f"calendar set 3 h {way}, {database_url[:6]}", end)
    assert (end.lost, end.twice, end.uncertain, end.open) == (0, 0, 0, 0)


def test_memory_that_is_refused_ends_the_worker_and_loses_nothing(
    build: Build, sqlite_database_url: str, tmp_path: Path, note: Note
) -> None:
    found, hunger, ends = build(sqlite_database_url, 240, slowly(0.01)), tmp_path / "eat", [0] * 0
    for _ in range(2):
        hunger.unlink(missing_ok=True)
        before = found.keeper.count()
        child = found.start_ready(connections=2, EAT=str(hunger), SPACE=str(48 << 20))
        assert wait_until(lambda: found.keeper.count() >= before + 10, 20)  # noqa: B023 - asked at once
        hunger.touch()
        ends.append(_end(child))
    assert found.reckon().open > 0
    found.finish(2)
    end = found.reckon()
    note("memory refused, 2 times, 2 connections", end)
    assert all(ends), "a worker that can have no memory does not come to a good end"
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain <= 2 * 2


def _end(child: Child) -> int:
    """A process that can have no memory may also hang: then it is killed."""
    try:
        return child.wait(3)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.torture)], ids=["group", "seccomp"])
def limited(request: pytest.FixtureRequest) -> Iterator[memory.Group | None]:
    """A control group, or None: then the kernel is told to end the process at its next request for memory."""
    with memory.group() if request.param else nullcontext() as made:
        if made is None and not allocation.can_be_forbidden():
            pytest.skip("neither a control group nor seccomp; memory that is refused is tested instead")
        yield made


def test_a_worker_the_kernel_kills_for_its_memory_loses_nothing(
    build: Build, sqlite_database_url: str, tmp_path: Path, note: Note, limited: memory.Group | None
) -> None:
    found, hunger = build(sqlite_database_url, 80, slowly(0.005)), tmp_path / "eat"
    if limited:
        child = found.start_ready(connections=2, EAT=str(hunger))
        limited.hold(child.pid, 64 << 20)
    else:
        child = found.start_ready(connections=2, FORBID=str(hunger))
    assert wait_until(lambda: found.keeper.count() >= 10, 20)
    hunger.touch()
    assert child.wait(30) == -(signal.SIGKILL if limited else signal.SIGSYS)
    found.finish(2)
    end = found.reckon()
    note(f"killed by the kernel {'for its memory' if limited else 'at a request for memory'}, 2 connections", end)
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain <= 2


@pytest.mark.postgres
def test_a_worker_stopped_inside_a_transaction_holds_up_nobody_for_long(
    build: Build, postgres_database_url: str, note: Note
) -> None:
    found = build(postgres_database_url, 160, slowly(0.005))
    child = found.start_ready(worker="one", ASLEEP="0.5")
    assert wait_until(lambda: found.keeper.count() >= 5, 30)
    _stop_inside(child, found)
    left = found.keeper.count()
    other = found.start_ready(worker="two", ASLEEP="0.5")
    assert wait_until(lambda: _sleeping(found) == 0, 10), "the database ends it"
    assert wait_until(lambda: found.keeper.count() >= left + 20, 30), "the other one goes on"
    child.send_signal(signal.SIGCONT)
    assert child.wait(60) == 0
    assert other.wait(60) == 0
    end = found.reckon()
    note("worker stopped inside a transaction, then woken, postgr", end)
    assert (end.lost, end.twice, end.uncertain, end.open) == (0, 0, 0, 0)


_ASLEEP = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'")


def _sleeping(found: House) -> int:
    with found.database.transaction("read") as session:
        return int(session.scalar(_ASLEEP) or 0)


def _stop_inside(child: Child, found: House) -> None:
    for _ in range(400):
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.03)  # a statement that was under way comes to its end
        if _sleeping(found):
            return
        child.send_signal(signal.SIGCONT)
        time.sleep(0.002)
    raise AssertionError("the worker is never inside a transaction")
