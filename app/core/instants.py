"""Instants and spans: plain whole numbers of microseconds.

Owns the two aliases, the units, and the reading and writing of durations such as `90s` or `2w`.
Must not know local time, zones or calendars, and must not read a clock.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

Instant: TypeAlias = int  # microseconds since 1970-01-01T00:00Z, as POSIX counts: no leap seconds
Span: TypeAlias = int  # microseconds, elapsed time: a day is 24 hours here

SECOND: Final[Span] = 1_000_000
MINUTE: Final[Span] = 60 * SECOND
HOUR: Final[Span] = 60 * MINUTE
DAY: Final[Span] = 24 * HOUR
WEEK: Final[Span] = 7 * DAY
LONGEST_SPAN: Final[Span] = 36_500 * DAY

_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_SPAN: Final = re.compile(r"([0-9]{1,10})([smhdw])")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


def parse_span(text: str) -> Span:
    """Read one duration: a whole number and one unit of `s m h d w` (`90s`, `15m`, `2h`, `3d`, `2w`).

    Raises ValueError with a plain sentence when the text is anything else or longer than 100 years.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a duration; write a whole number and one unit: 90s, 15m, 2h, 3d or 2w")
    span = int(match[1]) * _UNITS[match[2]]
    if span > LONGEST_SPAN:
        raise ValueError(f"{text!r} is longer than 100 years")
    return span


def format_span(span: Span) -> str:
    """Write a span in the largest unit up to days that divides it: `2d`, `36h`, `90s`.

    `parse_span` reads it back to the same value for whole seconds from zero; a broken second is cut off.
    Weeks are never written, since `7d` and `14d` are how people write limits.
    """
    sign, seconds = ("-", -span // SECOND) if span < 0 else ("", span // SECOND)
    for unit in ("d", "h", "m"):
        count, rest = divmod(seconds, _UNITS[unit] // SECOND)
        if count and not rest:
            return f"{sign}{count}{unit}"
    return f"{sign}{seconds}s"


def from_datetime(moment: datetime) -> Instant:
    """The instant of an aware datetime, exact to the microsecond. Raises ValueError for a naive one."""
    if moment.utcoffset() is None:
        raise ValueError("a datetime without a zone is no instant")
    return (moment - _EPOCH) // _TICK


def to_datetime(instant: Instant) -> datetime:
    """The aware datetime of an instant, in UTC. Raises OverflowError outside the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=instant)
