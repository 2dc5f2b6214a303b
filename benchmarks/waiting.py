"""How long it takes to look at a long queue. Run: `python -m benchmarks.waiting [mails]`.

So many marketing mails that wait (1,000,000 unless said otherwise) in five lanes behind as many that were sent, some
put off, some parked, some uncertain, on SQLite. Times are CPU milliseconds of this process, the middle of three; the
database has 16 MB of cache, as a worker's has. Exits 1 when a look takes 300 ms or more of it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from app.actions import measure, messages
from app.core.instants import HOUR, SECOND
from app.store import waiting
from app.store.base import table_of
from app.store.engine import open_database
from app.store.messages import MessageRow
from app.store.people import SubscriberRow
from app.store.tables import metadata
from app.store.troubles import LISTED, Sought
from benchmarks.dashboard import ask, fill
from tests.services.clock import Clock
from tests.web.dashboard_stage import House, open_house

GOAL = 300
LISTS = {
    "uncertain and parked": Sought(),
    "everything": Sought(LISTED),
    "queued": Sought(("queued",)),
    "queued, a campaign": Sought(("queued",), "c3"),
    "queued, a campaign nobody has": Sought(("queued",), "none"),
    "queued, a lane": Sought(("queued",), lane="lane4"),
    "queued, a reason nobody has": Sought(("queued",), reason="TSS05"),
    "waiting, words of the answer": Sought(("waiting",), reason="TSS04"),
    "waiting, a lane and words": Sought(("waiting",), lane="lane1", reason="TSS04"),
    "claimed": Sought(("claimed",)),
    "parked, a campaign": Sought(("parked",), "c0"),
}
STATE = """CASE WHEN i <= {n} THEN 'sent' WHEN i % 20 = 0 THEN 'waiting' WHEN i % 50 = 1 THEN 'parked'
 WHEN i % 100 = 2 THEN 'uncertain' ELSE 'queued' END"""
REPLY = "CASE WHEN i % 20 = 0 THEN '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred' ELSE '' END"


def line_up(house: House, mails: int) -> None:
    """Everybody gets a mail that was sent and one that waits."""
    now = house.desk.clock()
    who = {"public_id": "randomblob(16)", "address": "'p' || i || '@example.com'", "state": "'active'"}
    who |= {"address_key": "'p' || i || '@example.com'", "stage": "'lead'", "fell_from": "'{}'", "created_at": f"{now}"}
    at = f"{now - HOUR} + i * 1000"
    mail = {"public_id": "randomblob(16)", "subscriber_id": f"(i - 1) % {mails} + 1", "cause_key": "'c:' || i"}
    mail |= {
        "campaign": "'c' || i % 5",
        "mail_key": "'c' || i % 5 || '/a'",
        "mail_class": "'marketing'",
        "data": "'{}'",
    }
    mail |= {"lane": "'lane' || i % 7 % 5", "rank": "i % 3", "state": STATE.format(n=mails), "reply": REPLY}
    mail |= {"data": "'{}'"}
    mail |= dict.fromkeys(("wanted_at", "slot_at", "due_at", "created_at", "settled_at"), at)
    with house.desk.world.database.exclusive() as connection:
        fill(connection, table_of(SubscriberRow), who, mails)
        fill(connection, table_of(MessageRow), mail, 2 * mails)
        connection.execute(text("UPDATE message SET settled_at = NULL WHERE state IN ('queued', 'waiting')"))


def looks(house: House) -> dict[str, Callable[[], object]]:
    """Everything that looks at the queue, by name."""
    world = house.desk.world

    def queue() -> object:
        with world.transaction("read") as session:
            return waiting.queue(session, world.now())

    def oldest() -> object:
        with world.transaction("read") as session:
            return waiting.oldest_due(session, world.now())

    lists = {f"messages list: {name}": lambda s=s: messages.listed(world, s) for name, s in LISTS.items()}
    counts = {"queue by lane, as the worker counts it": queue, "the oldest that is due": oldest}
    return {
        **lists,
        **counts,
        "health": lambda: measure.health(world),
        "/dashboard/delivery, without a worker": lambda: ask(house, "delivery"),
    }


def cost(look: Callable[[], object]) -> float:
    """CPU milliseconds, the middle of three after one that is not counted."""
    look()
    runs = []
    for _ in range(3):
        began = time.process_time()
        look()
        runs.append((time.process_time() - began) * 1_000)
    return statistics.median(runs)


def main() -> int:
    mails = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = open_database(f"sqlite:///{folder / 'parvar.db'}")
        metadata().create_all(database.engine)
        house = open_house(database, folder, Clock(1_772_355_600 * SECOND), demo=True)
        began = time.perf_counter()
        line_up(house, mails)
        print(f"{mails:,} mails wait behind {mails:,} that were sent; made in {time.perf_counter() - began:.0f} s")
        slow = 0
        for what, look in looks(house).items():
            took = cost(look)
            slow += took >= GOAL
            print(f"{took:7.1f} ms  {what}", flush=True)
        house.desk.parts.spool.close()
        database.dispose()
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
