"""Saving: writes what was decided about a batch of people, as the difference between before and after.

Owns the order of the writes that follow a decision, a few set-based statements whatever the size of the batch.
Must not decide, and must not overwrite what others own: delivery's states, a wake that came meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, case, delete, update
from sqlalchemy.orm import Session

from app.core.facts import Fields
from app.core.instants import Instant
from app.core.ladder import earliest_of
from app.core.nurture import Advance
from app.core.subscriber import Subscriber
from app.store.base import Base, table_of, upsert
from app.store.codec import dumps, stored
from app.store.decided import Context, Decided
from app.store.events import NewsRow
from app.store.moves import save_candidates, save_finished, save_messages, save_runs
from app.store.people import AttributeRow, ConditionTimerRow, SegmentMemberRow, SubscriberRow, TagRow
from app.store.receipts import save_calls, save_counts, save_points, save_reasons

__all__ = ["Context", "Decided", "save_attributes", "save_people"]


def save_people(session: Session, batch: Sequence[Decided], context: Context) -> None:
    """Write a batch of decisions. The caller's transaction holds the people locked since they were loaded."""
    if not batch:
        return
    session.flush()
    _save_subscribers(session, batch, context)
    _save_labels(session, batch, context)
    run_ids = save_runs(session, batch)
    save_finished(session, batch, run_ids)
    save_messages(session, batch, context, run_ids)
    save_candidates(session, batch)
    save_points(session, batch, context)
    save_reasons(session, batch, context, run_ids)
    save_calls(session, batch)
    save_counts(session, batch, context)
    _forget_news(session, batch)


# ── The subscriber ───────────────────────────────────────────────────────────────────────────────────────────────────

_SUBSCRIBER = table_of(SubscriberRow)
_CHANGING = (
    "stage",
    "stage_since",
    "furthest_stage",
    "kind",
    "weight",
    "landmark",
    "fit",
    "orders",
    "revenue",
    "referrals",
    "confirmed_at",
    "unsubscribed_at",
    "dormant_at",
    "looked_at",
    "ladder_digest",
    "last_signal_at",
    "paused_until",
    "is_suppressed",
)
"""What a decision may change of a subscriber, under the same name there and in the table."""


def _update_subscriber() -> Any:
    due = case((_SUBSCRIBER.c.wake == bindparam("b_wake"), bindparam("b_due")), else_=bindparam("b_now"))
    values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in (*_CHANGING, "state", "fell_from")}
    statement = update(_SUBSCRIBER).where(_SUBSCRIBER.c.id == bindparam("b_id"))
    return statement.values(due_at=due, attempts=0, error="", **values)


_UPDATE_SUBSCRIBER = _update_subscriber()


def _save_subscribers(session: Session, batch: Sequence[Decided], context: Context) -> None:
    rows = [_subscriber_row(decided, context.now) for decided in batch]
    session.connection().execute(_UPDATE_SUBSCRIBER, rows)


def _subscriber_row(decided: Decided, now: Instant) -> dict[str, Any]:
    subscriber = decided.after.subscriber
    row: dict[str, Any] = {f"b_{name}": getattr(subscriber, name) for name in _CHANGING}
    row["b_state"] = subscriber.state.value
    row["b_fell_from"] = dumps(dict(subscriber.fell_from)) if subscriber.fell_from else "{}"
    row["b_id"] = subscriber.id
    row["b_wake"] = decided.loaded.wake
    row["b_due"] = _due_at(decided.advance)
    row["b_now"] = now
    return row


def _due_at(advance: Advance) -> Instant | None:
    """When this person has to be decided about next: the earliest of the ladder, entries and all her runs."""
    runs = (run.due_at for run in advance.person.runs if run.is_live)
    return earliest_of((advance.look_again_at, *runs))


# ── What hangs on her: attributes, tags, segments, timers ────────────────────────────────────────────────────────────


def _save_labels(session: Session, batch: Sequence[Decided], context: Context) -> None:
    pairs = [(decided.before.subscriber, decided.after.subscriber) for decided in batch]
    changed = [(before, after) for before, after in pairs if before is not after]
    _save_attributes(session, changed, context.now)
    tags = [(after.id, _marks(before.tags), _marks(after.tags)) for before, after in changed]
    _save_table(session, TagRow, "tag", tags)
    segments = [(a.id, _since(b.segments), _since(a.segments)) for b, a in changed if a.segments is not b.segments]
    _save_table(session, SegmentMemberRow, "segment", segments)
    timers = [(a.id, _true_since(b.timers), _true_since(a.timers)) for b, a in changed if a.timers is not b.timers]
    _save_table(session, ConditionTimerRow, "condition_digest", timers)


_Labels = Mapping[str, Mapping[str, Any]]


def _marks(tags: Iterable[str]) -> _Labels:
    return {tag: {} for tag in tags}


def _since(segments: Mapping[str, Instant]) -> _Labels:
    return {key: {"since": at} for key, at in segments.items()}


def _true_since(timers: Mapping[str, Instant]) -> _Labels:
    return {key: {"true_since": at} for key, at in timers.items()}


def _save_attributes(session: Session, changed: list[tuple[Subscriber, Subscriber]], now: Instant) -> None:
    differing = [(before, after) for before, after in changed if after.attributes is not before.attributes]
    people = [(a.id, _laid_out(b.attributes), _laid_out(a.attributes)) for b, a in differing]
    _save_table(session, AttributeRow, "key", people, at=now)


def _laid_out(attributes: Fields) -> _Labels:
    return {key: dict(stored(value)) for key, value in attributes.items()}


def save_attributes(session: Session, before: Subscriber, after: Subscriber, now: Instant) -> None:
    """Write the attributes in which two states of one subscriber differ."""
    _save_attributes(session, [(before, after)], now)


def _save_table(
    session: Session, model: type[Base], key: str, people: list[tuple[int, _Labels, _Labels]], **always: Any
) -> None:
    """Delete and write labels of many people in one statement each: (subscriber id, labels before, labels after)."""
    table = table_of(model)
    gone = [(id_, label) for id_, before, after in people for label in before if label not in after]
    new = [
        {"subscriber_id": id_, key: label, **values, **always}
        for id_, before, after in people
        for label, values in after.items()
        if before.get(label) != values
    ]
    _delete(session, table, key, gone)
    if new:
        statement = upsert(session, model)
        columns = [name for name in new[0] if name not in ("subscriber_id", key)]
        once = statement.on_conflict_do_nothing()
        if columns:
            values = {name: statement.excluded[name] for name in columns}
            once = statement.on_conflict_do_update(index_elements=["subscriber_id", key], set_=values)
        session.connection().execute(once, new)


def _delete(session: Session, table: Table, key: str, gone: list[tuple[int, str]]) -> None:
    if gone:
        one = (table.c.subscriber_id == bindparam("b_id")) & (table.c[key] == bindparam("b_key"))
        session.connection().execute(delete(table).where(one), [{"b_id": id_, "b_key": label} for id_, label in gone])


# ── News ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _forget_news(session: Session, batch: Sequence[Decided]) -> None:
    """Take exactly the news that were decided about off the list; what came since stays."""
    seen = [
        {"b_id": decided.loaded.person.subscriber.id, "b_at": fact.at, "b_fact_id": fact.id}
        for decided in batch
        for fact in decided.loaded.news
    ]
    if seen:
        news = table_of(NewsRow).c
        one = (news.subscriber_id == bindparam("b_id")) & (news.at == bindparam("b_at"))
        session.connection().execute(delete(table_of(NewsRow)).where(one, news.fact_id == bindparam("b_fact_id")), seen)
