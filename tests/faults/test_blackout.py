"""The lights go out while mails leave: after the next boot the list and the server's files agree, mail by mail."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.blackout import Blackout
from tests.faults.conftest import Note
from tests.faults.disk import Shadow
from tests.faults.house import MAIL_BYTES, House, house
from tests.faults.keeper import Keeper
from tests.faults.test_delivery import Build, build, slowly
from tests.faults.test_torture_delivery import fresh_url, rounds
from tests.servers.smtp import SmtpServer

__all__ = ["build", "fresh_url"]

MAILS = 300
SHORT = "200"
"""Bytes after which a journal begins a new file: at each record, so that cuts fall also there."""


@dataclass
class Grid:
    """A house whose power can be cut. Every life of its worker is another boot of the machine."""

    house: House
    chance: random.Random
    connections: int
    boots: int = 0
    allowed: int = 0
    """How many mails the contract lets become uncertain."""
    more: dict[str, str] = field(default_factory=dict)

    def cut(self, at: int, window: int, *, reorders: bool) -> bool:
        """Run a worker until so many bytes went over the wire, then nothing is left but what was synced."""
        root, shadow = self.house.folder / "node", self.house.folder / "shadow"
        root.mkdir(exist_ok=True)
        self.house.database.dispose()
        told = self._boot() | {"SHADOW": str(shadow), "WINDOW": str(window)} | self.more
        has_fallen = self.house.killed_at(at, self.connections, spills=self.chance.random() < 0.5, **told)
        if has_fallen:
            self.allowed += (1 if window < 3 else window) * self.connections
            lights = Blackout(self.chance, reorders)
            lights.fall_on(root, Shadow(shadow))
            if self.house.url.startswith("sqlite"):
                lights.fall_on_sqlite(Path(self.house.url.removeprefix("sqlite:///")), shadow / "commits")
        return has_fallen

    def finish(self) -> None:
        self.house.finish(self.connections, **self._boot())

    def _boot(self) -> dict[str, str]:
        self.boots += 1
        return {"BOOT": f"boot-{self.boots}"}


@pytest.fixture
def lit(build: Build, request: pytest.FixtureRequest) -> Callable[..., Grid]:
    """`lit(database, count, connections, seed)`: a house with power, on SQLite or PostgreSQL."""

    def make(database: str, count: int, connections: int, seed: int) -> Grid:
        url = request.getfixturevalue(f"{database}_database_url")
        return Grid(build(url, count, slowly(0.01)), random.Random(seed), connections)

    return make


LONG = pytest.mark.torture


@pytest.mark.parametrize(
    ("database", "window"),
    [
        ("sqlite", 16),
        pytest.param("postgres", 1, marks=pytest.mark.postgres),
        pytest.param("sqlite", 1, marks=LONG),
        pytest.param("postgres", 16, marks=[LONG, pytest.mark.postgres]),
    ],
)
def test_power_lost_at_a_random_byte_loses_nothing_and_sends_nothing_twice(
    lit: Callable[..., Grid], note: Note, database: str, window: int
) -> None:
    count = 100
    found = lit(database, count, 2, window)
    found.more["ROTATE"] = SHORT
    at = [found.chance.randrange(1, count * MAIL_BYTES // 3) for _ in range(2)]
    cuts = [found.cut(at[0], window, reorders=False), found.cut(at[1], window, reorders=True)]
    found.finish()
    end = found.house.reckon()
    note(f"power lost, {sum(cuts)} times, window {window}, 2 connections, {database[:6]}", end)
    assert all(cuts)
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain <= found.allowed


def test_a_small_window_holds_for_one_connection(lit: Callable[..., Grid], note: Note) -> None:
    """Also when the first word to the server is the last one: what was claimed by then is settled by the next life."""
    found = lit("sqlite", 40, 1, 0)
    assert found.cut(1, 3, reorders=False)
    assert found.cut(10 * MAIL_BYTES, 3, reorders=False)
    found.finish()
    end = found.house.reckon()
    note("power lost, 2 times, window 3, 1 connection, sqlite", end)
    assert (end.lost, end.twice, end.open) == (0, 0, 0)
    assert end.uncertain <= 2 * 3


def test_a_disk_that_only_says_that_it_synced_is_found_out(lit: Callable[..., Grid]) -> None:
    """Without the sync of what may begin, mails would leave twice: these tests would see it."""
    found = lit("sqlite", 160, 1, 0)
    found.more["LIES"] = "1"
    for _ in range(8):  # with luck, what left before a cut is in the database already
        found.cut(found.chance.randrange(10, 20) * MAIL_BYTES, 16, reorders=False)
        if max(found.house.keeper.messages().values()) > 1:
            break
    assert found.house.reckon().twice > 0


@LONG
def test_power_that_is_lost_again_and_again_until_time_is_up(
    tmp_path: Path, database_url: str, fresh_url: Callable[[], str], note: Note
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    for number in rounds(1 / 8):
        folder = tmp_path / str(number)
        folder.mkdir()
        _torture(fresh_url() if number else database_url, folder, chance, note)


def _torture(url: str, folder: Path, chance: random.Random, note: Note) -> None:
    keeper, connections = Keeper(folder / "server"), chance.randint(1, 4)
    rules = slowly(0.01) if chance.random() < 0.5 else None
    with SmtpServer(rules, keep=keeper) as server, house(url, folder, MAILS, server, keeper) as opened:
        found = Grid(opened, chance, connections, more={"ROTATE": SHORT} if chance.random() < 0.5 else {})
        cuts = sum(
            found.cut(
                int(MAILS * MAIL_BYTES / 3 * chance.random() ** 2) + 1,
                chance.choice((1, 2, 3, 8, 16)),
                reorders=chance.random() < 0.7,
            )
            for _ in range(4)
        )
        found.finish()
        end = opened.reckon()
        note(f"power lost by chance, {cuts} times, {connections} connections, at most {found.allowed}, {url[:6]}", end)
        assert (end.lost, end.twice, end.open) == (0, 0, 0)
        assert end.uncertain <= found.allowed
