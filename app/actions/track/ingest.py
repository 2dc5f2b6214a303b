"""Ingest: the facts of a node's spool become rows, exactly once.

Owns the order: positions, batch, rows and positions in one transaction, and only then are finished segments deleted.
A fact that cannot be read is logged and stepped over; it never holds up the others. Must not judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from app.actions.shelf import Shelf, Shelved
from app.actions.track import pages, touches
from app.actions.track.counting import raw_counts
from app.actions.track.rows import Row, Taken
from app.actions.track.scouting import Scout
from app.core.instants import SECOND, Instant, Span
from app.disk.spool import Fact, FactKind
from app.disk.spool_reader import Batch, SpoolReader
from app.store import events
from app.store.ledgers import add_counts
from app.store.people import lock, wake
from app.store.visitors import link_visitors
from app.world import World

log = structlog.get_logger()

AHEAD_EVERY = 0.5
"""Seconds of a long ingest after which it is looked ahead."""
BATCH = 500
"""Facts of one transaction: 30 ms at most, for a web request may be waiting behind it."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one batch did: facts read, rows that are new, facts not kept (no consent, forgotten), faulty ones."""

    read: int = 0
    new: int = 0
    unkept: int = 0
    faulty: int = 0
    is_more: bool = False


def ingest(world: World, shelf: Shelf, reader: SpoolReader, node: str, limit: int = BATCH) -> Ingested:
    """Take the next facts of this node's spool, at most `limit`. Only for the process that holds the folder."""
    with world.transaction("read") as session:
        positions = events.spool_positions(session, node)
        batch = reader.take(positions, limit)
        shelved = shelf.look(session)
        if shelved is None:
            return Ingested()
        taken = take(world, session, shelved, batch.facts)
    new = keep(world, node, batch, taken) if batch.facts else 0
    for segment in batch.finished:
        reader.delete(segment)
    _forget(world, node, positions.keys() | dict(batch.positions).keys(), reader)
    return Ingested(len(batch.facts), new, taken.unkept, taken.faulty, len(batch.facts) == limit)


def _forget(world: World, node: str, remembered: Set[str], reader: SpoolReader) -> None:
    """Positions of segments that are deleted, just now or before a crash. Names are never used again."""
    gone = remembered - set(reader.segments()) if remembered else frozenset[str]()
    if gone:
        with world.transaction("write") as session:
            events.forget_spool_segments(session, node, gone)


def ingest_all(
    world: World, shelf: Shelf, reader: SpoolReader, node: str, is_stopping: Callable[[], bool] = lambda: False
) -> int:
    """Ingest until the spool is read to its end, or somebody asks to stop. Returns how many facts were new.

    While it is long, first touches of mails are taken from further ahead, so that no reader waits behind a flood.
    """
    total, scout = 0, Scout(reader)
    looked_at = world.monotonic()
    while True:
        done = ingest(world, shelf, reader, node)
        total += done.new
        if not done.is_more or is_stopping():
            return total
        if world.monotonic() - looked_at > AHEAD_EVERY:
            total += ingest_ahead(world, shelf, scout, node)
            looked_at = world.monotonic()


def ingest_ahead(world: World, shelf: Shelf, scout: Scout, node: str) -> int:
    """Take touches out of turn. Positions stay: they are met again in their turn, and are known then."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        facts = scout.look(events.spool_positions(session, node)) if shelved is not None else ()
        if shelved is None or not facts:
            return 0
        taken = take(world, session, shelved, facts)
    return keep(world, node, Batch((), (), ()), taken)


def take(world: World, session: Session, shelved: Shelved, facts: Sequence[Fact]) -> Taken:
    """What becomes of facts: rows, and what else has to be written with them. Reads, writes nothing."""
    now, shift = world.now(), _shift(world)
    moved = [_moved(fact, shift) for fact in facts] if shift else list(facts)
    taken = Taken()
    touches.take(world, session, shelved, [fact for fact in moved if fact.kind in _TOUCHES], taken)
    pages.take(world, session, shelved, [fact for fact in moved if fact.kind in _PAGES], taken)
    for fact in moved:
        if fact.kind not in _TOUCHES and fact.kind not in _PAGES:
            taken.refuse(fact, "a kind this program does not know")
    taken.finish(now)
    return taken


_TOUCHES = frozenset({FactKind.OPEN, FactKind.CLICK})
_PAGES = frozenset({FactKind.VISIT, FactKind.EVENT, FactKind.BOX})


def _shift(world: World) -> Span:
    """The demo's clock runs ahead of the machine's, by which the edge stamps its facts."""
    return (world.now() - world.wall()) // SECOND * SECOND if world.settings.demo else 0


def _moved(fact: Fact, shift: Span) -> Fact:
    """What was seen of boxes is stamped by the demo's clock already."""
    return fact if fact.kind == FactKind.BOX else fact._replace(at=fact.at + shift)


def keep(world: World, node: str, batch: Batch, taken: Taken) -> int:
    """Rows, counters and positions in one transaction."""
    now = world.now()
    with world.transaction("write") as session:
        new = events.record(session, taken.rows)
        fresh = [row for row in taken.rows if row["fact_id"] in new]
        _put_before_engine(session, fresh, now)
        add_counts(session, raw_counts(fresh))
        pages.count_boxes(session, taken.boxes)
        link_visitors(session, taken.links)
        events.put_spool_positions(session, node, dict(batch.positions))
    return len(new)


def _put_before_engine(session: Session, fresh: Sequence[Row], now: Instant) -> None:
    """What nobody has to judge first is news at once."""
    told = [row for row in fresh if row["verdict"] in ("", "human") and row["subscriber_id"] is not None]
    people = {row["subscriber_id"] for row in told}
    if people:
        lock(session, people)
        events.announce(session, told)
        wake(session, people, now)
