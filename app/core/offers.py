"""Offers, surveys and pieces of content as values: what is given, what is asked, what is shown in mails.

Owns the shapes of these files after reading. Must not hand out codes, start deadlines or record answers.
Money is in the currency's smallest unit, shares are fractions (0.15 is 15 %), spans microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from app.core.text import NO_TEXT, NOWHERE, Place, Text
from app.core.windows import Clock


@dataclass(frozen=True, slots=True)
class PercentOff:
    share: float


@dataclass(frozen=True, slots=True)
class AmountOff:
    amount: int


@dataclass(frozen=True, slots=True)
class FreeShipping:
    pass


@dataclass(frozen=True, slots=True)
class Gift:
    """Something said in words."""

    text: Text


Gives: TypeAlias = PercentOff | AmountOff | FreeShipping | Gift


class WhenEmpty(StrEnum):
    HOLD = "hold"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class SharedCode:
    """One code for everybody."""

    code: str


@dataclass(frozen=True, slots=True)
class CodePool:
    """Codes imported beforehand, one per person. Below `low_at` the owner is told; `when_empty` may fall back."""

    pool: str
    low_at: int = 0
    when_empty: WhenEmpty | SharedCode = WhenEmpty.HOLD


Codes: TypeAlias = CodePool | SharedCode | None


@dataclass(frozen=True, slots=True)
class PersonalEnd:
    """So many days after the first send of the offer to a person, at that time of her day."""

    days: int
    at: Clock


@dataclass(frozen=True, slots=True)
class FixedEnd:
    """A date (ISO, Gregorian) and time of the site's zone."""

    date: str
    at: Clock


@dataclass(frozen=True, slots=True)
class Offer:
    key: str
    title: Text
    gives: Gives
    codes: Codes = None
    ends: PersonalEnd | FixedEnd | None = None
    seats: int | None = None
    after_end: str = ""
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NumberScale:
    """Whole numbers, both ends included."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class OptionScale:
    options: tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True)
class Survey:
    key: str
    question: Text
    scale: NumberScale | OptionScale
    low_label: Text = NO_TEXT
    high_label: Text = NO_TEXT
    thanks: Text = NO_TEXT
    place: Place = field(default=NOWHERE, compare=False, repr=False)


class ContentKind(StrEnum):
    TESTIMONIAL = "testimonial"
    PRODUCT = "product"
    ARTICLE = "article"
    GUARANTEE = "guarantee"


@dataclass(frozen=True, slots=True)
class Content:
    """One piece shown in mails. Which of the fields are given depends on the kind; absent ones are empty."""

    key: str
    kind: ContentKind
    title: Text = NO_TEXT
    text: Text = NO_TEXT
    author: Text = NO_TEXT
    about: Text = NO_TEXT
    url: str = ""
    image: str = ""
    alt: Text = NO_TEXT
    price: int | None = None
    old_price: int | None = None
    date: str = ""
    """ISO, Gregorian."""
    place: Place = field(default=NOWHERE, compare=False, repr=False)
