"""Forgetting: each night raw opens, clicks and visits go that are older than the setting allows.

Owns the order: kind by kind, in pages of their own transactions. Counters, points and stages stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from app.core.instants import DAY
from app.store import forgetting
from app.store.forgetting import Place
from app.world import World

log = structlog.get_logger()

PAGE = 500


def forget_facts(world: World, is_stopping: Callable[[], bool] = lambda: False, page: int = PAGE) -> int:
    """Delete what is older than PARVAR_EVENT_RETENTION_DAYS, whole days of UTC. Returns how many facts went."""
    before = (world.now() - world.settings.event_retention) // DAY * DAY
    total = 0
    for kind in forgetting.KINDS:
        after: Place = (-1, b"")
        while not is_stopping():
            with world.transaction("read") as session:
                found = forgetting.old_facts(session, kind, before, after, page)
            if not found:
                break
            with world.transaction("write") as session:
                forgetting.put_mark(session, before)
                forgetting.delete_facts(session, found)
            total, after = total + len(found), found[-1]
            world.rest()
    if total:
        log.info("facts_forgotten", facts=total)
    return total
