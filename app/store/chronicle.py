"""Chronicle: everything stored about one person in the order it happened, for whoever lives her life again.

Owns reading only: all facts, all settled messages, all decisions, and how she stands now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.explaining import Reason
from app.core.facts import Fact, FactKind, RunKey
from app.core.person import MessageKey, MessageState, Settled
from app.store.codec import fact_of
from app.store.events import EventRow
from app.store.messages import MessageRow
from app.store.runs import DecisionRow, RunRow, StageChangeRow


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that was settled outside a decision, and the fact of receiving it if she did."""

    settled: Settled
    received: Fact | None


@dataclass(frozen=True, slots=True)
class Chronicle:
    facts: tuple[Fact, ...]
    handed: tuple[Handed, ...]
    """In order of time."""
    causes: Mapping[str, MessageRow]
    """Messages without a run, by cause."""
    decided: tuple[Reason, ...]
    runs: Mapping[int, RunKey]
    first_stage: str
    """"" when it never changed."""


_LEFT = ("sent", "uncertain")


def chronicle(session: Session, subscriber_id: int) -> Chronicle:
    """All of one person's past. Facts judged to be a machine's are left out, as they are for the engine."""
    runs = {
        row.id: RunKey(row.campaign, row.run_key, row.turn)
        for row in session.scalars(select(RunRow).where(RunRow.subscriber_id == subscriber_id))
    }
    messages = session.scalars(select(MessageRow).where(MessageRow.subscriber_id == subscriber_id)).all()
    of_message = {row.id: runs.get(row.run_id) if row.run_id else None for row in messages}
    events = session.scalars(
        select(EventRow).where(EventRow.subscriber_id == subscriber_id, EventRow.verdict.in_(("", "human")))
    )
    facts = (fact_of(row, of_message.get(row.message_id) if row.message_id else None) for row in events)
    settled = [_handed(row, runs) for row in messages if row.settled_at is not None]
    decisions = session.scalars(
        select(DecisionRow).where(DecisionRow.subscriber_id == subscriber_id).order_by(DecisionRow.id)
    )
    first = select(StageChangeRow.before).where(StageChangeRow.subscriber_id == subscriber_id)
    return Chronicle(
        facts=tuple(sorted(facts, key=lambda fact: (fact.at, fact.id))),
        handed=tuple(sorted(settled, key=lambda handed: handed.settled.at)),
        causes={row.cause_key: row for row in messages if row.run_id is None and row.cause_key},
        decided=tuple(
            Reason(r.at, r.campaign, r.step, r.code, json.loads(r.seen), r.run_id or 0, r.release_id or 0)
            for r in decisions
        ),
        runs=runs,
        first_stage=session.scalar(first.order_by(StageChangeRow.id).limit(1)) or "",
    )


def _handed(row: MessageRow, runs: Mapping[int, RunKey]) -> Handed:
    run = runs.get(row.run_id) if row.run_id else None
    at = row.settled_at or row.slot_at
    settled = Settled(MessageKey(run, row.step or row.cause_key or ""), MessageState(row.state), at, row.reason)
    received = None
    if row.state in _LEFT and row.mail_class != "team":
        received = Fact(row.public_id, FactKind.RECEIVED, at, name=row.mail_key, run=run)
    return Handed(settled, received)


def people_from(session: Session, after: int, limit: int) -> list[int]:
    """The next ids of people who were ever decided about."""
    query = select(DecisionRow.subscriber_id).where(DecisionRow.subscriber_id > after).distinct()
    return list(session.scalars(query.order_by(DecisionRow.subscriber_id).limit(limit)))
