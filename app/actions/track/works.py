"""Works: what the worker's clock has to call for tracking, and how often.

Owns the intervals. Must not know the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from app.actions.shelf import Shelf
from app.actions.track.counting import prove
from app.actions.track.ingest import ingest_all
from app.actions.track.judging import judge_all
from app.actions.track.visiting import merge_confirmed
from app.core.instants import DAY
from app.disk.spool_reader import SpoolReader
from app.world import World

BEAT = 0.5
"""Seconds: with the grace of three a human's click reaches the stage well within five."""
PROVEN_DAYS = 3


class TrackWork(NamedTuple):
    """Name, seconds between two looks, and what does it until nothing is left: the fields of a clock's work."""

    name: str
    every: float
    do: Callable[[], object]


def works(
    world: World, shelf: Shelf, spool: Path, node: str, is_stopping: Callable[[], bool] = lambda: False
) -> tuple[TrackWork, ...]:
    """`spool` is the folder of segments of the node this process holds, `node` its lasting name.

    Once `is_stopping` a backlog is left where it is after the batch under way; the next worker goes on from there.
    """
    reader = SpoolReader(spool)
    return (
        TrackWork("ingest", BEAT, lambda: ingest_all(world, shelf, reader, node, is_stopping)),
        TrackWork("judge", BEAT / 2, lambda: judge_all(world, shelf, is_stopping)),
        TrackWork("merge_visitors", 1, lambda: merge_confirmed(world)),
        TrackWork("prove_counters", 86_400, lambda: _prove(world)),
    )


def _prove(world: World) -> int:
    """The last whole days; today's is still moving."""
    today = world.now() // DAY
    return len(prove(world, today - PROVEN_DAYS, today))
