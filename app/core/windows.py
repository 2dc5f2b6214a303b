"""Local time: clocks, days, beats and quiet times of a person's zone.

Owns every step between an instant and what a wall clock shows; no other module of the core knows zones.
Must not read a clock and knows no campaigns: callers hand in `now`, the zone and the rules.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Final, TypeAlias, assert_never
from zoneinfo import ZoneInfo

from app.core.calendar import YearlyDay, parse_date, year_in
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Instant, Span

Zone: TypeAlias = tzinfo

UTC_ZONE: Final[Zone] = ZoneInfo("UTC")
_EPOCH_ORDINAL: Final = 719_163  # date(1970, 1, 1).toordinal()
_TICK: Final = timedelta(microseconds=1)
_ZONE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_NOT_A_PLACE: Final = ("posix/", "right/", "localtime", "posixrules", "Factory")
_LONGEST_QUIET: Final = 400  # days to look ahead; rules that leave no open moment for longer never do


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


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


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From start up to, not including, end; across midnight when end is the earlier one. `21:00-08:00`."""

    start: Clock
    end: Clock

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ValueError("quiet hours that end when they start leave it open whether that is none or the whole day")

    def __str__(self) -> str:
        return f"{self.start}-{self.end}"

    def cover(self, moment: datetime) -> bool:
        """Whether the wall clock of a local time stands inside them."""
        span = (moment.hour, moment.minute)
        start, end = (self.start.hour, self.start.minute), (self.end.hour, self.end.minute)
        return start <= span < end if start < end else span >= start or span < end


@dataclass(frozen=True, slots=True)
class QuietSeason:
    """Days that are quiet every year, first and last included: Nowruz, 01-01 to 01-04 of the Jalali year."""

    name: str
    first: YearlyDay
    last: YearlyDay

    def __post_init__(self) -> None:
        if self.first.calendar is not self.last.calendar:
            raise ValueError("a season begins and ends in the same calendar")

    def covers(self, day: date) -> bool:
        year = year_in(self.first.calendar, day)
        first, last = self.first.in_year(year), self.last.in_year(year)
        return first <= day <= last if first <= last else day >= first or day <= last


@dataclass(frozen=True, slots=True)
class QuietDates:
    """Days of single years, such as lunar holidays, given by file."""

    name: str
    dates: tuple[date, ...]

    def covers(self, day: date) -> bool:
        return day in self.dates


QuietDays: TypeAlias = QuietSeason | QuietDates


@dataclass(frozen=True, slots=True)
class QuietRules:
    """When marketing mail rests. `weekend` holds the weekdays without mail: empty unless `quiet_weekend` is on."""

    hours: QuietHours | None = None
    days: tuple[QuietDays, ...] = ()
    weekend: tuple[int, ...] = ()


class QuietKind(StrEnum):
    HOURS = "quiet_hours"
    DAY = "quiet_day"
    WEEKEND = "quiet_weekend"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why a moment is quiet; `name` is `21:00-08:00`, the quiet day's name, or the weekday in lower case."""

    kind: QuietKind
    name: str


@dataclass(frozen=True, slots=True)
class Workdays:
    """What `day: workday` skips: the weekend (weekdays, Monday 0) and the quiet days."""

    weekend: tuple[int, ...] = ()
    days: tuple[QuietDays, ...] = ()

    def include(self, day: date) -> bool:
        return day.weekday() not in self.weekend and not any(quiet.covers(day) for quiet in self.days)


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def parse_clock(text: str) -> Clock:
    """Read `09:30`, two digits each. Raises ValueError with a plain sentence."""
    match = re.fullmatch(r"([0-9]{2}):([0-9]{2})", text)
    if match is None:
        raise ValueError(f'{text[:40]!r} is not a time of day; write hours and minutes: "09:30"')
    return Clock(int(match[1]), int(match[2]))


def parse_quiet_hours(text: str) -> QuietHours:
    """Read `21:00-08:00`. Raises ValueError with a plain sentence."""
    start, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f'{text[:40]!r} are not quiet hours; write from and to: "21:00-08:00"')
    return QuietHours(parse_clock(start.strip()), parse_clock(end.strip()))


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


# ── Zones ────────────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── Between instants and the wall ────────────────────────────────────────────────────────────────────────────────────


def local(instant: Instant, zone: Zone) -> datetime:
    """What the calendar and the clock on the wall show at an instant (aware, exact to the microsecond)."""
    seconds, rest = divmod(instant, SECOND)
    return datetime.fromtimestamp(seconds, zone).replace(microsecond=rest)


def at_local(day: date, clock: Clock, zone: Zone) -> Instant:
    """The instant a wall clock shows that time on that date.

    A time that is skipped (a gap) means the first valid instant after the gap; one that comes twice means the first.
    """
    return _instant(day, clock.since_midnight, zone)


def _instant(day: date, since_midnight: Span, zone: Zone, *, second: bool = False) -> Instant:
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


def _from(now: Instant, day: date, clock: Clock, zone: Zone) -> Instant:
    """When the wall shows that time on that date, the second time if the first lies before now."""
    first = at_local(day, clock, zone)
    return first if first >= now else _instant(day, clock.since_midnight, zone, second=True)


def day_of(instant: Instant, zone: Zone) -> tuple[Instant, Instant]:
    """Start and end (exclusive) of the local date an instant falls on; 23 to 25 hours, rarely other lengths."""
    day = local(instant, zone).date()
    return at_local(day, MIDNIGHT, zone), _from(instant + 1, day + timedelta(days=1), MIDNIGHT, zone)


# ── Waits ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def after_days(now: Instant, days: int, clock: Clock | None, zone: Zone) -> Instant:
    """`{days: 2, at: T}`: the local date of now plus that many days, at T, or at now's own time of day.

    With `days` 0 the result may lie before now: then it is due.
    """
    moment = local(now, zone)
    since_midnight = _time_of(moment) if clock is None else clock.since_midnight
    return _instant(moment.date() + timedelta(days=days), since_midnight, zone)


def _time_of(moment: datetime) -> Span:
    return moment.hour * HOUR + moment.minute * MINUTE + moment.second * SECOND + moment.microsecond


def on_day(now: Instant, day: int | Workdays, clock: Clock, zone: Zone) -> Instant | None:
    """`{day: saturday | workday, at: T}`: the first instant from now on, on such a day (Monday is 0), at T.

    A date the zone skipped altogether does not count. None when 400 days hold no workday.
    """
    for candidate in _dates_from(local(now, zone).date()):
        if day.include(candidate) if isinstance(day, Workdays) else candidate.weekday() == day:
            at = at_local(candidate, clock, zone)
            if at >= now and local(at, zone).date() == candidate:
                return at
    return None


def _dates_from(first: date) -> Iterator[date]:
    return (first + timedelta(days=ahead) for ahead in range(_LONGEST_QUIET))


@dataclass(frozen=True, slots=True)
class Shift:
    """How far from a date: days by the calendar, a time of day, and an elapsed span before that."""

    days: int = 0
    clock: Clock | None = None
    before: Span = 0


def on_date(anchor: date | Instant, shift: Shift, zone: Zone) -> Instant:
    """`{date: D, days: -2 | before: 24h, at: T}`, where D is a date or an instant such as an offer's end.

    A date without `at` is its first instant; an instant without `at` keeps its own time of day. May lie in the past.
    """
    if isinstance(anchor, int):
        if not shift.days and shift.clock is None:
            return anchor - shift.before
        return after_days(anchor, shift.days, shift.clock, zone) - shift.before
    return at_local(anchor + timedelta(days=shift.days), shift.clock or MIDNIGHT, zone) - shift.before


# ── Beats ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class WeekBeat:
    """`{week: tuesday, at: T}`."""

    day: int
    at: Clock


@dataclass(frozen=True, slots=True)
class MonthBeat:
    """`{month: first tuesday, at: T}`, months of the Gregorian calendar; `nth` is 1 to 4, or -1 for the last."""

    nth: int
    day: int
    at: Clock

    def in_month(self, first: date) -> date:
        """Its date in the month that begins on `first`."""
        if self.nth > 0:
            return first + timedelta(days=(self.day - first.weekday()) % 7 + 7 * (self.nth - 1))
        last = _next_month(first) - timedelta(days=1)
        return last - timedelta(days=(last.weekday() - self.day) % 7)


@dataclass(frozen=True, slots=True)
class YearBeat:
    """`{yearly: birthday, days: -7, at: T}`: so many days from a day that comes back each year."""

    day: YearlyDay
    days: int
    at: Clock


Beat: TypeAlias = WeekBeat | MonthBeat

_NTH: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}


def parse_month_beat(text: str, at: Clock) -> MonthBeat:
    """Read `first tuesday` … `fourth tuesday`, `last tuesday`. Raises ValueError with a plain sentence."""
    nth, _, day = text.partition(" ")
    if nth not in _NTH:
        raise ValueError(
            f"{text[:40]!r} is not a day of the month; write first, second, third, fourth or last and a weekday"
        )
    return MonthBeat(_NTH[nth], parse_weekday(day.strip()), at)


def next_beat(now: Instant, beat: Beat, zone: Zone) -> Instant:
    """The first beat at or after now. A date the zone skipped altogether has no beat."""
    for day in _beat_dates(local(now, zone).date(), beat):
        at = at_local(day, beat.at, zone)
        if at >= now and local(at, zone).date() == day:
            return at
    raise AssertionError("a weekday comes back")


def _beat_dates(today: date, beat: Beat) -> Iterator[date]:
    match beat:
        case WeekBeat():
            return (day for day in _dates_from(today) if day.weekday() == beat.day)
        case MonthBeat():
            return (beat.in_month(first) for first in _months_from(today.replace(day=1)))
        case _:
            assert_never(beat)


def _months_from(first: date) -> Iterator[date]:
    for _ in range(12):
        yield first
        first = _next_month(first)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Anniversary:
    """One coming round of a yearly beat: the instant, and the year (of the day's own calendar) it belongs to."""

    at: Instant
    year: int


def next_anniversary(now: Instant, beat: YearBeat, zone: Zone) -> Anniversary:
    """The first round of a yearly beat at or after now. The year is the day's, not the one `days` leads into."""
    shift = timedelta(days=beat.days)
    year = year_in(beat.day.calendar, local(now, zone).date() - shift) - 1
    while True:
        at = at_local(beat.day.in_year(year) + shift, beat.at, zone)
        if at >= now:
            return Anniversary(at, year)
        year += 1


# ── Quiet time ───────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=4096)
def _quiet_day(day: date, days: tuple[QuietDays, ...], weekend: tuple[int, ...]) -> Quiet | None:
    for quiet in days:
        if quiet.covers(day):
            return Quiet(QuietKind.DAY, quiet.name)
    if day.weekday() in weekend:
        return Quiet(QuietKind.WEEKEND, Weekday(day.weekday()).name.lower())
    return None


def quiet_cause(instant: Instant, zone: Zone, rules: QuietRules) -> Quiet | None:
    """Why an instant is quiet (a day first, then hours), or None when mail may leave."""
    return _cause(local(instant, zone), rules)


def _cause(moment: datetime, rules: QuietRules) -> Quiet | None:
    if rules.days or rules.weekend:
        whole_day = _quiet_day(moment.date(), rules.days, rules.weekend)
        if whole_day is not None:
            return whole_day
    if rules.hours is not None and rules.hours.cover(moment):
        return Quiet(QuietKind.HOURS, str(rules.hours))
    return None


def is_quiet(instant: Instant, zone: Zone, rules: QuietRules) -> bool:
    """Whether marketing mail rests at an instant."""
    return quiet_cause(instant, zone, rules) is not None


def quiet_end(instant: Instant, zone: Zone, rules: QuietRules) -> tuple[Quiet, Instant] | None:
    """Why an instant is quiet and when that one cause ends; None when it is not quiet."""
    moment = local(instant, zone)
    cause = _cause(moment, rules)
    if cause is None:
        return None
    day, end = moment.date(), MIDNIGHT
    if cause.kind is QuietKind.HOURS and rules.hours is not None:
        end = rules.hours.end
    if (moment.hour, moment.minute) >= (end.hour, end.minute):
        day += timedelta(days=1)
    return cause, _from(instant + 1, day, end, zone)


def next_open(instant: Instant, zone: Zone, rules: QuietRules) -> Instant | None:
    """The first instant at or after this one outside quiet hours, quiet days and quiet weekends.

    None when rules leave no open moment for 400 days.
    """
    at = instant
    while at - instant <= _LONGEST_QUIET * DAY:
        pause = quiet_end(at, zone, rules)
        if pause is None:
            return at
        at = pause[1]
    return None
