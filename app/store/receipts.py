"""Receipts: writes why a decision was made: reasons, points, changes of stage; the calls to make, and the counts.

Owns the append-only side of a decision. Must not change what was written before, except to add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.core.engagement import points_in
from app.core.instants import DAY
from app.core.person import Bucket, BucketKey, Decision, StageChange, WebhookCall
from app.store.base import table_of, upsert
from app.store.codec import bucket_to_json, dumps
from app.store.decided import Context, Decided, RunIds
from app.store.events import PointsRow
from app.store.ledgers import OutboxRow, StageCount, StepCount, add_counts, add_stage_counts
from app.store.runs import DecisionRow, StageChangeRow

_DECISION = table_of(DecisionRow)
_STAGE_CHANGE = table_of(StageChangeRow)


def save_points(session: Session, batch: Sequence[Decided], context: Context) -> None:
    """The receipt of the score: every bucket that changed, with the facts that earn in it."""
    rows = [
        _points_row(decided.subscriber_id, key, bucket, context)
        for decided in batch
        if decided.after.buckets is not decided.before.buckets
        for key, bucket in decided.after.buckets.items()
        if decided.before.buckets.get(key) != bucket
    ]
    if rows:
        statement = upsert(session, PointsRow)
        new = {"points": statement.excluded.points, "facts": statement.excluded.facts}
        keys = ["subscriber_id", "rule", "bucket"]
        session.connection().execute(statement.on_conflict_do_update(index_elements=keys, set_=new), rows)


def _points_row(subscriber_id: int, key: BucketKey, bucket: Bucket, context: Context) -> dict[str, Any]:
    rule, number = key
    return {
        "subscriber_id": subscriber_id,
        "rule": rule,
        "bucket": number,
        "points": sum(points_in(context.rules[rule], bucket)),
        "facts": bucket_to_json(bucket),
    }


def save_reasons(session: Session, batch: Sequence[Decided], context: Context, ids: RunIds) -> None:
    decisions = [_decision_row(each, one, context, ids) for each in batch for one in each.advance.decisions]
    changes = [_change_row(each.subscriber_id, one) for each in batch for one in each.advance.stage_changes]
    if decisions:
        session.connection().execute(insert(_DECISION), decisions)
    if changes:
        session.connection().execute(insert(_STAGE_CHANGE), changes)


def _decision_row(decided: Decided, decision: Decision, context: Context, ids: RunIds) -> dict[str, Any]:
    run = decision.run
    return {
        "subscriber_id": decided.subscriber_id,
        "run_id": ids.get((decided.subscriber_id, run)) if run else None,
        "at": decision.at,
        "campaign": run.campaign if run else str(decision.seen.get("campaign", "")),
        "step": decision.step,
        "code": decision.code.value,
        "seen": dumps(dict(decision.seen)) if decision.seen else "{}",
        "release_id": context.release_id,
    }


def _change_row(subscriber_id: int, change: StageChange) -> dict[str, Any]:
    return {
        "subscriber_id": subscriber_id,
        "before": change.before,
        "after": change.after,
        "cause": change.cause,
        "rule": change.rule,
        "score": change.score,
        "receipt": "[]",
        "at": change.at,
    }


def save_calls(session: Session, batch: Sequence[Decided]) -> None:
    """Calls to make, once for each step of a run."""
    rows = [_call_row(each.subscriber_id, call) for each in batch for call in each.advance.webhook_calls]
    if rows:
        session.connection().execute(upsert(session, OutboxRow).on_conflict_do_nothing(), rows)


def _call_row(subscriber_id: int, call: WebhookCall) -> dict[str, Any]:
    run = call.run
    return {
        "endpoint": call.endpoint,
        "subscriber_id": subscriber_id,
        "key": f"{subscriber_id}:{run.campaign}:{run.key}:{run.turn}:{call.step}",
        "payload": dumps({"campaign": run.campaign, "key": run.key, "step": call.step, "at": call.at}),
        "state": "open",
        "due_at": call.at,
        "attempts": 0,
    }


def save_counts(session: Session, batch: Sequence[Decided], context: Context) -> None:
    """Fold the batch into the day's counters."""
    day = context.now // DAY
    steps: Counter[StepCount] = Counter()
    stages: Counter[StageCount] = Counter()
    for decided in batch:
        for decision in decided.advance.decisions:
            if decision.run:
                steps[day, decision.run.campaign, decision.step, "", decision.code.value] += 1
        for change in decided.advance.stage_changes:
            stages[day, change.before, change.after] += 1
    add_counts(session, steps)
    add_stage_counts(session, stages)
