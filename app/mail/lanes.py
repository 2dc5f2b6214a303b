"""Lanes: how fast each mailbox provider may be sent to, when to slow down, and when to try a mail again.

Owns the pure rules of pace, back-off, warm-up and retry; what the lanes are is read by lanes_file. Chance comes in as a
number from 0 to 1. Must not send, wait or remember: states come in and go out as values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from app.core.instants import DAY, HOUR, MINUTE, SECOND, Instant, Span
from app.mail.lanes_file import DEFAULT, SERVICE, Lane, Lanes, LanesFault, Slowing, read_lanes, shipped_lanes

__all__ = [
    "DEFAULT", "GIVE_UP_AFTER", "HORIZON", "MOST_AT_ONCE", "RETRY_STEPS", "SERVICE", "WARM_UP", "DayFigures", "Lane",
    "Lanes", "LanesFault", "Pace", "Slowing", "Trying", "WarmUpStep", "after_success", "after_throttle", "budget",
    "daily_cap", "jittered", "judge_day", "next_level", "read_lanes", "retry_at", "retry_hint", "shipped_lanes",
    "spend",
]  # fmt: skip

HORIZON: Final[Span] = 10 * SECOND  # nothing is claimed that would leave later than this
MOST_AT_ONCE: Final = 100


# ---------------------------------------------------------------- pace and back-off


@dataclass(frozen=True, slots=True)
class Pace:
    """How a lane stands. `strikes`: refusals for the pace since the last success; `next_at`: when the next
    mail's turn is.
    """

    paused_until: Instant = 0
    slow_per_minute: int = 0
    slow_until: Instant = 0
    strikes: int = 0
    next_at: Instant = 0


def budget(lane: Lane, pace: Pace, now: Instant) -> int:
    """How many mails may be claimed now so that all leave within ten seconds; 0 while the lane rests."""
    if now < pace.paused_until:
        return 0
    gap = _gap(lane, pace, now)
    if not gap:
        return MOST_AT_ONCE
    start = max(pace.next_at, now)
    return max(0, min(MOST_AT_ONCE, (now + HORIZON - start + gap - 1) // gap))


def spend(lane: Lane, pace: Pace, count: int, now: Instant) -> Pace:
    """The pace after `count` mails were claimed: each takes its turn."""
    gap = _gap(lane, pace, now)
    return replace(pace, next_at=max(pace.next_at, now) + count * gap) if gap else pace


def _gap(lane: Lane, pace: Pace, now: Instant) -> Span:
    limits = [limit for limit in (lane.per_minute, pace.slow_per_minute if now < pace.slow_until else 0) if limit]
    return MINUTE // min(limits) if limits else 0


def after_success(pace: Pace) -> Pace:
    """A mail was taken: the strikes are forgiven, a slow time still lasts."""
    return replace(pace, strikes=0) if pace.strikes else pace


def after_throttle(lane: Lane, pace: Pace, reply: str, now: Instant, chance: float) -> Pace:
    """The provider asked for patience: what its lane says for this answer, else a pause that doubles with each
    strike.
    """
    said = reply.lower()
    strikes = pace.strikes + 1
    known = next((slowing for slowing in lane.slow if slowing.match in said), None)
    if known and known.per_minute:
        return replace(pace, strikes=strikes, slow_per_minute=known.per_minute, slow_until=now + known.lasts)
    pause = known.pause if known else min(_FIRST_PAUSE << min(strikes - 1, 20), _LONGEST_PAUSE)
    until = now + jittered(pause, chance)
    return replace(pace, strikes=strikes, paused_until=max(pace.paused_until, until))


_FIRST_PAUSE: Final[Span] = MINUTE
_LONGEST_PAUSE: Final[Span] = 90 * MINUTE


def jittered(span: Span, chance: float) -> Span:
    """The span, stretched by up to a quarter, so that what was refused together does not come back together."""
    return span + int(span * chance / 4)


# ---------------------------------------------------------------- trying again

RETRY_STEPS: Final[tuple[Span, ...]] = (10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR)
GIVE_UP_AFTER: Final[Span] = 5 * DAY  # RFC 5321 §4.5.4.1: at least 4 to 5 days


@dataclass(frozen=True, slots=True)
class Trying:
    """A mail's attempts so far: how many ended in a 4xx, when the first one was, and until when it is worth sending."""

    attempts: int
    first_at: Instant
    fresh_until: Instant


def retry_at(trying: Trying, reply: str, now: Instant, chance: float) -> Instant | None:
    """When to try again, or None when that would be too late to be welcome.

    The first time after 10 minutes, which most greylists accept, or when the answer names a longer time; then less and
    less often.
    """
    step = RETRY_STEPS[min(max(trying.attempts, 1), len(RETRY_STEPS)) - 1]
    at = now + jittered(max(step, retry_hint(reply)), chance)
    return at if at < min(trying.fresh_until, trying.first_at + GIVE_UP_AFTER) else None


_HINT: Final = re.compile(
    r"(?:again|retry|resend|back)\b.{0,20}?\b(?:in|after)\s{1,3}(\d{1,6})\s{0,3}(s|sec\w*|m|min\w*|h|hours?)\b"
)
_HINT_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR}


def retry_hint(reply: str) -> Span:
    """The time an answer asks us to wait (`try again in 300 seconds`), at most a day; 0 when it names none."""
    found = _HINT.search(reply[:2_000].lower())
    return min(int(found.group(1)) * _HINT_UNITS[found.group(2)[0]], DAY) if found else 0


# ---------------------------------------------------------------- warm-up

WARM_UP: Final = (50, 100, 200, 400, 800, 1_500, 3_000, 6_000, 12_000, 25_000, 50_000, 100_000)


class WarmUpStep(StrEnum):
    """What a day's figures say about the next day."""

    RISE = "rise"
    STAY = "stay"
    FALL = "fall"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What became of one day's mails on one lane; `sent` counts all that were tried."""

    sent: int = 0
    deferred: int = 0
    blocked: int = 0
    complained: int = 0


def judge_day(figures: DayFigures) -> WarmUpStep:
    """Complaints from 0.3 % stop, from 0.2 % halve; over 5 % deferred, 1 % blocked or 0.1 % complaints stay where they
    are.

    One complaint in a small day proves nothing: complaints count from two on.
    """
    if not figures.sent:
        return WarmUpStep.STAY
    complaints = figures.complained / figures.sent if figures.complained > 1 else 0.0
    if complaints >= 0.003:
        return WarmUpStep.STOP
    if complaints >= 0.002:
        return WarmUpStep.FALL
    if complaints > 0.001 or figures.deferred > 0.05 * figures.sent or figures.blocked > 0.01 * figures.sent:
        return WarmUpStep.STAY
    return WarmUpStep.RISE


def next_level(level: int, figures: DayFigures) -> int:
    """The warm-up level for the next day, from 0; -1 means stop. A day that was not used to the half does not rise."""
    if level < 0:
        return -1  # only a person starts again
    match judge_day(figures):
        case WarmUpStep.STOP:
            return -1
        case WarmUpStep.FALL:
            return max(level - 1, 0)
        case WarmUpStep.STAY:
            return level
        case WarmUpStep.RISE:
            return level + 1 if figures.sent * 2 >= daily_cap(level) else level


def daily_cap(level: int) -> int:
    """How many mails a new domain may send to one lane on a day of this level; doubles beyond the table."""
    if level < 0:
        return 0
    beyond = level - len(WARM_UP) + 1
    return WARM_UP[level] if beyond <= 0 else WARM_UP[-1] << min(beyond, 20)
