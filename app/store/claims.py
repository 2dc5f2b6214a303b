"""Claims: messages on their way out: taken by one owner, settled by that owner, and never lost in between.

Owns every change of a message's state that delivery makes. A claim is one UPDATE with the state in its WHERE; every
later write names owner and claim number, and changing no row means that the truth moved on. Must not send anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import Update, and_, func, select, text, tuple_, update
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.core.person import MailClass, MessageState
from app.core.replacing import swift
from app.store.base import table_of
from app.store.hot import Hot, HotRows
from app.store.messages import IS_CLAIMED, IS_OPEN, DeliveryRow, MessageRow

_MESSAGE = table_of(MessageRow)
_UNCERTAIN = MessageState.UNCERTAIN.value


@swift
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
    taken = _claim(session, owner, wanted, _CLAIM_HIGHEST)
    if len(taken) >= wanted.limit:
        return taken
    queue = {"mail_class": wanted.mail_class.value, "lane": wanted.lane}
    rank = _HIGHEST.scalar(session, **queue)
    while rank is not None:
        left = wanted.limit - len(taken)
        taken += _claim(session, owner, replace(wanted, limit=left), _CLAIM, rank=rank)
        if len(taken) >= wanted.limit:
            break
        rank = _NEXT.scalar(session, **queue, rank=rank)
    return taken


_QUEUE = "state IN ('queued', 'waiting') AND mail_class = :mail_class AND lane = :lane"
_TOP = f"SELECT max(rank) FROM message WHERE {_QUEUE}"  # noqa: S608 - our own words
_HIGHEST = Hot(_TOP)
_NEXT = Hot(f"{_TOP} AND rank < :rank")
_DUE = f"""SELECT id FROM message WHERE {_QUEUE} AND rank = {{rank}} AND due_at <= :now AND due_at >= :since
 ORDER BY due_at, id LIMIT :limit"""  # noqa: S608
_TAKE = """UPDATE message SET state = 'claimed', owner = :owner, lease_until = :lease_until, claim_no = claim_no + 1
 WHERE id {due} RETURNING due_at, id, claim_no"""


def _claiming(rank: str) -> Hot:
    """What was locked is due for certain; asked again, PostgreSQL might look for it among all that is due."""
    due = _DUE.format(rank=rank)
    return Hot(_TAKE.format(due=f"IN ({due})"), _TAKE.format(due=f"= ANY(ARRAY({due} FOR UPDATE SKIP LOCKED))"))


_CLAIM = _claiming(":rank")
_CLAIM_HIGHEST = _claiming(f"({_TOP})")
"""Of the highest rank there is, which most of the time is all there is."""
_ALWAYS = -(2**62)


def _claim(session: Session, owner: str, wanted: Wanted, claiming: Hot, **rank: int) -> list[Claim]:
    rows = claiming.rows(
        session,
        mail_class=wanted.mail_class.value,
        lane=wanted.lane,
        now=wanted.now,
        since=_ALWAYS if wanted.since is None else wanted.since,
        limit=wanted.limit,
        owner=owner,
        lease_until=wanted.lease_until,
        **rank,
    )
    return [Claim(id_, claim_no) for _, id_, claim_no in sorted(rows)]


# ── Settling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@swift
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


@swift
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
    rows = _SETTLE.rows(session, [_settlement_row(each) for each in settlements], owner)
    return [Settled(id_, person, _STATES[state]) for id_, person, state in sorted(rows)]


_STATES = {each.value: each for each in MessageState}
_SETTLING = """UPDATE message SET state = news.state, settled_at = news.settled_at, reason = news.reason,
 reply = news.reply, due_at = coalesce(news.due_at, message.due_at), attempts = attempts + news.attempt,
 lease_until = NULL, mail_version_id = coalesce(news.mail_version_id, message.mail_version_id)
 FROM news WHERE message.id = news.id AND message.claim_no = news.claim_no AND message.owner = ?
 AND {is_ours} RETURNING message.id, message.subscriber_id, message.state"""
# PostgreSQL would read its index of what is claimed, dead entries and all, if it saw that the condition fits it
_SETTLE = HotRows(
    {
        "id": "bigint",
        "claim_no": "integer",
        "state": "text",
        "settled_at": "bigint",
        "due_at": "bigint",
        "reason": "text",
        "reply": "text",
        "attempt": "integer",
        "mail_version_id": "bigint",
    },
    _SETTLING.format(is_ours="(message.state = 'claimed' OR (message.state = 'uncertain' AND news.state = 'sent'))"),
    _SETTLING.format(
        is_ours="""CASE message.state WHEN 'claimed' THEN true WHEN 'uncertain' THEN news.state = 'sent' ELSE false END
 AND message.id = ANY(ARRAY(SELECT id FROM news))"""
    ),
)


def _settlement_row(each: Settlement) -> tuple[object, ...]:
    settled_at = None if each.state is MessageState.WAITING else each.at
    words = each.reason[:LONGEST_REASON], fitted(each.reply), int(each.counts), each.mail_version_id
    return each.id, each.claim_no, each.state._value_, settled_at, each.due_at, *words


def _settled(session: Session, changing: Update) -> list[Settled]:
    rows = session.execute(changing.returning(_MESSAGE.c.id, _MESSAGE.c.subscriber_id, _MESSAGE.c.state))
    return [Settled(row.id, row.subscriber_id, MessageState(row.state)) for row in sorted(rows)]


class Attempt(NamedTuple):
    """One try at handing a message over, kept for whoever asks why; in the order of its columns."""

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
    """Keep attempts; the same number of the same message is kept once, so that a journal may be replayed.

    Of a message that was erased meanwhile nothing is kept.
    """
    if attempts:
        _ATTEMPTS.rows(session, [each if fitted(each.text) is each.text else _fitted(each) for each in attempts])


_ATTEMPT = {
    "message_id": "bigint",
    "attempt": "integer",
    "at": "bigint",
    "relay": "text",
    "stage": "text",
    "code": "integer",
    "enhanced": "text",
    "outcome": "text",
    "text": "text",
}
_ONCE = "ON CONFLICT (message_id, attempt) DO NOTHING"
_KEEPING = f"INSERT INTO delivery ({', '.join(_ATTEMPT)}) SELECT * FROM news WHERE EXISTS ({{there}}) {_ONCE}"  # noqa: S608
_THERE = "SELECT 1 FROM message WHERE message.id = news.message_id"
_ATTEMPTS = HotRows(
    _ATTEMPT, _KEEPING.format(there=_THERE), _KEEPING.format(there=f"{_THERE} FOR KEY SHARE OF message")
)


def _fitted(each: Attempt) -> Attempt:
    return each._replace(text=fitted(each.text))


def fitted(words: str) -> str:
    """What is kept of an answer: at most a thousand characters, and none that PostgreSQL refuses."""
    return words if len(words) <= _LONGEST and "\0" not in words else words.replace("\0", "")[:_LONGEST]


LONGEST_REASON = 64
_LONGEST = 1000


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
    return _lose(session, _mine(owner, claims), at) if claims else []


def _lose(session: Session, which: Any, at: Instant) -> list[Settled]:
    losing = update(_MESSAGE).where(which, IS_CLAIMED)
    values = {"state": _UNCERTAIN, "settled_at": at, "reason": "journal", "lease_until": None}
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
