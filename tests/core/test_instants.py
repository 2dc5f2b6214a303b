from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.instants import (
    DAY,
    HOUR,
    LONGEST_SPAN,
    MINUTE,
    SECOND,
    WEEK,
    format_span,
    from_datetime,
    parse_span,
    to_datetime,
)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", 90 * SECOND),
        ("15m", 15 * MINUTE),
        ("2h", 2 * HOUR),
        ("3d", 3 * DAY),
        ("2w", 2 * WEEK),
        ("0s", 0),
        ("007d", 7 * DAY),
        ("36500d", LONGEST_SPAN),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, span: int) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "d",
        "2 d",
        " 2d",
        "2d ",
        "2D",
        "-2d",
        "+2d",
        "1.5h",
        "1d2h",
        "2y",
        "1e3s",
        "۲d",
        "٢d",
        "２d",
        "2d\n",
        "36501d",
        "9" * 10 + "w",
        "9" * 5000 + "w",
    ],
)
def test_anything_else_is_no_duration_and_the_message_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|is longer than 100 years"):
        parse_span(text)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0, "0s"),
        (90 * SECOND, "90s"),
        (60 * SECOND, "1m"),
        (36 * HOUR, "36h"),
        (48 * HOUR, "2d"),
        (2 * WEEK, "14d"),
        (SECOND // 2, "0s"),
        (3 * HOUR + 999, "3h"),
        (-7 * DAY, "-7d"),
    ],
)
def test_a_span_is_written_in_its_largest_whole_unit(span: int, text: str) -> None:
    assert format_span(span) == text


@given(st.integers(0, 9_999_999_999).map(lambda seconds: min(seconds * SECOND, LONGEST_SPAN)))
def test_what_was_written_reads_back_the_same(span: int) -> None:
    assert parse_span(format_span(span)) == span


@given(
    st.datetimes(
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
        min_value=datetime(2, 1, 1),
        max_value=datetime(9998, 12, 31),
    )
)
def test_an_aware_datetime_survives_the_way_to_an_instant_and_back(moment: datetime) -> None:
    assert to_datetime(from_datetime(moment)) == moment


@given(st.integers(-60_000_000_000 * SECOND, 250_000_000_000 * SECOND))
def test_an_instant_survives_the_way_to_a_datetime_and_back(instant: int) -> None:
    assert from_datetime(to_datetime(instant)) == instant


def test_known_instants_are_where_posix_has_them() -> None:
    assert from_datetime(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert from_datetime(datetime(2026, 11, 22, 12, tzinfo=UTC)) == 1_795_348_800 * SECOND
    assert from_datetime(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


def test_a_naive_datetime_is_no_instant() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        from_datetime(datetime(2026, 1, 1))
