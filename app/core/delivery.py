"""Delivery: the second gate, asked with what is stored at the moment a mail would be handed over.

Owns the answer to "may this message leave now?". No condition is evaluated here: campaigns were asked when the mail was
queued, and a person with an unseen wake is decided about first. Must not know transports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from app.core.book import Standing
from app.core.consent import refusal
from app.core.instants import Instant
from app.core.person import Code, MailClass, RunState
from app.core.replacing import swift
from app.core.subscriber import Subscriber
from app.core.windows import QuietRules, Zone, next_open


@swift
@dataclass(frozen=True, slots=True)
class AtTheDoor:
    """One message and everything stored that can still stop it."""

    is_confirmation: bool
    """It asks for the permission that every other mail needs."""
    mail_class: MailClass
    cause_at: Instant
    """When the act behind it happened: the run's entry, or the message's own writing."""
    fresh_until: Instant | None
    subscriber: Subscriber
    is_woken: bool
    """Something happened that was not decided about yet."""
    run_state: RunState | None
    """None for messages without a run."""
    standing: Standing = Standing.LIVE


@dataclass(frozen=True, slots=True)
class Site:
    """What holds for every message of the moment."""

    is_killed: bool
    is_paused: bool
    quiet: QuietRules


@dataclass(frozen=True, slots=True)
class Go:
    """It may leave."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Give it back to the queue until an instant."""

    until: Instant
    code: Code


@dataclass(frozen=True, slots=True)
class Never:
    """It will not leave: skipped, or withdrawn because its run must not send it now."""

    code: Code
    is_withdrawn: bool


Answer: TypeAlias = Go | NotYet | Never
RETRY = 1_000_000
"""A message whose person must be decided about first is looked at again after this (1 s)."""


def may_leave(door: AtTheDoor, site: Site, zone: Zone, now: Instant) -> Answer:
    """Whether a message may leave now."""
    if site.is_killed:
        return NotYet(now + RETRY, Code.PAUSED_SITE)
    refused = _refused(door)
    if refused:
        return Never(refused, is_withdrawn=False)
    if door.mail_class is not MailClass.MARKETING:
        return Go()
    return _marketing(door, site, zone, now)


def _refused(door: AtTheDoor) -> Code | None:
    code = refusal(door.subscriber, door.mail_class, door.cause_at)
    return None if code is Code.NOT_CONFIRMED and door.is_confirmation else code


def _marketing(door: AtTheDoor, site: Site, zone: Zone, now: Instant) -> Answer:
    paused_until = door.subscriber.paused_until
    if door.is_woken:
        return NotYet(now + RETRY, Code.QUEUED)
    if door.run_state is not None and door.run_state in (RunState.ENDED, RunState.PAUSED):
        return Never(Code.WITHDRAWN, is_withdrawn=True)
    if site.is_paused or door.standing in (Standing.PAUSED, Standing.STOPPED, Standing.DRAFT):
        return Never(Code.PAUSED_CAMPAIGN, is_withdrawn=True)
    if door.subscriber.dormant_at is not None or (paused_until is not None and now < paused_until):
        return Never(Code.PAUSED_PERSON, is_withdrawn=True)
    if door.fresh_until is not None and now > door.fresh_until:
        return Never(Code.SKIPPED_STALE, is_withdrawn=False)
    opens_at = next_open(now, zone, site.quiet)
    if opens_at is None:
        return Never(Code.SKIPPED_STALE, is_withdrawn=False)
    return Go() if opens_at == now else NotYet(opens_at, Code.DELAYED)
