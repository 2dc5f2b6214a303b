"""Dates: the Gregorian and the Jalali (Persian) calendar, and days that come back each year.

Owns conversion, validation and reading of dates. A date is always a `datetime.date`; Jalali is how one is written.
Must not know clocks, zones or instants (see windows), and computes no lunar holidays.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

FIRST_GREGORIAN_YEAR: Final = 1700  # a lower year is read as Jalali
LAST_GREGORIAN_YEAR: Final = 2399
FIRST_JALALI_YEAR: Final = 1178  # from here on the 33-year rule and the observed calendar agree
_BEFORE_JALALI: Final = 226894  # proleptic ordinal of the day before 1 Farvardin of the year 1
_ASCII_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_ASCII_YEARLY: Final = re.compile(r"([0-9]{2})-([0-9]{2})")


class CalendarName(StrEnum):
    """The calendar a date is counted in."""

    GREGORIAN = "gregorian"
    JALALI = "jalali"


class Jalali(NamedTuple):
    """A date as the Persian calendar writes it; month 1 is Farvardin."""

    year: int
    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}-{self.day:02}"


def is_jalali_leap(year: int) -> bool:
    """Whether Esfand has 30 days: eight leap years in each 33 (1399, 1403, 1408, 1412, …).

    Equal to the calendar observed at Tehran from 1178 to 1501; from 1502 a few leap years may fall one year later.
    """
    return (25 * year + 11) % 33 < 8


def _days_before(year: int) -> int:
    return _BEFORE_JALALI + 365 * (year - 1) + (8 * year + 21) // 33


def month_length(calendar: CalendarName, year: int, month: int) -> int:
    """Days of a month. Raises ValueError for a month that does not exist."""
    if not 1 <= month <= 12:
        raise ValueError(f"there is no month {month}")
    if calendar is CalendarName.GREGORIAN:
        return monthrange(year, month)[1]
    if month < 12:
        return 31 if month <= 6 else 30
    return 30 if is_jalali_leap(year) else 29


def from_jalali(year: int, month: int, day: int) -> date:
    """The date of a Jalali year, month and day. Raises ValueError when that day does not exist."""
    length = month_length(CalendarName.JALALI, year, month)
    if not 1 <= day <= length:
        raise ValueError(f"month {month} of {year} has {length} days")
    return date.fromordinal(_days_before(year) + 31 * (month - 1) - max(0, month - 7) + day)


def to_jalali(day: date) -> Jalali:
    """The Jalali year, month and day of a date."""
    ordinal = day.toordinal()
    year = (33 * (ordinal - _BEFORE_JALALI - 1) + 3) // 12053 + 1
    if _days_before(year) >= ordinal:
        year -= 1
    elif _days_before(year + 1) < ordinal:
        year += 1
    rest = ordinal - _days_before(year) - 1
    month, of_month = divmod(rest, 31) if rest < 186 else divmod(rest - 186, 30)
    return Jalali(year, month + 1 if rest < 186 else month + 7, of_month + 1)


def calendar_of(year: int) -> CalendarName:
    """The calendar a written year belongs to: below 1700 it is Jalali."""
    return CalendarName.JALALI if year < FIRST_GREGORIAN_YEAR else CalendarName.GREGORIAN


def date_of(calendar: CalendarName, year: int, month: int, day: int) -> date:
    """The date of a year, month and day of that calendar. Raises ValueError when that day does not exist."""
    if calendar is CalendarName.JALALI:
        return from_jalali(year, month, day)
    length = month_length(calendar, year, month)
    if not 1 <= day <= length:
        raise ValueError(f"month {month} of {year} has {length} days")
    return date(year, month, day)


def parse_date(text: str) -> date:
    """Read `2026-11-22` or, with a year below 1700, the Jalali `1405-09-01`.

    Raises ValueError with a plain sentence for another form, a day that does not exist, or a year outside
    1178 to 1699 (Jalali) and 1700 to 2399.
    """
    match = _ASCII_DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a date; write year-month-day: 2026-11-22 or 1405-09-01")
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if not FIRST_JALALI_YEAR <= year <= LAST_GREGORIAN_YEAR:
        raise ValueError(f"the year {year:04} is neither a Jalali year from 1178 nor one up to 2399")
    return date_of(calendar_of(year), year, month, day)


def format_date(day: date, calendar: CalendarName = CalendarName.GREGORIAN) -> str:
    """Write a date with Latin digits so that `parse_date` reads it back: `2026-11-22` or `1405-09-01`."""
    return day.isoformat() if calendar is CalendarName.GREGORIAN else str(to_jalali(day))


def year_in(calendar: CalendarName, day: date) -> int:
    """The year a date has in that calendar."""
    return day.year if calendar is CalendarName.GREGORIAN else to_jalali(day).year


@dataclass(frozen=True, slots=True)
class YearlyDay:
    """A day that comes back each year: a birthday, an anniversary, the first day of a season."""

    month: int
    day: int
    calendar: CalendarName = CalendarName.GREGORIAN

    def __post_init__(self) -> None:
        longest = max(month_length(self.calendar, year, self.month) for year in _SHORT_AND_LONG[self.calendar])
        if not 1 <= self.day <= longest:
            raise ValueError(f"month {self.month} has at most {longest} days")

    def __str__(self) -> str:
        return f"{self.month:02}-{self.day:02}"

    def in_year(self, year: int) -> date:
        """Its date in a year of its own calendar; a leap day falls on the last day of that month in other years."""
        last = month_length(self.calendar, year, self.month)
        return date_of(self.calendar, year, self.month, min(self.day, last))

    def next_from(self, first: date) -> date:
        """The next occurrence on or after a date."""
        year = year_in(self.calendar, first)
        this_year = self.in_year(year)
        return this_year if this_year >= first else self.in_year(year + 1)


_SHORT_AND_LONG: Final = {CalendarName.GREGORIAN: (2023, 2024), CalendarName.JALALI: (1402, 1403)}


def parse_yearly_day(text: str, calendar: CalendarName) -> YearlyDay:
    """Read `12-30`, or a full date whose year is dropped after converting it to the calendar the day is kept in.

    So a birthday kept by the Jalali calendar may be given as 1370-12-30 or as 1992-03-20. Raises ValueError.
    """
    match = _ASCII_YEARLY.fullmatch(text)
    if match is not None:
        return YearlyDay(int(match[1]), int(match[2]), calendar)
    day = parse_date(text)
    if calendar is CalendarName.GREGORIAN:
        return YearlyDay(day.month, day.day)
    _, month, of_month = to_jalali(day)
    return YearlyDay(month, of_month, calendar)
