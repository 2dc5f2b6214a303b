"""Wording: the dashboard's texts in the reader's language, and how it writes numbers, money, dates and spans.

Owns the dashboard's catalogue and its figures in Persian and English. Must not fetch what it writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po
from flask import g

from app.core.calendar import to_jalali
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Instant, Span, to_datetime
from app.core.site import Site
from app.core.windows import find_zone, local

_CATALOGUES = Path(__file__).parents[1] / "translations"
_DIGITS = {ord("0") + digit: chr(0x06F0 + digit) for digit in range(10)}
_FIGURES = _DIGITS | {ord(","): "٬", ord("."): "٫", ord("%"): "٪", ord("-"): "−"}
_EN_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_FA_MONTHS = ["فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"]
_EN_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_FA_DAYS = ["دوشنبه", "سه\u200cشنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه"]


@cache
def catalogue(locale: str) -> Mapping[str, str]:
    """English text → the locale's; texts without a translation are left out."""
    path = _CATALOGUES / locale / "LC_MESSAGES" / "dashboard.po"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        messages = list(read_po(file, locale))
    return {_first(message.id): _first(message.string) for message in messages if message.id and message.string}


def _first(text: object) -> str:
    return str(text[0]) if isinstance(text, tuple | list) else str(text)


def tongue() -> str:
    """The language of this page: fa or en."""
    return str(g.get("locale", "en"))


def is_persian() -> bool:
    return tongue() == "fa"


def say(text: str, **values: object) -> str:
    """A text of the catalogue; whole numbers among the values are written as the language writes them."""
    found = catalogue(tongue()).get(text, text)
    return found % {name: shown(value) for name, value in values.items()} if values else found


def say_count(one: str, many: str, count: int, **values: object) -> str:
    """A text that counts: Persian has one form, English two."""
    if is_persian():
        return say(one, n=count, **values)
    return (one if count == 1 else many) % {"n": shown(count), **{name: shown(v) for name, v in values.items()}}


def shown(value: object) -> str:
    """A value inside a sentence: numbers as the language writes them, foreign words set apart in Persian."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    text = str(value)
    return f"\u2068{text}\u2069" if is_persian() and _HAS_LATIN.search(text) else text


_HAS_LATIN = re.compile(r"[A-Za-z]")


# ── Figures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def figures(text: str) -> str:
    """Digits and signs as the language writes them in prose."""
    return text.translate(_FIGURES) if is_persian() else text


def number(value: float) -> str:
    """1,234 or ۱٬۲۳۴; broken numbers with one place."""
    return figures(f"{value:,.0f}" if isinstance(value, int) or value == int(value) else f"{value:,.1f}")


def compact(value: float) -> str:
    """A number for an axis: 950, 1.2k, 3M."""
    for size, word in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if abs(value) >= size:
            word = {"B": " میلیارد", "M": " میلیون", "k": " هزار"}[word] if is_persian() else word
            return figures(f"{value / size:.1f}".removesuffix(".0")) + word
    return number(value)


def percent(share: float | None, places: int = 1) -> str:
    """A fraction as percent; a dash for none."""
    if share is None:
        return "–"
    return figures(f"{share * 100:.{places}f}".removesuffix(".0") + "%")


_DECIMALS = {"IRR": 0, "JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "KWD": 3, "BHD": 3, "OMR": 3}


def money(amount: int, site: Site | None) -> str:
    """An amount in the currency's smallest unit, as people say it: tomans, euros."""
    if site is None:
        return number(amount)
    if site.currency_shown == "toman":
        return f"{number(amount // 10)} {'تومان' if is_persian() else 'tomans'}"
    places = _DECIMALS.get(site.currency, 2)
    text = figures(f"{amount / 10**places:,.{places}f}")
    return f"{text} {site.currency_shown or site.currency}"


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Clock:
    """Where dates are written for, and what counts as now."""

    zone: str
    now: Instant

    def date(self, at: Instant, *, year: bool | None = None) -> str:
        """Sun 22 Nov, or یکشنبه ۱ آذر; the year where it is another one, or asked for."""
        when, here = self._local(at), self._local(self.now)
        if is_persian():
            day, today = to_jalali(when.date()), to_jalali(here.date())
            text = f"{_FA_DAYS[when.weekday()]} {day.day} {_FA_MONTHS[day.month - 1]}"
            return figures(f"{text} {day.year}" if year or (year is None and day.year != today.year) else text)
        text = f"{_EN_DAYS[when.weekday()]} {when.day} {_EN_MONTHS[when.month - 1]}"
        return f"{text} {when.year}" if year or (year is None and when.year != here.year) else text

    def time(self, at: Instant) -> str:
        return figures(f"{self._local(at):%H:%M}")

    def when(self, at: Instant | None) -> str:
        """Date and time; a dash for never."""
        if at is None:
            return "–"
        return f"{self.date(at)}{'،' if is_persian() else ','} {self.time(at)}"

    def short_day(self, day: int) -> str:
        """A day counted from 1970 UTC, for an axis: 22 Nov, ۱ آذر."""
        when = to_datetime(day * DAY).date()
        if is_persian():
            jalali = to_jalali(when)
            return figures(f"{jalali.day} {_FA_MONTHS[jalali.month - 1]}")
        return f"{when.day} {_EN_MONTHS[when.month - 1]}"

    def ago(self, at: Instant | None) -> str:
        """How far an instant lies from now: 5 min ago, in 2 days."""
        if at is None:
            return "–"
        distance = self.now - at
        if abs(distance) < 10 * SECOND:
            return say("just now")
        words = span(abs(distance))
        return say("%(span)s ago", span=words) if distance > 0 else say("in %(span)s", span=words)

    def iso(self, at: Instant) -> str:
        return to_datetime(at).isoformat(timespec="seconds")

    def _local(self, at: Instant):  # type: ignore[no-untyped-def]
        return local(at, find_zone(self.zone) or find_zone("UTC"))  # type: ignore[arg-type]


def span(value: Span) -> str:
    """A span in its largest sensible unit: 40 s, 5 min, 3 h, 2 days."""
    if value < MINUTE:
        return say("%(n)s s", n=max(0, value // SECOND))
    if value < HOUR:
        return say("%(n)s min", n=value // MINUTE)
    if value < 2 * DAY:
        return say("%(n)s h", n=value // HOUR)
    return say("%(n)s days", n=value // DAY)
