"""Delivery under fire, the short version: real processes, real sockets, real databases.

After each fault the list and the server's own files are compared message by message.
"""

from __future__ import annotations

import random
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import event, text

from app.world import World
from tests.actions.post_office import MARKETING, PostOffice, lose_leases, open_office, working
from tests.faults.conftest import Note
from tests.faults.delivery_child import build_world
from tests.faults.house import MAIL_BYTES, House, Reckoning, house
from tests.faults.keeper import Keeper
from tests.faults.nursery import Child
from tests.servers.smtp import Answer, Close, Rule, SmtpServer, Take, Talk, Wait, wait_until
from tests.services.clock import Clock
from tests.services.postgres import Server
from tests.services.schema import lay_tables

Build = Callable[..., House]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """`build(url, count, rules)`: a house whose server keeps its mails as files."""
    with ExitStack() as stack:

        def make(url: str, count: int, rules: dict[str, Rule] | None = None) -> House:
            keeper = Keeper(tmp_path / "server")
            server = stack.enter_context(SmtpServer(rules, keep=keeper))
            return stack.enter_context(house(url, tmp_path, count, server, keeper))

        yield make


def slowly(seconds: float) -> dict[str, Rule]:
    return {"rcpt": lambda _talk, _line: [Wait(seconds), b"250 2.1.5 OK\r\n"]}


def test_a_worker_killed_at_random_bytes_loses_nothing_and_sends_nothing_twice(
    build: Build, database_url: str, note: Note
) -> None:
    count, connections, chance = 120, 2, random.Random(5)
    found = build(database_url, count)
    kills = sum(
        found.killed_at(chance.randrange(1, count * MAIL_BYTES // 4), connections, spills=chance.random() < 0.5)
        for _ in range(3)
    )
    found.finish(connections)
    end = found.reckon()
    note(f"kill -9 at a random byte, {kills} times, {connections} connections, {database_url[:6]}", end)
    assert kills
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain <= kills * connections


def test_sigterm_finishes_what_is_in_flight(build: Build, sqlite_database_url: str, note: Note) -> None:
    found = build(sqlite_database_url, 60, slowly(0.05))
    child = found.start_ready()
    assert wait_until(lambda: found.keeper.count() >= 3, 20)
    began = time.monotonic()
    child.terminate()
    assert child.wait(15) == 0
    assert time.monotonic() - began < 10
    middle = found.reckon()
    assert middle.uncertain == 0
    assert found.states()["claimed"] == 0
    found.server.rules.clear()
    found.finish()
    end = found.reckon()
    note("SIGTERM in the middle", end)
    assert (end.lost, end.twice, end.uncertain, end.open) == (0, 0, 0, 0)


@pytest.mark.postgres
def test_two_workers_on_one_database_one_of_them_killed(build: Build, postgres_database_url: str, note: Note) -> None:
    found = build(postgres_database_url, 240, slowly(0.005))
    first, second = found.start_ready(worker="one"), found.start_ready(worker="two")
    assert wait_until(lambda: found.keeper.count() >= 40, 30)
    first.kill()
    first.wait()
    restarted = found.start_ready(worker="one")
    assert second.wait(60) == 0
    assert restarted.wait(60) == 0
    end = found.reckon()
    note("two workers, one killed and started again, postgr", end)
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain <= 1


def stop_between_transactions(child: Child, watching: World) -> None:
    """Stop a worker at a moment when it holds no lock: what it had locked would be nobody's until it wakes."""
    held = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND xact_start IS NOT NULL"
    )
    for _ in range(200):
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.05)  # a statement that was under way comes to its end
        with watching.transaction("read") as session:
            if not session.scalar(held):
                return
        child.send_signal(signal.SIGCONT)
        time.sleep(0.003)
    raise AssertionError("the worker is never between two transactions")


@pytest.mark.postgres
def test_a_lease_that_runs_out_while_its_worker_is_only_stopped(
    build: Build, postgres_database_url: str, note: Note
) -> None:
    found = build(postgres_database_url, 80, slowly(0.02))
    child = found.start_ready(worker="one")
    assert wait_until(lambda: found.keeper.count() >= 5, 30)
    later = build_world(postgres_database_url, found.folder / "sweeper")
    stop_between_transactions(child, later)
    expired = lose_leases(later)
    later.database.dispose()
    assert expired > 5
    other = found.start_ready(worker="two")
    assert other.wait(60) == 0
    child.send_signal(signal.SIGCONT)
    assert child.wait(60) == 0
    end = found.reckon()
    note("lease ran out, the stopped worker woke up again, postgr", end)
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain == 0, "a late 250, and what never began, are known again"


@pytest.mark.postgres
@pytest.mark.parametrize("end_it", [Server.stop, Server.kill], ids=["stopped", "killed"])
def test_a_database_that_goes_away_is_waited_for(
    build: Build, postgres_server: Server, note: Note, end_it: Callable[[Server], None]
) -> None:
    url = postgres_server.url()
    lay_tables(url)
    found = build(url, 150, slowly(0.01))
    child = found.start_ready()
    assert wait_until(lambda: found.keeper.count() >= 20, 30)
    end_it(postgres_server)
    assert not wait_until(lambda: found.keeper.count() >= 150, 0.7), "nothing is claimed while it is away"
    postgres_server.start()
    found.database.dispose()
    assert child.wait(60) == 0
    end = found.reckon()
    note(f"PostgreSQL {end_it.__name__} and started again", end)
    assert (end.lost, end.twice, end.uncertain, end.open) == (0, 0, 0, 0)


def test_a_server_that_hangs_up_again_and_again(build: Build, sqlite_database_url: str, note: Note) -> None:
    found = build(sqlite_database_url, 80, slowly(0.005))
    child = found.start_ready(connections=2)
    for number in range(1, 4):
        assert wait_until(lambda: found.keeper.count() >= 15 * number, 30)  # noqa: B023 - asked at once
        found.server.hang_up()
    for _ in range(100):
        found.delay_nothing()
        if child.poll() is not None:
            break
        time.sleep(0.1)
    assert child.wait(40) == 0
    found.delay_nothing()
    found.finish()
    end = found.reckon()
    note("every connection cut, 3 times, 2 connections", end)
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain <= 3 * 2


def test_connections_cut_between_the_final_dot_and_its_reply(
    build: Build, sqlite_database_url: str, note: Note
) -> None:
    chance, lock, cuts = random.Random(3), threading.Lock(), [0]

    def cut(_talk: Talk, _line: str) -> Answer | None:
        with lock:
            if chance.random() > 0.1:
                return None
            cuts[0] += 1
            return [Take(), Close()] if chance.random() < 0.5 else [Close()]

    found = build(sqlite_database_url, 100, {"final": cut})
    found.finish(connections=2)
    end = found.reckon()
    note(f"cut between final dot and reply, {cuts[0]} times", end)
    assert cuts[0]
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain == cuts[0], "each cut is known as one doubt, and none is sent again"


@pytest.mark.postgres
def test_a_disk_that_is_full_stops_the_worker_before_a_mail(
    build: Build, postgres_database_url: str, note: Note
) -> None:
    found = build(postgres_database_url, 60)
    child = found.start_ready(FSIZE="12288")
    assert child.wait(60) == 0, (found.folder / "children.log").read_text()[-3_000:]
    assert "fault" in child.stdout.read()
    middle = found.reckon()
    assert (middle.lost, middle.twice, middle.uncertain) == (0, 0, 0)
    assert 0 < middle.open < 60, "the disk fills while mails leave"
    found.finish()
    end = found.reckon()
    note("disk full under the journal, then free again, postgr", end)
    assert (end.lost, end.twice, end.uncertain, end.open) == (0, 0, 0, 0)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY


def test_a_full_disk_under_the_database_is_waited_for(
    sqlite_database_url: str, tmp_path: Path, clock: Clock, note: Note
) -> None:
    from app.store.engine import open_database

    database = open_database(sqlite_database_url)
    limit = [0]

    @event.listens_for(database.engine, "checkout")
    def _set_limit(connection: object, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit[0] or 1_073_741_823}")  # type: ignore[attr-defined]

    keeper = Keeper(tmp_path / "server")
    with SmtpServer(keep=keeper) as server, open_office(database, tmp_path, clock) as office:
        office.crowd(60)
        courier = office.courier(server.port, kind=MARKETING)
        server.rules["final"] = _fills(limit)
        with working(courier) as thread:
            assert wait_until(lambda: keeper.count() >= 5, 20)
            time.sleep(0.2)
            limit[0] = 0
            thread.join(20)
        states = office.states()
        note("disk full under SQLite for a while", _reckoned(office, keeper))
    database.dispose()
    assert states == {"sent": 60}
    assert max(keeper.messages().values()) == 1


def _fills(limit: list[int]) -> Rule:
    told: list[bool] = []

    def fill(_talk: Talk, _line: str) -> Answer | None:
        if not told:
            told.append(True)
            limit[0] = 1
        return None

    return fill


def _reckoned(office: PostOffice, keeper: Keeper) -> Reckoning:
    states = office.states()
    twice = sum(1 for times in keeper.messages().values() if times > 1)
    return Reckoning(sum(states.values()), states["sent"] - keeper.count() + twice, twice, states["uncertain"], 0)
