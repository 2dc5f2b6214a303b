"""Quiet times: hours, days and weekends without marketing mail.

Owns what is quiet, why, and when the next open moment comes. Must not know limits of frequency (pacing) or campaigns.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from app.core.calendar import YearlyDay, year_in
from app.core.instants import DAY, Instant
from app.core.windows.wall import MIDNIGHT, Clock, Weekday, Zone, local, parse_clock, when_next

LONGEST_QUIET: Final = 400 * DAY  # rules that leave no open moment for longer never do


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
    known: dict[date, "Quiet | None"] = field(default_factory=dict, init=False, compare=False, repr=False)
    """Which days are quiet, as far as anybody asked: the same few days are asked of everybody."""


NEVER_QUIET: Final = QuietRules()


class QuietKind(StrEnum):
    HOURS = "quiet_hours"
    DAY = "quiet_day"
    WEEKEND = "quiet_weekend"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why a moment is quiet; `name` is `21:00-08:00`, the quiet day's name, or the weekday in lower case."""

    kind: QuietKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def parse_quiet_hours(text: str) -> QuietHours:
    """Read `21:00-08:00`. Raises ValueError with a plain sentence."""
    start, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f'{text[:40]!r} are not quiet hours; write from and to: "21:00-08:00"')
    return QuietHours(parse_clock(start.strip()), parse_clock(end.strip()))


def _quiet_day(day: date, rules: QuietRules) -> Quiet | None:
    if day not in rules.known:
        rules.known[day] = _asked_day(day, rules)
    return rules.known[day]


def _asked_day(day: date, rules: QuietRules) -> Quiet | None:
    for quiet in rules.days:
        if quiet.covers(day):
            return Quiet(QuietKind.DAY, quiet.name)
    if day.weekday() in rules.weekend:
        return Quiet(QuietKind.WEEKEND, Weekday(day.weekday()).name.lower())
    return None


def quiet_cause(instant: Instant, zone: Zone, rules: QuietRules) -> Quiet | None:
    """Why an instant is quiet (a day first, then hours), or None when mail may leave."""
    return _cause(local(instant, zone), rules)


def _cause(moment: datetime, rules: QuietRules) -> Quiet | None:
    if rules.days or rules.weekend:
        whole_day = _quiet_day(moment.date(), rules)
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
    return cause, when_next(instant + 1, day, end, zone)


def next_open(instant: Instant, zone: Zone, rules: QuietRules) -> Instant | None:
    """The first instant at or after this one outside quiet hours, quiet days and quiet weekends.

    None when rules leave no open moment for 400 days.
    """
    at = instant
    while at - instant <= LONGEST_QUIET:
        pause = quiet_end(at, zone, rules)
        if pause is None:
            return at
        at = pause[1]
    return None
