"""Signup: a visitor leaves an address in a box. One short transaction: limits, person, consent, fact, confirmation.

Owns what an address may set in motion before and after it is confirmed, and the limits of abuse. Whoever signs up is
answered alike. Must not decide about campaigns: it records and wakes, the worker decides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy.orm import Session

from app.actions.answers import looks_like_a_link
from app.actions.limits import Claim, Limits, Silent, TooMany, Work, take
from app.actions.referrals import friend_confirmed
from app.actions.shelf import Shelved
from app.core.boxes import Box, OptIn, TrackingConsent
from app.core.facts import NO_FIELDS, Fact, FactKind, Fields
from app.core.instants import DAY, HOUR, MINUTE, Instant
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.links import Form, Pass
from app.mail.addresses import Address
from app.store import signups
from app.store.events import record_facts
from app.store.ledgers import add_box_counts, use_token_once
from app.store.messages import NewMessage, queue_by_cause
from app.store.people import NewSubscriber, SubscriberRow
from app.store.permissions import Consent, address_hash, append_consent, is_suppressed
from app.world import World

TICKET_FOR = DAY
"""How long "send again" and the later questions of a box can be answered."""
ASK_AGAIN_AFTER = 24 * HOUR
ASKED_WITHIN = 30 * DAY
MOST_ASKED = 3
"""Confirmations per address within ASKED_WITHIN, reminders included."""
RESEND_AFTER = MINUTE


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a signup came from. `network` is a keyed hash, `truncated` the readable /24 or /48; never an address."""

    page: str = ""
    locale: str = ""
    timezone: str = ""
    network: str = ""
    truncated: str = ""
    source: str = "direct"
    trail: Fields = field(default_factory=lambda: NO_FIELDS)
    """utm_source, utm_medium, utm_campaign, referrer, landing, language; kept with the fact."""
    arms: tuple[str, ...] = ()
    """`experiment:arm` of every test that page view took part in."""
    friend: bytes = b""
    """Public id of the person whose link led here."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One filled-in form, already checked. `work` is the level of the proof of work that came with it (0: none)."""

    box: Box
    address: Address
    answers: Fields
    form: Form
    visit: Visit
    wants_tracking: bool = False
    work: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """What every visitor gets, known or not: a ticket for "send again" and later questions."""

    ticket: Pass


Outcome: TypeAlias = Accepted | Work | TooMany


def sign_up(world: World, shelved: Shelved, limits: Limits, given: Submission) -> Outcome:
    """Take a signup. Raises GateClosedError when the database has no turn for us in time."""
    now, wall = world.now(), world.wall()
    with world.transaction("write") as session:
        claim = Claim(given.visit.network, given.box.key, given.address, given.work)
        refused = take(session, limits, claim, wall)
        if isinstance(refused, Work | TooMany):
            return refused
        if isinstance(refused, Silent) or not use_token_once(session, "form", given.form.nonce, wall + DAY):
            return Accepted(_ticket(world, world.new_id(), 0, given.box))
        return Accepted(_Taking(world, shelved, session, given, now).take())


def box_version(box: Box) -> str:
    """Names what a box says and asks, to the letter; kept with each consent."""
    return hashlib.sha256(repr(box).encode()).hexdigest()[:16]


def _ticket(world: World, person: bytes, consent: int, box: Box) -> Pass:
    return Pass(person, consent, box.key, world.wall() + TICKET_FOR)


@dataclass(frozen=True, slots=True)
class _Taking:
    """One signup in its transaction."""

    world: World
    shelved: Shelved
    session: Session
    given: Submission
    now: Instant

    def take(self) -> Pass:
        given = self.given
        secret = self.world.secret
        if is_suppressed(self.session, address_hash(secret, given.address.key)):
            self._count("submit")
            return _ticket(self.world, self.world.new_id(), 0, given.box)
        row, _ = signups.hold_or_create(self.session, self._new())
        if row.is_suppressed or row.state == SubscriberState.ERASED.value:
            return _ticket(self.world, row.public_id, 0, given.box)
        is_confirmed = row.state == SubscriberState.ACTIVE.value and row.confirmed_at is not None
        consent = self._consent(row, is_confirmed)
        fact = self._fact()
        record_facts(self.session, row.id, (fact,), self.now)
        self._count("submit")
        if is_confirmed:
            fill_blanks(self.session, row, given.answers, self.now)
            deliver(self.world, self.session, row, given.box, fact)
        elif given.box.opt_in is OptIn.SINGLE and row.state == SubscriberState.PENDING.value:
            self._confirm_at_once(row, fact)
        else:
            ask_to_confirm(self.world, self.session, row, Question(given.box, consent, given.visit.locale))
        return _ticket(self.world, row.public_id, consent, given.box)

    def _new(self) -> NewSubscriber:
        visit = self.given.visit
        return NewSubscriber(
            public_id=self.world.new_id(),
            address=self.given.address.spelled,
            address_key=self.given.address.key,
            stage=self.shelved.book.ladder.stages[0].key,
            at=self.now,
            locale=visit.locale,
            timezone=visit.timezone,
            source=visit.source,
            box=self.given.box.key,
            is_referred=bool(visit.friend),
        )

    def _consent(self, row: SubscriberRow, is_confirmed: bool) -> int:
        """The words shown, asked of somebody who has yet to confirm, given by somebody who has."""
        box, visit = self.given.box, self.given.visit
        shown = box.consent.in_locale(visit.locale)
        answer = "given" if is_confirmed or box.opt_in is OptIn.SINGLE else "asked"
        line = Consent(row.id, "mail", answer, self.now, shown, box.key, box_version(box), visit.page, visit.truncated)
        consent = append_consent(self.session, line)
        if box.tracking_consent is not TrackingConsent.NONE and not is_confirmed:
            said = "given" if self.given.wants_tracking else "refused"
            append_consent(
                self.session,
                Consent(row.id, "tracking", said, self.now, box=box.key, page=visit.page, network=visit.truncated),
            )
        return consent

    def _fact(self) -> Fact:
        given, visit = self.given, self.given.visit
        marks: dict[str, str | bool] = {}
        if visit.friend:
            marks["referred_by"] = visit.friend.hex()
        if given.address.is_disposable:
            marks["is_disposable"] = True
        if given.address.is_role:
            marks["is_role"] = True
        return Fact(
            id=self.world.new_id(),
            kind=FactKind.SIGNED_UP,
            at=self.now,
            name=given.box.key,
            link=",".join(visit.arms)[:200],
            path=visit.page,
            fields={**visit.trail, **given.answers, **marks},
        )

    def _confirm_at_once(self, row: SubscriberRow, signup: Fact) -> None:
        row.state = SubscriberState.ACTIVE.value
        row.confirmed_at = self.now
        signups.put_attributes(self.session, row.id, self.given.answers, self.now)
        fact = Fact(self.world.new_id(), FactKind.CONFIRMED, self.now, name=self.given.box.key)
        record_facts(self.session, row.id, (fact,), self.now)
        if self.given.visit.friend:
            friend_confirmed(self.world, self.session, row, self.given.visit.friend)
        deliver(self.world, self.session, row, self.given.box, signup)

    def _count(self, metric: str) -> None:
        given = self.given
        visit = given.visit
        touch = BoxTouch(given.box.key, visit.arms, visit.page, visit.source)
        count_box(self.session, touch, metric, self.now)


# ── Counting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class BoxTouch:
    """What was seen or done with a box, on which page, by people from where. Nobody is named."""

    box: str
    arms: tuple[str, ...] = ()
    page: str = ""
    source: str = ""


def count_box(session: Session, touch: BoxTouch, metric: str, now: Instant) -> None:
    """Add one to the day's counters of a box: by page, by source, and by arm of each test."""
    add_box_counts(session, counts_of(touch, metric, now))


def counts_of(touch: BoxTouch, metric: str, now: Instant) -> Mapping[tuple[int, str, str, str, str], int]:
    """The counters one touch adds to: (day, box, arm, key, metric); key: a page, `from:` a source, '' for an arm."""
    day = now // DAY
    counts = {(day, touch.box, "", page_key(touch.page), metric): 1}
    if touch.source:
        counts[day, touch.box, "", f"from:{touch.source}"[:64], metric] = 1
    for arm in touch.arms:
        counts[day, touch.box, arm[:64], "", metric] = 1
    return counts


def page_key(page: str) -> str:
    """A page as the counters know it: its path, without query, at most 64 characters."""
    path = page.partition("?")[0].partition("#")[0]
    if "//" in path:
        path = "/" + path.split("//", 1)[1].partition("/")[2]
    return path if len(path) <= 64 else f"{path[:47]}…{hashlib.sha256(path.encode()).hexdigest()[:16]}"


# ── The promise ──────────────────────────────────────────────────────────────────────────────────────────────────────


def deliver(world: World, session: Session, row: SubscriberRow, box: Box, signup: Fact | signups.Signup) -> None:
    """Queue what a box promised, once per signup, and for one person at most once a day."""
    now = world.now()
    if not box.deliver or signups.was_delivered(session, row.id, box.key, now - DAY):
        return
    fact_id = signup.id if isinstance(signup, Fact) else signup.fact_id
    queue_by_cause(
        session,
        NewMessage(
            public_id=world.new_id(),
            subscriber_id=row.id,
            cause_key=f"deliver:{box.key}:{fact_id.hex()}",
            mail=box.deliver,
            mail_class=MailClass.SERVICE,
            at=now,
            data=json.dumps({"box": box.key}),
        ),
    )


def fill_blanks(session: Session, row: SubscriberRow, answers: Fields, now: Instant) -> None:
    """Anybody may type anybody's address: what a known person told us stays, only blanks are filled, never by links."""
    known = signups.attributes(session, row.id)
    blanks = {key: value for key, value in answers.items() if known.get(key, "") in ("", ())}
    new = {key: value for key, value in blanks.items() if not looks_like_a_link(value)}
    signups.put_attributes(session, row.id, new, now)
    if new:
        facts = [Fact(_derived(row, key, now), FactKind.CHANGED, now, name=f"attribute:{key}") for key in new]
        record_facts(session, row.id, facts, now)


def _derived(row: SubscriberRow, key: str, now: Instant) -> bytes:
    return hashlib.blake2b(f"{row.id}:{key}:{now}".encode(), digest_size=16).digest()


# ── Asking to confirm ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be confirmed: the box and the line of the ledger."""

    box: Box
    consent: int
    locale: str = ""


def ask_to_confirm(
    world: World, session: Session, row: SubscriberRow, asked: Question, *, is_resend: bool = False
) -> bool:
    """Queue the confirmation and its reminders, within the limits: one per address and day, one more when asked for,
    three in all. A reminder already planned is brought forward rather than another mail added. True when one leaves.
    """
    now = world.now()
    before = [mail for mail in signups.confirmations(session, row.id) if mail.created_at > now - ASKED_WITHIN]
    gone = [mail for mail in before if mail.due_at <= now]
    last_day = [mail for mail in gone if mail.due_at > now - ASK_AGAIN_AFTER]
    if len(last_day) >= (2 if is_resend else 1) or (is_resend and gone and gone[-1].due_at > now - RESEND_AFTER):
        return False
    planned = [mail for mail in before if mail.is_open and mail.due_at > now]
    if planned:
        signups.set_due(session, planned[0].message_id, now)
        return True
    if len(before) >= MOST_ASKED:
        return False
    _queue_confirmations(world, session, row, asked, MOST_ASKED - len(before))
    return True


def _queue_confirmations(world: World, session: Session, row: SubscriberRow, asked: Question, room: int) -> None:
    now, number = world.now(), signups.next_number(session, row.id)
    delays = (0, *sorted(asked.box.reminders))[:room]
    for index, delay in enumerate(delays):
        message = queue_by_cause(
            session,
            NewMessage(
                public_id=world.new_id(),
                subscriber_id=row.id,
                cause_key=f"confirm:{row.id}:{number + index}",
                mail=asked.box.confirm_mail,
                mail_class=MailClass.SERVICE,
                at=now,
                data=json.dumps({"box": asked.box.key, "consent": str(asked.consent)}),
            ),
        )
        if message is not None and delay:
            signups.set_due(session, message, now + delay)


def send_again(world: World, shelved: Shelved, ticket: Pass) -> None:
    """Ask once more, upon the visitor's own wish. Nothing is said about whether a mail left."""
    with world.transaction("write") as session:
        row = signups.hold(session, ticket.person)
        box = shelved.workspace.boxes.get(ticket.name)
        if row is None or box is None or row.is_suppressed:
            return
        if row.state in (SubscriberState.PENDING.value, SubscriberState.UNSUBSCRIBED.value):
            ask_to_confirm(world, session, row, Question(box, ticket.ref, row.locale), is_resend=True)


def answer_later(world: World, ticket: Pass, answers: Fields) -> None:
    """The questions asked once the address is in: kept with a signup of their own until the address is confirmed."""
    if not answers:
        return
    now = world.now()
    with world.transaction("write") as session:
        row = signups.hold(session, ticket.person)
        if row is None or row.is_suppressed:
            return
        if row.state == SubscriberState.ACTIVE.value:
            fill_blanks(session, row, answers, now)
        elif not _is_known(session, row, ticket):
            return
        else:
            fact = Fact(world.new_id(), FactKind.CHANGED, now, name=f"{signups.ANSWERS}{ticket.name}", fields=answers)
            record_facts(session, row.id, (fact,), now)


def _is_known(session: Session, row: SubscriberRow, ticket: Pass) -> bool:
    return signups.consent_of(session, ticket.ref, row.id) is not None
