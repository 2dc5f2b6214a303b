"""What held a mail back, in Persian: decisions keep it as `limit 1 per day; quiet_hours 21:00-08:00`.

Owns the reading of that text. What it does not know stands apart as it is.
"""

from __future__ import annotations

import re

from app.core.figures import figures, isolated
from app.core.instants import parse_span
from app.core.saying.persian import DAYS, span_said
from app.core.windows.quiet import QuietKind

_LIMIT = re.compile(r"(?:limit )?(?P<count>\d+) per (?P<window>day|\d+[a-z]+)")
_HOURS = re.compile(r"(?P<begins>\d\d:\d\d)-(?P<ends>\d\d:\d\d)")
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def because_said(because: str) -> str:
    """«سقف ۱ در روز و ساعت‌های آرام ۲۱:۰۰ تا ۰۸:۰۰»."""
    return " و ".join(_rule(part) for part in because.split("; ") if part)


def _rule(part: str) -> str:
    limit = _LIMIT.fullmatch(part)
    if limit:
        window = "روز" if limit["window"] == "day" else span_said(parse_span(limit["window"]))
        return f"سقف {figures(limit['count'])} در {window}"
    kind, _, name = part.partition(" ")
    return _quiet(kind, name) if kind in tuple(QuietKind) else isolated(part)


def _span(hours: re.Match[str]) -> str:
    return figures(f"{hours['begins']} تا {hours['ends']}")


def _quiet(kind: str, name: str) -> str:
    match QuietKind(kind):
        case QuietKind.HOURS:
            hours = _HOURS.fullmatch(name)
            return f"ساعت‌های آرام {_span(hours) if hours else isolated(name)}"
        case QuietKind.WEEKEND:
            return f"آخر هفته ({DAYS[_WEEK.index(name)] if name in _WEEK else isolated(name)})"
        case QuietKind.DAY:
            return f"روز آرام {isolated(name)}"
