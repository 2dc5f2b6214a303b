"""Referrals: a friend comes by somebody's link, counts when she has stayed a day, and is taken back when she complains.

Owns that way and what the referrer sees of it. Records facts and wakes; what they bring is the campaigns' matter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from app.actions.shelf import Shelf, Shelved
from app.core.campaign import ByEvent, Entry
from app.core.facts import Fact, FactKind
from app.core.instants import DAY, Instant, Span
from app.core.referring import BURST_WITHIN, STAYS_FOR, Bringing, Reason, objection
from app.core.subscriber import SubscriberState
from app.store import referrals as store
from app.store import signups
from app.store.events import record_facts
from app.store.offers import withdraw_grants
from app.store.people import SubscriberRow, find_public, lock
from app.store.permissions import Consent, append_consent, consents, latest_consents
from app.store.referrals import Board, Brought, ReferralRow
from app.world import World

log = structlog.get_logger()

BATCH = 50
COMPLAINS_WITHIN: Span = 30 * DAY
"""A friend who calls our mail spam within this time is taken back."""
NAMED = "referral_name"
"""The consent to be named to friends."""
_HERE = frozenset({SubscriberState.ACTIVE.value, SubscriberState.PAUSED.value})


def friend_confirmed(world: World, session: Session, friend: SubscriberRow, referrer: bytes) -> bool:
    """Note who brought this friend, in the transaction that confirms her. False for herself, a stranger, a second time.

    A loop (two who bring each other) ends here: who was here before is nobody's new friend.
    """
    brought_by = find_public(session, referrer)
    if brought_by is None or brought_by.id == friend.id or friend.created_at < brought_by.created_at:
        return False
    now = world.now()
    network = _network(session, friend.id)
    friend.is_referred = True
    return store.note(session, Brought(brought_by.id, friend.id, network, now, now + STAYS_FOR))


def _network(session: Session, subscriber_id: int) -> str:
    """Where somebody signed up from: the readable /24 or /48 of the ledger; never an address."""
    return next((line.network for line in reversed(consents(session, subscriber_id)) if line.network), "")


# ── A day later ──────────────────────────────────────────────────────────────────────────────────────────────────────


def settle_due(world: World) -> int:
    """Look at the friends whose day is over. Returns how many were looked at."""
    now = world.now()
    with world.transaction("write") as session:
        rows = store.due(session, now, BATCH)
        lock(session, {row.referrer_id for row in rows})
        for row in rows:
            _settle(session, row, now)
    return len(rows)


def _settle(session: Session, row: ReferralRow, now: Instant) -> None:
    referrer = session.get(SubscriberRow, row.referrer_id, populate_existing=True)
    friend = session.get(SubscriberRow, row.friend_id, populate_existing=True) if row.friend_id else None
    reason = _objection(session, row, referrer, friend)
    if reason is not None or referrer is None or friend is None:
        store.settle(session, row, "refused", reason.value if reason else Reason.GONE.value, now)
        log.info("referral_refused", reason=row.reason, referrer_id=row.referrer_id)
        return
    row.number = store.next_number(session, referrer.id)
    store.settle(session, row, "counted", "", now)
    record_facts(session, referrer.id, _facts(session, row, friend, now), now)


def _objection(
    session: Session, row: ReferralRow, referrer: SubscriberRow | None, friend: SubscriberRow | None
) -> Reason | None:
    near = store.neighbours(session, row, row.confirmed_at - BURST_WITHIN)
    own = _network(session, row.referrer_id) if referrer else ""
    return objection(
        Bringing(
            referrer=referrer.address if referrer else "",
            friend=friend.address if friend else "@",
            is_disposable=friend is not None and _is_disposable(session, friend.id),
            is_here=friend is not None and friend.state in _HERE,
            has_complained=friend is not None and friend.is_suppressed,
            is_referrer_here=referrer is not None and referrer.state in _HERE and not referrer.is_suppressed,
            from_own_network=bool(own) and own == row.network,
            same_network=near.same_network,
            recent=near.recent,
        )
    )


def _is_disposable(session: Session, subscriber_id: int) -> bool:
    return any(one.fields.get("is_disposable") for one in signups.signups(session, subscriber_id))


def _facts(session: Session, row: ReferralRow, friend: SubscriberRow, now: Instant) -> tuple[Fact, Fact]:
    """A friend who counts, and the how many-th she is: what campaigns enter by."""
    name = signups.attributes(session, friend.id).get("first_name", "")
    number = row.number or 0
    return (
        Fact(_fact_id(row, "referral"), FactKind.REFERRED, now, fields={"name": name}),
        Fact(_fact_id(row, "milestone"), FactKind.EVENT, now, "referral_milestone", fields={"number": number}),
    )


def _fact_id(row: ReferralRow, what: str) -> bytes:
    return hashlib.blake2b(f"{what}:{row.id}".encode(), digest_size=16, person=b"parvar friend").digest()


def withdraw_complaints(world: World, shelf: Shelf) -> int:
    """Friends who counted and have called our mail spam since count no more, and what was promised for them is taken
    back: no later mail speaks of it, and the counter refuses its code. Returns how many.
    """
    now = world.now()
    with world.transaction("write") as session:
        rows = store.complained(session, now - COMPLAINS_WITHIN, BATCH)
        lock(session, {row.referrer_id for row in rows})
        for row in rows:
            store.settle(session, row, "withdrawn", Reason.COMPLAINED.value, now)
            store.take_back(session, row.referrer_id)
            _take_back_rewards(session, shelf.look(session), row, now)
    return len(rows)


def _take_back_rewards(session: Session, shelved: Shelved | None, row: ReferralRow, now: Instant) -> None:
    campaigns = shelved.book.campaigns.values() if shelved else ()
    thanking = [each.key for each in campaigns if any(_thanks(entry) for entry in each.entries)]
    if row.number is not None and thanking:
        gone = withdraw_grants(session, row.referrer_id, store.rewards(session, row, thanking), now)
        log.info("reward_withdrawn", referrer_id=row.referrer_id, number=row.number, offers=gone)


def _thanks(entry: Entry) -> bool:
    return isinstance(entry.rule, ByEvent) and entry.rule.event == "referral_milestone"


# ── What the referrer sees ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Inviting:
    """Somebody's page of invitations."""

    person: bytes
    name: str
    locale: str
    is_named: bool
    board: Board


def inviting(world: World, person: bytes) -> Inviting | None:
    """What the page shows; None for somebody who is gone."""
    with world.transaction("read") as session:
        row = find_public(session, person)
        if row is None or row.state == SubscriberState.ERASED.value:
            return None
        name = str(signups.attributes(session, row.id).get("first_name", ""))
        return Inviting(person, name, row.locale, _is_named(session, row.id), store.board(session, row.id))


def _is_named(session: Session, subscriber_id: int) -> bool:
    line = latest_consents(session, subscriber_id).get(NAMED)
    return line is not None and line.answer == "given"


def be_named(world: World, person: bytes, *, wants: bool, wording: str) -> None:
    """Keep whether friends may see the first name of who invited them."""
    with world.transaction("write") as session:
        row = signups.hold(session, person)
        if row is not None and _is_named(session, row.id) is not wants:
            answer = "given" if wants else "withdrawn"
            append_consent(session, Consent(row.id, NAMED, answer, world.now(), wording))


def inviter(world: World, person: bytes) -> str:
    """The first name friends may see beside a box; "" for somebody who did not agree to be named, left, or is gone."""
    with world.transaction("read") as session:
        row = find_public(session, person)
        if row is None or row.state not in _HERE or not _is_named(session, row.id):
            return ""
        return str(signups.attributes(session, row.id).get("first_name", ""))
