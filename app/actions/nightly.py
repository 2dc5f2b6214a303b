"""Nightly: forgets what no longer matters, and proves that what is kept by what changed equals the full answer.

Owns the order of the regular housekeeping. Each part works in small batches, so that nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import structlog

from app.actions import accounts, errands
from app.actions.leaving import purge_unconfirmed
from app.actions.shelf import Shelf
from app.actions.track.forgetting import forget_facts
from app.core.instants import DAY, Span
from app.store import bodies, ledgers, people, pictures, releases, segments
from app.world import World

log = structlog.get_logger()

BODIES_FOR: Span = 400 * DAY
"""How long what was sent is kept to the letter."""
PICTURES_FOR: Span = 7 * DAY
"""A picture nobody needs is kept so long at least: what was taken back may be published again."""


def keep_house(world: World, shelf: Shelf, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Everything that is due about once a night; doing it more often does no harm."""
    while purge_unconfirmed(world) >= 200:
        world.rest()
    _forget(world)
    forget_facts(world, is_stopping)
    errands.forget(world)
    accounts.seal_factors(world)
    sweep_pictures(world)
    reconcile(world, shelf)


def _forget(world: World) -> None:
    """Expired tokens and idle rate-limit buckets; the text of mails sent long ago."""
    gone = 1
    while gone:
        with world.transaction("write") as session:
            gone = ledgers.sweep(session, world.wall()) + bodies.forget(session, world.now() - BODIES_FOR)
        world.rest()


def sweep_pictures(world: World) -> int:
    """Drop pictures that no stored version of a mail names any more. Returns how many.

    Versions are looked at a hundred at a time. A publication meanwhile may need what nobody needed before: then
    nothing is dropped, and the next night looks again.
    """
    with world.transaction("read") as session:
        version = releases.control(session).version
        loose = pictures.kept_before(session, world.now() - PICTURES_FOR)
        after = 0
    while loose:
        with world.transaction("read") as session:
            names, after = pictures.named(session, after, 100)
        loose -= names
        if not after:
            break
        world.rest()
    for gone in _batches(sorted(loose), 200):
        with world.transaction("write") as session:
            if releases.control(session).version != version:
                return 0
            pictures.drop(session, gone)
        world.rest()
    if loose:
        log.info("pictures_swept", pictures=len(loose))
    return len(loose)


def _batches(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))


def reconcile(world: World, shelf: Shelf) -> int:
    """Compare every segment with the full answer; whoever differs is looked at again. Returns how many differ."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        if shelved is None:
            return 0
        found = segments.drift(session, shelved.book.ladder.segments, world.now(), shelved.book.rules)
    strays = {person for drift in found for person in (*drift.missing, *drift.surplus)}
    if strays:
        log.warning("segments_drifted", people=len(strays), segments=[drift.segment for drift in found if drift])
        with world.transaction("write") as session:
            people.wake(session, strays, world.now())
    return len(strays)
