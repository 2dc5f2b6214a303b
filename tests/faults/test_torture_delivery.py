"""Delivery under fire for as long as `make torture` says: every round another fault, drawn by chance, on one list."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Note
from tests.faults.house import MAIL_BYTES, House, house
from tests.faults.keeper import Keeper
from tests.servers.smtp import Answer, Close, SmtpServer, Take, Talk, wait_until

MAILS, CONNECTIONS = 400, 4


@pytest.mark.torture
def test_a_list_that_is_killed_cut_and_stopped_until_time_is_up(
    tmp_path: Path, database_url: str, fresh_url: Callable[[], str], note: Note
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    for number in rounds(1 / 4):
        folder = tmp_path / str(number)
        folder.mkdir()
        _round(fresh_url() if number else database_url, folder, chance, note)


def rounds(share: float) -> Iterator[int]:
    """Numbers, at least one, until this share of the time of `make torture` is over."""
    until = time.monotonic() + float(os.environ.get("PARVAR_TORTURE_MINUTES", "1")) * 60 * share
    for number in itertools.count():
        if number and time.monotonic() > until:
            return
        yield number


@pytest.fixture
def fresh_url(tmp_path: Path, database_url: str, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Another database of the same sort with all tables, at each call."""
    from tests.services.schema import lay_tables

    numbers = itertools.count()

    def make() -> str:
        if database_url.startswith("sqlite"):
            url = f"sqlite:///{tmp_path / f'fresh-{next(numbers)}.db'}"
            lay_tables(url)
            return url
        found: str = request.getfixturevalue("postgres_databases").create_like("tables", lay_tables)
        return found

    return make


def _round(url: str, folder: Path, chance: random.Random, note: Note) -> None:
    cuts = [0]

    def now_and_then(_talk: Talk, _line: str) -> Answer | None:
        if chance.random() > 0.004:
            return None
        cuts[0] += 1
        return [Take(), Close()] if chance.random() < 0.5 else [Close()]

    keeper = Keeper(folder / "server")
    with SmtpServer({"final": now_and_then}, keep=keeper) as server, house(url, folder, MAILS, server, keeper) as found:
        kills = sum(_one_fault(found, chance) for _ in range(4))
        server.rules.clear()
        found.delay_nothing()
        found.finish(CONNECTIONS)
        end = found.reckon()
        note(f"{kills} kills and {cuts[0]} cuts by chance, {CONNECTIONS} connections, {url[:6]}", end)
        assert (end.lost, end.twice, end.open) == (0, 0, 0)
        assert end.uncertain <= kills * CONNECTIONS + cuts[0]


def _one_fault(found: House, chance: random.Random) -> int:
    """1 when it was a kill that fell."""
    what = chance.choice(("kill", "kill", "term", "stop"))
    if what == "kill":
        at = chance.randrange(1, MAILS * MAIL_BYTES // 3)
        return int(found.killed_at(at, CONNECTIONS, spills=chance.random() < 0.5))
    child = found.start_ready(connections=CONNECTIONS)
    before = found.keeper.count()
    wait_until(lambda: found.keeper.count() > before + 20 or child.poll() is not None, 10)
    if what == "stop" and child.poll() is None:
        child.send_signal(signal.SIGSTOP)
        time.sleep(chance.random())
        child.send_signal(signal.SIGCONT)
    if child.poll() is None:
        child.terminate()
    assert child.wait(30) == 0
    return 0
