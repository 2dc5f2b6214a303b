"""Moves: writes where runs stand after a decision, which steps are finished, and the messages that came of it.

Owns the difference between the runs and messages of before and after. Must not touch a message that is claimed or
gone: the truth moved on, and the next decision sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.orm import Session

from app.core.facts import RunKey
from app.core.person import Message, MessageState, Run
from app.store.base import table_of, upsert
from app.store.codec import cursors_to_json, fields_to_json
from app.store.decided import Context, Decided, RunIds
from app.store.messages import MessageRow
from app.store.runs import CandidateRow, FinishedRow, RunRow

_RUN = table_of(RunRow)
_MESSAGE = table_of(MessageRow)

# ── Runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def save_runs(session: Session, batch: Sequence[Decided]) -> RunIds:
    """Changed runs first, for a run begun anew may take the place of the one that just ended."""
    ids: RunIds = {}
    changed: list[dict[str, Any]] = []
    new: list[tuple[int, Run]] = []
    for decided in batch:
        before = {run.key: run for run in decided.before.runs}
        ids |= {(decided.subscriber_id, key): run.id for key, run in before.items()}
        for run in decided.after.runs:
            known = before.get(run.key)
            if known is None:
                new.append((decided.subscriber_id, run))
            elif run is not known and run != known:
                changed.append({f"b_{name}": value for name, value in _run_values(run).items()} | {"b_id": run.id})
    if changed:
        session.connection().execute(_UPDATE_RUN, changed)
    return ids | _insert_runs(session, new)


_SAME = (
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
)
"""What is called the same in a run and in its row."""
_RUN_COLUMNS = (*_SAME, "state", "result", "paused_by", "cursors", "step")
_UPDATE_RUN = (
    update(_RUN).where(_RUN.c.id == bindparam("b_id")).values({name: bindparam(f"b_{name}") for name in _RUN_COLUMNS})
)


def _run_values(run: Run) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(run, name) for name in _SAME}
    cursor = run.cursors.get(run.sequence)
    values["state"] = run.state.value
    values["result"] = run.result.value if run.result else None
    values["paused_by"] = run.paused_by.value if run.paused_by else None
    values["cursors"] = cursors_to_json(run.cursors)
    values["step"] = cursor.step if cursor else ""
    return values


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
    key = (_RUN.c.id, _RUN.c.subscriber_id, _RUN.c.campaign, _RUN.c.run_key, _RUN.c.turn)
    found = session.connection().execute(insert(_RUN).returning(*key), rows)
    return {(row.subscriber_id, RunKey(row.campaign, row.run_key, row.turn)): row.id for row in found}


# ── Finished steps ───────────────────────────────────────────────────────────────────────────────────────────────────


def save_finished(session: Session, batch: Sequence[Decided], ids: RunIds) -> None:
    rows = [row for decided in batch for row in _finished_rows(decided, ids)]
    if rows:
        session.connection().execute(upsert(session, FinishedRow).on_conflict_do_nothing(), rows)


def _finished_rows(decided: Decided, ids: RunIds) -> Iterable[dict[str, Any]]:
    before = {run.key: run.finished for run in decided.before.runs}
    for run in decided.after.runs:
        known = before.get(run.key, {})
        if run.finished is known:
            continue
        for step, done in run.finished.items():
            if step not in known:
                yield {
                    "run_id": ids[decided.subscriber_id, run.key],
                    "step_id": step,
                    "finish": done.finish.value,
                    "branch": done.branch,
                    "at": done.at,
                }


# ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_CHANGING = ("slot_at", "wanted_at", "fresh_until", "reason", "subject", "offer", "rank")
"""What a decision may change of a message, under the same name there and in the table."""
_MESSAGE_COLUMNS = (*_CHANGING, "state", "due_at", "settled_at")
_OURS = _MESSAGE.c.state.in_(("queued", "waiting", "withdrawn", "skipped"))
_UPDATE_MESSAGE = (
    update(_MESSAGE)
    .where(_MESSAGE.c.id == bindparam("b_id"), _OURS)
    .values({name: bindparam(f"b_{name}") for name in _MESSAGE_COLUMNS})
)
_OPEN = (MessageState.QUEUED, MessageState.WAITING)


def save_messages(session: Session, batch: Sequence[Decided], context: Context, ids: RunIds) -> None:
    by_run: list[dict[str, Any]] = []
    by_cause: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for decided in batch:
        before = {message.key: message for message in decided.before.messages}
        for message in decided.after.messages:
            known = before.get(message.key)
            if known is None:
                row = _new_message(decided, message, context, ids)
                (by_run if message.key.run else by_cause).append(row)
            elif message is not known and message != known:
                changed.append({f"b_{k}": v for k, v in _message_values(message).items()} | {"b_id": message.id})
    _insert_by_run(session, by_run)
    if by_cause:
        session.connection().execute(upsert(session, MessageRow).on_conflict_do_nothing(), by_cause)
    if changed:
        session.connection().execute(_UPDATE_MESSAGE, changed)


def _insert_by_run(session: Session, rows: list[dict[str, Any]]) -> None:
    """One message for a step of a run, ever: one that was withdrawn so long ago that nobody saw it is opened again."""
    if rows:
        statement = upsert(session, MessageRow)
        values = {name: statement.excluded[name] for name in _MESSAGE_COLUMNS}
        was_withdrawn = _MESSAGE.c.state == MessageState.WITHDRAWN.value
        once = statement.on_conflict_do_update(
            index_elements=["run_id", "step"],
            index_where=_MESSAGE.c.run_id.is_not(None),
            set_=values,
            where=was_withdrawn,
        )
        session.connection().execute(once, rows)


def _message_values(message: Message) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(message, name) for name in _CHANGING}
    values["state"] = message.state.value
    values["due_at"] = message.slot_at
    values["settled_at"] = None if message.state in _OPEN else message.settled_at
    return values


def _new_message(decided: Decided, message: Message, context: Context, ids: RunIds) -> dict[str, Any]:
    run = message.key.run
    return _message_values(message) | {
        "public_id": context.new_id(),
        "subscriber_id": decided.subscriber_id,
        "recipient": message.recipient,
        "run_id": ids[decided.subscriber_id, run] if run else None,
        "step": message.key.step if run else "",
        "cause_key": None if run else message.key.step,
        "campaign": run.campaign if run else "",
        "arm": "",
        "mail_key": message.mail,
        "mail_class": message.mail_class.value,
        "lane": decided.lane,
        "data": "{}",
        "claim_no": 0,
        "attempts": 0,
        "reply": "",
        "created_at": context.now,
    }


# ── Candidates ───────────────────────────────────────────────────────────────────────────────────────────────────────


def save_candidates(session: Session, batch: Sequence[Decided]) -> None:
    changed = [decided for decided in batch if decided.before.candidates != decided.after.candidates]
    if changed:
        candidate = table_of(CandidateRow)
        mine = delete(candidate).where(candidate.c.subscriber_id == bindparam("b_id"))
        session.connection().execute(mine, [{"b_id": decided.subscriber_id} for decided in changed])
        rows = [row for decided in changed for row in _candidate_rows(decided)]
        if rows:
            session.connection().execute(insert(candidate), rows)


def _candidate_rows(decided: Decided) -> Iterable[dict[str, Any]]:
    """Of two candidates for one key the later one stands."""
    rows = {
        (candidate.campaign, candidate.key): {
            "campaign": candidate.campaign,
            "subscriber_id": decided.subscriber_id,
            "run_key": candidate.key,
            "entry": candidate.entry,
            "event": fields_to_json(candidate.event),
            "until": candidate.until,
        }
        for candidate in decided.after.candidates
    }
    return rows.values()
