"""The tongue: which language a page speaks, and how it writes numbers and dates in it.

Owns the choice of locale and the filters for people. Must not hold the words themselves: those are the catalogues'.
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask, g, request
from flask_babel import Babel  # type: ignore[import-untyped,unused-ignore]

from app.core.calendar import CalendarName, format_date
from app.core.instants import Instant
from app.core.windows import find_zone, local
from app.store.engine import StoreError
from app.web.parts import Parts

LOCALES = ("fa", "en")
_RIGHT_TO_LEFT = frozenset({"fa", "ar", "he", "ur", "ckb", "ps", "ug", "yi"})
_FA_DIGITS = {ord("0") + digit: chr(0x06F0 + digit) for digit in range(10)} | {ord("%"): "٪"}
_FA_MONTHS = ["فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"]
_EN_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def install(app: Flask, parts: Parts) -> None:
    """Give pages their words: `_()`, `lang`, `dir`, and the filters `digits` and `day`."""
    folder = str(Path(__file__).parent / "translations")
    Babel(app, default_translation_directories=folder, locale_selector=lambda: page_locale(parts))
    app.jinja_env.filters["digits"] = lambda value: digits(str(value), page_locale(parts))
    app.jinja_env.filters["day"] = lambda at: day(at, page_locale(parts), site_zone(parts))
    app.context_processor(lambda: {"lang": page_locale(parts), "dir": direction(page_locale(parts))})


def page_locale(parts: Parts) -> str:
    """What the page said (`speak`), else `?lang=`, else the browser's languages, else the site's first."""
    if "locale" not in g:
        g.locale = _asked(parts)
    return str(g.locale)


def speak(locale: str) -> None:
    """Let this page speak a reader's own language, unless the address says another."""
    if locale.partition("-")[0] in LOCALES and "lang" not in request.args:
        g.locale = locale.partition("-")[0]


def _asked(parts: Parts) -> str:
    wanted = request.args.get("lang", "").partition("-")[0]
    if wanted in LOCALES:
        return wanted
    return request.accept_languages.best_match(LOCALES) or _first(parts)


def _first(parts: Parts) -> str:
    try:
        shelved = parts.shelved()
    except (StoreError, TimeoutError):  # the page of an error must not fail for want of a language
        return "en"
    known = [key for key in (shelved.book.site.locales if shelved else ()) if key.partition("-")[0] in LOCALES]
    return known[0].partition("-")[0] if known else "en"


def direction(locale: str) -> str:
    return "rtl" if locale.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


def digits(text: str, locale: str) -> str:
    """Latin digits as the locale writes them in prose."""
    return text.translate(_FA_DIGITS) if locale.startswith("fa") else text


def site_zone(parts: Parts) -> str:
    shelved = parts.shelved()
    return shelved.book.site.timezone if shelved else "UTC"


def day(at: Instant, locale: str, zone: str) -> str:
    """A date as people write it: ۱ آذر ۱۴۰۵, or 22 November 2026."""
    when = local(at, find_zone(zone) or find_zone("UTC")).date()  # type: ignore[arg-type]
    if not locale.startswith("fa"):
        return f"{when.day} {_EN_MONTHS[when.month - 1]} {when.year}"
    year, month, of_month = format_date(when, CalendarName.JALALI).split("-")
    return digits(f"{int(of_month)} {_FA_MONTHS[int(month) - 1]} {year}", "fa")
