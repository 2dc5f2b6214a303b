"""Stories: what happened to one person, as the store tells it afterwards.

Owns reading decisions, mails and changes of stage as one line of time. Must not interpret them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.facts import Fact
from app.core.instants import Instant
from app.store.codec import fact_of
from app.store.events import EventRow
from app.store.runs import DecisionRow, FinishedRow, RunRow


@dataclass(frozen=True, slots=True)
class Told:
    """One decision: when, about which campaign and step, its code and the values seen."""

    at: Instant
    campaign: str
    step: str
    code: str
    seen: Mapping[str, str | int | float | bool | None]


def told(session: Session, subscriber_id: int) -> tuple[Told, ...]:
    """All decisions about a person, in the order they were made."""
    rows = session.scalars(
        select(DecisionRow).where(DecisionRow.subscriber_id == subscriber_id).order_by(DecisionRow.id)
    )
    return tuple(Told(row.at, row.campaign, row.step, row.code, json.loads(row.seen)) for row in rows)


def lately(session: Session, subscriber_id: int, limit: int) -> tuple[Fact, ...]:
    """What a person did last, oldest first; what machines did is left out."""
    mine = select(EventRow).where(EventRow.subscriber_id == subscriber_id, EventRow.verdict.in_(("", "human")))
    rows = session.scalars(mine.order_by(EventRow.at.desc(), EventRow.fact_id.desc()).limit(limit)).all()
    return tuple(fact_of(row, None) for row in reversed(rows))


def walked(session: Session, subscriber_id: int) -> frozenset[tuple[str, str, str]]:
    """(campaign, step, branch) of every step finished and every branch taken."""
    done = select(RunRow.campaign, FinishedRow.step_id).join(RunRow, RunRow.id == FinishedRow.run_id)
    steps = {(c, s, "") for c, s in session.execute(done.where(RunRow.subscriber_id == subscriber_id))}
    taken = {
        (line.campaign, line.step, str(line.seen["branch"]))
        for line in told(session, subscriber_id)
        if line.code == "branch"
    }
    waited = {
        (line.campaign, line.step, "else" if line.code == "limit" else "then")
        for line in told(session, subscriber_id)
        if line.code in ("limit", "came_true", "already_true")
    }
    return frozenset(steps | taken | waited)
