"""Fixtures of the web room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store.engine import Database, open_database
from tests.services.clock import Clock
from tests.web.desk import Desk, open_desk


@pytest.fixture
def desk(sqlite_database_url: str, tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    """A small site on SQLite."""
    database = open_database(sqlite_database_url)
    opened = open_desk(database, tmp_path, clock)
    yield opened
    opened.parts.spool.close()
    database.dispose()


@pytest.fixture
def desk_on_both(database: Database, tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    """The same, once on SQLite and once on PostgreSQL."""
    opened = open_desk(database, tmp_path, clock)
    yield opened
    opened.parts.spool.close()
