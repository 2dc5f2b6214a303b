"""The typed values a mail may print, and how each looks in a locale.

Owns dates (Jalali for Persian), digits, money and the names under which templates see data. It must not look anything
up: every value is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from types import SimpleNamespace
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from persiantools.jdatetime import JalaliDate

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_LATIN = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_JALALI_MONTHS = ("فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند")
_WEEKDAYS_FA = ("دوشنبه", "سه‌شنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه")
_WEEKDAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS_EN = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_CURRENCY = {
    ("IRR", "fa"): "ریال", ("toman", "fa"): "تومان", ("USD", "fa"): "دلار", ("EUR", "fa"): "یورو",
    ("IRR", "en"): "rials", ("toman", "en"): "toman",
}  # fmt: skip
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}


@dataclass(frozen=True, slots=True)
class Money:
    """`amount` in the smallest unit of `currency` (`decimals` digits after the point); shown in `show` when given.

    `show="toman"` divides rials by ten.
    """

    amount: int
    currency: str
    show: str = ""
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant (µs since 1970 UTC) shown in a zone; an empty zone becomes the reader's own."""

    at: int
    zone: str = ""


class Named(str):
    """A key that prints as its name: conditions of a template compare the key, readers see the name."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, key: str, name: str) -> Named:
        made = super().__new__(cls, key)
        made.name = name or key
        return made

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Code:
    """A text that stays Latin and in its own run: a coupon, an order number, an address."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Percent:
    """15 is 15 %."""

    number: int | float


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture made for one reader, such as a countdown; `alt` says the same in words."""

    url: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a survey and the signed link that chooses it."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Survey:
    """A question with its answers, as a mail shows them."""

    question: str
    answers: tuple[Answer, ...]


Scalar: TypeAlias = "str | int | float | bool | None | Money | Moment | Code | Percent | date | Survey | Picture"
Value: TypeAlias = "Scalar | tuple[Value, ...] | list[Value] | Mapping[str, Value]"
Values: TypeAlias = Mapping[str, Value]


def named(values: Values, zone: str) -> SimpleNamespace:
    """The values under attribute names; moments without a zone get the reader's."""
    space = SimpleNamespace()
    inside = space.__dict__
    for key, value in values.items():
        inside[key] = value if value.__class__ in _AS_IS else _bound(value, zone)
    return space


_AS_IS = frozenset({str, int, float, bool, type(None), Money, Code, Percent})


def _bound(value: Value, zone: str) -> object:
    if isinstance(value, Moment):
        return value if value.zone else Moment(value.at, zone)
    if isinstance(value, Mapping):
        return named(value, zone)
    if isinstance(value, (tuple, list)):
        return tuple(item if item.__class__ in _AS_IS else _bound(item, zone) for item in value)
    return value


def language(locale: str) -> str:
    return locale.partition("-")[0]


def digits(text: str, locale: str) -> str:
    """The digits of the locale: Persian ones for fa, Latin ones otherwise."""
    return text.translate(_PERSIAN if language(locale) == "fa" else _LATIN)


def number(value: float, locale: str) -> str:
    """`1234.5` → `1,234.5` or `۱٬۲۳۴٫۵`."""
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.6f}".rstrip("0").rstrip(".")
    if language(locale) != "fa":
        return text
    return text.replace(",", "٬").replace(".", "٫").translate(_PERSIAN)


@lru_cache(maxsize=1024)
def money(value: Money, locale: str) -> str:
    """An amount with its currency in the words of the locale."""
    amount: int | float = value.amount / 10**value.decimals if value.decimals else value.amount
    unit = value.currency
    if value.show == "toman" and unit == "IRR":
        amount, unit = (value.amount // 10 if value.amount % 10 == 0 else value.amount / 10), "toman"
    name = _CURRENCY.get((unit, language(locale)))
    if name:
        return f"{number(amount, locale)}\u00a0{name}"
    text = number(amount, locale) if not value.decimals else _fixed(amount, value.decimals, locale)
    return f"{_SIGNS[unit]}{text}" if unit in _SIGNS else f"{text}\u00a0{unit}"


def _fixed(amount: float, decimals: int, locale: str) -> str:
    text = f"{amount:,.{decimals}f}"
    if language(locale) != "fa":
        return text
    return text.replace(",", "٬").replace(".", "٫").translate(_PERSIAN)


def percent(value: float, locale: str) -> str:
    return number(value, locale) + ("٪" if language(locale) == "fa" else "%")


def day(value: date, locale: str, style: str = "long") -> str:
    """A date. Styles: `short` 1405/09/01, `long` 1 Azar 1405 (in Persian words), `full` with the weekday.

    Persian mails use the Jalali calendar, all others the Gregorian one. Raises ValueError for another style.
    """
    if style not in ("short", "long", "full"):
        raise ValueError(f"a date is short, long or full, not {style!r}")
    return _jalali(value, style) if language(locale) == "fa" else _gregorian(value, style)


def _jalali(value: date, style: str) -> str:
    jalali = JalaliDate(value)  # type: ignore[no-untyped-call]
    if style == "short":
        return f"{jalali.year}/{jalali.month:02}/{jalali.day:02}".translate(_PERSIAN)
    text = f"{jalali.day} {_JALALI_MONTHS[jalali.month - 1]} {jalali.year}".translate(_PERSIAN)
    return f"{_WEEKDAYS_FA[value.weekday()]} {text}" if style == "full" else text


def _gregorian(value: date, style: str) -> str:
    if style == "short":
        return value.isoformat()
    text = f"{value.day} {_MONTHS_EN[value.month - 1]} {value.year}"
    return f"{_WEEKDAYS_EN[value.weekday()]} {text}" if style == "full" else text


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def local(moment: Moment) -> datetime:
    """The moment on the clock of its zone; an unknown zone reads as UTC."""
    return (_EPOCH + timedelta(microseconds=moment.at)).astimezone(_zone(moment.zone))


def clock(value: datetime, locale: str) -> str:
    """Hours and minutes, 24-hour."""
    return digits(f"{value.hour:02}:{value.minute:02}", locale)


@lru_cache(maxsize=1024)
def moment(value: Moment, locale: str) -> str:
    """The default look of an instant: day and clock."""
    at = local(value)
    joint = "، ساعت " if language(locale) == "fa" else ", "
    return f"{day(at.date(), locale, 'full')}{joint}{clock(at, locale)}"


def words(items: Iterable[str], locale: str) -> str:
    """A list in a sentence: `a, b and c`."""
    parts = list(items)
    comma, last = ("، ", " و ") if language(locale) == "fa" else (", ", " and ")
    return last.join([comma.join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def plain(value: object, locale: str) -> str:
    """Any value as the locale writes it, on no assumption about where it will stand."""
    match value:
        case None:
            return ""
        case bool():
            return _YES_NO[language(locale) == "fa"][value]
        case int() | float():
            return number(value, locale)
        case Money():
            return money(value, locale)
        case Percent():
            return percent(value.number, locale)
        case Moment():
            return moment(value, locale)
        case datetime():
            return f"{day(value.date(), locale)} {clock(value, locale)}"
        case date():
            return day(value, locale)
        case Picture():
            return value.alt
        case tuple() | list():
            return words((plain(item, locale) for item in value), locale)
        case _:
            return str(value)


_YES_NO = (("no", "yes"), ("خیر", "بله"))
