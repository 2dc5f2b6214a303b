"""The kill switch, thrown while a worker of its own process is sending: within a second nothing leaves any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.actions import steer
from tests.faults.delivery_child import build_world
from tests.faults.house import House, house
from tests.faults.keeper import Keeper
from tests.servers.smtp import Rule, SmtpServer, Wait, wait_until

PACE = 0.05
"""Seconds the server takes for each mail: no more than 20 come in a second by one connection."""
CONNECTIONS = 2
A_SECONDS_WORTH = int(CONNECTIONS / PACE)


@pytest.fixture
def sending(database_url: str, tmp_path: Path) -> Iterator[House]:
    """A worker in the middle of 400 mails: ten seconds' work at least."""
    with ExitStack() as stack:
        keeper = Keeper(tmp_path / "server")
        rules: dict[str, Rule] = {"rcpt": lambda _talk, _line: [Wait(PACE), b"250 2.1.5 OK\r\n"]}
        server = stack.enter_context(SmtpServer(rules, keep=keeper))
        opened = stack.enter_context(house(database_url, tmp_path, 400, server, keeper))
        opened.start_ready(connections=CONNECTIONS)
        assert wait_until(lambda: keeper.count() >= 10, 30)
        yield opened


def test_the_kill_switch_stops_a_running_worker_within_a_second_and_nothing_is_lost(sending: House) -> None:
    """Counted in mails at the server's own pace, so that a busy machine makes nothing of it; then it goes on."""
    world = build_world(sending.url, sending.folder / "hand")
    steer.kill(world)
    thrown, before = time.monotonic(), sending.keeper.count()
    assert wait_until(lambda: _is_still(sending), 20)
    after = sending.keeper.count() - before
    assert after <= A_SECONDS_WORTH, (after, time.monotonic() - thrown)
    assert 0 < sending.states()["sent"] < 400
    assert sending.states()["uncertain"] == 0
    steer.revive(world)
    assert wait_until(lambda: sending.keeper.count() > before + after, 30)
    (worker,) = sending.children
    worker.terminate()
    assert worker.wait(20) == 0
    end = sending.reckon()
    assert (end.lost, end.twice) == (0, 0)
    world.database.dispose()


def _is_still(found: House) -> bool:
    """Nothing came while a dozen mails could have."""
    count = found.keeper.count()
    time.sleep(0.2)
    first = found.keeper.count()
    time.sleep(0.2)
    return count == first == found.keeper.count()
