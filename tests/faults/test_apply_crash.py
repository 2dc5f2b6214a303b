"""A publisher killed at any point leaves the old release live or the new one, never half of each."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from app.actions.advance import drain
from app.actions.publish import Authorship, apply, wake_concerned
from app.actions.shelf import Shelf
from app.core.facts import Fact, FactKind
from app.store import events, people, releases, waking
from app.store.runs import RunRow
from app.store.tables import metadata
from app.world import World
from tests.actions.small_site import site_with
from tests.faults.apply_child import NEW, NOW, OLD, world_of

PEOPLE = 40


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the old release live and forty people at its wait."""
    path = tmp_path_factory.mktemp("apply") / "old.db"
    world = world_of(str(path))
    metadata().create_all(world.database.engine)
    apply(world, site_with(OLD), Authorship("test"))
    with world.transaction("write") as session:
        for number in range(PEOPLE):
            _join(session, number)
    drain(world, Shelf(world.secret))
    with world.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    world.database.dispose()
    return path


def _join(session, number: int) -> None:  # type: ignore[no-untyped-def]
    address = f"p{number}@example.com"
    new = people.NewSubscriber(number.to_bytes(16, "big"), address, address, "potential", NOW)
    who = people.create(session, new).id
    facts = [
        Fact(number.to_bytes(8, "big") + kind.value.encode()[:8].ljust(8), kind, NOW, name="book")
        for kind in (FactKind.SIGNED_UP, FactKind.CONFIRMED)
    ]
    rows = [events.fact_row(who, fact, message_id=None, verdict="") for fact in facts]
    events.record(session, rows)
    events.announce(session, rows)


def kill_at(database: Path, what: str, n: int) -> int:
    child = [sys.executable, "-m", "tests.faults.apply_child", str(database), what, str(n)]
    return subprocess.run(child, check=False, timeout=60).returncode


def live_digest(world: World) -> str:
    shelf = Shelf(world.secret)
    with world.transaction("read") as session:
        shelved = shelf.look(session)
    assert shelved is not None
    return shelved.book.campaigns["welcome"].digest


def digest(text: str) -> str:
    workspace = site_with(text).workspace
    assert workspace is not None
    return workspace.campaigns["welcome"].digest


def versions_followed(world: World) -> set[str]:
    with world.transaction("read") as session:
        return set(session.scalars(select(RunRow.version).where(RunRow.state != "ended")))


@pytest.mark.parametrize(
    ("what", "n"), [("now", 1), ("id", 1), ("now", 2), ("rest", 1), ("now", 3), ("rest", 2), ("now", 4)]
)
def test_a_kill_leaves_one_release_live_and_what_is_left_to_wake_written_down(
    published: Path, tmp_path: Path, what: str, n: int
) -> None:
    database = tmp_path / "parvar.db"
    shutil.copy(published, database)
    code = kill_at(database, what, n)
    world = world_of(str(database))
    live = live_digest(world)
    assert live in (digest(OLD), digest(NEW))
    if code == -signal.SIGKILL and (what, n) in (("now", 1), ("id", 1)):
        assert live == digest(OLD)
    shelf = Shelf(world.secret)
    wake_concerned(world, shelf)
    drain(world, shelf)
    assert versions_followed(world) == {live}
    with world.transaction("read") as session:
        assert not waking.is_under_way(session)
    world.database.dispose()


def test_after_a_kill_the_same_publication_goes_through(published: Path, tmp_path: Path) -> None:
    database = tmp_path / "parvar.db"
    shutil.copy(published, database)
    assert kill_at(database, "id", 1) == -signal.SIGKILL
    assert kill_at(database, "never", 0) == 0
    world = world_of(str(database))
    assert live_digest(world) == digest(NEW)
    with world.transaction("read") as session:
        control = releases.control(session)
        assert control.release_id is not None
        assert releases.digest_of(session, control.release_id)
    drain(world, Shelf(world.secret))
    assert versions_followed(world) == {digest(NEW)}
    world.database.dispose()


def test_the_killer_kills(published: Path, tmp_path: Path) -> None:
    """The points chosen lie on the way: before the commit, between commit and waking, and while waking."""
    killed = []
    for what, n in (("now", 1), ("id", 1), ("now", 2), ("rest", 1)):
        database = tmp_path / f"{what}{n}.db"
        shutil.copy(published, database)
        killed.append(kill_at(database, what, n) == -signal.SIGKILL)
    assert all(killed)
