"""Bounces: what comes back to us, told apart, matched to its message, and acted upon once.

Owns what a hard or soft answer means for an address, and the way from an inbound event to facts and suppression.
Whoever tells something twice changes nothing. Must not parse mails or webhooks and must not talk to a network.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import assert_never

import structlog
from sqlalchemy.orm import Session

from app.actions.laning import lane_of
from app.core.address import address_key
from app.core.facts import Fact, FactKind
from app.core.instants import DAY, Instant, Span
from app.core.person import MailClass, MessageState
from app.core.subscriber import SubscriberState
from app.disk.letterbox import Letterbox
from app.mail.inbound import read_mail
from app.mail.inbound_event import InboundEvent, InboundKind
from app.mail.inbound_mailbox import Mailbox, Polled, poll
from app.mail.replies import ReplyClass
from app.store import claims, paces, returns, signups
from app.store.engine import StoreError, is_unfit
from app.store.events import announce, fact_row, record
from app.store.gate import GateClosedError
from app.store.messages import withdraw
from app.store.paces import ANYBODY
from app.store.people import mark_suppressed, wake
from app.store.permissions import Consent, Suppression, address_hash, append_consent, suppress
from app.store.returns import Sent
from app.world import World

log = structlog.get_logger()

SOFT_MOST = 5
SOFT_OVER: Span = 14 * DAY
"""So many different mails refused softly over at least so long, with no success in between: the address is given up."""


@dataclass(frozen=True, slots=True)
class Held:
    """What an answer says against an address: hard or soft, about which message, in whose words."""

    subscriber_id: int
    address_key: str
    message_id: int
    reply_class: str
    text: str
    mail: str = ""


def hold_against(world: World, session: Session, held: Held, now: Instant, fact_id: bytes = b"") -> bool:
    """Keep a bounce as a fact; hard, or soft for the fifth time, the address gets nothing more. True when it is new."""
    id_ = fact_id or _once("bounce", str(held.message_id), held.reply_class)
    fields = {"class": held.reply_class, "text": held.text[:500]}
    fact = Fact(id_, FactKind.BOUNCED, now, name=held.mail, fields=fields)
    if not _keep(session, held.subscriber_id, fact, held.message_id):
        return False
    if held.reply_class == ReplyClass.HARD.value:
        _suppress(world, session, held, "hard_bounce", now)
    elif _is_given_up(session, held.subscriber_id):
        _suppress(world, session, held, "soft_bounces", now)
    return True


def _is_given_up(session: Session, subscriber_id: int) -> bool:
    found = returns.soft_since_success(session, subscriber_id)
    return found.messages >= SOFT_MOST and found.last_at - found.first_at >= SOFT_OVER


def _suppress(world: World, session: Session, held: Held, reason: str, now: Instant) -> None:
    hash_ = address_hash(world.secret, held.address_key)
    suppress(session, Suppression(hash_, reason, now, message_id=held.message_id or None))
    mark_suppressed(session, held.subscriber_id)
    withdraw(session, held.subscriber_id, "suppressed", (MailClass.MARKETING, MailClass.SERVICE))
    wake(session, (held.subscriber_id,), now)
    log.info("suppressed", subscriber_id=held.subscriber_id, reason=reason)


def _keep(session: Session, subscriber_id: int, fact: Fact, message_id: int) -> bool:
    """Keep a fact with its message and let the engine see it; False when it was known."""
    if returns.is_known(session, fact.id, subscriber_id):
        return False
    row = fact_row(subscriber_id, fact, message_id=message_id or None)
    record(session, [row])
    announce(session, [row])
    wake(session, (subscriber_id,), fact.at)
    return True


def _once(*words: str) -> bytes:
    """The id of a fact that is the same whenever the same thing is told again."""
    return hashlib.blake2b("\0".join(words).encode(), digest_size=16, person=b"parvar returned").digest()


# ── What came back by mail or webhook ────────────────────────────────────────────────────────────────────────────────


def take_in(world: World, events: tuple[InboundEvent, ...]) -> int:
    """Act upon events, in one transaction. Returns how many changed something; telling them again changes nothing."""
    now = world.now()
    with world.transaction("write") as session:
        return sum(_Incoming(world, session, event, now).act() for event in events)


def poll_mailbox(world: World, mailbox: Mailbox) -> Polled:
    """Fetch what came back by mail; nothing is marked or deleted there before it is kept here."""
    polled = poll(mailbox, lambda raw: _keep_mail(world, raw))
    if polled.fault:
        log.warning("bounce_mailbox", fault=polled.fault, stored=polled.stored)
    return polled


def _keep_mail(world: World, raw: bytes) -> None:
    """Act upon a mail. One nobody foresaw is kept as a file, so that it does not hold up those behind it for ever;
    while the database is away, or the disk full, the server keeps it.
    """
    try:
        take_in(world, read_mail(raw))
    except Exception as fault:
        if isinstance(fault, (StoreError, GateClosedError)) and not is_unfit(fault):
            raise
        log.exception("bounce_mailbox_set_aside")
        Letterbox(world.settings.data / "letterbox").drop(raw)


def empty_letterbox(world: World, letterbox: Letterbox) -> int:
    """Act upon what was handed in on this machine. Nothing is forgotten before it is kept; returns how many were."""
    done = 0
    for dropped in letterbox.waiting():
        try:
            take_in(world, read_mail(dropped.raw, dropped.envelope_to))
        except Exception as fault:  # one mail nobody foresaw must not stop those behind it
            if isinstance(fault, (StoreError, GateClosedError)) and not is_unfit(fault):
                log.warning("letterbox_waits", fault=type(fault).__name__)
                break
            log.exception("letterbox_set_aside", name=dropped.path.name)
            letterbox.set_aside(dropped)
            continue
        letterbox.forget(dropped)
        done += 1
    return done


class _Incoming:
    """One event and whom it is about. An event nobody can be found for is logged and left."""

    def __init__(self, world: World, session: Session, event: InboundEvent, now: Instant) -> None:
        self._world = world
        self._session = session
        self._event = event
        self._now = now
        self._sent = self._find()
        self._fact_id = _once(event.source, event.event_id, event.kind.value)

    def act(self) -> bool:
        kind = self._event.kind
        match kind:
            case InboundKind.BOUNCE:
                return self._bounced()
            case InboundKind.COMPLAINT:
                return self._complained()
            case InboundKind.UNSUBSCRIBE:
                return self._left()
            case InboundKind.REPLY:
                return self._replied()
            case InboundKind.DELIVERED | InboundKind.ACCEPTED:
                return self._arrived()
            case InboundKind.AUTO_REPLY | InboundKind.DELAYED | InboundKind.OPENED | InboundKind.CLICKED:
                return False  # nothing to be held against anybody; our own links count opens and clicks
            case InboundKind.REPORT | InboundKind.UNKNOWN:
                log.warning("inbound_report", source=self._event.source, diagnosis=self._event.diagnosis[:200])
                return False
            case _:
                assert_never(kind)

    # ── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _find(self) -> Sent | None:
        """By our own signed address, else by Message-ID; a provider that proved itself may also name the recipient."""
        event, session = self._event, self._session
        if event.bounce_local and (ref := self._world.links.read_bounce(event.bounce_local)):
            return returns.by_message(session, ref.message)
        if public_id := _public_id(event.message_id):
            return returns.by_public_id(session, public_id)
        if event.source != "mail" and event.recipient:
            return returns.by_address(session, _key_of(event.recipient))
        return None

    # ── What ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _bounced(self) -> bool:
        sent, event = self._sent, self._event
        if sent is None or sent.is_team:
            log.info("bounce_of_nobody", source=event.source, reply_class=event.reply_class.value)
            return False
        if event.reply_class not in (ReplyClass.HARD, ReplyClass.SOFT, ReplyClass.UNKNOWN):
            fields = {"class": event.reply_class.value, "text": event.diagnosis[:500]}
            fact = Fact(self._fact_id, FactKind.BOUNCED, self._now, name=sent.mail, fields=fields)
            return _keep(self._session, sent.subscriber_id, fact, sent.message_id)
        words = (event.reply_class.value, event.diagnosis, sent.mail)
        held = Held(sent.subscriber_id, sent.address_key, sent.message_id, *words)
        return hold_against(self._world, self._session, held, self._now, self._fact_id)

    def _complained(self) -> bool:
        """She said that it is spam: nothing more goes to this address, whatever it is."""
        sent = self._sent
        if sent is None or sent.is_team:
            return False
        fact = Fact(self._fact_id, FactKind.COMPLAINED, self._now, name=sent.mail)
        if not _keep(self._session, sent.subscriber_id, fact, sent.message_id):
            return False
        held = Held(sent.subscriber_id, sent.address_key, sent.message_id, ReplyClass.COMPLAINT.value, "")
        _suppress(self._world, self._session, held, "complaint", self._now)
        lane = lane_of(self._world, self._session, sent.address_key)
        paces.count_lanes(self._session, ANYBODY, {(lane, "complained"): 1}, self._now)
        return True

    def _left(self) -> bool:
        """A request to leave counts from anybody who has the signed address; else the message it came back for."""
        ref = self._world.links.read_unsubscribe_local(self._event.unsubscribe_local or "")
        public_id = ref.person if ref is not None else self._sent.public_id if self._sent is not None else None
        if public_id is None or (ref is None and self._event.source == "mail"):
            return False
        row = signups.hold(self._session, public_id)
        if row is None or row.state not in _MAY_LEAVE:
            return False
        row.state, row.unsubscribed_at = SubscriberState.UNSUBSCRIBED.value, self._now
        self._session.flush()
        append_consent(self._session, Consent(row.id, "mail", "withdrawn", self._now, page=self._event.source))
        withdraw(self._session, row.id, "unsubscribed", (MailClass.MARKETING,))
        signups.withdraw_confirmations(self._session, row.id, "unsubscribed")
        message = ref.message if ref is not None else self._sent.message_id if self._sent is not None else 0
        mail = signups.message_mail(self._session, message, row.id) if message else None
        fact = Fact(self._fact_id, FactKind.UNSUBSCRIBED, self._now, name=mail.mail if mail is not None else "")
        return _keep(self._session, row.id, fact, message)

    def _replied(self) -> bool:
        """An answer by a person, to her own mail: the strongest sign there is."""
        sent = self._sent
        if sent is None or sent.is_team or _key_of(self._event.recipient) != sent.address_key:
            return False
        fact = Fact(self._fact_id, FactKind.REPLIED, self._now, name=sent.mail)
        return _keep(self._session, sent.subscriber_id, fact, sent.message_id)

    def _arrived(self) -> bool:
        """A provider says it has the mail: what was uncertain is known now."""
        if self._sent is None or self._sent.state is not MessageState.UNCERTAIN or not self._event.message_id:
            return False
        woken = claims.prove(self._session, self._sent.message_id, self._now)
        wake(self._session, woken, self._now)
        return bool(woken)


_MAY_LEAVE = (SubscriberState.ACTIVE.value, SubscriberState.PENDING.value, SubscriberState.PAUSED.value)


def _public_id(message_id: str) -> bytes | None:
    """Our Message-ID begins with the message's public id in hexadecimal."""
    local = message_id.strip("<> ").partition("@")[0]
    try:
        return bytes.fromhex(local) if len(local) == 32 else None
    except ValueError:
        return None


def _key_of(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return address_key(local, domain) if local and domain else ""
