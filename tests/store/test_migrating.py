import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

from app.store import migrating
from app.store.engine import Database, open_database
from app.store.messages import BodyRow, DeliveryRow
from app.store.place import UnfitPlaceError, kind_in
from app.store.tables import metadata
from tests.store.cast import alice, queued

ROOT = Path(__file__).parents[2]


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    database = open_database(empty_database_url)
    yield database
    database.dispose()


@pytest.fixture
def on_file(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'parvar.db'}")
    yield database
    database.dispose()


def tables(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(inspect(connection).get_table_names()) - {"alembic_version"}


def test_migrations_go_up_and_down_and_up_again(empty: Database) -> None:
    assert not migrating.is_current(empty)
    up = migrating.upgrade(empty)
    assert (up.before, up.after) == ("", migrating.head())
    assert tables(empty) == set(metadata().tables)
    migrating.downgrade(empty, "base")
    assert tables(empty) == set()
    migrating.upgrade(empty)
    assert tables(empty) == set(metadata().tables)
    assert migrating.is_current(empty)


def test_every_single_migration_can_be_taken_back_and_done_again(empty: Database) -> None:
    migrating.upgrade(empty)
    revisions = [script.revision for script in migrating._scripts().walk_revisions()]
    for lower in [*revisions[1:], "base"]:
        migrating.downgrade(empty, lower)
        assert migrating.upgrade(empty).after == migrating.head()


def test_attempts_and_bodies_survive_the_loss_of_their_foreign_keys(empty: Database) -> None:
    migrating.upgrade(empty)
    with empty.transaction("write") as session:
        mail = queued(session, alice(session).id, "cause:1")
        session.add(DeliveryRow(message_id=mail, attempt=1, at=1))
        session.add(BodyRow(message_id=mail, blob=b"kept", at=1))
        session.add(BodyRow(message_id=mail + 1, blob=b"of nobody", at=1))
    migrating.downgrade(empty, "0008")
    with empty.transaction("write") as session, pytest.raises(IntegrityError):
        session.execute(text("INSERT INTO body (message_id, blob, at) VALUES (999, '', 1)"))
    migrating.upgrade(empty)
    with empty.transaction("read") as session:
        assert [row.blob for row in session.scalars(select(BodyRow))] == [b"kept"], "what points nowhere is dropped"
        assert [row.attempt for row in session.scalars(select(DeliveryRow))] == [1]


def test_models_and_migrations_say_the_same(empty: Database) -> None:
    migrating.upgrade(empty)
    assert migrating.check_drift(empty) == ()


def test_a_column_nobody_migrated_is_drift(empty: Database) -> None:
    migrating.upgrade(empty)
    with empty.transaction("write") as session:
        session.execute(text("ALTER TABLE tag ADD COLUMN colour VARCHAR(8)"))
    (found,) = migrating.check_drift(empty)
    assert "remove_column" in found
    assert "colour" in found


def test_an_index_nobody_migrated_is_drift(empty: Database) -> None:
    migrating.upgrade(empty)
    with empty.transaction("write") as session:
        session.execute(text("DROP INDEX ix_subscriber_due"))
    assert any("ix_subscriber_due" in found for found in migrating.check_drift(empty))


def test_a_current_database_is_left_alone_and_not_copied(on_file: Database, tmp_path: Path) -> None:
    assert migrating.upgrade(on_file).copy is None, "a new file holds nothing worth a copy"
    assert migrating.upgrade(on_file) == migrating.Migrated(migrating.head(), migrating.head(), None)
    assert not list(tmp_path.glob("*.backup"))


def test_a_file_is_copied_before_it_is_changed(on_file: Database, tmp_path: Path) -> None:
    migrating.upgrade(on_file)
    with on_file.transaction("write") as session:
        session.execute(text("INSERT INTO token_used VALUES ('form', 'x', 1)"))
    done = migrating.downgrade(on_file, "base")
    assert done.copy == tmp_path / f"parvar.db.{migrating.head()}.backup"
    with sqlite3.connect(done.copy) as copy:
        assert copy.execute("SELECT kind, nonce FROM token_used").fetchall() == [("form", "x")]
    copy.close()
    assert not list(tmp_path.glob("*.part"))


def test_a_database_newer_than_the_code_is_refused(empty: Database) -> None:
    migrating.upgrade(empty)
    with empty.transaction("write") as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not migrating.is_current(empty)
    with pytest.raises(migrating.MigrationError, match="9999, which this version of Parvar does not know"):
        migrating.upgrade(empty)


def test_a_revision_that_does_not_exist_is_named(empty: Database) -> None:
    migrating.upgrade(empty)
    with pytest.raises(migrating.MigrationError, match="there is no revision 0000; there are 0001"):
        migrating.downgrade(empty, "0000")


def test_a_migration_that_fails_leaves_everything_as_it_was(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def orphans(_connection: object) -> None:
        raise migrating.MigrationError("rows would point nowhere")

    with monkeypatch.context() as patch:
        patch.setattr(migrating, "_refuse_orphans", orphans)
        with pytest.raises(migrating.MigrationError):
            migrating.upgrade(empty)
    assert tables(empty) == set()
    assert migrating.upgrade(empty).after == migrating.head()


def test_foreign_keys_are_watched_again_after_migrating(on_file: Database) -> None:
    migrating.upgrade(on_file)
    with on_file.transaction("read") as session:
        assert session.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_of_several_processes_one_migrates_and_the_others_find_it_done(empty_database_url: str) -> None:
    program = (
        "import sys\nfrom app.store import migrating\nfrom app.store.engine import open_database\n"
        "print(migrating.upgrade(open_database(sys.argv[1])).before or 'new')"
    )
    command = [sys.executable, "-c", program, empty_database_url]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = sorted(process.communicate(timeout=120)[0].strip() for process in running)
    assert [process.returncode for process in running] == [0, 0, 0]
    assert answers == sorted(["new", migrating.head(), migrating.head()])


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /srv rw,relatime shared:9 - nfs4 server:/export rw
41 40 8:2 / /srv/local\\040disk rw,relatime shared:10 - xfs /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"), [("/var/lib", "ext4"), ("/srv/parvar", "nfs4"), ("/srv/local disk/a", "xfs"), ("/srvx", "ext4")]
)
def test_the_innermost_mount_says_the_kind_of_file_system(folder: str, kind: str) -> None:
    assert kind_in(MOUNTS, Path(folder)) == kind


def test_a_network_file_system_is_refused(on_file: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.place._filesystem", lambda _folder: "nfs4")
    with pytest.raises(UnfitPlaceError, match="network file system"):
        migrating.upgrade(on_file)


def test_migrations_are_numbered_in_one_line_and_import_no_models() -> None:
    files = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    assert [file.name[:4] for file in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    for file in files:
        assert "app." not in file.read_text(), f"{file.name} must not change when a model does"
