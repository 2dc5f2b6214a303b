"""Sums: what has come together since ever, kept in the transaction that adds to it.

Owns the counters of day nought: those that belong to no day, campaign or step. Must not count rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.ledgers import CountRow, add_counts

EVER = 0
"""The day these counters stand under: 1 January 1970, on which nothing was ever mailed."""
Sum: TypeAlias = tuple[str, str]
"""(metric, what it is about: an offer, a pool, a reason, or "")"""


def add(session: Session, more: Mapping[Sum, int]) -> None:
    """Add to sums; negative numbers take away."""
    add_counts(session, {(EVER, "", about, "", metric): value for (metric, about), value in more.items()})


def sums(session: Session, metric: str) -> dict[str, int]:
    """What each sum of one metric has come to."""
    mine = (CountRow.day == EVER) & (CountRow.campaign == "") & (CountRow.metric == metric)
    return {row.step: row.value for row in session.execute(select(CountRow.step, CountRow.value).where(mine))}
