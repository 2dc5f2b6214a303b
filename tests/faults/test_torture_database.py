"""PostgreSQL as it is run in earnest, with fsync, is killed with all its processes while mails leave."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.conftest import Note
from tests.faults.house import house
from tests.faults.keeper import Keeper
from tests.faults.test_delivery import slowly
from tests.servers.smtp import SmtpServer, wait_until
from tests.services.missing import missing
from tests.services.postgres import REMEDY, Server, start_server
from tests.services.schema import lay_tables

MAILS, CONNECTIONS = 400, 2


@pytest.fixture
def durable_server() -> Iterator[Server]:
    """A PostgreSQL with the settings of a real one."""
    server = start_server()
    if server is None:
        missing("PostgreSQL", REMEDY)
    server.stop()
    server.settings |= {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    server.start()
    yield server
    server.remove()


@pytest.mark.torture
@pytest.mark.postgres
def test_a_database_with_fsync_that_is_killed_while_mails_leave(
    tmp_path: Path, durable_server: Server, note: Note
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    url = durable_server.url()
    lay_tables(url)
    keeper = Keeper(tmp_path / "server")
    with ExitStack() as stack:
        server = stack.enter_context(SmtpServer(slowly(0.01), keep=keeper))
        found = stack.enter_context(house(url, tmp_path, MAILS, server, keeper))
        child = found.start_ready(connections=CONNECTIONS)
        for number in range(1, 5):
            count = number * 70 + chance.randrange(40)
            assert wait_until(lambda: keeper.count() >= count, 60)  # noqa: B023 - asked at once
            durable_server.kill()
            durable_server.start()
        found.database.dispose()
        assert child.wait(90) == 0
        end = found.reckon()
    note(f"PostgreSQL with fsync killed, 4 times, {CONNECTIONS} connections", end)
    assert (end.lost, end.twice, end.uncertain, end.open) == (0, 0, 0, 0)
