"""Advance: takes people who are due, asks the core about each, and stores the answer in one short transaction.

Owns the batch: its size, its time, and what happens when one person's decision fails. Must not decide anything.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from app.actions.laning import lanes_of
from app.actions.shelf import Shelf, Shelved
from app.core.instants import HOUR, MINUTE, Instant
from app.core.nurture import advance
from app.store.engine import StoreError
from app.store.loading import Loaded, load_people
from app.store.people import park, take_due
from app.store.saving import Context, Decided, save_people
from app.world import World

log = structlog.get_logger()

BATCH = 50
"""People per transaction at most; with the time below it keeps a web request from waiting long."""
FIRST_BATCH = 12
BUDGET = 0.020
"""Seconds a batch may spend deciding before it is stored; who is left stays due."""
LONGEST_WAIT = 6 * HOUR
"""A failing person is tried again after 1, 2, 4 … minutes, at most after this."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one batch did: people decided about, people parked, and whether more were due."""

    decided: int = 0
    parked: int = 0
    is_more: bool = False


def advance_due(world: World, shelf: Shelf, batch: int = BATCH) -> Ticked:
    """Decide about the next people who are due."""
    try:
        return _one_batch(world, shelf, batch)
    except StoreError as error:
        if batch == 1:
            raise
        log.warning("advance_batch_failed", error=type(error).__name__)
        return _one_by_one(world, shelf, batch)


def drain(world: World, shelf: Shelf) -> int:
    """Advance until nobody is due at this instant. Returns how many decisions were made.

    The batch follows what the time budget allows, so that nobody is loaded in vain; between batches others get their
    turn at the write gate.
    """
    total, batch = 0, FIRST_BATCH
    while (ticked := advance_due(world, shelf, batch)).is_more or ticked.decided:
        total += ticked.decided
        done = ticked.decided + ticked.parked
        batch = min(BATCH, batch * 2) if done >= batch else max(1, done)
        world.rest()
    return total


def _one_batch(world: World, shelf: Shelf, limit: int) -> Ticked:
    now = world.now()
    with world.transaction("write") as session:
        shelved = shelf.look(session)
        if shelved is None:
            return Ticked()
        ids = take_due(session, now, limit)
        loaded = load_people(session, ids, shelved.kinds)
        lanes = lanes_of(world, session, [each.address for each in loaded])
        decided, parked = _decide(world, shelved, [(each, lanes[each.address]) for each in loaded], now)
        save_people(session, decided, _context(world, shelved, now))
        _park(session, parked, now)
        done = len(decided) + len(parked)
        return Ticked(len(decided), len(parked), len(ids) == limit or done < len(ids))


def _decide(
    world: World, shelved: Shelved, people: Sequence[tuple[Loaded, str]], now: Instant
) -> tuple[list[Decided], list[tuple[Loaded, str]]]:
    """Ask the core about each person with her lane; one whose decision fails is set aside and holds nobody up."""
    decided: list[Decided] = []
    parked: list[tuple[Loaded, str]] = []
    until = world.monotonic() + BUDGET
    for loaded, lane in people:
        try:
            answer = advance(shelved.book, loaded.person, loaded.news, now)
            decided.append(Decided(loaded, answer, lane))
        except Exception as error:  # one bad row must not stop the others: logged, parked, shown
            log.exception("advance_failed", subscriber_id=loaded.person.subscriber.id)
            parked.append((loaded, _described(error)))
        if world.monotonic() > until:
            break
    return decided, parked


def _context(world: World, shelved: Shelved, now: Instant) -> Context:
    return Context(now, shelved.release_id, shelved.scoring, world.new_id)


def _described(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.name}, line {last.lineno})"


def _park(session: Session, parked: Sequence[tuple[Loaded, str]], now: Instant) -> None:
    for loaded, error in parked:
        wait = min(MINUTE * 2 ** min(loaded.attempts, 20), LONGEST_WAIT)
        park(session, loaded.person.subscriber.id, error, now + wait)


def _one_by_one(world: World, shelf: Shelf, limit: int) -> Ticked:
    """A batch whose writing failed is taken apart: each person alone, the one who fails is parked."""
    decided = parked = 0
    for _ in range(limit):
        try:
            ticked = _one_batch(world, shelf, 1)
        except StoreError as error:
            parked += _park_first(world, error)
            continue
        decided += ticked.decided
        parked += ticked.parked
        if not ticked.is_more:
            return Ticked(decided, parked)
    return Ticked(decided, parked, is_more=True)


def _park_first(world: World, error: StoreError) -> int:
    now = world.now()
    with world.transaction("write") as session:
        ids = take_due(session, now, 1)
        for subscriber_id in ids:
            park(session, subscriber_id, _described(error), now + MINUTE)
        return len(ids)
