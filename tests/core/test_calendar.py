from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from app.core.calendar import (
    CalendarName,
    Jalali,
    YearlyDay,
    calendar_of,
    date_of,
    format_date,
    from_jalali,
    is_jalali_leap,
    month_length,
    parse_date,
    parse_yearly_day,
    to_jalali,
    year_in,
)

GREGORIAN, JALALI = CalendarName.GREGORIAN, CalendarName.JALALI
FIRST, LAST = date(1900, 1, 1), date(2099, 12, 31)


def test_every_day_of_two_centuries_agrees_with_another_library() -> None:
    for ordinal in range(FIRST.toordinal(), LAST.toordinal() + 1):
        day = date.fromordinal(ordinal)
        other = JalaliDate(day)  # type: ignore[no-untyped-call]
        assert to_jalali(day) == (other.year, other.month, other.day), day
        assert from_jalali(other.year, other.month, other.day) == day, other


def test_every_year_of_two_centuries_is_leap_when_another_library_says_so() -> None:
    for year in range(1278, 1479):
        assert is_jalali_leap(year) is JalaliDate.is_leap(year), year


def test_leap_years_of_our_days_are_the_known_ones() -> None:
    assert [year for year in range(1395, 1421) if is_jalali_leap(year)] == [1395, 1399, 1403, 1408, 1412, 1416, 1420]


@given(st.dates(min_value=date(700, 1, 1)))
def test_a_date_survives_the_way_to_jalali_and_back(day: date) -> None:
    assert from_jalali(*to_jalali(day)) == day


@given(st.dates(min_value=date(700, 1, 1), max_value=date(9998, 1, 1)))
def test_the_day_after_is_one_jalali_day_later(day: date) -> None:
    today, tomorrow = to_jalali(day), to_jalali(day + timedelta(days=1))
    if tomorrow.day != 1:
        assert tomorrow == (today.year, today.month, today.day + 1)
    elif tomorrow.month != 1:
        assert tomorrow == (today.year, today.month + 1, 1)
    else:
        assert tomorrow == (today.year + 1, 1, 1)
    assert today < tomorrow


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-22", date(2026, 11, 22)),
        ("1405-09-01", date(2026, 11, 22)),
        ("1405-09-30", date(2026, 12, 21)),
        ("1403-12-30", date(2025, 3, 20)),
        ("1399-12-30", date(2021, 3, 20)),
        ("1408-12-30", date(2030, 3, 20)),
        ("1412-12-30", date(2034, 3, 20)),
        ("1404-01-01", date(2025, 3, 21)),
        ("1357-11-22", date(1979, 2, 11)),
        ("2024-02-29", date(2024, 2, 29)),
        ("1700-01-01", date(1700, 1, 1)),
        ("1178-01-01", date(1799, 3, 21)),
    ],
)
def test_dates_of_both_calendars_are_read_by_their_year(text: str, day: date) -> None:
    assert parse_date(text) == day
    assert format_date(day, calendar_of(int(text[:4]))) == text


@pytest.mark.parametrize(
    "text",
    [
        "1404-12-30",
        "1405-07-31",
        "1405-13-01",
        "1405-00-10",
        "1405-01-00",
        "1405-01-32",
        "2026-02-29",
        "2026-02-30",
        "2026-04-31",
        "2026-13-01",
        "2026-1-1",
        "26-01-01",
        "2026/01/01",
        "20260101",
        "2026-W01-1",
        "0042-01-01",
        "1177-12-29",
        "2400-01-01",
        "9999-12-31",
        "۱۴۰۵-۰۹-۰۱",
        "1405-09-01 ",
        "",
        "tomorrow",
    ],
)
def test_days_that_do_not_exist_and_other_forms_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date|there is no month|has \d\d days|the year"):
        parse_date(text)


def test_month_lengths_add_up_to_the_year() -> None:
    for year in range(1300, 1500):
        assert sum(month_length(JALALI, year, month) for month in range(1, 13)) == 365 + is_jalali_leap(year)
    assert month_length(GREGORIAN, 2024, 2) == 29
    assert month_length(GREGORIAN, 1900, 2) == 28


@pytest.mark.parametrize(
    ("day", "year", "expected"),
    [
        (YearlyDay(2, 29), 2024, date(2024, 2, 29)),
        (YearlyDay(2, 29), 2025, date(2025, 2, 28)),
        (YearlyDay(12, 30, JALALI), 1403, date(2025, 3, 20)),
        (YearlyDay(12, 30, JALALI), 1404, date(2026, 3, 20)),
        (YearlyDay(12, 29, JALALI), 1404, date(2026, 3, 20)),
        (YearlyDay(1, 1, JALALI), 1405, date(2026, 3, 21)),
        (YearlyDay(4, 30), 2026, date(2026, 4, 30)),
    ],
)
def test_a_leap_birthday_falls_on_the_last_day_of_its_month(day: YearlyDay, year: int, expected: date) -> None:
    assert day.in_year(year) == expected


@pytest.mark.parametrize(
    ("day", "first", "expected"),
    [
        (YearlyDay(3, 1), date(2026, 3, 1), date(2026, 3, 1)),
        (YearlyDay(3, 1), date(2026, 3, 2), date(2027, 3, 1)),
        (YearlyDay(2, 29), date(2026, 3, 1), date(2027, 2, 28)),
        (YearlyDay(2, 29), date(2028, 2, 28), date(2028, 2, 29)),
        (YearlyDay(12, 30, JALALI), date(2025, 3, 20), date(2025, 3, 20)),
        (YearlyDay(12, 30, JALALI), date(2025, 3, 21), date(2026, 3, 20)),
        (YearlyDay(1, 1, JALALI), date(2026, 3, 20), date(2026, 3, 21)),
    ],
)
def test_the_next_occurrence_may_be_the_day_itself(day: YearlyDay, first: date, expected: date) -> None:
    assert day.next_from(first) == expected


yearly_days = st.one_of(
    st.dates().map(lambda day: YearlyDay(day.month, day.day)),
    st.dates(min_value=date(700, 1, 1)).map(lambda day: YearlyDay(to_jalali(day).month, to_jalali(day).day, JALALI)),
)


@given(yearly_days, st.dates(min_value=date(1800, 1, 1), max_value=date(2300, 1, 1)))
def test_the_next_occurrence_is_within_a_year_and_none_lies_between(day: YearlyDay, first: date) -> None:
    found = day.next_from(first)
    assert timedelta(0) <= found - first <= timedelta(days=366)
    year = year_in(day.calendar, found)
    assert day.in_year(year) == found
    assert day.in_year(year - 1) < first


@pytest.mark.parametrize(
    ("text", "calendar", "expected"),
    [
        ("12-30", JALALI, YearlyDay(12, 30, JALALI)),
        ("02-29", GREGORIAN, YearlyDay(2, 29)),
        ("1370-12-29", JALALI, YearlyDay(12, 29, JALALI)),
        ("1992-03-19", JALALI, YearlyDay(12, 29, JALALI)),
        ("1370-12-28", GREGORIAN, YearlyDay(3, 18)),
        ("1990-05-05", GREGORIAN, YearlyDay(5, 5)),
    ],
)
def test_a_birthday_is_kept_by_its_own_calendar(text: str, calendar: CalendarName, expected: YearlyDay) -> None:
    assert parse_yearly_day(text, calendar) == expected


@pytest.mark.parametrize(
    ("text", "calendar"),
    [
        ("12-31", JALALI),
        ("07-31", JALALI),
        ("02-30", GREGORIAN),
        ("13-01", JALALI),
        ("00-01", GREGORIAN),
        ("1-1", JALALI),
        ("", JALALI),
    ],
)
def test_a_yearly_day_that_never_comes_is_refused(text: str, calendar: CalendarName) -> None:
    with pytest.raises(ValueError, match=r"has at most|there is no month|is not a date"):
        parse_yearly_day(text, calendar)


def test_a_jalali_date_writes_itself_with_zeros() -> None:
    assert str(Jalali(1405, 9, 1)) == "1405-09-01"
    assert date_of(JALALI, 1405, 9, 1) == date(2026, 11, 22)
