"""The world: everything the core may not touch, as one value that is handed in.

Owns two clocks, new ids, transactions and links. `now` is the domain's clock (campaigns, windows, decay; the demo's
time machine moves only this one), `wall` the machine's (leases, tokens, rate limits). Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.links import Links
from app.mail.lanes_file import Lanes, shipped_lanes
from app.settings import Settings
from app.store.engine import Database, Intent


@dataclass(frozen=True, slots=True)
class World:
    settings: Settings
    database: Database
    links: Links
    now: Callable[[], Instant]
    wall: Callable[[], Instant]
    new_id: Callable[[], bytes]
    """16 random bytes."""
    monotonic: Callable[[], float]
    """Seconds since boot, for budgets."""
    rest: Callable[[], None] = lambda: None
    """Lets others through the write gate between two batches: a millisecond, in a real world."""
    secret: bytes = b""
    """Keys the draws of experiments and holdouts."""
    lanes: Lanes = field(default_factory=shipped_lanes)
    """How each mailbox provider wants to be sent to."""

    def transaction(self, intent: Intent = "write") -> AbstractContextManager[Session]:
        return self.database.transaction(intent)
