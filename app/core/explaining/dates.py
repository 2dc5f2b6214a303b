"""Dates and figures in sentences: English as `Thu 5 Nov 08:00`, Persian in the Jalali calendar with Persian digits.

Owns the writing of one instant for one zone. Must not know what the sentence says.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.calendar import to_jalali
from app.core.conditions.sentence import NO_LABELS, Labels
from app.core.figures import figures
from app.core.instants import Instant
from app.core.windows import Zone, local

_EN_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EN_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FA_DAYS = ("دوشنبه", "سه‌شنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه")
FA_MONTHS = (
    "فروردین",
    "اردیبهشت",
    "خرداد",
    "تیر",
    "مرداد",
    "شهریور",
    "مهر",
    "آبان",
    "آذر",
    "دی",
    "بهمن",
    "اسفند",
)


@dataclass(frozen=True, slots=True)
class Dates:
    """Writes instants as a person's wall clock shows them; the year only where it is not the present one."""

    zone: Zone
    now: Instant
    labels: Labels = NO_LABELS
    """What the files call what conditions name."""

    def english(self, at: Instant | None) -> str:
        if at is None:
            return "never"
        when = local(at, self.zone)
        year = f" {when.year}" if when.year != local(self.now, self.zone).year else ""
        return f"{_EN_DAYS[when.weekday()]} {when.day} {_EN_MONTHS[when.month - 1]}{year} {when:%H:%M}"

    def persian(self, at: Instant | None) -> str:
        if at is None:
            return "هرگز"
        when = local(at, self.zone)
        day, today = to_jalali(when.date()), to_jalali(local(self.now, self.zone).date())
        year = f" {day.year}" if day.year != today.year else ""
        text = f"{_FA_DAYS[when.weekday()]} {day.day} {FA_MONTHS[day.month - 1]}{year} ساعت {when:%H:%M}"
        return figures(text)
