"""Leaving and staying: unsubscribe and its undo, pauses, topics, tracking, a copy of one's data, deletion.

Owns what a reader may say about our mail to her. Each takes effect before the next mail, queued ones included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.core.facts import Fact, FactKind
from app.core.instants import DAY, Instant, Span, to_datetime
from app.core.pacing import WISHES
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.core.workspace import Workspace
from app.store import signups
from app.store.events import record_facts
from app.store.messages import withdraw
from app.store.people import SubscriberRow, find_public
from app.store.permissions import (
    Consent,
    Suppression,
    address_hash,
    append_consent,
    consents,
    latest_consents,
    suppress,
)
from app.world import World

PAUSES: tuple[Span, ...] = (30 * DAY, 60 * DAY, 90 * DAY)
_MARKETING = (MailClass.MARKETING,)


@dataclass(frozen=True, slots=True)
class Reader:
    """What a reader's own pages show of her."""

    person: bytes
    address: str
    locale: str
    state: SubscriberState
    paused_until: Instant | None
    topics: Mapping[str, bool]
    """Tag `no-…` → whether she wants what it declines."""
    frequency: str
    tracks: bool
    mails: tuple[signups.Received, ...] = ()
    why: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One line of "why am I getting this": what was said with which words, when, where."""

    answer: str
    wording: str
    box: str
    page: str
    at: Instant


# ── Unsubscribing ────────────────────────────────────────────────────────────────────────────────────────────────────


def leave(world: World, person: bytes, message: int = 0) -> SubscriberState | None:
    """Unsubscribe. Idempotent; None when nobody is behind the link. Mails still queued are taken back."""
    now = world.now()
    with world.transaction("write") as session:
        row = signups.hold(session, person)
        if row is None:
            return None
        if row.state in (SubscriberState.ACTIVE.value, SubscriberState.PENDING.value, SubscriberState.PAUSED.value):
            _leave(world, session, row, now, message)
        return SubscriberState(row.state)


def _leave(world: World, session: Session, row: SubscriberRow, now: Instant, message: int) -> None:
    row.state = SubscriberState.UNSUBSCRIBED.value
    row.unsubscribed_at = now
    session.flush()
    append_consent(session, Consent(row.id, "mail", "withdrawn", now))
    withdraw(session, row.id, "unsubscribed", _MARKETING)
    signups.withdraw_confirmations(session, row.id, "unsubscribed")
    mail = signups.message_mail(session, message, row.id) if message else None
    name = mail.mail if mail is not None else ""
    record_facts(session, row.id, (Fact(world.new_id(), FactKind.UNSUBSCRIBED, now, name=name),), now)


def take_back(world: World, person: bytes) -> SubscriberState | None:
    """Undo a farewell. Only a confirmed address comes back, and never one that complained or bounced."""
    now = world.now()
    with world.transaction("write") as session:
        row = signups.hold(session, person)
        if row is None:
            return None
        if row.state == SubscriberState.UNSUBSCRIBED.value and row.confirmed_at is not None and not row.is_suppressed:
            at = max(now, (row.unsubscribed_at or 0) + 1)
            row.state = SubscriberState.ACTIVE.value
            row.unsubscribed_at = None
            session.flush()
            append_consent(session, Consent(row.id, "mail", "given", at, wording="resubscribed", page="/u"))
            record_facts(session, row.id, (Fact(world.new_id(), FactKind.CONFIRMED, at, name="undo"),), now)
        return SubscriberState(row.state)


# ── The preference centre ────────────────────────────────────────────────────────────────────────────────────────────

FREQUENCIES = ("", *WISHES)
"""How much mail a person may ask for: as the site plans, or less."""


def choices(workspace: Workspace) -> tuple[str, ...]:
    """What can be declined one by one: the tags `no-…` that some campaign respects."""
    conditions = [condition for campaign in workspace.campaigns.values() for condition in campaign.while_]
    return tuple(sorted({tag for one in conditions for tag in one.names().tags if tag.startswith("no-")}))


def read_reader(world: World, workspace: Workspace, person: bytes) -> Reader | None:
    """Everything a reader's own page shows; None when nobody is behind the link."""
    with world.transaction("read") as session:
        row = find_public(session, person)
        if row is None or row.state == SubscriberState.ERASED.value:
            return None
        said = latest_consents(session, row.id)
        reasons = [line for line in consents(session, row.id) if line.kind == "mail" and line.wording]
        tags = signups.tags(session, row.id)
        return Reader(
            person=row.public_id,
            address=row.address,
            locale=row.locale,
            state=SubscriberState(row.state),
            paused_until=row.paused_until if row.paused_until and row.paused_until > world.now() else None,
            topics={tag: tag not in tags for tag in choices(workspace)},
            frequency=next((tag for tag in WISHES if tag in tags), ""),
            tracks=_wants(said.get("tracking")),
            mails=tuple(signups.received(session, row.id, 20)),
            why=tuple(Reason(one.answer, one.wording, one.box, one.page, one.at) for one in reasons[-5:]),
        )


def _wants(line: object) -> bool:
    return getattr(line, "answer", "given") not in ("withdrawn", "refused")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a reader sent from her preference page. None: not asked. `topics`: tag `no-…` → whether she wants it."""

    topics: Mapping[str, bool] = field(default_factory=dict)
    frequency: str | None = None
    locale: str | None = None
    tracks: bool | None = None


def wish(world: World, workspace: Workspace, person: bytes, wishes: Wishes) -> bool:
    """Keep a reader's preferences; each change is a line of the ledger. False when nobody is behind the link."""
    with world.transaction("write") as session:
        row = signups.hold(session, person)
        if row is None:
            return False
        if wishes.locale in workspace.site.locales:
            row.locale = str(wishes.locale)
        session.flush()
        tags = signups.tags(session, row.id)
        wanted = {tag: not wants for tag, wants in wishes.topics.items() if tag in choices(workspace)}
        if wishes.frequency in FREQUENCIES:
            wanted |= {tag: tag == wishes.frequency for tag in WISHES}
        changed = {tag: is_on for tag, is_on in wanted.items() if (tag in tags) != is_on}
        _retag(world, session, row, changed)
        said = latest_consents(session, row.id)
        if wishes.tracks is not None and _wants(said.get("tracking")) != wishes.tracks:
            word = "given" if wishes.tracks else "withdrawn"
            append_consent(session, Consent(row.id, "tracking", word, world.now(), page="/p"))
    return True


def _retag(world: World, session: Session, row: SubscriberRow, changed: Mapping[str, bool]) -> None:
    now = world.now()
    for tag, is_on in changed.items():
        word = "withdrawn" if is_on and tag.startswith("no-") else "given"
        append_consent(session, Consent(row.id, f"wish:{tag}", word, now, page="/p"))
    signups.set_tags(session, row.id, changed)
    facts = [Fact(world.new_id(), FactKind.CHANGED, now, name=f"tag:{tag}") for tag in changed]
    record_facts(session, row.id, facts, now)


def pause(world: World, person: bytes, span: Span) -> Instant | None:
    """No marketing for a while (0: again from now on). Returns until when; None when it ends or nobody is there."""
    now = world.now()
    until = now + span if span in PAUSES else None
    with world.transaction("write") as session:
        row = signups.hold(session, person)
        if row is None:
            return None
        row.paused_until = until
        session.flush()
        fact = (
            Fact(world.new_id(), FactKind.RESUMED, now)
            if until is None
            else Fact(world.new_id(), FactKind.PAUSED, now, value=until)
        )
        record_facts(session, row.id, (fact,), now)
    return until


# ── Her data ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def copy_of(world: World, person: bytes) -> str | None:
    """All we hold about a reader, as JSON text."""
    with world.transaction("read") as session:
        row = find_public(session, person)
        if row is None:
            return None
        data = {
            "address": row.address,
            "state": row.state,
            "locale": row.locale,
            "timezone": row.tz,
            "source": row.source,
            "stage": row.stage,
            "kind": row.kind,
            "first_seen": _iso(row.created_at),
            "confirmed": _iso(row.confirmed_at),
            "unsubscribed": _iso(row.unsubscribed_at),
            "answers": signups.attributes(session, row.id),
            "consents": [_line(line) for line in consents(session, row.id)],
            "mails": [
                {"mail": one.mail, "state": one.state, "at": _iso(one.at)}
                for one in signups.received(session, row.id, 10_000)
            ],
            "acts": [one | {"at": _iso(int(str(one["at"])))} for one in signups.events_of(session, row.id, 10_000)],
        }
    return json.dumps(data, ensure_ascii=False, indent=2)


def _line(line: object) -> dict[str, str]:
    names = ("kind", "answer", "wording", "box", "box_version", "page", "network")
    return {name: str(getattr(line, name)) for name in names} | {"at": _iso(getattr(line, "at", None)) or ""}


def _iso(at: Instant | None) -> str | None:
    return None if at is None else to_datetime(at).isoformat(timespec="seconds")


def erase(world: World, person: bytes) -> bool:
    """Delete a reader for good. Her address is kept only as a keyed hash, so that nobody writes to it again."""
    with world.transaction("write") as session:
        row = signups.hold(session, person)
        if row is None:
            return False
        suppress(session, Suppression(address_hash(world.secret, row.address_key), "erased", world.now()))
        signups.erase(session, row.id)
        return True


PENDING_FOR = 30 * DAY


def purge_unconfirmed(world: World, limit: int = 200) -> int:
    """Forget people who never confirmed within 30 days. Returns how many; call again while it equals `limit`."""
    with world.transaction("write") as session:
        ids = signups.expired_signups(session, world.now() - PENDING_FOR, limit)
        for subscriber_id in ids:
            signups.erase(session, subscriber_id)
        return len(ids)
