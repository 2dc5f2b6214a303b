"""The table of faults: each test adds a row, and the run ends with the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.house import Reckoning
from tests.faults.nursery import close_nursery

Note = Callable[[str, Reckoning], None]


@pytest.fixture(scope="session", autouse=True)
def _nursery() -> Iterator[None]:
    """Ends the process that workers are forked from, if a test asked for it."""
    yield
    close_nursery()


@pytest.fixture(scope="session")
def _rows(request: pytest.FixtureRequest) -> Iterator[list[tuple[str, Reckoning]]]:
    rows: list[tuple[str, Reckoning]] = []
    yield rows
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if rows and capture is not None:
        with capture.global_and_fixture_disabled():
            print("\n\n| what happened | mails | lost | twice | uncertain |\n|---|---|---|---|---|")
            for what, found in sorted(rows, key=lambda row: row[0]):
                print(f"| {what} | {found.mails} | {found.lost} | {found.twice} | {found.uncertain} |")


@pytest.fixture
def note(_rows: list[tuple[str, Reckoning]]) -> Note:
    """Adds a row to the table."""
    return lambda what, found: _rows.append((what, found))
