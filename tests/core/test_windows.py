from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.calendar import CalendarName, YearlyDay, parse_date
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Instant, from_datetime
from app.core.windows import (
    NEVER_QUIET,
    UTC_ZONE,
    Clock,
    MonthBeat,
    Quiet,
    QuietDates,
    QuietHours,
    QuietKind,
    QuietRules,
    QuietSeason,
    Shift,
    WeekBeat,
    Weekday,
    Workdays,
    YearBeat,
    Zone,
    after_days,
    at_local,
    day_of,
    find_zone,
    is_quiet,
    local,
    next_anniversary,
    next_beat,
    next_open,
    on_date,
    on_day,
    parse_clock,
    parse_local,
    parse_month_beat,
    parse_quiet_hours,
    parse_weekday,
    quiet_cause,
    quiet_end,
    zone_of,
)

JALALI = CalendarName.JALALI
NEW_YORK, LONDON, TEHRAN = ZoneInfo("America/New_York"), ZoneInfo("Europe/London"), ZoneInfo("Asia/Tehran")
LORD_HOWE, APIA, ST_JOHNS = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia"), ZoneInfo("America/St_Johns")
HAVANA, SAO_PAULO, KATHMANDU = ZoneInfo("America/Havana"), ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Kathmandu")
ZONES = (UTC_ZONE, NEW_YORK, LONDON, TEHRAN, LORD_HOWE, APIA, ST_JOHNS, HAVANA, SAO_PAULO, KATHMANDU)


def utc(text: str) -> Instant:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def wall(instant: Instant, zone: Zone) -> str:
    return local(instant, zone).strftime("%Y-%m-%d %H:%M")


def here(text: str, zone: Zone) -> Instant:
    day, clock = parse_local(text)
    return at_local(day, clock, zone)


# days around which some of the zones change their clocks, or skip a day
ODD_DAYS = [
    "2026-03-08", "2026-11-01", "2026-03-29", "2026-10-25", "2026-10-04", "2026-04-05", "2011-12-29", "2011-12-30",
    "2022-03-21", "2022-03-22", "2022-09-21", "2021-09-22", "2006-10-29", "2018-11-04", "2018-02-17", "2026-12-31",
]  # fmt: skip
odd_instants = st.builds(
    lambda day, span: utc(day) - DAY + span,
    st.sampled_from(ODD_DAYS),
    st.integers(0, 3 * DAY // SECOND).map(SECOND.__mul__),
)
instants = st.one_of(odd_instants, st.integers(utc("2000-01-01"), utc("2080-01-01")))
EVERY_ZONE = [zone for name in sorted(available_timezones()) if (zone := find_zone(name)) is not None]
zones = st.one_of(st.sampled_from(ZONES), st.sampled_from(EVERY_ZONE))
clocks = st.builds(Clock, st.integers(0, 23), st.integers(0, 59))


# ── Between instants and the wall ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("zone", "asked", "answer"),
    [
        pytest.param(TEHRAN, "2026-11-22 09:30", "2026-11-22 06:00", id="Tehran has no summer time"),
        pytest.param(TEHRAN, "2026-06-22 09:30", "2026-06-22 06:00", id="nor in summer since 2022-09"),
        pytest.param(TEHRAN, "2022-06-22 09:30", "2022-06-22 05:00", id="the last summer it had"),
        pytest.param(TEHRAN, "2022-03-22 00:30", "2022-03-21 20:30", id="Tehran gap at midnight"),
        pytest.param(TEHRAN, "2022-03-22 00:00", "2022-03-21 20:30", id="Tehran gap, its first minute"),
        pytest.param(TEHRAN, "2022-03-22 01:00", "2022-03-21 20:30", id="Tehran gap, right after"),
        pytest.param(TEHRAN, "2022-09-21 23:30", "2022-09-21 19:00", id="Tehran's last overlap, first time"),
        pytest.param(TEHRAN, "2022-09-22 00:00", "2022-09-21 20:30", id="the day after Tehran's last overlap"),
        pytest.param(NEW_YORK, "2026-03-08 02:00", "2026-03-08 07:00", id="New York gap, first minute"),
        pytest.param(NEW_YORK, "2026-03-08 02:30", "2026-03-08 07:00", id="New York gap, middle"),
        pytest.param(NEW_YORK, "2026-03-08 02:59", "2026-03-08 07:00", id="New York gap, last minute"),
        pytest.param(NEW_YORK, "2026-03-08 03:00", "2026-03-08 07:00", id="New York, right after the gap"),
        pytest.param(NEW_YORK, "2026-03-08 01:59", "2026-03-08 06:59", id="New York, right before the gap"),
        pytest.param(NEW_YORK, "2026-11-01 01:30", "2026-11-01 05:30", id="New York overlap, first time"),
        pytest.param(NEW_YORK, "2026-11-01 02:00", "2026-11-01 07:00", id="New York, after the overlap"),
        pytest.param(LONDON, "2026-03-29 01:30", "2026-03-29 01:00", id="London gap"),
        pytest.param(LONDON, "2026-10-25 01:30", "2026-10-25 00:30", id="London overlap, first time"),
        pytest.param(LORD_HOWE, "2026-10-04 02:15", "2026-10-03 15:30", id="Lord Howe gap of half an hour"),
        pytest.param(LORD_HOWE, "2026-10-04 02:30", "2026-10-03 15:30", id="Lord Howe, right after the gap"),
        pytest.param(LORD_HOWE, "2026-04-05 01:45", "2026-04-04 14:45", id="Lord Howe overlap, first time"),
        pytest.param(APIA, "2011-12-29 23:59", "2011-12-30 09:59", id="Apia, the last minute before the lost day"),
        pytest.param(APIA, "2011-12-30 09:30", "2011-12-30 10:00", id="Apia, the day that was not"),
        pytest.param(APIA, "2011-12-31 00:00", "2011-12-30 10:00", id="Apia, the day after"),
        pytest.param(HAVANA, "2026-11-01 00:30", "2026-11-01 04:30", id="Havana repeats the first hour of the day"),
        pytest.param(SAO_PAULO, "2018-11-04 00:00", "2018-11-04 03:00", id="São Paulo skipped midnight"),
        pytest.param(KATHMANDU, "2026-01-01 00:00", "2025-12-31 18:15", id="an offset of quarters"),
    ],
)
def test_a_wall_clock_time_is_one_instant_in_gaps_and_overlaps(zone: Zone, asked: str, answer: str) -> None:
    assert here(asked, zone) == utc(answer)


@given(instants, zones)
def test_local_time_goes_back_to_its_instant_or_its_first_twin(instant: Instant, zone: Zone) -> None:
    moment = local(instant, zone)
    assert from_datetime(moment) == instant
    minute = instant - instant % MINUTE
    again = at_local(moment.date(), Clock(moment.hour, moment.minute), zone)
    assert again <= minute
    assert wall(again, zone) == wall(minute, zone)


@given(instants, clocks, zones)
def test_a_skipped_time_means_the_first_valid_instant_after_the_gap(instant: Instant, clock: Clock, zone: Zone) -> None:
    day = local(instant, zone).date()
    at = at_local(day, clock, zone)
    shown, asked = wall(at, zone), f"{day} {clock}"
    assert shown >= asked
    if shown > asked:
        assert wall(at - 1, zone) < asked


@given(instants, zones)
def test_an_instant_lies_in_its_day(instant: Instant, zone: Zone) -> None:
    start, end = day_of(instant, zone)
    assert start <= instant < end
    assert local(start, zone).date() == local(instant, zone).date() == local(end - 1, zone).date()
    assert local(start - 1, zone).date() != local(start, zone).date() != local(end, zone).date()


@pytest.mark.parametrize(
    ("zone", "moment", "hours"),
    [
        (NEW_YORK, "2026-03-08 12:00", 23),
        (NEW_YORK, "2026-11-01 12:00", 25),
        (NEW_YORK, "2026-11-02 12:00", 24),
        (LORD_HOWE, "2026-10-04 12:00", 23.5),
        (TEHRAN, "2022-03-22 12:00", 23),
        (TEHRAN, "2022-09-21 12:00", 25),
        (TEHRAN, "2026-03-22 12:00", 24),
        (APIA, "2011-12-29 12:00", 24),
    ],
)
def test_days_have_the_hours_the_zone_gives_them(zone: Zone, moment: str, hours: float) -> None:
    start, end = day_of(here(moment, zone), zone)
    assert end - start == hours * HOUR


# ── Zones ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    [None, "", "Mars/Olympus", "asia/../utc", "../../etc/passwd", "/etc/localtime", "America", "localtime", "right/UTC",
     "posix/UTC", "Asia/Tehran\0", "Asia/Tehran ", "تهران", "A" * 5000, "UTC/UTC/UTC/UTC", "Factory", "tzdata.zi",
     "\ud800"],
)  # fmt: skip
def test_an_unknown_zone_falls_back_and_never_raises(name: str | None) -> None:
    assert zone_of(name, "Asia/Tehran") == TEHRAN
    assert zone_of(name, "no such zone") == UTC_ZONE


def test_a_known_zone_is_taken_and_remembered() -> None:
    assert zone_of("America/New_York", "Asia/Tehran") is zone_of("America/New_York", "Asia/Tehran")
    assert zone_of("America/Argentina/Buenos_Aires", "UTC") == ZoneInfo("America/Argentina/Buenos_Aires")
    assert find_zone("Etc/GMT+3") is not None
    assert find_zone("Nowhere/Town") is None


# ── Waits ────────────────────────────────────────────────────────────────────────────────────────────────────────────

NINE_THIRTY = Clock(9, 30)


@pytest.mark.parametrize(
    ("zone", "now", "days", "clock", "answer"),
    [
        pytest.param(TEHRAN, "2026-11-01 10:00", 2, NINE_THIRTY, "2026-11-03 09:30", id="two days on"),
        pytest.param(TEHRAN, "2026-11-01 00:00", 1, NINE_THIRTY, "2026-11-02 09:30", id="from the first minute"),
        pytest.param(TEHRAN, "2026-11-01 23:59", 1, NINE_THIRTY, "2026-11-02 09:30", id="from the last minute"),
        pytest.param(TEHRAN, "2026-11-01 10:00", 0, NINE_THIRTY, "2026-11-01 09:30", id="today, already past"),
        pytest.param(TEHRAN, "2026-11-01 10:17", 1, None, "2026-11-02 10:17", id="at the same time of day"),
        pytest.param(NEW_YORK, "2026-03-07 12:00", 1, NINE_THIRTY, "2026-03-08 09:30", id="over a gap"),
        pytest.param(NEW_YORK, "2026-03-07 02:30", 1, None, "2026-03-08 03:00", id="into a gap"),
        pytest.param(NEW_YORK, "2026-10-31 12:00", 1, Clock(1, 30), "2026-11-01 01:30", id="into an overlap"),
        pytest.param(APIA, "2011-12-28 12:00", 2, NINE_THIRTY, "2011-12-31 00:00", id="into the lost day"),
        pytest.param(LONDON, "2024-02-28 12:00", 1, NINE_THIRTY, "2024-02-29 09:30", id="leap day"),
        pytest.param(LONDON, "2026-01-31 12:00", 1, NINE_THIRTY, "2026-02-01 09:30", id="month end"),
        pytest.param(LONDON, "2026-12-31 12:00", 1, NINE_THIRTY, "2027-01-01 09:30", id="year end"),
    ],
)
def test_days_are_counted_on_the_calendar(zone: Zone, now: str, days: int, clock: Clock | None, answer: str) -> None:
    assert wall(after_days(here(now, zone), days, clock, zone), zone) == answer


@given(instants, st.integers(1, 400), clocks, zones)
def test_waiting_days_lands_on_that_date_at_that_time_or_right_after_a_gap(
    now: Instant, days: int, clock: Clock, zone: Zone
) -> None:
    at = after_days(now, days, clock, zone)
    asked = f"{local(now, zone).date() + timedelta(days=days)} {clock}"
    assert at > now
    assert wall(at, zone) == asked or wall(at - 1, zone) < asked < wall(at, zone)


IRAN = Workdays(weekend=(Weekday.THURSDAY, Weekday.FRIDAY))
NOWRUZ = QuietSeason("Nowruz", YearlyDay(1, 1, JALALI), YearlyDay(1, 4, JALALI))


@pytest.mark.parametrize(
    ("zone", "now", "day", "clock", "answer"),
    [
        pytest.param(TEHRAN, "2026-11-21 09:30", Weekday.SATURDAY, NINE_THIRTY, "2026-11-21 09:30", id="now itself"),
        pytest.param(TEHRAN, "2026-11-21 09:31", Weekday.SATURDAY, NINE_THIRTY, "2026-11-28 09:30", id="a minute late"),
        pytest.param(TEHRAN, "2026-11-22 00:00", Weekday.SATURDAY, NINE_THIRTY, "2026-11-28 09:30", id="the day after"),
        pytest.param(TEHRAN, "2026-11-25 09:31", IRAN, NINE_THIRTY, "2026-11-28 09:30", id="over Thursday and Friday"),
        pytest.param(
            TEHRAN, "2026-11-25 09:31", Workdays((Weekday.SATURDAY, Weekday.SUNDAY)), NINE_THIRTY, "2026-11-26 09:30",
            id="another weekend",
        ),
        pytest.param(TEHRAN, "2026-11-25 09:31", Workdays(), NINE_THIRTY, "2026-11-26 09:30", id="no weekend"),
        pytest.param(
            TEHRAN, "2026-03-20 12:00", Workdays((Weekday.THURSDAY, Weekday.FRIDAY), (NOWRUZ,)), NINE_THIRTY,
            "2026-03-25 09:30", id="over Friday and Nowruz",
        ),
        pytest.param(
            TEHRAN, "2026-06-24 12:00", Workdays((4,), (QuietDates("Ashura", (date(2026, 6, 25),)),)), NINE_THIRTY,
            "2026-06-27 09:30", id="over a single day and Friday",
        ),
        pytest.param(NEW_YORK, "2026-03-08 00:00", Weekday.SUNDAY, Clock(2, 30), "2026-03-08 03:00", id="in a gap"),
        pytest.param(NEW_YORK, "2026-11-01 00:00", Weekday.SUNDAY, Clock(1, 30), "2026-11-01 01:30", id="overlap"),
        pytest.param(APIA, "2011-12-29 12:00", Weekday.FRIDAY, NINE_THIRTY, "2012-01-06 09:30", id="a Friday lost"),
    ],
)  # fmt: skip
def test_the_next_such_day_is_never_before_now(
    zone: Zone, now: str, day: Weekday | Workdays, clock: Clock, answer: str
) -> None:
    found = on_day(here(now, zone), day, clock, zone)
    assert found is not None
    assert wall(found, zone) == answer


def test_the_overlap_counts_once_so_its_second_half_waits_a_week() -> None:
    second_half_past_one = utc("2026-11-01 06:30")
    assert wall(second_half_past_one, NEW_YORK) == "2026-11-01 01:30"
    found = on_day(second_half_past_one, Weekday.SUNDAY, Clock(1, 30), NEW_YORK)
    assert found is not None
    assert wall(found, NEW_YORK) == "2026-11-08 01:30"


def test_when_no_day_is_a_workday_there_is_no_answer() -> None:
    assert on_day(utc("2026-01-01"), Workdays(weekend=tuple(range(7))), NINE_THIRTY, TEHRAN) is None


@given(instants, st.sampled_from(Weekday), clocks, zones)
def test_a_weekday_comes_within_two_weeks_and_is_that_weekday(now: Instant, day: int, clock: Clock, zone: Zone) -> None:
    found = on_day(now, day, clock, zone)
    assert found is not None
    assert now <= found <= now + 14 * DAY + HOUR
    assert local(found, zone).weekday() == day


@pytest.mark.parametrize(
    ("anchor", "shift", "answer"),
    [
        pytest.param("2026-11-22", Shift(), "2026-11-22 00:00", id="its first instant"),
        pytest.param("1405-09-01", Shift(clock=NINE_THIRTY), "2026-11-22 09:30", id="a Jalali date at a time"),
        pytest.param("2026-11-22", Shift(days=-2, clock=NINE_THIRTY), "2026-11-20 09:30", id="two days before"),
        pytest.param("2024-03-01", Shift(days=-1, clock=NINE_THIRTY), "2024-02-29 09:30", id="back to a leap day"),
        pytest.param("2026-11-22", Shift(before=24 * HOUR), "2026-11-21 00:00", id="a day's hours before"),
        pytest.param("2026-11-22", Shift(clock=Clock(21), before=2 * HOUR), "2026-11-22 19:00", id="before a time"),
    ],
)
def test_a_date_is_waited_for_with_its_shift(anchor: str, shift: Shift, answer: str) -> None:
    assert wall(on_date(parse_date(anchor), shift, TEHRAN), TEHRAN) == answer


@pytest.mark.parametrize(
    ("shift", "answer"),
    [
        pytest.param(Shift(), "2026-03-08 21:00", id="the end itself"),
        pytest.param(Shift(before=24 * HOUR), "2026-03-07 20:00", id="24 hours elapse, over a gap"),
        pytest.param(Shift(days=-1), "2026-03-07 21:00", id="a day by the calendar, over a gap"),
        pytest.param(Shift(days=-2, clock=NINE_THIRTY), "2026-03-06 09:30", id="two days before at a time"),
        pytest.param(Shift(clock=NINE_THIRTY), "2026-03-08 09:30", id="that day at a time"),
    ],
)
def test_the_end_of_an_offer_is_waited_for_with_its_shift(shift: Shift, answer: str) -> None:
    assert wall(on_date(here("2026-03-08 21:00", NEW_YORK), shift, NEW_YORK), NEW_YORK) == answer


# ── Beats ────────────────────────────────────────────────────────────────────────────────────────────────────────────

TEN = Clock(10)


@pytest.mark.parametrize(
    ("beat", "now", "answer"),
    [
        pytest.param(WeekBeat(Weekday.TUESDAY, TEN), "2026-11-24 10:00", "2026-11-24 10:00", id="on the beat"),
        pytest.param(WeekBeat(Weekday.TUESDAY, TEN), "2026-11-24 10:01", "2026-12-01 10:00", id="just missed"),
        pytest.param(parse_month_beat("first tuesday", TEN), "2026-12-01 10:00", "2026-12-01 10:00", id="on the first"),
        pytest.param(parse_month_beat("first tuesday", TEN), "2026-12-01 10:01", "2027-01-05 10:00", id="next year"),
        pytest.param(parse_month_beat("fourth friday", TEN), "2026-02-01 00:00", "2026-02-27 10:00", id="fourth"),
        pytest.param(parse_month_beat("last saturday", TEN), "2024-02-01 00:00", "2024-02-24 10:00", id="last of four"),
        pytest.param(parse_month_beat("last thursday", TEN), "2024-02-01 00:00", "2024-02-29 10:00", id="last of five"),
        pytest.param(parse_month_beat("last monday", TEN), "2026-08-31 09:00", "2026-08-31 10:00", id="on the 31st"),
        pytest.param(parse_month_beat("second sunday", Clock(2, 30)), "2026-03-01 00:00", "2026-03-08 03:00", id="gap"),
    ],
)
def test_a_beat_falls_where_the_calendar_says(beat: WeekBeat | MonthBeat, now: str, answer: str) -> None:
    assert wall(next_beat(here(now, NEW_YORK), beat, NEW_YORK), NEW_YORK) == answer


def test_a_beat_on_the_lost_day_is_left_out() -> None:
    assert (
        wall(next_beat(here("2011-12-29 12:00", APIA), WeekBeat(Weekday.FRIDAY, TEN), APIA), APIA) == "2012-01-06 10:00"
    )
    last_friday = parse_month_beat("last friday", TEN)
    assert wall(next_beat(here("2011-12-29 12:00", APIA), last_friday, APIA), APIA) == "2012-01-27 10:00"


beats = st.one_of(
    st.builds(WeekBeat, st.sampled_from(Weekday), clocks),
    st.builds(MonthBeat, st.sampled_from([1, 2, 3, 4, -1]), st.sampled_from(Weekday), clocks),
)


@given(instants, beats, zones)
def test_beats_follow_each_other_on_their_weekday(now: Instant, beat: WeekBeat | MonthBeat, zone: Zone) -> None:
    first = next_beat(now, beat, zone)
    second = next_beat(first + 1, beat, zone)
    assert now <= first < second
    assert next_beat(first, beat, zone) == first
    assert local(first, zone).weekday() == local(second, zone).weekday() == beat.day


@pytest.mark.parametrize(
    ("beat", "now", "answer", "year"),
    [
        pytest.param(YearBeat(YearlyDay(11, 22), 0, TEN), "2026-11-22 10:00", "2026-11-22 10:00", 2026, id="today"),
        pytest.param(YearBeat(YearlyDay(11, 22), 0, TEN), "2026-11-22 10:01", "2027-11-22 10:00", 2027, id="missed"),
        pytest.param(
            YearBeat(YearlyDay(1, 3), -7, TEN), "2026-12-01 00:00", "2026-12-27 10:00", 2027, id="next year's"
        ),
        pytest.param(
            YearBeat(YearlyDay(12, 30), 7, TEN), "2027-01-01 00:00", "2027-01-06 10:00", 2026, id="last year's"
        ),
        pytest.param(
            YearBeat(YearlyDay(2, 29), 0, TEN), "2026-01-01 00:00", "2026-02-28 10:00", 2026, id="leap birthday"
        ),
        pytest.param(YearBeat(YearlyDay(2, 29), 0, TEN), "2028-01-01 00:00", "2028-02-29 10:00", 2028, id="leap year"),
        pytest.param(
            YearBeat(YearlyDay(12, 30, JALALI), 0, TEN),
            "2025-03-01 00:00",
            "2025-03-20 10:00",
            1403,
            id="30 Esfand 1403",
        ),
        pytest.param(
            YearBeat(YearlyDay(12, 30, JALALI), 0, TEN),
            "2025-04-01 00:00",
            "2026-03-20 10:00",
            1404,
            id="29 Esfand 1404",
        ),
        pytest.param(
            YearBeat(YearlyDay(1, 1, JALALI), -7, TEN), "2026-03-01 00:00", "2026-03-14 10:00", 1405, id="before Nowruz"
        ),
    ],
)
def test_a_birthday_comes_once_a_year_and_carries_its_year(beat: YearBeat, now: str, answer: str, year: int) -> None:
    found = next_anniversary(here(now, TEHRAN), beat, TEHRAN)
    assert (wall(found.at, TEHRAN), found.year) == (answer, year)


@given(
    instants,
    st.dates(min_value=date(1950, 1, 1), max_value=date(2050, 1, 1)),
    st.sampled_from(CalendarName),
    st.integers(-400, 400),
    zones,
)
def test_anniversaries_number_the_years_without_a_hole(
    now: Instant, born: date, calendar: CalendarName, days: int, zone: Zone
) -> None:
    assume(calendar is CalendarName.GREGORIAN or (born.day <= 30 and born.month <= 11))
    beat = YearBeat(YearlyDay(born.month, born.day, calendar), days, TEN)
    first = next_anniversary(now, beat, zone)
    second = next_anniversary(first.at + 1, beat, zone)
    assert now <= first.at <= now + 368 * DAY
    assert second.year == first.year + 1


# ── Quiet time ───────────────────────────────────────────────────────────────────────────────────────────────────────

NIGHT = QuietRules(hours=parse_quiet_hours("21:00-08:00"))
ASHURA = QuietDates("Ashura", (date(2026, 6, 25), date(2027, 6, 15)))
FULL = QuietRules(NIGHT.hours, (NOWRUZ, ASHURA), (Weekday.THURSDAY, Weekday.FRIDAY))


@pytest.mark.parametrize(
    ("zone", "rules", "moment", "answer"),
    [
        pytest.param(TEHRAN, NIGHT, "2026-11-22 20:59", "2026-11-22 20:59", id="the last open minute"),
        pytest.param(TEHRAN, NIGHT, "2026-11-22 21:00", "2026-11-23 08:00", id="from the first quiet minute"),
        pytest.param(TEHRAN, NIGHT, "2026-11-23 00:00", "2026-11-23 08:00", id="from midnight"),
        pytest.param(TEHRAN, NIGHT, "2026-11-23 07:59", "2026-11-23 08:00", id="from the last quiet minute"),
        pytest.param(TEHRAN, NIGHT, "2026-11-23 08:00", "2026-11-23 08:00", id="the end is open"),
        pytest.param(TEHRAN, NIGHT, "2026-12-31 22:00", "2027-01-01 08:00", id="over the new year"),
        pytest.param(TEHRAN, NIGHT, "2024-02-28 22:00", "2024-02-29 08:00", id="into a leap day"),
        pytest.param(
            TEHRAN, QuietRules(parse_quiet_hours("12:00-14:00")), "2026-11-23 13:00", "2026-11-23 14:00", id="at noon"
        ),
        pytest.param(TEHRAN, FULL, "2026-03-18 22:00", "2026-03-25 08:00", id="weekend and Nowruz in one go"),
        pytest.param(TEHRAN, FULL, "2026-06-24 22:00", "2026-06-27 08:00", id="Ashura on a Thursday"),
        pytest.param(TEHRAN, FULL, "2026-11-28 12:00", "2026-11-28 12:00", id="an ordinary Saturday"),
        pytest.param(
            NEW_YORK, QuietRules(parse_quiet_hours("21:00-02:30")), "2026-03-08 01:00", "2026-03-08 03:00",
            id="the end falls in a gap",
        ),
        pytest.param(
            NEW_YORK, QuietRules(weekend=(5, 6)), "2026-11-01 01:30", "2026-11-02 00:00", id="weekend of 49 hours"
        ),
        pytest.param(APIA, QuietRules(weekend=(3,)), "2011-12-29 12:00", "2011-12-31 00:00", id="lost day"),
        pytest.param(
            TEHRAN,
            QuietRules(days=(QuietSeason("turn of the year", YearlyDay(12, 24), YearlyDay(1, 1)),)),
            "2026-12-30 12:00", "2027-01-02 00:00", id="a season over the new year",
        ),
        pytest.param(
            TEHRAN,
            QuietRules(days=(QuietSeason("Esfand's end", YearlyDay(12, 30, JALALI), YearlyDay(12, 30, JALALI)),)),
            "2025-03-20 12:00", "2025-03-21 00:00", id="30 Esfand in a leap year",
        ),
    ],
)  # fmt: skip
def test_mail_waits_for_the_first_open_moment(zone: Zone, rules: QuietRules, moment: str, answer: str) -> None:
    found = next_open(here(moment, zone), zone, rules)
    assert found is not None
    assert wall(found, zone) == answer


def test_an_hour_that_comes_twice_is_quiet_twice() -> None:
    rules = QuietRules(parse_quiet_hours("21:00-01:30"))
    second_quarter_past_one = utc("2026-11-01 06:15")
    assert wall(second_quarter_past_one, NEW_YORK) == "2026-11-01 01:15"
    assert not is_quiet(utc("2026-11-01 05:45"), NEW_YORK, rules)
    assert is_quiet(second_quarter_past_one, NEW_YORK, rules)
    assert next_open(second_quarter_past_one, NEW_YORK, rules) == utc("2026-11-01 06:30")


@pytest.mark.parametrize(
    ("moment", "cause"),
    [
        ("2026-11-28 12:00", None),
        ("2026-11-28 22:00", Quiet(QuietKind.HOURS, "21:00-08:00")),
        ("2026-11-27 22:00", Quiet(QuietKind.WEEKEND, "friday")),
        ("2026-03-21 22:00", Quiet(QuietKind.DAY, "Nowruz")),
        ("2026-06-25 12:00", Quiet(QuietKind.DAY, "Ashura")),
        ("2026-03-25 00:00", Quiet(QuietKind.HOURS, "21:00-08:00")),
    ],
)
def test_the_cause_of_silence_is_named(moment: str, cause: Quiet | None) -> None:
    at = here(moment, TEHRAN)
    assert quiet_cause(at, TEHRAN, FULL) == cause
    assert is_quiet(at, TEHRAN, FULL) is (cause is not None)


def test_rules_that_never_open_give_no_answer() -> None:
    assert next_open(utc("2026-01-01"), TEHRAN, QuietRules(weekend=tuple(range(7)))) is None


def test_without_rules_nothing_is_quiet() -> None:
    assert next_open(12345, TEHRAN, NEVER_QUIET) == 12345


quiet_hours = st.builds(lambda start, end: None if start == end else QuietHours(start, end), clocks, clocks)
quiet_rules = st.builds(
    QuietRules,
    quiet_hours,
    st.sampled_from([(), (NOWRUZ,), (ASHURA, NOWRUZ), (QuietSeason("turn", YearlyDay(12, 24), YearlyDay(1, 1)),)]),
    st.sampled_from([(), (3, 4), (5, 6), (0, 1, 2, 3, 4, 5)]),
)


@given(instants, zones, quiet_rules)
def test_the_open_moment_is_open_and_nothing_before_it_is(now: Instant, zone: Zone, rules: QuietRules) -> None:
    found = next_open(now, zone, rules)
    assert found is not None
    assert found >= now
    assert not is_quiet(found, zone, rules)
    probes = [now + (found - now) * part // 37 for part in range(37)] + [found - 1]
    assert all(is_quiet(probe, zone, rules) for probe in probes if now <= probe < found)


@given(instants, zones, quiet_rules)
def test_a_pause_ends_later_than_now_and_holds_until_then(now: Instant, zone: Zone, rules: QuietRules) -> None:
    pause = quiet_end(now, zone, rules)
    assert (pause is None) is (not is_quiet(now, zone, rules))
    if pause is not None:
        assert pause[1] > now
        assert is_quiet(pause[1] - 1, zone, rules)


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["24:00", "09:60", "9:30", "09:3", "0930", "۰۹:۳۰", "09:30 ", "", "-1:00"])
def test_a_time_of_day_is_written_one_way(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time of day"):
        parse_clock(text)


def test_what_is_written_right_is_read() -> None:
    assert parse_clock("23:59") == Clock(23, 59)
    assert str(parse_quiet_hours("21:00 - 08:00")) == "21:00-08:00"
    assert parse_weekday("saturday") is Weekday.SATURDAY
    assert parse_local("1405-09-30 21:00") == (date(2026, 12, 21), Clock(21))
    assert parse_local("2026-11-01") == (date(2026, 11, 1), Clock(0))
    assert parse_month_beat("last friday", TEN) == MonthBeat(-1, Weekday.FRIDAY, TEN)


@pytest.mark.parametrize("text", ["21:00", "21:00-21:00", "21-8", "21:00–08:00", ""])
def test_quiet_hours_need_two_different_times(text: str) -> None:
    with pytest.raises(ValueError, match=r"quiet hours|time of day"):
        parse_quiet_hours(text)


@pytest.mark.parametrize("text", ["fifth friday", "friday", "first", "first freitag", "1st friday", ""])
def test_a_day_of_the_month_is_an_ordinal_and_a_weekday(text: str) -> None:
    with pytest.raises(ValueError, match=r"day of the month|day of the week"):
        parse_month_beat(text, TEN)


def test_a_season_keeps_to_one_calendar() -> None:
    with pytest.raises(ValueError, match="same calendar"):
        QuietSeason("mixed", YearlyDay(1, 1), YearlyDay(1, 4, JALALI))
