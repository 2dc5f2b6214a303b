"""A worker's folder is lost with its disk: no journal can be asked, and only its leases tell that it is dead."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Note
from tests.faults.house import MAIL_BYTES, House, Reckoning, house
from tests.faults.keeper import Keeper
from tests.faults.test_delivery import Build, build
from tests.faults.test_torture_delivery import fresh_url, rounds
from tests.servers.smtp import SmtpServer

__all__ = ["build", "fresh_url"]

MAILS, CONNECTIONS = 150, 2
QUICK = "600"
"""Seconds that pass in one for the worker that watches the leases of others: 120 are over in a fifth of one."""
LATER = "1000"
"""Seconds by which the calendar is ahead when uncertain mails are looked at again: more than a quarter of an hour."""
CLAIM = 100
"""Of PARVAR_CLAIM, which the workers here are not told."""


def lose(found: House, chance: random.Random, mails: int) -> int:
    """Kill a worker at a random byte, and its folder is gone. How much it had claimed then."""
    has_fallen = found.killed_at(
        chance.randrange(MAIL_BYTES, mails * MAIL_BYTES // 2), CONNECTIONS, spills=chance.random() < 0.5
    )
    assert has_fallen
    shutil.rmtree(found.folder / "node")
    return found.states()["claimed"]


def test_a_journal_lost_with_its_disk_leaves_in_doubt_what_was_claimed(
    build: Build, database_url: str, note: Note
) -> None:
    found = build(database_url, MAILS)
    claimed = lose(found, random.Random(7), MAILS)
    found.finish(CONNECTIONS, WATCH=QUICK)
    end = found.reckon()
    note(f"journal lost with its disk, {CONNECTIONS} connections, {database_url[:6]}", end)
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert 0 < end.uncertain == claimed <= CLAIM


def _resent(found: House, chance: random.Random, mails: int) -> tuple[Reckoning, int]:
    """A lost journal under the policy `resend`: the end, and how many were in doubt."""
    claimed = lose(found, chance, mails)
    found.finish(CONNECTIONS, WATCH=QUICK)
    assert found.states()["uncertain"] == claimed
    (found.folder / "calendar").write_text(LATER)
    found.finish(CONNECTIONS, CLOCK=str(found.folder / "calendar"), UNCERTAIN="resend")
    return found.reckon(), claimed


@pytest.mark.postgres
def test_what_is_sent_again_after_that_is_lost_by_nobody_and_doubled_under_the_same_name(
    build: Build, postgres_database_url: str, note: Note
) -> None:
    found = build(postgres_database_url, MAILS)
    end, claimed = _resent(found, random.Random(8), MAILS)
    note(f"journal lost with its disk, then PARVAR_UNCERTAIN=resend, {claimed} in doubt, postgr", end)
    assert (end.lost, end.uncertain, end.open) == (0, 0, 0)
    came = found.keeper.messages()
    assert len(came) == MAILS, "every mail came, and a second one bears the Message-ID of the first"
    assert max(came.values()) <= 2
    assert end.twice <= claimed <= CLAIM


@pytest.mark.torture
def test_disks_that_are_lost_again_and_again_until_time_is_up(
    tmp_path: Path, database_url: str, fresh_url: Callable[[], str], note: Note
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance, mails = random.Random(seed), 300
    print(f"seed {seed}")
    for number in rounds(1 / 16):
        folder = tmp_path / str(number)
        folder.mkdir()
        keeper, url = Keeper(folder / "server"), fresh_url() if number else database_url
        with SmtpServer(keep=keeper) as server, house(url, folder, mails, server, keeper) as found:
            end, claimed = _resent(found, chance, mails)
            note(f"journal lost by chance, then PARVAR_UNCERTAIN=resend, {claimed} in doubt, {url[:6]}", end)
            assert (end.lost, end.uncertain, end.open) == (0, 0, 0)
            assert end.twice <= claimed <= CLAIM
