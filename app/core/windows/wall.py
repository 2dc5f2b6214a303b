"""The wall: weekdays, clocks and zones, and the way between an instant and what a clock on the wall shows.

Owns gaps and overlaps of summer time. Must not know waits, quiet times or campaigns.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import IntEnum
from functools import lru_cache
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from app.core.calendar import parse_date
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Instant, Span

Zone: TypeAlias = tzinfo

UTC_ZONE: Final[Zone] = ZoneInfo("UTC")
_EPOCH_ORDINAL: Final = 719_163  # date(1970, 1, 1).toordinal()
_TICK: Final = timedelta(microseconds=1)
_ZONE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_NOT_A_PLACE: Final = ("posix/", "right/", "localtime", "posixrules", "Factory")


class Weekday(IntEnum):
    """Days of the week as `datetime.date.weekday` counts them."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6


@dataclass(frozen=True, slots=True, order=True)
class Clock:
    """A time of day on the wall, 00:00 to 23:59."""

    hour: int
    minute: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.hour <= 23 and 0 <= self.minute <= 59):
            raise ValueError(f"{self} is not a time of day; the day runs from 00:00 to 23:59")

    def __str__(self) -> str:
        return f"{self.hour:02}:{self.minute:02}"

    @property
    def since_midnight(self) -> Span:
        return self.hour * HOUR + self.minute * MINUTE


MIDNIGHT: Final = Clock(0)


def parse_clock(text: str) -> Clock:
    """Read `09:30`, two digits each. Raises ValueError with a plain sentence."""
    match = re.fullmatch(r"([0-9]{2}):([0-9]{2})", text)
    if match is None:
        raise ValueError(f'{text[:40]!r} is not a time of day; write hours and minutes: "09:30"')
    return Clock(int(match[1]), int(match[2]))


def parse_weekday(text: str) -> Weekday:
    """Read `saturday`. Raises ValueError with a plain sentence."""
    try:
        return Weekday[text.upper()]
    except KeyError:
        raise ValueError(f"{text[:40]!r} is not a day of the week, such as saturday") from None


def parse_local(text: str) -> tuple[date, Clock]:
    """Read `1405-09-30 21:00` or `2026-11-01 10:00`; a date alone is its midnight. Raises ValueError."""
    day, space, clock = text.partition(" ")
    return parse_date(day), parse_clock(clock) if space else MIDNIGHT


@lru_cache(maxsize=1024)
def find_zone(name: str) -> Zone | None:
    """The zone of a name such as `Asia/Tehran`, or None when there is none. Never raises.

    Names whose meaning depends on the machine or counts leap seconds (`localtime`, `right/…`) are unknown.
    """
    if len(name) > 64 or not _ZONE_NAME.fullmatch(name) or name.startswith(_NOT_A_PLACE):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


@lru_cache(maxsize=4096)
def zone_of(name: str | None, default: str) -> Zone:
    """The person's zone, else the default's, else UTC. Never raises."""
    return find_zone(name or "") or find_zone(default) or UTC_ZONE


def local(instant: Instant, zone: Zone) -> datetime:
    """What the calendar and the clock on the wall show at an instant (aware, exact to the microsecond)."""
    seconds, rest = divmod(instant, SECOND)
    moment = datetime.fromtimestamp(seconds, zone)
    return moment.replace(microsecond=rest) if rest else moment


@lru_cache(maxsize=8192)
def at_local(day: date, clock: Clock, zone: Zone) -> Instant:
    """The instant a wall clock shows that time on that date.

    A time that is skipped (a gap) means the first valid instant after the gap; one that comes twice means the first.
    """
    return at_wall(day, clock.since_midnight, zone)


def at_wall(day: date, since_midnight: Span, zone: Zone, *, second: bool = False) -> Instant:
    """As `at_local`, for a time of day of any fineness; `second` takes the second of two times."""
    wall = (day.toordinal() - _EPOCH_ORDINAL) * DAY + since_midnight
    moment = datetime(day.year, day.month, day.day, tzinfo=zone) + since_midnight * _TICK  # moves the wall clock
    earlier = wall - _offset(moment)
    later = wall - _offset(moment.replace(fold=1))
    if later < earlier:
        return _change_between(later, earlier, zone)
    return later if second else earlier


def _offset(moment: datetime) -> Span:
    offset = moment.utcoffset()
    return offset // _TICK if offset is not None else 0


def _change_between(before: Instant, after: Instant, zone: Zone) -> Instant:
    """The first instant in (before, after] that has the offset of `after`; changes fall on whole seconds."""
    target = _offset(local(after, zone))
    low, high = before // SECOND, after // SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(local(middle * SECOND, zone)) == target:
            high = middle
        else:
            low = middle
    return high * SECOND


def when_next(now: Instant, day: date, clock: Clock, zone: Zone) -> Instant:
    """When the wall shows that time on that date, the second time if the first lies before now."""
    first = at_local(day, clock, zone)
    return first if first >= now else at_wall(day, clock.since_midnight, zone, second=True)


def day_of(instant: Instant, zone: Zone) -> tuple[Instant, Instant]:
    """Start and end (exclusive) of the local date an instant falls on; 23 to 25 hours, rarely other lengths."""
    day = local(instant, zone).date()
    return at_local(day, MIDNIGHT, zone), when_next(instant + 1, day + timedelta(days=1), MIDNIGHT, zone)
