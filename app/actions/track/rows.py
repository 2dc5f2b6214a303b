"""Rows: what a batch of spooled facts turns into before anything is written.

Owns the collecting value `Taken`. Must not read or write a database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import structlog

from app.core.instants import Instant
from app.core.tracked import is_late
from app.disk.spool import Fact
from app.disk.visits import BoxSeen
from app.store.visitors import Linked

log = structlog.get_logger()

Row: TypeAlias = dict[str, Any]
"""One row of the event table."""


@dataclass(slots=True)
class Taken:
    """Filled by the readers of each kind of fact."""

    rows: list[Row] = field(default_factory=list)
    boxes: list[tuple[Instant, BoxSeen]] = field(default_factory=list)
    links: list[Linked] = field(default_factory=list)
    unkept: int = 0
    faulty: int = 0

    def refuse(self, fact: Fact, why: str) -> None:
        """A fact that means nothing to us: it is logged, and never stops the others."""
        self.faulty += 1
        log.warning("fact_not_read", kind=int(fact.kind), fact=fact.id.hex(), why=why[:200])

    def finish(self, now: Instant) -> None:
        """A fact that stands twice in a batch is one; facts that come more than a day late are quiet."""
        self.rows = list({(row["at"], row["fact_id"]): row for row in self.rows}.values())
        for row in self.rows:
            row.update({key: sound(value) for key, value in row.items() if isinstance(value, str)})
            row["is_quiet"] = row.get("is_quiet", False) or is_late(row["at"], now)


def sound(text: str) -> str:
    """A text every database takes: what strangers send may hold half a character, or a NUL."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-8", "replace").decode()
