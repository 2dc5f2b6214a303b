"""Waits and beats: the instants that calendar words such as `{day: saturday, at: T}` stand for.

Owns the next such instant from now on. Must not know quiet hours, limits or campaigns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias, assert_never

from app.core.calendar import YearlyDay, year_in
from app.core.instants import HOUR, MINUTE, SECOND, Instant, Span
from app.core.windows.quiet import QuietDays
from app.core.windows.wall import MIDNIGHT, Clock, Zone, at_local, at_wall, local, parse_weekday

_DAYS_AHEAD: Final = 400  # how far a wait looks for a day of its kind


@dataclass(frozen=True, slots=True)
class Workdays:
    """What `day: workday` skips: the weekend (weekdays, Monday 0) and the quiet days."""

    weekend: tuple[int, ...] = ()
    days: tuple[QuietDays, ...] = ()

    def include(self, day: date) -> bool:
        return day.weekday() not in self.weekend and not any(quiet.covers(day) for quiet in self.days)


def after_days(now: Instant, days: int, clock: Clock | None, zone: Zone) -> Instant:
    """`{days: 2, at: T}`: the local date of now plus that many days, at T, or at now's own time of day.

    With `days` 0 the result may lie before now: then it is due.
    """
    moment = local(now, zone)
    since_midnight = _time_of(moment) if clock is None else clock.since_midnight
    return at_wall(moment.date() + timedelta(days=days), since_midnight, zone)


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
    return (first + timedelta(days=ahead) for ahead in range(_DAYS_AHEAD))


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
    year = year_in(beat.day.calendar, local(now, zone).date() - shift)
    while True:
        at = at_local(beat.day.in_year(year) + shift, beat.at, zone)
        if at >= now:
            return Anniversary(at, year)
        year += 1
