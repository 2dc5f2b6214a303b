"""Claims: messages on their way out: taken by one owner, settled by that owner, and never lost in between.

Owns every change of a message's state that delivery makes. A claim is one UPDATE with the state in its WHERE; every
later write names owner and claim number, and changing no row means that the truth moved on. Must not send anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Integer, String, Update, and_, case, func, or_, select, text, tuple_, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import CTE

from app.core.instants import Instant
from app.core.person import MailClass, MessageState
from app.store.base import is_sqlite, table_of, upsert
from app.store.messages import IS_CLAIMED, IS_OPEN, DeliveryRow, MessageRow

_MESSAGE = table_of(MessageRow)
_CLAIMED = MessageState.CLAIMED.value
_UNCERTAIN = MessageState.UNCERTAIN.value


@dataclass(frozen=True, slots=True)
class Claim:
    """One message taken: later writes must name the owner and this number."""

    id: int
    claim_no: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to take: messages of one class and lane, due at `now`, at most `limit`, until `lease_until` (wall clock).

    `since` is a lower bound of the due time, so that a long transaction elsewhere, which keeps dead index entries
    alive, does not slow the search down. Drop it after a short batch and every few seconds.
    """

    mail_class: MailClass
    lane: str
    limit: int
    now: Instant
    lease_until: Instant
    since: Instant | None = None


# ── Taking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def lanes_due(session: Session, mail_class: MailClass, now: Instant) -> list[str]:
    """The lanes that have something due, found by hopping over the index from lane to lane."""
    found: list[str] = []
    lane = _next_lane(session, mail_class, "")
    while lane is not None:
        mine = (_MESSAGE.c.mail_class == mail_class.value) & (_MESSAGE.c.lane == lane) & (_MESSAGE.c.due_at <= now)
        ranks = _ranks(session, mail_class, lane)
        if any(
            session.scalar(select(_MESSAGE.c.id).where(IS_OPEN, mine, _MESSAGE.c.rank == r).limit(1)) for r in ranks
        ):
            found.append(lane)
        lane = _next_lane(session, mail_class, lane)
    return found


def _next_lane(session: Session, mail_class: MailClass, after: str) -> str | None:
    mine = (_MESSAGE.c.mail_class == mail_class.value) & (_MESSAGE.c.lane > after)
    lane: str | None = session.scalar(select(func.min(_MESSAGE.c.lane)).where(IS_OPEN, mine))
    return lane


def _ranks(session: Session, mail_class: MailClass, lane: str) -> Iterator[int]:
    """The ranks there are in a lane, highest first."""
    mine = (_MESSAGE.c.mail_class == mail_class.value) & (_MESSAGE.c.lane == lane)
    rank = session.scalar(select(func.max(_MESSAGE.c.rank)).where(IS_OPEN, mine))
    while rank is not None:
        yield rank
        rank = session.scalar(select(func.max(_MESSAGE.c.rank)).where(IS_OPEN, mine, _MESSAGE.c.rank < rank))


def claim(session: Session, owner: str, wanted: Wanted) -> list[Claim]:
    """Take what is due, highest rank first, oldest first. Nobody else gets the same message."""
    taken: list[Claim] = []
    for rank in _ranks(session, wanted.mail_class, wanted.lane):
        taken += _claim(session, owner, wanted, rank, wanted.limit - len(taken))
        if len(taken) >= wanted.limit:
            break
    return taken


def _claim(session: Session, owner: str, wanted: Wanted, rank: int, limit: int) -> list[Claim]:
    due = select(_MESSAGE.c.id).where(
        IS_OPEN,
        _MESSAGE.c.mail_class == wanted.mail_class.value,
        _MESSAGE.c.lane == wanted.lane,
        _MESSAGE.c.rank == rank,
        _MESSAGE.c.due_at <= wanted.now,
    )
    if wanted.since is not None:
        due = due.where(_MESSAGE.c.due_at >= wanted.since)
    due = due.order_by(_MESSAGE.c.due_at, _MESSAGE.c.id).limit(limit).with_for_update(skip_locked=True)
    taking = update(_MESSAGE).where(_MESSAGE.c.id.in_(due), IS_OPEN)
    values = {"state": _CLAIMED, "owner": owner, "lease_until": wanted.lease_until}
    rows = session.execute(
        taking.values(claim_no=_MESSAGE.c.claim_no + 1, **values).returning(
            _MESSAGE.c.id, _MESSAGE.c.claim_no, _MESSAGE.c.due_at
        )
    )
    return [Claim(row.id, row.claim_no) for row in sorted(rows, key=lambda row: (row.due_at, row.id))]


# ── Settling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one claim ended: sent, refused, skipped, uncertain, parked, or waiting until `due_at` for another try."""

    id: int
    claim_no: int
    state: MessageState
    at: Instant
    reason: str = ""
    reply: str = ""
    due_at: Instant | None = None
    counts: bool = True
    """Whether this was an attempt; a relay's own fault is none."""
    mail_version_id: int | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A message whose state did change, and who has to be woken for it."""

    id: int
    subscriber_id: int
    state: MessageState


def settle(session: Session, owner: str, settlements: Sequence[Settlement]) -> list[Settled]:
    """Write down how claims ended, in one statement. What is not in the answer was no longer ours: log it.

    A late good answer turns `uncertain` into `sent`; nothing else changes what is not claimed any more.
    """
    if not settlements:
        return []
    news = _json_rows(session, [_settlement_row(each) for each in settlements], _SETTLEMENT)
    mine = and_(_MESSAGE.c.id == news.c.id, _MESSAGE.c.claim_no == news.c.claim_no, _MESSAGE.c.owner == owner)
    late = and_(_MESSAGE.c.state == _UNCERTAIN, news.c.state == MessageState.SENT.value)
    again = news.c.state == MessageState.WAITING.value
    changing = (
        update(_MESSAGE)
        .where(mine, or_(_MESSAGE.c.state == _CLAIMED, late))
        .values(
            state=news.c.state,
            settled_at=case((again, None), else_=news.c.at),
            due_at=func.coalesce(news.c.due_at, _MESSAGE.c.due_at),
            reason=news.c.reason,
            reply=news.c.reply,
            attempts=_MESSAGE.c.attempts + news.c.attempt,
            mail_version_id=func.coalesce(news.c.mail_version_id, _MESSAGE.c.mail_version_id),
            lease_until=None,
        )
    )
    return _settled(session, changing)


_SETTLEMENT = {
    "id": BigInteger,
    "claim_no": Integer,
    "state": String,
    "at": BigInteger,
    "due_at": BigInteger,
    "reason": String,
    "reply": String,
    "attempt": Integer,
    "mail_version_id": BigInteger,
}


def _settlement_row(each: Settlement) -> list[object]:
    version, attempt = each.mail_version_id, int(each.counts)
    words = each.reason[:64], each.reply.replace("\0", "")[:1000]
    return [each.id, each.claim_no, each.state.value, each.at, each.due_at, *words, attempt, version]


def _settled(session: Session, changing: Update) -> list[Settled]:
    rows = session.execute(changing.returning(_MESSAGE.c.id, _MESSAGE.c.subscriber_id, _MESSAGE.c.state))
    return [Settled(row.id, row.subscriber_id, MessageState(row.state)) for row in sorted(rows)]


def _json_rows(session: Session, rows: list[list[object]], columns: dict[str, Any]) -> CTE:
    """Rows as one parameter, so that the statement stays the same whatever their number."""
    given = text(_from_json(columns, for_sqlite=is_sqlite(session))).bindparams(rows=json.dumps(rows))
    return given.columns(**columns).cte("news")


def _from_json(columns: dict[str, Any], *, for_sqlite: bool) -> str:
    if for_sqlite:
        picked = ", ".join(f"json_extract(value, '$[{i}]') AS {name}" for i, name in enumerate(columns))
        return f"SELECT {picked} FROM json_each(:rows)"  # noqa: S608 - column names of our own
    sorts = {BigInteger: "bigint", Integer: "integer", String: "text"}
    picked = ", ".join(f"(value ->> {i})::{sorts[sort]} AS {name}" for i, (name, sort) in enumerate(columns.items()))
    picked = picked.replace("::", "\\:\\:")
    return f"SELECT {picked} FROM jsonb_array_elements(CAST(:rows AS jsonb))"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at handing a message over, kept for whoever asks why."""

    message_id: int
    number: int
    at: Instant
    relay: str = ""
    stage: str = ""
    code: int = 0
    enhanced: str = ""
    outcome: str = ""
    text: str = ""


def record_attempts(session: Session, attempts: Sequence[Attempt]) -> None:
    """Keep attempts; the same number of the same message is kept once, so that a journal may be replayed."""
    rows = [
        {
            "message_id": each.message_id,
            "attempt": each.number,
            "relay": each.relay,
            "stage": each.stage,
            "code": each.code,
            "enhanced": each.enhanced,
            "outcome": each.outcome,
            "text": each.text.replace("\0", "")[:1000],
            "at": each.at,
        }
        for each in attempts
    ]
    if rows:
        session.connection().execute(upsert(session, DeliveryRow).on_conflict_do_nothing(), rows)


def first_attempts(session: Session, ids: Sequence[int]) -> dict[int, Instant]:
    """When each of these messages was first tried."""
    if not ids:
        return {}
    query = select(DeliveryRow.message_id, func.min(DeliveryRow.at).label("at")).where(DeliveryRow.message_id.in_(ids))
    return {row.message_id: row.at for row in session.execute(query.group_by(DeliveryRow.message_id))}


# ── Giving back, keeping, losing ─────────────────────────────────────────────────────────────────────────────────────


def _mine(owner: str, claims: Iterable[Claim]) -> Any:
    keys = [(each.id, each.claim_no) for each in claims]
    return and_(_MESSAGE.c.owner == owner, tuple_(_MESSAGE.c.id, _MESSAGE.c.claim_no).in_(keys))


def give_back(session: Session, owner: str, claims: Sequence[Claim], due_at: Instant | None = None) -> int:
    """Claims that were not begun go back into the queue, as if never taken. `due_at` puts them off."""
    back = update(_MESSAGE).where(_mine(owner, claims), IS_CLAIMED)
    when = {} if due_at is None else {"due_at": due_at}
    values = {"state": MessageState.QUEUED.value, "owner": None, "lease_until": None, **when}
    return len(session.execute(back.values(values).returning(_MESSAGE.c.id)).all()) if claims else 0


def find_again(session: Session, owner: str, claims: Sequence[Claim]) -> int:
    """What was called uncertain when our lease ran out, and we know that it never began, goes back into the queue."""
    if not claims:
        return 0
    lost = _mine(owner, claims) & (_MESSAGE.c.state == _UNCERTAIN) & (_MESSAGE.c.reason == "lease")
    values = {"state": MessageState.QUEUED.value, "owner": None, "settled_at": None, "reason": ""}
    return len(session.execute(update(_MESSAGE).where(lost).values(values).returning(_MESSAGE.c.id)).all())


def renew_leases(session: Session, owner: str, lease_until: Instant) -> int:
    """Keep everything this owner holds. Returns how much that is."""
    held = update(_MESSAGE).where(IS_CLAIMED, _MESSAGE.c.owner == owner)
    return len(session.execute(held.values(lease_until=lease_until).returning(_MESSAGE.c.id)).all())


def held_by(session: Session, owner: str) -> list[Claim]:
    """What an owner has claimed and not settled: what a journal has to account for after a crash."""
    query = select(_MESSAGE.c.id, _MESSAGE.c.claim_no).where(IS_CLAIMED, _MESSAGE.c.owner == owner)
    return [Claim(row.id, row.claim_no) for row in session.execute(query.order_by(_MESSAGE.c.id))]


def owners(session: Session) -> list[str]:
    """Everybody who holds a claim."""
    query = select(_MESSAGE.c.owner).where(IS_CLAIMED).distinct()
    return sorted(owner for owner in session.scalars(query) if owner)


def lose(session: Session, owner: str, claims: Sequence[Claim], at: Instant) -> list[Settled]:
    """Claims whose end is not known become `uncertain`, never queued again by themselves."""
    return _lose(session, _mine(owner, claims), at, "journal") if claims else []


def expire(session: Session, wall: Instant, at: Instant, limit: int = 1_000) -> list[Settled]:
    """Claims whose lease ran out by the wall clock become `uncertain` as of `at`: nobody can ask their owner."""
    overdue = select(_MESSAGE.c.id).where(IS_CLAIMED, _MESSAGE.c.lease_until <= wall).order_by(_MESSAGE.c.lease_until)
    ids = overdue.limit(limit).with_for_update(skip_locked=True)
    return _lose(session, and_(_MESSAGE.c.id.in_(ids), _MESSAGE.c.lease_until <= wall), at, "lease")


def _lose(session: Session, which: Any, at: Instant, reason: str) -> list[Settled]:
    losing = update(_MESSAGE).where(which, IS_CLAIMED)
    values = {"state": _UNCERTAIN, "settled_at": at, "reason": reason, "lease_until": None}
    return _settled(session, losing.values(values))


def prove(session: Session, message_id: int, at: Instant) -> list[int]:
    """What was uncertain is known to have arrived. Returns whom to wake."""
    mine = (_MESSAGE.c.id == message_id) & (_MESSAGE.c.state == _UNCERTAIN)
    values = {"state": MessageState.SENT.value, "settled_at": at, "reason": "proved"}
    return list(session.scalars(update(_MESSAGE).where(mine).values(values).returning(_MESSAGE.c.subscriber_id)))


def requeue_uncertain(session: Session, ids: Sequence[int], now: Instant) -> list[int]:
    """By choice of the operator: send again what may or may not have arrived, under the same Message-ID."""
    return _requeue(session, ids, now, _UNCERTAIN)


def requeue_parked(session: Session, ids: Sequence[int], now: Instant) -> list[int]:
    """Try again what could not be written: its template or its data were mended."""
    return _requeue(session, ids, now, MessageState.PARKED.value)


def _requeue(session: Session, ids: Sequence[int], now: Instant, state: str) -> list[int]:
    again = update(_MESSAGE).where(_MESSAGE.c.id.in_(ids), _MESSAGE.c.state == state)
    values = {"state": MessageState.QUEUED.value, "due_at": now, "settled_at": None, "owner": None, "reason": "resend"}
    columns = (_MESSAGE.c.id, _MESSAGE.c.claim_no)
    rows = session.execute(again.values(values).returning(*columns)).all()
    marks = [Attempt(row.id, _RESENT + row.claim_no, now, outcome="resend") for row in rows]
    record_attempts(session, marks)
    return sorted(row.id for row in rows)


_RESENT = 1_000_000
"""Numbers of attempts from here mark that a mail was sent again on purpose."""


def to_resend(session: Session, before: Instant, limit: int = 100) -> list[int]:
    """What has been uncertain since before an instant, and was never sent again."""
    resent = select(DeliveryRow.message_id).where(
        DeliveryRow.message_id == _MESSAGE.c.id, DeliveryRow.outcome == "resend"
    )
    query = select(_MESSAGE.c.id).where(
        text("message.state IN ('uncertain', 'parked')"),
        _MESSAGE.c.state == _UNCERTAIN,
        _MESSAGE.c.settled_at <= before,
        ~resent.exists(),
    )
    return list(session.scalars(query.order_by(_MESSAGE.c.id).limit(limit)))
