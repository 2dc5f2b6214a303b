"""Facts a second from the spool to the verdict on one core, on SQLite, and whether memory stays flat with their number.

Run `python -m benchmarks.ingest [--facts 100000] [--postgres]`. The baseline in the same run is one INSERT and commit
a fact. At the end the rows are counted, and the counters held against them. `--postgres` starts a server of its own.
"""

import argparse
import json
import os
import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, func, insert, select, text

from app.actions.shelf import Shelf
from app.actions.track import ingest, judge_due, prove, recompute
from app.actions.track.ingest import BATCH
from app.core.instants import DAY, SECOND
from app.core.verdicts import Request
from app.disk.spool import Fact, FactKind, Spool
from app.disk.spool_reader import SpoolReader
from app.disk.touches import MailTouch, touch_fact
from app.links import Key, Links
from app.settings import Settings
from app.store import releases
from app.store.engine import Database, open_database
from app.store.events import EventRow
from app.store.messages import MessageRow
from app.store.people import SubscriberRow
from app.store.releases import MailVersionRow, NewMail, NewRelease
from app.store.tables import metadata
from app.world import World

FILES = {
    "campaigns/site.yaml": """
site:
  name: Shop
  slogan: Fresh
  url: https://shop.example.com
  sender: {name: Sara, address: sara@example.com, reply_to: sara@example.com}
  postal_address: 12 Valiasr St, Tehran
  locales: [en]
  timezone: UTC
  weekend: [saturday, sunday]
  currency: {code: EUR}
topics:
  pricing: {label: Prices, pages: ["/pricing*"]}
contact:
  limits: [9 per day]
""",
    "campaigns/ladder.yaml": """
stages:
  lead: {label: Lead}
  prospect: {label: Prospect, rise: "score >= 30"}
scoring:
  half_life: 30d
  engagement:
    - {on: click, points: 3, at_most: 15 per 30d}
""",
}
LINKS = [{"number": n, "url": f"https://shop.example.com/p{n}", "name": f"l{n}", "topic": ""} for n in range(6)]
AGENTS = [f"Mozilla/5.0 (X11; Linux x86_64; rv:{n}.0) Gecko/20100101 Firefox/{n}.0" for n in range(90, 130)]
NODE = "b" * 32


class House:
    """A world whose clock stands where it is put."""

    def __init__(self, url: str, folder: Path) -> None:
        self.now = time.time_ns() // 1_000
        self.database = open_database(url)
        metadata().create_all(self.database.engine)
        links = Links((Key(1, b"k" * 32),), "https://example.com", "https://example.com")
        settings = Settings(url, "x" * 32, "https://example.com", folder)
        clock = lambda: self.now  # noqa: E731
        new_id = lambda: secrets.token_bytes(16)  # noqa: E731
        self.world = World(settings, self.database, links, clock, clock, new_id, time.monotonic)
        self.shelf = Shelf(b"s" * 32)
        self.folder = folder / "spool"
        with self.world.transaction("write") as session:
            releases.begin(session, bytes(16))
            mail = NewMail("a/b", "en", "d", "{}", json.dumps(LINKS), is_service=False)
            releases.publish(session, NewRelease("r", FILES, {}, (mail,)), self.now)
            self.version = session.scalars(select(MailVersionRow.id)).one()

    def fill(self, people: int) -> None:
        """People with one mail each, sent an hour ago."""
        at = self.now - 3_600 * SECOND
        with self.world.transaction("write") as session:
            for start in range(1, people + 1, 5_000):
                ids = range(start, min(start + 5_000, people + 1))
                session.execute(insert(SubscriberRow), [_person(number, at) for number in ids])
                session.execute(insert(MessageRow), [_mail(number, self.version, at) for number in ids])

    def facts(self, number: int, people: int) -> Iterator[Fact]:
        """An hour of clicks and opens: most mails once or twice, one in fifty by a scanner that follows all links."""
        start = self.now - 3_500 * SECOND
        for each in range(number):
            turn, link = divmod(each, 6)
            is_scanned = turn % 50 == 0  # six facts in a row are one scanner's, each on another link
            mail = (turn if is_scanned else each) * 7_919 % people + 1
            at = start + (turn * 6 if is_scanned else each) * 3_000 * SECOND // number
            kind = FactKind.OPEN if each % 3 == 0 and not is_scanned else FactKind.CLICK
            network = f"{mail % 40_000:016x}"
            touch = MailTouch(mail, self.version, link, AGENTS[each % 40], network, "", Request.GET)
            yield touch_fact(kind, at, each.to_bytes(16, "big"), touch)


def _person(number: int, at: int) -> dict[str, object]:
    address = f"p{number}@gmail.com"
    keys = {"id": number, "public_id": number.to_bytes(16, "big"), "address": address, "address_key": address}
    return {**keys, "state": "active", "stage": "lead", "furthest_stage": "lead", "stage_since": at, "created_at": at}


def _mail(number: int, version: int, at: int) -> dict[str, object]:
    keys = {"id": number, "public_id": number.to_bytes(16, "big"), "subscriber_id": number, "mail_version_id": version}
    names = {"mail_key": "a/b", "mail_class": "marketing", "state": "sent", "campaign": "c", "step": "a/b"}
    times = dict.fromkeys(("wanted_at", "slot_at", "due_at", "settled_at", "created_at"), at)
    return {**keys, **names, **times, "cause_key": f"b:{number}"}


@contextmanager
def timed(what: str, number: int) -> Iterator[None]:
    began, used = time.perf_counter(), time.process_time()
    yield
    took, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{what:<34} {number / took:>10,.0f} /s   {number / cpu:>10,.0f} /cpu s   peak {peak} MiB", flush=True)


def baseline(database: Database, number: int) -> float:
    """One INSERT and one commit a fact, on the same database, past every layer of ours."""
    engine = create_engine(database.engine.url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("PRAGMA synchronous=FULL"))
        connection.execute(text("CREATE TABLE plain (id INTEGER, body TEXT)"))
    began = time.perf_counter()
    with engine.connect() as connection:
        for each in range(number):
            connection.execute(text("INSERT INTO plain VALUES (:id, 'x')"), {"id": each})
            connection.commit()
    return number / (time.perf_counter() - began)


def measure(url: str, folder: Path, number: int) -> None:
    house = House(url, folder)
    people = max(1_000, number // 3)
    house.fill(people)
    each = baseline(house.database, 500)
    print(f"{'a commit a fact':<34} {each:>10,.0f} /s")
    spool = Spool(house.folder, b"i" * 16)
    batch: list[Fact] = []
    for fact in house.facts(number, people):
        batch.append(fact)
        if len(batch) == 200:
            spool.append(*batch)
            batch = []
    if batch:
        spool.append(*batch)
    spool.close()
    reader = SpoolReader(house.folder)
    longest = 0.0
    began = time.perf_counter()
    with timed("ingest", number):
        while True:
            since = time.perf_counter()
            done = ingest(house.world, house.shelf, reader, NODE)
            longest = max(longest, time.perf_counter() - since)
            if not done.is_more:
                break
    rate = number / (time.perf_counter() - began)
    print(
        f"{'  against a commit a fact':<34} {rate / each:>10.1f} times; longest batch of {BATCH} {longest * 1e3:.0f} ms"
    )
    slowest = 0.0
    with timed("judge", number):
        while True:
            since = time.perf_counter()
            if not judge_due(house.world, house.shelf):
                break
            slowest = max(slowest, time.perf_counter() - since)
    print(f"{'  longest batch':<34} {slowest * 1e3:>10.0f} ms")
    with timed("recompute", number):
        changed = recompute(house.world, house.shelf, 0)
    with house.world.transaction("read") as session:
        rows = session.scalar(select(func.count()).select_from(EventRow))
        mix = session.execute(select(EventRow.verdict, func.count()).group_by(EventRow.verdict)).all()
    today = house.now // DAY
    with timed("prove", number):
        wrong = prove(house.world, today - 2, today + 1)
    print(f"rows {rows:,} of {number:,}; {dict(map(tuple, mix))}; changed again {changed}; counters wrong {len(wrong)}")
    if rows != number or changed or wrong:
        sys.exit("the numbers above do not hold")
    house.database.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not given.postgres:
            measure(f"sqlite:///{folder}/parvar.db", Path(folder), given.facts)
            return
        from tests.services.postgres import start_server

        server = start_server()
        if server is None:
            sys.exit("no PostgreSQL on this machine")
        try:
            measure(server.url(), Path(folder), given.facts)
        finally:
            server.remove()


if __name__ == "__main__":
    os.environ.pop("PARVAR_DATABASE_URL", None)
    main()
