"""Migrating: brings a database to the shape this code expects, one process at a time.

Owns the lock, the copy made before, and the refusal of what cannot go well. Must not know any single migration.
On SQLite the file is copied first and all migrations are one transaction; on PostgreSQL they are one as well.
"""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate
from sqlalchemy import Connection, inspect, text

from app.store.base import db
from app.store.engine import Database
from app.store.place import file_of, refuse_network
from app.store.tables import metadata

_PACKED = Path(__file__).with_name("migrations")
"""Where a wheel carries the migrations; in a checkout they stand at the top."""
SCRIPTS = _PACKED if _PACKED.is_dir() else Path(__file__).parents[2] / "migrations"
_LOCK = 0x7061727661720001
"""The number of our advisory lock on PostgreSQL."""
_PATIENCE = 120
"""Seconds to wait for another process that migrates."""


class MigrationError(RuntimeError):
    """The database cannot be brought to this shape; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was done: the revision before (empty: a new database) and after, and the copy made, if any."""

    before: str
    after: str
    copy: Path | None = None


def upgrade(database: Database) -> Migrated:
    """Bring the database to this code's revision; nothing happens when it is there. Raises MigrationError."""
    return _migrate(database, "head")


def downgrade(database: Database, revision: str) -> Migrated:
    """Take migrations back down to a revision (`base`: all of them). Data of dropped columns is gone for good."""
    return _migrate(database, revision)


def is_current(database: Database) -> bool:
    """Whether the database has exactly the shape this code expects."""
    return revision_of(database) == head()


def revision_of(database: Database) -> str:
    """The database's revision, empty when it has none."""
    with database.engine.connect() as connection:
        return _revision(connection)


def head() -> str:
    """The newest revision this code knows."""
    return _scripts().get_current_head() or ""


def check_drift(database: Database) -> tuple[str, ...]:
    """Differences between the tables in the database and the models, in words; empty when there are none."""
    options = {"compare_type": True, "compare_server_default": False}
    with database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata())
    return tuple(map(_in_words, found))


def _in_words(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(map(_in_words, difference))
    return " ".join(str(part) for part in difference if part is not None)


# ── One migration ────────────────────────────────────────────────────────────────────────────────────────────────────


def _migrate(database: Database, target: str) -> Migrated:
    file = file_of(database.engine.url)
    if file:
        refuse_network(file)
    with _alone(database, file):
        before = revision_of(database)
        _refuse_newer(before)
        if before == (head() if target == "head" else "" if target == "base" else target):
            return Migrated(before, before)
        copy = _copied(file, before) if file else None
        _run(database, target, is_up=target == "head" or _is_later(target, before))
        return Migrated(before, revision_of(database), copy)


def _run(database: Database, target: str, *, is_up: bool) -> None:
    with database.exclusive() as connection:
        config = _config()
        config.attributes.update(connection=connection, metadata=metadata())
        (command.upgrade if is_up else command.downgrade)(config, target)
        _refuse_orphans(connection)


def _refuse_newer(revision: str) -> None:
    if revision and revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise MigrationError(
            f"the database is at revision {revision}, which this version of Parvar does not know; "
            "start the newer version, or restore the copy made before it was migrated"
        )


def _is_later(target: str, before: str) -> bool:
    order = [script.revision for script in reversed(list(_scripts().walk_revisions()))]
    if target != "base" and target not in order:
        raise MigrationError(f"there is no revision {target}; there are {', '.join(order)}")
    return target != "base" and (before not in order or order.index(target) > order.index(before))


def _refuse_orphans(connection: Connection) -> None:
    """SQLite does not watch foreign keys while tables are rebuilt, so they are counted at the end."""
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(3)
        if broken:
            raise MigrationError(f"rows would point nowhere after this migration, first in table {broken[0][0]}")


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


# ── Alembic, through Flask-Migrate ───────────────────────────────────────────────────────────────────────────────────


def _config() -> Config:
    app = Flask("parvar-migrations")
    migrate = Migrate(app, db, directory=str(SCRIPTS))
    with app.app_context():
        config: Config = migrate.get_config()
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


# ── Alone, and with a copy ───────────────────────────────────────────────────────────────────────────────────────────


def _alone(database: Database, file: Path | None) -> AbstractContextManager[None]:
    return _alone_on_file(file) if file else _alone_on_server(database)


@contextmanager
def _alone_on_file(file: Path) -> Iterator[None]:
    """Hold `<file>.migrating`; who comes second waits and then finds nothing left to do."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{file}.migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _alone_on_server(database: Database) -> Iterator[None]:
    """Hold an advisory lock on a connection of its own, for the migration's may be cut."""
    with database.engine.connect() as connection:
        if connection.dialect.name != "postgresql":
            yield
            return
        connection.execute(text(f"SET lock_timeout = '{_PATIENCE}s'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.execute(text("RESET lock_timeout"))
            connection.commit()


def _copied(file: Path, revision: str) -> Path | None:
    """A copy of the file by SQLite's online backup, named after the revision it has. None for a new file."""
    if not file.exists() or not file.stat().st_size or not revision:
        return None
    _refuse_small_disk(file)
    copy = file.with_name(f"{file.name}.{revision}.backup")
    draft = copy.with_name(f".{copy.name}.part")
    with _opened(file) as source, _opened(draft) as target:
        source.backup(target)
    draft.replace(copy)
    return copy


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(file)
    try:
        yield connection
    finally:
        connection.close()


def _refuse_small_disk(file: Path) -> None:
    """A copy, and a second one of the largest table while it is rebuilt."""
    size = file.stat().st_size
    free = shutil.disk_usage(file.parent).free
    if free < 2 * size:
        raise MigrationError(
            f"migrating {file.name} needs {2 * size // 2**20 + 1} MB of free disk for a copy, there are {free // 2**20}"
        )
