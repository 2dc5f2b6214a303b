"""Clicks while the database is gone or locked, ingest killed: each reader gets her page, each fact comes once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from sqlalchemy import func, select
from werkzeug.test import Client

from app.actions.track import ingest_all, judge_all
from app.core.instants import SECOND
from app.disk.linkfiles import Destinations, write_link_file
from app.disk.networks import Networks
from app.disk.spool import Spool
from app.disk.spool_reader import SpoolReader
from app.store.engine import Database, open_database
from app.store.events import EventRow, SpoolPositionRow
from app.store.ledgers import CountRow
from app.web.edge import Edge, EdgeParts
from tests.actions.tracking import LINKS, NODE, House
from tests.services.schema import lay_tables

if TYPE_CHECKING:
    from tests.services.postgres import Server

TARGETS = [link["url"] if isinstance(link["url"], str) else None for link in LINKS]


def nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("404 Not Found", [])
    return [b""]


class Readers:
    """People who click all the time, through the real edge, from several threads. `wrong` keeps what went wrong."""

    def __init__(self, house: House, tokens: list[str], ask: Callable[[int], list[str] | None] | None = None) -> None:
        networks = Networks(b"n" * 32, ())
        destinations = Destinations(house.folder / "links", ask, house.clock)
        site = "https://shop.example.com"
        self.ids: list[bytes] = []
        self.parts = EdgeParts(house.links, house.spool, destinations, networks, site, house.clock, self._drawn)
        self.client = Client(Edge(self.parts, nothing))
        self.tokens, self.clicked, self.slowest, self.wrong = tokens, 0, 0.0, [""] * 0
        self._stop, self._lock = threading.Event(), threading.Lock()

    def _drawn(self) -> bytes:
        """The id of a fact, remembered: each must be found again, once."""
        self.ids.append(os.urandom(16))
        return self.ids[-1]

    @contextmanager
    def at_it(self, threads: int = 4) -> Iterator[None]:
        with ThreadPoolExecutor(threads) as pool:
            running = [pool.submit(self._click, number) for number in range(threads)]
            try:
                yield
            finally:
                self._stop.set()
            for one in running:
                one.result()

    def _click(self, number: int) -> None:
        while not self._stop.is_set():
            number += 1
            began = time.monotonic()
            answer = self.client.get(f"/c/{self.tokens[number % len(self.tokens)]}/{number % 3}")
            took = time.monotonic() - began
            with self._lock:
                self.clicked += 1
                self.slowest = max(self.slowest, took)
                if answer.status_code != 302 or answer.headers["Location"] != TARGETS[number % 3]:
                    self.wrong.append(f"{answer.status} {answer.headers.get('Location')}")
            time.sleep(0.002)


@contextmanager
def worker(house: House) -> Iterator[list[str]]:
    """Ingests and judges ten times a second as the worker's clock does: what fails is tried again at the next beat."""
    stop, faults = threading.Event(), [""] * 0

    def work() -> None:
        while not stop.wait(0.1):
            try:
                ingest_all(house.world, house.shelf, house.reader, NODE)
                judge_all(house.world, house.shelf)
            except Exception as error:  # noqa: BLE001 - as the worker's loop does
                faults.append(type(error).__name__)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield faults
    finally:
        stop.set()
        thread.join()


def settle(house: House) -> None:
    ingest_all(house.world, house.shelf, house.reader, NODE)
    house.clock.advance(5 * SECOND)
    judge_all(house.world, house.shelf)


def stored(house: House) -> tuple[int, int]:
    """How many clicks lie in the table, and how many the counters say."""
    with house.session() as session:
        rows = session.scalar(select(func.count()).select_from(EventRow).where(EventRow.kind == "clicked")) or 0
        counts = session.scalars(select(CountRow.value).where(CountRow.metric == "clicked")).all()
        return rows, sum(counts)


def ids_stored(house: House) -> list[bytes]:
    with house.session() as session:
        return sorted(session.scalars(select(EventRow.fact_id).where(EventRow.kind == "clicked")).all())


def people_with_mails(house: House) -> list[str]:
    write_link_file(house.folder / "links", house.version, TARGETS)
    return [house.token(house.mail(house.person(name))) for name in ("alice", "bob", "carol")]


def stopped_under_load(server: Server, folder: Path, seconds: float) -> int:
    """PostgreSQL is stopped for so long while readers click; everything is checked. Returns the clicks meanwhile."""
    lay_tables(server.url())
    database = open_database(server.url())
    house = House(database, folder / "node")
    readers = Readers(house, people_with_mails(house))
    with worker(house) as faults, readers.at_it():
        _wait(lambda: stored(house)[0] > 50)
        server.stop()
        until, before = time.monotonic() + seconds, readers.clicked
        _wait(lambda: bool(faults) and readers.clicked > before + 200 and time.monotonic() > until, seconds + 30)
        meanwhile = readers.clicked - before
        server.start()
        _wait(lambda: _is_back(house, before + 200))
    settle(house)
    assert readers.wrong == []
    assert faults
    assert readers.slowest < 2
    assert stored(house) == (readers.clicked, readers.clicked)
    assert ids_stored(house) == sorted(readers.ids)
    house.close()
    database.dispose()
    return meanwhile


def test_postgres_stopped_under_load_costs_no_reader_her_page_and_no_fact(
    postgres_server: Server, tmp_path: Path
) -> None:
    assert stopped_under_load(postgres_server, tmp_path, 0) > 200


@pytest.mark.torture
def test_a_whole_minute_without_the_database_costs_nothing_either(postgres_server: Server, tmp_path: Path) -> None:
    assert stopped_under_load(postgres_server, tmp_path, 60) > 10_000


def test_sqlite_locked_by_somebody_else_costs_no_reader_her_page_and_no_fact(
    sqlite_database_url: str, tmp_path: Path
) -> None:
    database = open_database(sqlite_database_url)
    house = House(database, tmp_path / "node")
    readers = Readers(house, people_with_mails(house))
    other = sqlite3.connect(sqlite_database_url.removeprefix("sqlite:///"), isolation_level=None)
    with worker(house), readers.at_it():
        _wait(lambda: stored(house)[0] > 50)
        other.execute("BEGIN IMMEDIATE")
        locked_at = readers.clicked
        _wait(lambda: readers.clicked > locked_at + 400)
        other.execute("ROLLBACK")
        _wait(lambda: stored(house)[0] > locked_at + 300)
    settle(house)
    assert readers.wrong == []
    assert readers.slowest < 2
    assert stored(house) == (readers.clicked, readers.clicked)
    assert ids_stored(house) == sorted(readers.ids)
    other.close()
    house.close()
    database.dispose()


_VICTIM = """
import sys
from pathlib import Path
from app.actions.shelf import Shelf
from app.actions.track import ingest
from app.disk.spool_reader import SpoolReader
from tests.faults.test_spool_ingest import world_of

world = world_of(sys.argv[1], Path(sys.argv[2]))
shelf, reader = Shelf(b"s" * 32), SpoolReader(Path(sys.argv[2]) / "spool")
print("begun", flush=True)
while True:
    ingest(world, shelf, reader, sys.argv[3], limit=20)
"""


def world_of(url: str, folder: Path):  # type: ignore[no-untyped-def]
    """The world a second process ingests in; it publishes nothing."""
    import secrets

    from app.links import Key, Links
    from app.settings import Settings
    from app.world import World

    links = Links((Key(1, b"k" * 32),), "https://example.com", "https://t.example.com")
    settings = Settings(url, "x" * 32, "https://example.com", folder)
    now = time.time_ns
    return World(
        settings,
        open_database(url),
        links,
        lambda: now() // 1_000,
        lambda: now() // 1_000,
        lambda: secrets.token_bytes(16),
        time.monotonic,
    )


def test_an_ingest_killed_again_and_again_loses_nothing_and_doubles_nothing(database: Database, tmp_path: Path) -> None:
    """Killed with signal 9 at any moment: between rows and commit, commit and deletion, deletion and forgetting."""
    house = House(database, tmp_path / "node")
    house.clock.now = time.time_ns() // 1_000
    mail = house.mail(house.person("alice"))
    told = 0
    url = database.engine.url.render_as_string(hide_password=False)
    for round_ in range(6):
        spool = Spool(house.folder / "spool", os.urandom(16))
        for _ in range(10):
            spool.append(*(house.click(mail, link=1) for _ in range(20)))
        spool.close()
        told += 200
        command = [sys.executable, "-c", _VICTIM, url, str(house.folder), NODE]
        victim = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        assert victim.stdout is not None
        victim.stdout.readline()
        time.sleep(0.01 + 0.02 * round_)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        victim.stdout.close()
    ingest_all(house.world, house.shelf, house.reader, NODE)
    assert stored(house) == (told, told)
    assert not SpoolReader(house.folder / "spool").segments()
    house.ingest()
    with house.session() as session:
        assert session.scalars(select(SpoolPositionRow)).all() == []
    house.close()


def _wait(done: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if done():
            return
        time.sleep(0.05)
    raise AssertionError(f"it did not come to pass within {seconds:.0f} seconds")


def _is_back(house: House, wanted: int) -> bool:
    with suppress(Exception):
        return stored(house)[0] >= wanted
    return False
