"""Saving: writes what was decided about a batch of people, as the difference between before and after.

Owns every write that follows a decision, in a few set-based statements whatever the size of the batch.
Must not decide, and must not overwrite what others own: delivery's states, a wake that came meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from sqlalchemy import Table, bindparam, case, delete, insert, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.core.engagement import points_in
from app.core.facts import RunKey
from app.core.instants import DAY, Instant
from app.core.ladder import earliest_of
from app.core.nurture import Advance
from app.core.person import Decision, Message, MessageState, Run, WebhookCall
from app.core.site import ScoringRule
from app.core.subscriber import Subscriber
from app.store.codec import bucket_to_json, cursors_to_json, dumps, fields_to_json, stored
from app.store.events import NewsRow, PointsRow
from app.store.ledgers import CountRow, OutboxRow, StageCountRow
from app.store.loading import Loaded
from app.store.messages import MessageRow
from app.store.people import AttributeRow, ConditionTimerRow, SegmentMemberRow, SubscriberRow, TagRow
from app.store.runs import CandidateRow, DecisionRow, FinishedRow, RunRow, StageChangeRow


@dataclass(frozen=True, slots=True)
class Decided:
    """One person before and after."""

    loaded: Loaded
    advance: Advance
    lane: str = "other"


@dataclass(frozen=True, slots=True)
class Context:
    """What every row of a batch shares: the instant, the release decided by, its scoring rules, and new ids."""

    now: Instant
    release_id: int | None
    rules: Mapping[str, ScoringRule]
    new_id: Callable[[], bytes]


def save_people(session: Session, batch: Sequence[Decided], context: Context) -> None:
    """Write a batch of decisions. The caller's transaction holds the people locked since they were loaded."""
    if not batch:
        return
    _save_subscribers(session, batch, context)
    _save_labels(session, batch, context)
    run_ids = _save_runs(session, batch)
    _save_finished(session, batch, run_ids)
    _save_messages(session, batch, context, run_ids)
    _save_candidates(session, batch)
    _save_points(session, batch, context)
    _save_reasons(session, batch, context, run_ids)
    _save_calls(session, batch)
    _save_counts(session, batch, context)
    _forget_news(session, batch)


def upsert(session: Session, table: Any) -> Any:
    """An INSERT that can say ON CONFLICT, of the session's database."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


def _add(session: Session, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(table), rows)


def _many(session: Session, statement: Any, rows: list[dict[str, Any]]) -> None:
    """One prepared statement over many rows, past the session's bookkeeping."""
    if rows:
        session.connection().execute(statement, rows)


# ── The subscriber ───────────────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = {
    "state": "state",
    "stage": "stage",
    "stage_since": "stage_since",
    "furthest_stage": "furthest_stage",
    "kind": "kind",
    "weight": "weight",
    "landmark": "landmark",
    "fit": "fit",
    "orders": "orders",
    "revenue": "revenue",
    "referrals": "referrals",
    "confirmed_at": "confirmed_at",
    "unsubscribed_at": "unsubscribed_at",
    "dormant_at": "dormant_at",
    "looked_at": "looked_at",
    "ladder_digest": "ladder_digest",
    "last_signal_at": "last_signal_at",
    "paused_until": "paused_until",
    "is_suppressed": "is_suppressed",
}
"""Attributes of the core's subscriber that a decision may change → columns."""

_SUBSCRIBER = cast(Table, SubscriberRow.__table__)
_RUN = cast(Table, RunRow.__table__)
_MESSAGE = cast(Table, MessageRow.__table__)


def _save_subscribers(session: Session, batch: Sequence[Decided], context: Context) -> None:
    rows = [_subscriber_row(decided, context.now) for decided in batch]
    due = case((_SUBSCRIBER.c.wake == bindparam("b_wake"), bindparam("b_due")), else_=bindparam("b_now"))
    values: dict[str, Any] = {column: bindparam(f"b_{column}") for column in (*_COLUMNS.values(), "fell_from")}
    statement = update(_SUBSCRIBER).where(_SUBSCRIBER.c.id == bindparam("b_id"))
    _many(session, statement.values(due_at=due, attempts=0, error="", **values), rows)


def _subscriber_row(decided: Decided, now: Instant) -> dict[str, Any]:
    subscriber = decided.advance.person.subscriber
    row: dict[str, Any] = {f"b_{column}": getattr(subscriber, name) for name, column in _COLUMNS.items()}
    row["b_state"] = subscriber.state.value
    row["b_fell_from"] = dumps(dict(subscriber.fell_from))
    return row | {
        "b_id": subscriber.id,
        "b_wake": decided.loaded.wake,
        "b_due": _due_at(decided.advance),
        "b_now": now,
    }


def _due_at(advance: Advance) -> Instant | None:
    """When this person has to be decided about next: the earliest of the ladder, entries and all her runs."""
    runs = (run.due_at for run in advance.person.runs if run.is_live)
    return earliest_of((advance.look_again_at, *runs))


def _save_labels(session: Session, batch: Sequence[Decided], context: Context) -> None:
    for decided in batch:
        before, after = decided.loaded.person.subscriber, decided.advance.person.subscriber
        if before.attributes is not after.attributes:
            save_attributes(session, before, after, context.now)
        if before.tags != after.tags:
            _save_tags(session, before, after)
        if before.segments != after.segments:
            _save_segments(session, before, after)
        if before.timers != after.timers:
            _save_timers(session, before, after)


def save_attributes(session: Session, before: Subscriber, after: Subscriber, now: Instant) -> None:
    changed = {key: value for key, value in after.attributes.items() if before.attributes.get(key) != value}
    if changed:
        keys = delete(AttributeRow).where(AttributeRow.subscriber_id == after.id, AttributeRow.key.in_(changed))
        session.execute(keys)
        rows = [{"subscriber_id": after.id, "key": key, "at": now, **stored(v)} for key, v in changed.items()]
        _add(session, AttributeRow, rows)


def _save_tags(session: Session, before: Subscriber, after: Subscriber) -> None:
    gone = before.tags - after.tags
    if gone:
        session.execute(delete(TagRow).where(TagRow.subscriber_id == after.id, TagRow.tag.in_(gone)))
    _add(session, TagRow, [{"subscriber_id": after.id, "tag": tag} for tag in sorted(after.tags - before.tags)])


def _save_segments(session: Session, before: Subscriber, after: Subscriber) -> None:
    gone = before.segments.keys() - after.segments.keys()
    if gone:
        member = SegmentMemberRow
        session.execute(delete(member).where(member.subscriber_id == after.id, member.segment.in_(gone)))
    new = sorted(after.segments.keys() - before.segments.keys())
    rows = [{"segment": key, "subscriber_id": after.id, "since": after.segments[key]} for key in new]
    _add(session, SegmentMemberRow, rows)


def _save_timers(session: Session, before: Subscriber, after: Subscriber) -> None:
    changed = [key for key in before.timers if after.timers.get(key) != before.timers[key]]
    timer = ConditionTimerRow
    if changed:
        session.execute(delete(timer).where(timer.subscriber_id == after.id, timer.condition_digest.in_(changed)))
    new = [key for key in after.timers if before.timers.get(key) != after.timers[key]]
    rows = [{"subscriber_id": after.id, "condition_digest": key, "true_since": after.timers[key]} for key in new]
    _add(session, timer, rows)


# ── Runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

RunIds = dict[tuple[int, RunKey], int]


def _save_runs(session: Session, batch: Sequence[Decided]) -> RunIds:
    """Changed runs first, for a run begun anew may take the key of the one that just ended."""
    changed: list[dict[str, Any]] = []
    new: list[tuple[int, Run]] = []
    for decided in batch:
        before = {run.key: run for run in decided.loaded.person.runs}
        subscriber_id = decided.loaded.person.subscriber.id
        for run in decided.advance.person.runs:
            if run.key not in before:
                new.append((subscriber_id, run))
            elif run is not before[run.key]:
                changed.append(_changed_run(run))
    _update_runs(session, changed)
    ids = _insert_runs(session, new)
    for decided in batch:
        ids |= {(decided.loaded.person.subscriber.id, run.key): run.id for run in decided.loaded.person.runs}
    return ids


def _run_values(run: Run) -> dict[str, Any]:
    values: dict[str, Any] = {f.name: getattr(run, f.name) for f in fields(run) if f.name in _RUN_FIELDS}
    cursor = run.cursors.get(run.sequence)
    return values | {
        "state": run.state.value,
        "result": run.result.value if run.result else None,
        "paused_by": run.paused_by.value if run.paused_by else None,
        "cursors": cursors_to_json(run.cursors),
        "step": cursor.step if cursor else "",
    }


_RUN_FIELDS = {
    "version",
    "is_ghost",
    "sequence",
    "began_at",
    "until",
    "due_at",
    "reason",
    "rank",
    "paused_at",
    "rested_at",
    "ended_at",
    "attempts",
    "error",
}


def _changed_run(run: Run) -> dict[str, Any]:
    return {"b_id": run.id} | {f"b_{name}": value for name, value in _run_values(run).items()}


def _update_runs(session: Session, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    values: dict[str, Any] = {name[2:]: bindparam(name) for name in rows[0] if name != "b_id"}
    _many(session, update(_RUN).where(_RUN.c.id == bindparam("b_id")).values(**values), rows)


def _insert_runs(session: Session, new: list[tuple[int, Run]]) -> RunIds:
    if not new:
        return {}
    rows = [
        _run_values(run)
        | {
            "subscriber_id": subscriber_id,
            "campaign": run.key.campaign,
            "run_key": run.key.key,
            "turn": run.key.turn,
            "entered_at": run.entered_at,
            "event": fields_to_json(run.event),
        }
        for subscriber_id, run in new
    ]
    statement = insert(RunRow).returning(RunRow.id, sort_by_parameter_order=True)
    ids = session.scalars(statement, rows).all()
    return {(subscriber_id, run.key): id_ for (subscriber_id, run), id_ in zip(new, ids, strict=True)}


def _save_finished(session: Session, batch: Sequence[Decided], ids: RunIds) -> None:
    rows = [row for decided in batch for row in _finished_rows(decided, ids)]
    if rows:
        statement = upsert(session, FinishedRow.__table__).on_conflict_do_nothing()
        _many(session, statement, rows)


def _finished_rows(decided: Decided, ids: RunIds) -> Iterable[dict[str, Any]]:
    before = {run.key: run.finished for run in decided.loaded.person.runs}
    subscriber_id = decided.loaded.person.subscriber.id
    for run in decided.advance.person.runs:
        known = before.get(run.key, {})
        if run.finished is known:
            continue
        for step, done in run.finished.items():
            if step not in known:
                yield {
                    "run_id": ids[subscriber_id, run.key],
                    "step_id": step,
                    "finish": done.finish.value,
                    "branch": done.branch,
                    "at": done.at,
                }


# ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _save_messages(session: Session, batch: Sequence[Decided], context: Context, ids: RunIds) -> None:
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for decided in batch:
        before = {message.key: message for message in decided.loaded.person.messages}
        for message in decided.advance.person.messages:
            if message.key not in before:
                new.append(_new_message(decided, message, context, ids))
            elif message is not before[message.key]:
                changed.append(_changed_message(message))
    _add(session, MessageRow, new)
    recallable = _MESSAGE.c.state.in_(("queued", "waiting", "withdrawn", "skipped"))
    statement = update(_MESSAGE).where(_MESSAGE.c.id == bindparam("b_id"), recallable)
    names = (
        "state",
        "slot_at",
        "due_at",
        "wanted_at",
        "fresh_until",
        "settled_at",
        "reason",
        "subject",
        "offer",
        "rank",
    )
    _many(session, statement.values({name: bindparam(f"b_{name}") for name in names}), changed)


_MESSAGE_CHANGES = (
    "state",
    "slot_at",
    "due_at",
    "wanted_at",
    "fresh_until",
    "settled_at",
    "reason",
    "subject",
    "offer",
    "rank",
)


def _new_message(decided: Decided, message: Message, context: Context, ids: RunIds) -> dict[str, Any]:
    subscriber_id = decided.loaded.person.subscriber.id
    run = message.key.run
    return {
        "public_id": context.new_id(),
        "subscriber_id": subscriber_id,
        "recipient": message.recipient,
        "run_id": ids[subscriber_id, run] if run else None,
        "step": message.key.step if run else "",
        "cause_key": None if run else message.key.step,
        "campaign": run.campaign if run else "",
        "mail_key": message.mail,
        "mail_class": message.mail_class.value,
        "lane": decided.lane,
        "rank": message.rank,
        "state": message.state.value,
        "subject": message.subject,
        "offer": message.offer,
        "wanted_at": message.wanted_at,
        "slot_at": message.slot_at,
        "due_at": message.slot_at,
        "fresh_until": message.fresh_until,
        "settled_at": message.settled_at,
        "reason": message.reason,
        "created_at": context.now,
    }


def _changed_message(message: Message) -> dict[str, Any]:
    is_open = message.state in (MessageState.QUEUED, MessageState.WAITING)
    return {
        "b_id": message.id,
        "b_state": message.state.value,
        "b_slot_at": message.slot_at,
        "b_due_at": message.slot_at,
        "b_wanted_at": message.wanted_at,
        "b_fresh_until": message.fresh_until,
        "b_settled_at": None if is_open else message.settled_at,
        "b_reason": message.reason,
        "b_subject": message.subject,
        "b_offer": message.offer,
        "b_rank": message.rank,
    }


# ── The rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _save_candidates(session: Session, batch: Sequence[Decided]) -> None:
    for decided in batch:
        before, after = decided.loaded.person.candidates, decided.advance.person.candidates
        if before == after:
            continue
        subscriber_id = decided.loaded.person.subscriber.id
        session.execute(delete(CandidateRow).where(CandidateRow.subscriber_id == subscriber_id))
        rows = {
            (candidate.campaign, candidate.key): {
                "campaign": candidate.campaign,
                "subscriber_id": subscriber_id,
                "run_key": candidate.key,
                "entry": candidate.entry,
                "event": fields_to_json(candidate.event),
                "until": candidate.until,
            }
            for candidate in after
        }
        _add(session, CandidateRow, list(rows.values()))


def _save_points(session: Session, batch: Sequence[Decided], context: Context) -> None:
    rows = []
    for decided in batch:
        before, after = decided.loaded.person.buckets, decided.advance.person.buckets
        for key, bucket in after.items():
            if before.get(key) != bucket:
                rule = context.rules[key[0]]
                rows.append(
                    {
                        "subscriber_id": decided.loaded.person.subscriber.id,
                        "rule": key[0],
                        "bucket": key[1],
                        "points": sum(points_in(rule, bucket)),
                        "facts": bucket_to_json(bucket),
                    }
                )
    if rows:
        statement = upsert(session, PointsRow.__table__)
        keys = ["subscriber_id", "rule", "bucket"]
        new = {"points": statement.excluded.points, "facts": statement.excluded.facts}
        _many(session, statement.on_conflict_do_update(index_elements=keys, set_=new), rows)


def _save_reasons(session: Session, batch: Sequence[Decided], context: Context, ids: RunIds) -> None:
    decisions: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for decided in batch:
        subscriber_id = decided.loaded.person.subscriber.id
        decisions += [_decision_row(subscriber_id, d, context, ids) for d in decided.advance.decisions]
        changes += [
            {
                "subscriber_id": subscriber_id,
                "before": change.before,
                "after": change.after,
                "cause": change.cause,
                "rule": change.rule,
                "score": change.score,
                "at": change.at,
            }
            for change in decided.advance.stage_changes
        ]
    _add(session, DecisionRow, decisions)
    _add(session, StageChangeRow, changes)


def _decision_row(subscriber_id: int, decision: Decision, context: Context, ids: RunIds) -> dict[str, Any]:
    return {
        "subscriber_id": subscriber_id,
        "run_id": ids.get((subscriber_id, decision.run)) if decision.run else None,
        "at": decision.at,
        "campaign": decision.run.campaign if decision.run else str(decision.seen.get("campaign", "")),
        "step": decision.step,
        "code": decision.code.value,
        "seen": dumps(dict(decision.seen)),
        "release_id": context.release_id,
    }


def _save_calls(session: Session, batch: Sequence[Decided]) -> None:
    rows = [_call_row(d.loaded.person.subscriber.id, call) for d in batch for call in d.advance.webhook_calls]
    if rows:
        _many(session, upsert(session, OutboxRow.__table__).on_conflict_do_nothing(), rows)


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


def _save_counts(session: Session, batch: Sequence[Decided], context: Context) -> None:
    """Fold the batch into the day's counters, sorted, so that two workers never lock in opposite order."""
    day = context.now // DAY
    steps: Counter[tuple[int, str, str, str, str]] = Counter()
    stages: Counter[tuple[int, str, str]] = Counter()
    for decided in batch:
        for decision in decided.advance.decisions:
            if decision.run:
                steps[day, decision.run.campaign, decision.step, "", decision.code.value] += 1
        for change in decided.advance.stage_changes:
            stages[day, change.before, change.after] += 1
    add_counts(session, steps)
    keys = ("day", "before", "after")
    _bump(session, StageCountRow, keys, stages)


def add_counts(session: Session, steps: Counter[tuple[int, str, str, str, str]]) -> None:
    """Add to the counters of (day, campaign, step, arm, metric)."""
    _bump(session, CountRow, ("day", "campaign", "step", "arm", "metric"), steps)


def _bump(session: Session, table: Any, keys: tuple[str, ...], counter: Counter[Any]) -> None:
    rows = [dict(zip(keys, key, strict=True), value=value) for key, value in sorted(counter.items()) if value]
    if rows:
        statement = upsert(session, table.__table__)
        more = {"value": table.__table__.c.value + statement.excluded.value}
        _many(session, statement.on_conflict_do_update(index_elements=list(keys), set_=more), rows)


def _forget_news(session: Session, batch: Sequence[Decided]) -> None:
    seen = [(d.loaded.person.subscriber.id, fact.at, fact.id) for d in batch for fact in d.loaded.news]
    if seen:
        keys = tuple_(NewsRow.subscriber_id, NewsRow.at, NewsRow.fact_id)
        session.execute(delete(NewsRow).where(keys.in_(seen)))
