"""The gate before a mail is queued: may it go, to whom it counts, and when at the earliest.

Owns permission, ghosts, caps with priorities, quiet time, overdue mail and freshness, in this order.
Must not hand anything over; the same questions are asked again on stored state at hand-over (core/delivery).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from app.core.campaign import Article, Ask, Campaign, Send
from app.core.consent import refusal
from app.core.experiment import staggered
from app.core.facts import Fact, FactKind
from app.core.instants import HOUR, Instant
from app.core.nurture.desk import Desk
from app.core.nurture.offers import offer_end
from app.core.offering import is_over
from app.core.pacing import WISHES, Slot, Solved, earliest, wished
from app.core.person import (
    RECALLABLE_STATES,
    Code,
    MailClass,
    Message,
    MessageKey,
    MessageState,
    Run,
)
from app.core.replacing import replace

MailStep: TypeAlias = Send | Ask | Article

LATE_AFTER = HOUR
"""A mail wanted longer ago than this is overdue (an outage, a pause, a publish) and is spread out."""


@dataclass(frozen=True, slots=True)
class Open:
    """The mail may leave at an instant; `delayed` says by what it was moved, empty when it was not."""

    at: Instant
    delayed: str
    fresh_until: Instant


@dataclass(frozen=True, slots=True)
class Ghostly:
    """A held-out run: the step counts as finished, nothing leaves."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No permission: the run has to end."""

    code: Code


@dataclass(frozen=True, slots=True)
class Dropped:
    """Too late: the step is skipped."""

    code: Code


@dataclass(frozen=True, slots=True)
class Resting:
    """Marketing to this person rests until she acts."""


Answer: TypeAlias = Open | Ghostly | Refused | Dropped | Resting


def ask_gate(desk: Desk, run: Run, campaign: Campaign, step: MailStep, wanted: Instant) -> Answer:
    """What becomes of a mail wanted since `wanted`."""
    mail_class = class_of(desk, step)
    refused = refusal(desk.subscriber, mail_class, run.entered_at)
    if refused:
        return Refused(refused)
    if mail_class is MailClass.SERVICE:
        return Open(desk.now, "", desk.now + campaign.overdue.skip_older_than)
    if run.is_ghost:
        return Ghostly()
    if desk.subscriber.dormant_at is not None:
        return Resting()
    return _timed(desk, run, campaign, step, wanted)


def class_of(desk: Desk, step: MailStep) -> MailClass:
    return MailClass.SERVICE if desk.book.is_service(step.mail) else MailClass.MARKETING


def _timed(desk: Desk, run: Run, campaign: Campaign, step: MailStep, wanted: Instant) -> Answer:
    fresh_until = _fresh_until(campaign, step, wanted)
    if desk.now > fresh_until:
        return Dropped(Code.SKIPPED_STALE)
    solved = _solve(desk, MessageKey(run.key, step.id), run.rank, _not_before(desk, run, campaign, step, wanted))
    if solved is None or solved.at > max(wanted, desk.now) + desk.book.site.contact.delay_up_to:
        return Dropped(Code.SKIPPED_LIMIT)
    if solved.at > fresh_until:
        return Dropped(Code.SKIPPED_STALE)
    if is_over(_offer_end(desk, step), solved.at):
        return Dropped(Code.OFFER_ENDED)
    return Open(solved.at, "; ".join(map(str, solved.because)), fresh_until)


def _offer_end(desk: Desk, step: MailStep) -> Instant | None:
    return offer_end(desk, step.offer) if isinstance(step, Send) and step.offer else None


def _fresh_until(campaign: Campaign, step: MailStep, wanted: Instant) -> Instant:
    own = step.fresh_for if isinstance(step, Send) else None
    return wanted + min(campaign.overdue.skip_older_than, own if own is not None else campaign.overdue.skip_older_than)


def _not_before(desk: Desk, run: Run, campaign: Campaign, step: MailStep, wanted: Instant) -> Instant:
    """Overdue mails of many people are spread: over as long as they are late, at most over `overdue.stagger`."""
    late = desk.now - wanted
    if late <= LATE_AFTER:
        return desk.now
    span = min(late, campaign.overdue.stagger)
    return desk.now + staggered(desk.book.rules.secret, run.key.campaign, step.id, desk.subscriber.public_id, span)


def _solve(
    desk: Desk, key: MessageKey, rank: int, not_before: Instant, but: Collection[MessageKey] = ()
) -> Solved | None:
    """The earliest time among the slots this mail has to respect: all but movable ones of lower priority, and `but`."""
    contact = desk.book.site.contact
    limits = (*contact.limits, *wished(desk.subscriber.tags))
    since = not_before - max((limit.reach for limit in limits), default=0)
    slots = [slot for slot in _slots(desk, {key, *but}, since) if not (slot.is_movable and slot.priority < rank)]
    return earliest(not_before, slots, limits, desk.zone, contact.quiet)


def _slots(desk: Desk, without: Collection[MessageKey], since: Instant) -> list[Slot]:
    """The places taken later than an instant; what lies before the reach of every limit stands in nobody's way."""
    taken = (m for m in desk.messages.values() if _place(m) > since and m.takes_slot and m.key not in without)
    return [_slot(message) for message in taken]


def _place(message: Message) -> Instant:
    return message.settled_at if message.settled_at is not None else message.slot_at


def _slot(message: Message) -> Slot:
    return Slot(_place(message), message.rank, message.mail, message.state in RECALLABLE_STATES)


def make_room(desk: Desk, taken_by: Message) -> None:
    """Solve the movable mails of lower priority again, now that one above them took a place."""
    losers = (m for m in desk.messages.values() if _may_lose(m, taken_by))
    for message in sorted(losers, key=lambda m: (-m.rank, m.slot_at, m.mail)):
        _solve_again(desk, message)


def is_wish(fact: Fact) -> bool:
    """Whether somebody said by this how often she wants mail."""
    return fact.kind is FactKind.CHANGED and fact.name.removeprefix("tag:") in WISHES


def keep_to_wishes(desk: Desk) -> None:
    """She may have asked for less mail: what is queued obeys at once, the most important and the earliest first."""
    movable = [m for m in desk.messages.values() if m.takes_slot and m.state in RECALLABLE_STATES]
    later = sorted(movable, key=lambda m: (-m.rank, m.slot_at, m.mail))
    while later:
        message, *later = later
        _solve_again(desk, message, {each.key for each in later})


def _may_lose(message: Message, winner: Message) -> bool:
    return message.takes_slot and message.state in RECALLABLE_STATES and message.rank < winner.rank


def _solve_again(desk: Desk, message: Message, but: Collection[MessageKey] = ()) -> None:
    solved = _solve(desk, message.key, message.rank, max(desk.now, message.slot_at), but)
    if solved is not None and solved.at == message.slot_at:
        return
    limit = message.wanted_at + desk.book.site.contact.delay_up_to
    fresh = message.fresh_until if message.fresh_until is not None else limit
    run = desk.runs.get(message.key.run) if message.key.run else None
    if solved is None or solved.at > max(limit, desk.now) or solved.at > fresh:
        skipped = replace(message, state=MessageState.SKIPPED, settled_at=desk.now, reason=Code.SKIPPED_LIMIT)
        desk.write(skipped)
        return
    desk.write(replace(message, slot_at=solved.at))
    desk.note(Code.DISPLACED, run, message.key.step, slot_at=solved.at, because="; ".join(map(str, solved.because)))
