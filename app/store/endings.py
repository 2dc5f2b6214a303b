"""Endings: how claims ended, written down with all that hangs on it: state, attempt, body, and waking the person.

Owns the order and the bounds of these writes. On PostgreSQL they are one statement, so that a load is one journey
there and back. Must not judge an answer, and must not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.core.person import MessageState
from app.store import bodies, claims, people
from app.store.base import is_sqlite
from app.store.claims import Attempt, Settlement, fitted
from app.store.hot import Hot, array


class Way(NamedTuple):
    """What the endings of many mails have in common."""

    state: MessageState
    outcome: MessageState
    """What the attempt is remembered by; a mail that is given up is skipped, and its attempt made it wait."""
    reason: str
    due_at: Instant | None
    counts: bool
    mail_version_id: int
    is_tried: bool
    """Whether there was an attempt worth keeping."""
    relay: str
    stage: str
    code: int
    enhanced: str


class Ending(NamedTuple):
    """How one claim ended. `body`: what was sent, packed."""

    id: int
    claim_no: int
    way: Way
    reply: str
    body: bytes | None


def write(session: Session, owner: str, endings: Sequence[Ending], at: Instant) -> set[int]:
    """Write endings down. Returns the messages whose state changed; the others were no longer ours: log it.

    An attempt is kept also of a claim that moved on, a body only of what left now. Whose mail is over is woken.
    """
    if not endings:
        return set()
    return (_write_apart if is_sqlite(session) else _write_at_once)(session, owner, endings, at)


_GONE = frozenset((MessageState.SENT, MessageState.UNCERTAIN))


# ── SQLite: statement by statement, for none of them is a journey ────────────────────────────────────────────────────


def _write_apart(session: Session, owner: str, endings: Sequence[Ending], at: Instant) -> set[int]:
    settled = claims.settle(session, owner, [_settlement(each, at) for each in endings])
    claims.record_attempts(session, [_attempt(each, at) for each in endings if each.way.is_tried])
    gone = {each.id for each in settled if each.state in _GONE}
    bodies.keep(session, {each.id: each.body for each in endings if each.body is not None and each.id in gone}, at)
    over = {each.subscriber_id for each in settled if each.state is not MessageState.WAITING}
    people.wake(session, over, at)
    return {each.id for each in settled}


def _settlement(each: Ending, at: Instant) -> Settlement:
    way = each.way
    words = way.reason, each.reply, way.due_at, way.counts, way.mail_version_id
    return Settlement(each.id, each.claim_no, way.state, at, *words)


def _attempt(each: Ending, at: Instant) -> Attempt:
    way = each.way
    answer = way.stage, way.code, way.enhanced, way.outcome.value, each.reply
    return Attempt(each.id, each.claim_no, at, way.relay, *answer)


# ── PostgreSQL: at once ──────────────────────────────────────────────────────────────────────────────────────────────

# What many mails share travels once: `way` is its place in those arrays. Bodies travel as one value, and are cut out.
# Owner and state are asked in a CASE and the messages by an array: otherwise PostgreSQL would read its index of what is
# claimed, dead entries and all, or take it that next to nothing is ours and compare each with each. Whether a message
# that is not ours any more is there at all is asked apart, for an attempt has no foreign key.
_WRITE = Hot(
    """WITH news(id, claim_no, way, reply) AS (SELECT * FROM unnest(
 CAST(:ids AS bigint[]), CAST(:claim_nos AS integer[]), CAST(:ways AS integer[]), CAST(:replies AS text[]))),
settled AS (UPDATE message SET
 state = (CAST(:states AS text[]))[news.way], reason = (CAST(:reasons AS text[]))[news.way], reply = news.reply,
 settled_at = CASE (CAST(:states AS text[]))[news.way] WHEN 'waiting' THEN NULL ELSE CAST(:at AS bigint) END,
 due_at = coalesce((CAST(:dues AS bigint[]))[news.way], message.due_at), lease_until = NULL,
 attempts = attempts + (CAST(:counts AS integer[]))[news.way],
 mail_version_id = (CAST(:versions AS bigint[]))[news.way]
 FROM news WHERE message.id = news.id AND message.id = ANY(ARRAY(SELECT id FROM news))
 AND message.claim_no = news.claim_no AND CASE WHEN message.owner = :owner AND message.state = 'claimed' THEN true
 WHEN message.owner = :owner AND message.state = 'uncertain' THEN (CAST(:states AS text[]))[news.way] = 'sent'
 ELSE false END
 RETURNING message.id, message.subscriber_id, message.state),
tried AS (INSERT INTO delivery (message_id, attempt, at, relay, stage, code, enhanced, outcome, text)
 SELECT news.id, news.claim_no, CAST(:at AS bigint), (CAST(:relays AS text[]))[news.way],
 (CAST(:stages AS text[]))[news.way], (CAST(:codes AS integer[]))[news.way], (CAST(:enhanced AS text[]))[news.way],
 (CAST(:outcomes AS text[]))[news.way], news.reply FROM news
 WHERE (CAST(:tried AS integer[]))[news.way] = 1 AND (news.id IN (SELECT id FROM settled)
 OR EXISTS (SELECT 1 FROM message WHERE message.id = news.id FOR KEY SHARE OF message))
 ON CONFLICT (message_id, attempt) DO NOTHING),
kept AS (INSERT INTO body (message_id, blob, at)
 SELECT settled.id, substring(CAST(:bodies AS bytea) FROM sent.start FOR sent.size), CAST(:at AS bigint)
 FROM unnest(CAST(:sent AS bigint[]), CAST(:starts AS integer[]), CAST(:sizes AS integer[])) AS sent(id, start, size)
 JOIN settled ON settled.id = sent.id WHERE settled.state IN ('sent', 'uncertain')
 ON CONFLICT (message_id) DO NOTHING),
woken AS (UPDATE subscriber
 SET wake = wake + 1, due_at = CASE WHEN due_at < CAST(:at AS bigint) THEN due_at ELSE CAST(:at AS bigint) END
 WHERE id = ANY(ARRAY(SELECT id FROM subscriber
 WHERE id = ANY(ARRAY(SELECT subscriber_id FROM settled WHERE state <> 'waiting')) ORDER BY id FOR NO KEY UPDATE)))
SELECT id FROM settled"""
)


def _write_at_once(session: Session, owner: str, endings: Sequence[Ending], at: Instant) -> set[int]:
    ways: dict[Way, int] = {}
    places = [ways.setdefault(each.way, len(ways) + 1) for each in endings]
    rows = _WRITE.rows(
        session,
        owner=owner,
        at=at,
        ids=array("bigint", [each.id for each in endings]),
        claim_nos=array("integer", [each.claim_no for each in endings]),
        ways=array("integer", places),
        replies=array("text", [fitted(each.reply) for each in endings]),
        **_shared(tuple(ways)),
        **_bodies(endings),
    )
    return {id_ for (id_,) in rows}


def _shared(ways: Sequence[Way]) -> dict[str, str]:
    """What is the same for many, one array for each column."""
    return {
        "states": array("text", [way.state.value for way in ways]),
        "outcomes": array("text", [way.outcome.value for way in ways]),
        "reasons": array("text", [way.reason[: claims.LONGEST_REASON] for way in ways]),
        "dues": array("bigint", [way.due_at for way in ways]),
        "counts": array("integer", [int(way.counts) for way in ways]),
        "versions": array("bigint", [way.mail_version_id for way in ways]),
        "tried": array("integer", [int(way.is_tried) for way in ways]),
        "relays": array("text", [way.relay for way in ways]),
        "stages": array("text", [way.stage for way in ways]),
        "codes": array("integer", [way.code for way in ways]),
        "enhanced": array("text", [way.enhanced for way in ways]),
    }


def _bodies(endings: Sequence[Ending]) -> dict[str, object]:
    """All bodies as one value, and where in it, counted from 1, each of them is."""
    sent = [(each.id, each.body) for each in endings if each.body is not None]
    starts, start = [], 1
    for _, body in sent:
        starts.append(start)
        start += len(body)
    return {
        "bodies": b"".join([body for _, body in sent]),
        "sent": array("bigint", [id_ for id_, _ in sent]),
        "starts": array("integer", starts),
        "sizes": array("integer", [len(body) for _, body in sent]),
    }
