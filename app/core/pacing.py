"""Pacing: how often one person may hear from us, solved together with quiet time.

Owns limits, slots, the earliest time that keeps every limit, and who may take whose slot.
Must not know campaigns or messages beyond a slot's key, and must not decide what becomes of a late mail.
"""

import re
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from app.core.instants import DAY, HOUR, Instant, Span, format_span, parse_span
from app.core.replacing import swift
from app.core.windows import LONGEST_QUIET, NEVER_QUIET, Quiet, QuietRules, Zone, day_of, local, quiet_end

ROUNDS: Final = 32
_LIMIT: Final = re.compile(r"([0-9]{1,6}) per (day|hour|[0-9]{1,10}[smhdw])")
_TWO_DAYS: Final[Span] = 2 * DAY  # no local date is longer


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in a window: a rolling span (t - window, t], or the person's calendar day when `window` is None."""

    count: int
    window: Span | None

    def __post_init__(self) -> None:
        if self.count < 1 or (self.window is not None and self.window < 1):
            raise ValueError("a limit needs a count and a window of at least one")

    @property
    def reach(self) -> Span:
        """How far back a slot can stand in the way."""
        return _TWO_DAYS if self.window is None else self.window

    def __str__(self) -> str:
        if self.window is None:
            return f"{self.count} per day"
        return f"{self.count} per {_in_hours(self.window)}"


def _in_hours(window: Span) -> str:
    return "24h" if window == DAY else format_span(window)


def parse_limit(text: str) -> Limit:
    """Read `1 per 24h`, `4 per 7d` (rolling), `1 per day` (the person's calendar day), `500 per hour` (`1h`).

    Raises ValueError with a plain sentence.
    """
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a limit; write 1 per day, 1 per 24h or 4 per 7d")
    count, window = int(match[1]), match[2]
    if window == "day":
        return Limit(count, None)
    return Limit(count, HOUR if window == "hour" else parse_span(window))


@swift
@dataclass(frozen=True, slots=True)
class Slot:
    """A message that counts: reserved for `at`, or gone out then. The greater `priority` wins.

    `is_movable` until it is claimed for hand-over. `key` names the message to the caller.
    """

    at: Instant
    priority: int = 0
    key: str = ""
    is_movable: bool = False


WISHES: Final[Mapping[str, Limit]] = {"at-most-weekly": Limit(1, 7 * DAY), "at-most-monthly": Limit(1, 30 * DAY)}
"""Tags by which a person asks for less mail than the site would send."""


def wished(tags: Collection[str]) -> tuple[Limit, ...]:
    """The limits a person set herself, by her tags."""
    return tuple(limit for tag, limit in WISHES.items() if tag in tags)


@swift
@dataclass(frozen=True, slots=True)
class Pace:
    """What holds for one person: the limits, her zone and the quiet times."""

    limits: tuple[Limit, ...]
    zone: Zone
    quiet: QuietRules = NEVER_QUIET


@dataclass(frozen=True, slots=True)
class Capped:
    """Delayed by a limit: `taken_by` are the slots that fill it, `until` when it lets one more through."""

    limit: Limit
    taken_by: tuple[Slot, ...]
    until: Instant

    def __str__(self) -> str:
        return f"limit {self.limit}"


@dataclass(frozen=True, slots=True)
class Hushed:
    """Delayed by quiet time, named in `quiet`, up to `until`."""

    quiet: Quiet
    until: Instant

    def __str__(self) -> str:
        return str(self.quiet)


Reason: TypeAlias = Capped | Hushed


@swift
@dataclass(frozen=True, slots=True)
class Solved:
    """A time that keeps every rule, and the rules that moved it there, in the order they first did.

    A rule that moved it several times is named once, with what it said last.
    """

    at: Instant
    because: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Displacement:
    """The better time a message gets by taking the slot of a lesser one, which must then be solved again."""

    solved: Solved
    loser: Slot


# ── One limit ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _full(at: Instant, slots: Sequence[Slot], limit: Limit, zone: Zone) -> Capped | None:
    """Why a limit refuses this instant, or None. `slots` are in order of time."""
    if limit.window is None:
        return _full_day(at, slots, limit, zone)
    return _full_window(at, slots, limit, limit.window)


def _full_day(at: Instant, slots: Sequence[Slot], limit: Limit, zone: Zone) -> Capped | None:
    day = local(at, zone).date()
    taken = tuple(slot for slot in slots if abs(slot.at - at) < _TWO_DAYS and local(slot.at, zone).date() == day)
    return Capped(limit, taken, day_of(at, zone)[1]) if len(taken) >= limit.count else None


def _full_window(at: Instant, slots: Sequence[Slot], limit: Limit, window: Span) -> Capped | None:
    """`count` slots that would stand with this one inside less than a window forbid it, later slots as well.

    The latest such group is the one that keeps it waiting longest.
    """
    first = bisect_left(slots, at - window + 1, key=_time)
    last = bisect_left(slots, at + window, key=_time)
    for start in range(last - limit.count, first - 1, -1):
        group = tuple(slots[start : start + limit.count])
        if max(at, group[-1].at) - min(at, group[0].at) < window:
            return Capped(limit, group, group[0].at + window)
    return None


def _time(slot: Slot) -> Instant:
    return slot.at


# ── All together ─────────────────────────────────────────────────────────────────────────────────────────────────────


def earliest(
    now: Instant, slots: Sequence[Slot], limits: Sequence[Limit], zone: Zone, quiet: QuietRules
) -> Solved | None:
    """The earliest instant from now on outside quiet time at which one more message breaks no limit.

    Slots reserved for later count too: no window that ends at one of them may overflow. Every rule only ever moves
    the time forward to the end of what it forbids, so applying them in turn until none objects gives the earliest.
    None after 32 rounds, or when quiet time never ends.
    """
    ordered = sorted(slots, key=_time)
    at, because = now, dict[str, Reason]()
    for _ in range(ROUNDS):
        opened = _open(at, zone, quiet, because)
        if opened is None:
            return None
        freed = _free(opened, ordered, Pace(tuple(limits), zone), because)
        if freed == opened:
            return Solved(opened, tuple(because.values()))
        at = freed
    return None


def _open(at: Instant, zone: Zone, quiet: QuietRules, because: dict[str, Reason]) -> Instant | None:
    last = at + LONGEST_QUIET
    while at <= last:
        pause = quiet_end(at, zone, quiet)
        if pause is None:
            return at
        cause, at = pause
        because[str(cause)] = Hushed(cause, at)
    return None


def _free(at: Instant, ordered: Sequence[Slot], pace: Pace, because: dict[str, Reason]) -> Instant:
    for limit in pace.limits:
        while (capped := _full(at, ordered, limit, pace.zone)) is not None:
            because[str(limit)] = capped
            at = capped.until
    return at


def would_displace(now: Instant, priority: int, slots: Sequence[Slot], pace: Pace) -> Displacement | None:
    """Which movable slot of a lower priority this message may take, and the time it gets by that.

    One slot is taken at most, and only when that brings the message forward. Of several that bring it equally far the
    one of the lowest priority is taken, and among those the latest. None when there is nothing to gain.
    """
    plain = earliest(now, slots, pace.limits, pace.zone, pace.quiet)
    if plain is not None and plain.at == now:
        return None
    found = [_without(now, slots, slot, pace) for slot in slots if slot.is_movable and slot.priority < priority]
    gains = [gain for gain in found if gain is not None and (plain is None or gain.solved.at < plain.at)]
    return min(gains, key=_worth, default=None)


def _without(now: Instant, slots: Sequence[Slot], loser: Slot, pace: Pace) -> Displacement | None:
    rest = [slot for slot in slots if slot is not loser]
    solved = earliest(now, rest, pace.limits, pace.zone, pace.quiet)
    return None if solved is None else Displacement(solved, loser)


def _worth(gain: Displacement) -> tuple[Instant, int, Instant]:
    return gain.solved.at, gain.loser.priority, -gain.loser.at
