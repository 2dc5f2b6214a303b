from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.calendar import CalendarName, YearlyDay
from app.core.instants import DAY, HOUR, MINUTE, Instant, from_datetime
from app.core.pacing import (
    Capped,
    Displacement,
    Hushed,
    Limit,
    Pace,
    Slot,
    Solved,
    earliest,
    parse_limit,
    would_displace,
)
from app.core.windows import (
    NEVER_QUIET,
    UTC_ZONE,
    Clock,
    Quiet,
    QuietHours,
    QuietKind,
    QuietRules,
    QuietSeason,
    Zone,
    at_local,
    find_zone,
    is_quiet,
    local,
    next_open,
    parse_local,
    parse_quiet_hours,
)

NEW_YORK, LONDON, TEHRAN = ZoneInfo("America/New_York"), ZoneInfo("Europe/London"), ZoneInfo("Asia/Tehran")
LORD_HOWE, APIA, HAVANA = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia"), ZoneInfo("America/Havana")
NIGHT = QuietRules(parse_quiet_hours("21:00-08:00"))
NOWRUZ = QuietSeason("Nowruz", YearlyDay(1, 1, CalendarName.JALALI), YearlyDay(1, 4, CalendarName.JALALI))
PER_DAY, PER_24H, PER_WEEK = parse_limit("1 per day"), parse_limit("1 per 24h"), parse_limit("4 per 7d")


def here(text: str, zone: Zone = TEHRAN) -> Instant:
    day, clock = parse_local(text)
    return at_local(day, clock, zone)


def slots_at(*texts: str, zone: Zone = TEHRAN) -> tuple[Slot, ...]:
    return tuple(Slot(here(text, zone), key=text) for text in texts)


def solve(now: str, slots: Sequence[Slot], limits: Sequence[Limit], quiet: QuietRules = NEVER_QUIET) -> str | None:
    found = earliest(here(now), slots, limits, TEHRAN, quiet)
    return None if found is None else local(found.at, TEHRAN).strftime("%Y-%m-%d %H:%M")


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1 per day", Limit(1, None)),
        ("1 per 24h", Limit(1, 24 * HOUR)),
        ("4 per 7d", Limit(4, 7 * DAY)),
        ("500 per hour", Limit(500, HOUR)),
        ("2 per 90m", Limit(2, 90 * MINUTE)),
    ],
)
def test_a_limit_is_a_count_and_a_window(text: str, limit: Limit) -> None:
    assert parse_limit(text) == limit
    assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize(
    "text", ["", "1", "1 per", "per day", "1 per week", "0 per day", "-1 per day", "1 per 0h", "1.5 per day",
             "1  per day", "1 per 24 h", "۱ per day", "1/day", "9999999 per day"],
)  # fmt: skip
def test_anything_else_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a limit|at least one"):
        parse_limit(text)


@pytest.mark.parametrize("limit", ["1 per day", "1 per 24h", "4 per 7d"])
def test_a_limit_writes_itself_as_people_do(limit: str) -> None:
    assert str(parse_limit(limit)) == limit


# ── Earliest ─────────────────────────────────────────────────────────────────────────────────────────────────────────

NOON = "2026-11-22 12:00"


@pytest.mark.parametrize(
    ("now", "slots", "limits", "answer"),
    [
        pytest.param(NOON, (), [PER_24H, PER_DAY, PER_WEEK], NOON, id="nothing sent yet"),
        pytest.param("2026-11-22 09:30", ("2026-11-21 09:30",), [PER_24H], "2026-11-22 09:30", id="09:30 daily"),
        pytest.param("2026-11-22 09:29", ("2026-11-21 09:30",), [PER_24H], "2026-11-22 09:30", id="a minute early"),
        pytest.param("2026-11-22 00:00", ("2026-11-21 23:59",), [PER_DAY], "2026-11-22 00:00", id="a new day"),
        pytest.param("2026-11-22 00:00", ("2026-11-21 23:59",), [PER_24H], "2026-11-22 23:59", id="not 24 hours yet"),
        pytest.param(NOON, ("2026-11-22 00:00",), [PER_DAY], "2026-11-23 00:00", id="today is taken"),
        pytest.param(NOON, ("2026-11-22 18:00",), [PER_DAY], "2026-11-23 00:00", id="today is reserved for later"),
        pytest.param(NOON, ("2026-11-22 18:00",), [PER_24H], "2026-11-23 18:00", id="a later slot counts as well"),
        pytest.param(NOON, ("2026-11-23 12:00",), [PER_24H], NOON, id="exactly a window before a later slot"),
        pytest.param(NOON, ("2026-11-23 11:59",), [PER_24H], "2026-11-24 11:59", id="a minute less than that"),
        pytest.param(
            NOON, ("2026-11-22 12:00", "2026-11-23 12:00", "2026-11-25 12:00"), [PER_24H], "2026-11-24 12:00",
            id="into the hole between two",
        ),
        pytest.param(
            NOON, ("2026-11-22 12:00", "2026-11-23 12:00", "2026-11-25 11:59"), [PER_24H], "2026-11-26 11:59",
            id="the hole is a minute too small",
        ),
        pytest.param(
            NOON, ("2026-11-16 13:00", "2026-11-18 09:00", "2026-11-19 09:00", "2026-11-20 09:00"), [PER_WEEK],
            "2026-11-23 13:00", id="the fourth of the week leaves",
        ),
        pytest.param(
            NOON, ("2026-11-18 09:00", "2026-11-19 09:00", "2026-11-20 09:00"), [PER_WEEK], NOON, id="three of four"
        ),
        pytest.param(
            NOON, ("2026-11-20 09:00", "2026-11-23 09:00", "2026-11-24 09:00", "2026-11-25 09:00"), [PER_WEEK],
            "2026-11-27 09:00", id="it would be the fifth before a reserved one",
        ),
        pytest.param(
            NOON, ("2026-11-22 08:00", "2026-11-16 13:00", "2026-11-18 09:00", "2026-11-19 09:00"),
            [PER_DAY, PER_WEEK], "2026-11-23 13:00", id="two limits, slots in any order",
        ),
        pytest.param(NOON, ("2026-11-22 12:00", "2026-11-22 12:00"), [parse_limit("2 per 1h")], "2026-11-22 13:00",
                     id="two at the same instant"),
        pytest.param(NOON, ("2026-11-22 00:00", "2026-11-23 00:00"), [parse_limit("2 per 24h")], NOON,
                     id="between two that lie a whole window apart"),
        pytest.param(NOON, ("2026-11-22 00:01", "2026-11-23 00:00"), [parse_limit("2 per 24h")], "2026-11-23 00:01",
                     id="between two that lie a minute closer"),
        pytest.param(NOON, ("2026-11-22 11:00", "2026-11-22 11:10", "2026-11-22 11:20"), [PER_DAY],
                     "2026-11-23 00:00", id="a day that was overfull already"),
    ],
)  # fmt: skip
def test_the_earliest_time_keeps_every_limit(
    now: str, slots: tuple[str, ...], limits: list[Limit], answer: str
) -> None:
    assert solve(now, slots_at(*slots), limits) == answer


@pytest.mark.parametrize(
    ("now", "slots", "limits", "quiet", "answer"),
    [
        pytest.param("2026-11-22 22:00", (), [], NIGHT, "2026-11-23 08:00", id="night"),
        pytest.param("2026-11-22 22:00", ("2026-11-22 20:00",), [PER_24H], NIGHT, "2026-11-23 20:00", id="then cap"),
        pytest.param("2026-11-22 22:00", ("2026-11-22 20:59",), [PER_DAY], NIGHT, "2026-11-23 08:00", id="cap in it"),
        pytest.param(
            "2026-11-22 12:00", ("2026-11-21 22:00",), [PER_24H], NIGHT, "2026-11-23 08:00", id="the cap ends at night"
        ),
        pytest.param(
            "2026-11-22 12:00", ("2026-11-21 22:00", "2026-11-23 20:00"), [PER_24H], NIGHT, "2026-11-24 20:00",
            id="the cap ends at night, and a later slot takes the next day",
        ),
        pytest.param(
            "2026-03-19 12:00", ("2026-03-19 10:00",), [PER_DAY], QuietRules(NIGHT.hours, (NOWRUZ,), (3, 4)),
            "2026-03-25 08:00", id="weekend, Nowruz and night",
        ),
        pytest.param(
            "2026-11-22 12:00", ("2026-11-22 09:00", "2026-11-23 09:00", "2026-11-24 09:00", "2026-11-25 09:00"),
            [PER_DAY], QuietRules(NIGHT.hours, weekend=(3, 4)), "2026-11-28 08:00", id="a busy week, then the weekend",
        ),
    ],
)  # fmt: skip
def test_quiet_time_and_limits_are_solved_together(
    now: str, slots: tuple[str, ...], limits: list[Limit], quiet: QuietRules, answer: str
) -> None:
    assert solve(now, slots_at(*slots), limits, quiet) == answer


def test_a_day_of_the_person_is_the_day_of_her_zone() -> None:
    sent = (Slot(from_datetime(datetime(2026, 11, 22, 19, 0, tzinfo=UTC))),)
    now = from_datetime(datetime(2026, 11, 22, 21, 0, tzinfo=UTC))
    in_tehran = earliest(now, sent, [PER_DAY], TEHRAN, NEVER_QUIET)
    in_london = earliest(now, sent, [PER_DAY], LONDON, NEVER_QUIET)
    assert in_tehran == Solved(now)
    assert in_london is not None
    assert in_london.at == from_datetime(datetime(2026, 11, 23, tzinfo=UTC))


def test_a_day_of_25_hours_is_one_day() -> None:
    slots = slots_at("2026-11-01 00:30", zone=NEW_YORK)
    found = earliest(here("2026-11-01 23:59", NEW_YORK), slots, [PER_DAY], NEW_YORK, NEVER_QUIET)
    assert found is not None
    assert found.at == here("2026-11-02 00:00", NEW_YORK)


def test_a_clock_set_back_finds_its_own_mails_ahead_and_still_keeps_the_limit() -> None:
    assert solve("2026-11-21 12:00", slots_at("2026-11-22 09:30"), [PER_24H]) == "2026-11-23 09:30"
    assert solve("2026-11-20 09:00", slots_at("2026-11-22 09:30"), [PER_24H]) == "2026-11-20 09:00"


def test_what_cannot_be_solved_in_32_rounds_has_no_answer() -> None:
    evenings = tuple(Slot(here("2026-11-22 20:00") + day * DAY) for day in range(60))
    half_an_hour = QuietRules(parse_quiet_hours("12:30-12:00"))
    per_half_day = [parse_limit("1 per 12h")]
    assert earliest(here(NOON), evenings, per_half_day, TEHRAN, half_an_hour) is None
    assert earliest(here(NOON), evenings[:30], per_half_day, TEHRAN, half_an_hour) is not None
    assert earliest(here(NOON), evenings, per_half_day, TEHRAN, NEVER_QUIET) is not None


def test_rules_that_are_always_quiet_have_no_answer() -> None:
    assert earliest(here(NOON), (), [], TEHRAN, QuietRules(weekend=tuple(range(7)))) is None


# ── Because ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_time_nobody_delayed_has_no_reasons() -> None:
    assert earliest(here(NOON), slots_at("2026-11-20 12:00"), [PER_24H], TEHRAN, NIGHT) == Solved(here(NOON))


def test_the_limit_and_the_slot_that_took_it_are_named() -> None:
    taken = Slot(here("2026-11-22 09:30"), 3, "ebook/story")
    found = earliest(here(NOON), (taken,), [PER_WEEK, PER_24H], TEHRAN, NEVER_QUIET)
    assert found == Solved(here("2026-11-23 09:30"), (Capped(PER_24H, (taken,), here("2026-11-23 09:30")),))
    assert [str(reason) for reason in found.because] == ["limit 1 per 24h"]


def test_every_rule_that_moved_it_is_named_once_in_order() -> None:
    slots = slots_at("2026-03-19 10:00")
    quiet = QuietRules(NIGHT.hours, (NOWRUZ,), (3, 4))
    found = earliest(here("2026-03-18 22:00"), slots, [PER_DAY], TEHRAN, quiet)
    assert found is not None
    assert [str(reason) for reason in found.because] == [
        "quiet_hours 21:00-08:00",
        "quiet_weekend thursday",
        "quiet_weekend friday",
        "quiet_day Nowruz",
    ]
    assert found.because[0] == Hushed(Quiet(QuietKind.HOURS, "21:00-08:00"), here("2026-03-25 08:00"))


def test_the_reason_with_the_latest_end_ends_when_the_mail_leaves() -> None:
    found = earliest(here("2026-11-22 12:00"), slots_at("2026-11-21 22:00"), [PER_24H], TEHRAN, NIGHT)
    assert found is not None
    assert [str(reason) for reason in found.because] == ["limit 1 per 24h", "quiet_hours 21:00-08:00"]
    assert max(reason.until for reason in found.because) == found.at == here("2026-11-23 08:00")


# ── Who gives way ────────────────────────────────────────────────────────────────────────────────────────────────────

PACE = Pace((PER_DAY,), TEHRAN, NIGHT)


def reserved(text: str, priority: int, *, is_movable: bool = True) -> Slot:
    return Slot(here(text), priority, text, is_movable)


def test_a_greater_priority_takes_the_slot_of_a_lesser_one() -> None:
    low = reserved("2026-11-22 18:00", 1)
    found = would_displace(here(NOON), 2, (low,), PACE)
    assert found == Displacement(Solved(here(NOON)), low)


@pytest.mark.parametrize(
    "slot",
    [
        pytest.param(reserved("2026-11-22 18:00", 2), id="the same priority"),
        pytest.param(reserved("2026-11-22 18:00", 3), id="a greater one"),
        pytest.param(reserved("2026-11-22 18:00", 1, is_movable=False), id="claimed already"),
        pytest.param(reserved("2026-11-25 18:00", 1), id="not in the way"),
    ],
)
def test_nobody_else_gives_way(slot: Slot) -> None:
    assert would_displace(here(NOON), 2, (slot,), PACE) is None


def test_the_lowest_gives_way_and_among_equals_the_latest() -> None:
    pace = Pace((parse_limit("3 per day"),), TEHRAN)
    early, late = reserved("2026-11-22 15:00", 1), reserved("2026-11-22 19:00", 1)
    middle = reserved("2026-11-22 17:00", 2)
    found = would_displace(here(NOON), 5, (early, middle, late), pace)
    assert found is not None
    assert found.loser is late


def test_a_slot_that_brings_it_only_part_of_the_way_is_taken_for_that_part() -> None:
    sent = reserved("2026-11-22 09:00", 1, is_movable=False)
    tomorrow = reserved("2026-11-23 10:00", 1)
    found = would_displace(here(NOON), 2, (sent, tomorrow), PACE)
    assert found is not None
    assert found.loser is tomorrow
    assert found.solved.at == here("2026-11-23 08:00")


def test_the_loser_solved_again_stands_behind_the_winner() -> None:
    low = reserved("2026-11-22 18:00", 1)
    found = would_displace(here(NOON), 2, (low,), PACE)
    assert found is not None
    again = earliest(here(NOON), (Slot(found.solved.at, 2),), PACE.limits, TEHRAN, NIGHT)
    assert again is not None
    assert again.at == here("2026-11-23 08:00")


# ── Properties ───────────────────────────────────────────────────────────────────────────────────────────────────────

BASES = [
    here(day, UTC_ZONE)
    for day in ("2026-03-08", "2026-11-01", "2026-03-29", "2026-10-25", "2026-10-04", "2026-04-05", "2011-12-30",
                "2022-03-21", "2022-09-21", "2025-03-19", "2024-02-28", "2026-12-31")
]  # fmt: skip
nows = st.builds(lambda base, minutes: base + minutes * MINUTE, st.sampled_from(BASES), st.integers(-2880, 2880))
EVERY_ZONE = [zone for name in sorted(available_timezones()) if (zone := find_zone(name)) is not None]
ODD_ZONES = [UTC_ZONE, NEW_YORK, LONDON, TEHRAN, LORD_HOWE, APIA, HAVANA]
zones = st.one_of(st.sampled_from(ODD_ZONES), st.sampled_from(EVERY_ZONE))
clocks = st.builds(Clock, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
quiet_rules = st.builds(
    QuietRules,
    st.builds(lambda start, end: None if start == end else QuietHours(start, end), clocks, clocks),
    st.sampled_from([(), (NOWRUZ,)]),
    st.sampled_from([(), (3, 4), (5, 6)]),
)
limit_lists = st.lists(
    st.builds(Limit, st.integers(1, 4), st.sampled_from([None, 12 * HOUR, 24 * HOUR, 3 * DAY, 7 * DAY])), max_size=3
)
offsets = st.lists(st.tuples(st.integers(-10 * 24 * 4, 10 * 24 * 4), st.integers(0, 3), st.booleans()), max_size=9)


def placed(now: Instant, raw: list[tuple[int, int, bool]]) -> tuple[Slot, ...]:
    return tuple(
        Slot(now + quarters * 15 * MINUTE, priority, str(n), movable)
        for n, (quarters, priority, movable) in enumerate(raw)
    )


def breaks(at: Instant, slots: Sequence[Slot], limit: Limit, zone: Zone) -> bool:
    """Counts by the plain meaning of a limit: every window that would hold this message."""
    times = [*(slot.at for slot in slots), at]
    window = limit.window
    if window is None:
        return sum(local(time, zone).date() == local(at, zone).date() for time in times) > limit.count
    ends = [end for end in times if at <= end < at + window]
    return any(sum(end - window < time <= end for time in times) > limit.count for end in ends)


@given(nows, offsets, limit_lists, zones, quiet_rules)
def test_a_solved_time_is_open_keeps_every_limit_and_nothing_earlier_does(
    now: Instant, raw: list[tuple[int, int, bool]], limits: list[Limit], zone: Zone, quiet: QuietRules
) -> None:
    slots = placed(now, raw)
    found = earliest(now, slots, limits, zone, quiet)
    if found is None:
        return

    def is_forbidden(at: Instant) -> bool:
        return is_quiet(at, zone, quiet) or any(breaks(at, slots, limit, zone) for limit in limits)

    assert found.at >= now
    assert not is_forbidden(found.at)
    probes = {now + (found.at - now) * part // 41 for part in range(41)} | {found.at - 1}
    probes |= {slot.at for slot in slots} | {slot.at + (limit.window or DAY) for slot in slots for limit in limits}
    assert all(is_forbidden(probe) for probe in probes if now <= probe < found.at)


@given(nows, offsets, limit_lists, zones, quiet_rules)
def test_the_reasons_explain_the_whole_delay(
    now: Instant, raw: list[tuple[int, int, bool]], limits: list[Limit], zone: Zone, quiet: QuietRules
) -> None:
    found = earliest(now, placed(now, raw), limits, zone, quiet)
    if found is None:
        return
    assert (found.at == now) is (not found.because)
    assert max((reason.until for reason in found.because), default=now) == found.at
    assert len({str(reason) for reason in found.because}) == len(found.because)


@given(st.lists(nows.map(lambda now: now % (10 * DAY)), min_size=1, max_size=12), limit_lists, zones, quiet_rules)
def test_mails_placed_one_after_the_other_never_exceed_a_limit(
    wanted: list[Instant], limits: list[Limit], zone: Zone, quiet: QuietRules
) -> None:
    base = here("2026-03-05", UTC_ZONE)
    slots: tuple[Slot, ...] = ()
    for offset in wanted:
        found = earliest(base + offset, slots, limits, zone, quiet)
        if found is not None:
            slots = (*slots, Slot(found.at))
    for n, slot in enumerate(slots):
        others = slots[:n] + slots[n + 1 :]
        assert not any(breaks(slot.at, others, limit, zone) for limit in limits)
        assert next_open(slot.at, zone, quiet) == slot.at


@given(nows, offsets, limit_lists, zones, st.integers(0, 4))
def test_whoever_gives_way_is_lesser_and_movable_and_the_winner_gains(
    now: Instant, raw: list[tuple[int, int, bool]], limits: list[Limit], zone: Zone, priority: int
) -> None:
    slots = placed(now, raw)
    found = would_displace(now, priority, slots, Pace(tuple(limits), zone))
    plain = earliest(now, slots, limits, zone, NEVER_QUIET)
    if found is None:
        return
    assert found.loser.is_movable
    assert found.loser.priority < priority
    assert plain is None or found.solved.at < plain.at
    rest = [slot for slot in slots if slot is not found.loser]
    assert not any(breaks(found.solved.at, rest, limit, zone) for limit in limits)
