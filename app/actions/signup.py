"""Signup: what an address left in a box may set in motion before and after it is confirmed.

Owns the values of a signup, its counting, the promise, and how often somebody is asked to confirm. How a group of
signups is written is signup_group's. Must not decide about campaigns: it records and wakes, the worker decides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy.orm import Session

from app.actions.answers import looks_like_a_link
from app.actions.limits import Proof, TooMany, Work
from app.actions.shelf import Shelved
from app.core.boxes import Box
from app.core.facts import NO_FIELDS, Fact, FactKind, Fields, Value
from app.core.instants import DAY, HOUR, MINUTE, Instant, Span
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.links import Form, Pass
from app.mail.addresses import Address
from app.store import signups
from app.store.events import record_facts
from app.store.intake import ServiceMail, bring_forward, queue_all, service_mails
from app.store.messages import NewMessage
from app.store.people import SubscriberRow
from app.world import World

TICKET_FOR = DAY
"""How long "send again" and the later questions of a box can be answered."""
ASK_AGAIN_AFTER = 24 * HOUR
ASKED_WITHIN = 30 * DAY
MOST_ASKED = 3
"""Confirmations per address within ASKED_WITHIN, reminders included."""
RESEND_AFTER = MINUTE
LONGEST_PRODUCT = 128


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
    """One filled-in form, already checked, with the work that was proved, if any."""

    box: Box
    address: Address
    answers: Fields
    form: Form
    visit: Visit
    wants_tracking: bool = False
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What every visitor gets, known or not: a ticket for "send again" and later questions."""

    ticket: Pass


Outcome: TypeAlias = Accepted | Work | TooMany


def box_version(box: Box) -> str:
    """Names what a box says and asks, to the letter; kept with each consent."""
    known = _VERSIONS.get(id(box))
    if known is None or known[0] is not box:
        if len(_VERSIONS) > 1_000:
            _VERSIONS.clear()
        known = _VERSIONS[id(box)] = (box, hashlib.sha256(repr(box).encode()).hexdigest()[:16])
    return known[1]


_VERSIONS: dict[int, tuple[Box, str]] = {}
"""By identity; the box is held, so that no other one comes to have it."""


def ticket(world: World, person: bytes, consent: int, box: Box) -> Pass:
    """What lets a visitor ask again and answer later questions."""
    return Pass(person, consent, box.key, world.wall() + TICKET_FOR)


# ── Counting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class BoxTouch:
    """What was seen or done with a box, on which page, by people from where. Nobody is named."""

    box: str
    arms: tuple[str, ...] = ()
    page: str = ""
    source: str = ""


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


def deliver(world: World, session: Session, row: SubscriberRow, box: Box, fact_id: bytes) -> None:
    """Queue what a box promised, once per signup, and for one person at most once a day."""
    mails = service_mails(session, [row.id]).get(row.id, [])
    if (promise := promised(world, box, Promisee(row.id, fact_id, mails))) is not None:
        queue_all(session, [(promise, promise.at)])


def wanted_product(box: Box, answers: Fields) -> str:
    """The product somebody at this box wants to be told of when it is back; "" when none was named."""
    value = answers.get(box.waits_for, "") if box.waits_for else ""
    return value.strip()[:LONGEST_PRODUCT] if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Promisee:
    """Whom something was promised, by which signup, and the service mails she has."""

    subscriber_id: int
    fact_id: bytes
    mails: Sequence[ServiceMail]


def promised(world: World, box: Box, whom: Promisee) -> NewMessage | None:
    """The mail that keeps the promise of a box; None when there is none, or she had it within a day."""
    now, cause = world.now(), f"deliver:{box.key}:"
    had = any(mail.cause.startswith(cause) and mail.created_at >= now - DAY for mail in whom.mails)
    if not box.deliver or had:
        return None
    return NewMessage(
        public_id=world.new_id(),
        subscriber_id=whom.subscriber_id,
        cause_key=f"{cause}{whom.fact_id.hex()}",
        mail=box.deliver,
        mail_class=MailClass.SERVICE,
        at=now,
        data=json.dumps({"box": box.key}),
    )


def fill_blanks(session: Session, row: SubscriberRow, answers: Fields, now: Instant) -> None:
    """Write what a known person had not told us yet, and let the engine know."""
    new = blanks_of(signups.attributes(session, row.id), answers)
    signups.put_attributes(session, row.id, new, now)
    if new:
        record_facts(session, row.id, changes(row.id, new, now), now)


def blanks_of(known: Mapping[str, Value], answers: Fields) -> dict[str, Value]:
    """Anybody may type anybody's address: what a known person told us stays, only blanks are filled, never by links."""
    blanks = {key: value for key, value in answers.items() if known.get(key, "") in ("", ())}
    return {key: value for key, value in blanks.items() if not looks_like_a_link(value)}


def changes(subscriber_id: int, keys: Iterable[str], now: Instant) -> list[Fact]:
    """The facts that tell the engine of attributes that changed."""
    return [Fact(_derived(subscriber_id, key, now), FactKind.CHANGED, now, name=f"attribute:{key}") for key in keys]


def _derived(subscriber_id: int, key: str, now: Instant) -> bytes:
    return hashlib.blake2b(f"{subscriber_id}:{key}:{now}".encode(), digest_size=16).digest()


# ── Asking to confirm ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be confirmed: the box and the line of the ledger."""

    box: Box
    consent: int


@dataclass(frozen=True, slots=True)
class Asking:
    """How somebody is asked: a planned reminder brought forward, or mails after `delays`, numbered from `number`."""

    forward: int | None = None
    delays: tuple[Span, ...] = ()
    number: int = 1


def asking(mails: Sequence[ServiceMail], reminders: Sequence[Span], now: Instant, *, is_resend: bool = False) -> Asking:
    """What the limits leave: one confirmation per address and day, one more when asked for, three in all.

    A reminder already planned is brought forward rather than another mail added.
    """
    every = [mail for mail in mails if mail.cause.startswith("confirm:")]
    before = [mail for mail in every if not mail.is_dead and mail.created_at > now - ASKED_WITHIN]
    gone = [mail for mail in before if mail.due_at <= now]
    last_day = [mail for mail in gone if mail.due_at > now - ASK_AGAIN_AFTER]
    if len(last_day) >= (2 if is_resend else 1) or (is_resend and gone and gone[-1].due_at > now - RESEND_AFTER):
        return Asking()
    planned = [mail for mail in before if mail.is_open and mail.due_at > now]
    if planned:
        return Asking(forward=planned[0].id)
    number = max((int(mail.cause.rpartition(":")[2]) for mail in every), default=0) + 1
    return Asking(delays=(0, *sorted(reminders))[: max(0, MOST_ASKED - len(before))], number=number)


def confirmations(world: World, subscriber_id: int, asked: Question, how: Asking) -> list[tuple[NewMessage, Instant]]:
    """The mails of an asking, each with the instant it is to leave."""
    now = world.now()
    data = json.dumps({"box": asked.box.key, "consent": str(asked.consent)})
    return [
        (
            NewMessage(
                public_id=world.new_id(),
                subscriber_id=subscriber_id,
                cause_key=f"confirm:{subscriber_id}:{number}",
                mail=asked.box.confirm_mail,
                mail_class=MailClass.SERVICE,
                at=now,
                data=data,
            ),
            now + delay,
        )
        for number, delay in enumerate(how.delays, how.number)
    ]


def send_again(world: World, shelved: Shelved, ticket: Pass) -> None:
    """Ask once more, upon the visitor's own wish. Nothing is said about whether a mail left."""
    with world.transaction("write") as session:
        row = signups.hold(session, ticket.person)
        box = shelved.workspace.boxes.get(ticket.name)
        if row is None or box is None or row.is_suppressed:
            return
        if row.state in (SubscriberState.PENDING.value, SubscriberState.UNSUBSCRIBED.value):
            mails = service_mails(session, [row.id]).get(row.id, [])
            how = asking(mails, box.reminders, world.now(), is_resend=True)
            bring_forward(session, [how.forward] if how.forward is not None else [], world.now())
            queue_all(session, confirmations(world, row.id, Question(box, ticket.ref), how))


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
