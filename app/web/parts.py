"""Parts: everything the pages stand on, as one value handed in by the roof.

Owns nothing of its own. A blueprint takes `Parts` and must not reach for anything else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from app.actions.limits import Limits
from app.actions.shelf import Shelf, Shelved
from app.disk.networks import Networks
from app.disk.spool import Spool
from app.world import World

LATELY = 0.1
"""Seconds a page may go by a release that was read for another one."""


@dataclass(slots=True)
class Glance:
    """The release that was read last, and when."""

    _at: float = float("-inf")
    _shelved: Shelved | None = None
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def look(self, now: float, read: Callable[[], Shelved | None]) -> Shelved | None:
        """What was read a tenth of a second ago, else read anew: by one, while the others go by what there is."""
        if 0 < now - self._at < LATELY:
            return self._shelved
        if not self._reading.acquire(blocking=self._shelved is None):
            return self._shelved
        try:
            self._shelved, self._at = read(), now
            return self._shelved
        finally:
            self._reading.release()


@dataclass(frozen=True, slots=True)
class Parts:
    """`magnets` are the folders files for readers are looked for in, in order."""

    world: World
    shelf: Shelf
    networks: Networks
    spool: Spool
    limits: Limits = field(default_factory=Limits)
    magnets: tuple[Path, ...] = ()
    _glance: Glance = field(default_factory=Glance)

    def shelved(self) -> Shelved | None:
        """The live release; None when nothing was published yet."""
        with self.world.transaction("read") as session:
            return self.shelf.look(session)

    def shelved_lately(self) -> Shelved | None:
        """The live release as it was at most a tenth of a second ago, for pages that are asked hundreds of times."""
        return self._glance.look(self.world.monotonic(), self.shelved)

    def look(self, session: Session) -> Shelved | None:
        """The same within a transaction."""
        return self.shelf.look(session)

    @property
    def base_url(self) -> str:
        return self.world.settings.base_url
