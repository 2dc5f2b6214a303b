"""Promises: what a mail says of an offer or asks in a survey, as values a template may print.

Owns their names and words. Must not reserve, record or look anything up: what is promised is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from app.actions.offers import Given
from app.actions.shelf import Shelved
from app.core.instants import Instant
from app.core.offers import AmountOff, FixedEnd, FreeShipping, Gift, Gives, PercentOff
from app.core.site import Site
from app.core.surveying import Option, ask_of, options
from app.links import Links
from app.mail import values
from app.mail.values import Answer, Code, Moment, Money, Picture, Survey, Value, language
from app.store.letters import Letter

COUNTDOWN_SIZE = (320, 96)
"""Of the picture in a mail, in CSS pixels; it is drawn at twice that."""


@dataclass(frozen=True, slots=True)
class Reading:
    """In which locale and zone ("": the site's) somebody reads."""

    locale: str
    timezone: str = ""


def offer_values(links: Links, site: Site, given: Given, reading: Reading) -> dict[str, Value]:
    """`offer.…` of a mail. What the offer does not have is an empty text, which `check` keeps out of mails."""
    offer, locale = given.offer, reading.locale
    ends = None if given.ends_at is None else _moment(site, given, reading)
    return {
        "title": offer.title.in_locale(locale),
        "gives": gives_words(offer.gives, site, locale),
        "code": Code(given.code),
        "ends": "" if ends is None else ends,
        "left": "" if given.left is None else given.left,
        "countdown": "" if ends is None else countdown(links, ends, locale),
        "link": links.offer_url(offer.key, given.code, given.ends_at),
    }


def _moment(site: Site, given: Given, reading: Reading) -> Moment:
    """A personal end on her clock, a fixed one on the site's."""
    zone = site.timezone if isinstance(given.offer.ends, FixedEnd) else reading.timezone or site.timezone
    return Moment(given.ends_at or 0, zone)


def countdown(links: Links, ends: Moment, locale: str) -> Picture:
    """The picture that counts down to an end, with the end itself as its words."""
    width, height = COUNTDOWN_SIZE
    return Picture(links.countdown_url(ends.at, language(locale)), ends_words(ends, locale), width, height)


def ends_words(ends: Moment, locale: str) -> str:
    when = values.moment(ends, locale)
    return f"این پیشنهاد تا {when} اعتبار دارد" if language(locale) == "fa" else f"This offer ends {when}"


def gives_words(gives: Gives, site: Site, locale: str) -> str:
    """What is given, in a few words."""
    is_persian = language(locale) == "fa"
    match gives:
        case PercentOff(share):
            off = values.percent(round(share * 100, 4), locale)
            return f"{off} تخفیف" if is_persian else f"{off} off"
        case AmountOff(amount):
            off = values.money(Money(amount, site.currency, site.currency_shown), locale)
            return f"{off} تخفیف" if is_persian else f"{off} off"
        case FreeShipping():
            return "ارسال رایگان" if is_persian else "free delivery"
        case Gift(text):
            return text.in_locale(locale)
        case _:
            assert_never(gives)


# ── Surveys ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Asking:
    """The version and locale of the mail that asks."""

    version: int
    locale: str


def surveys_of(links: Links, shelved: Shelved, letter: Letter, asking: Asking) -> dict[str, Survey]:
    """The survey of the step that sends this letter, each answer with its signed link."""
    ask = ask_of(shelved.book.campaigns.get(letter.campaign), letter.step)
    known = shelved.workspace.surveys.get(ask.survey) if ask else None
    if known is None:
        return {}

    def answer(option: Option) -> Answer:
        label = option.key if option.number is not None else option.label.in_locale(asking.locale)
        return Answer(label, links.survey_url(letter.id, asking.version, option.key))

    return {known.key: Survey(known.question.in_locale(asking.locale), tuple(map(answer, options(known))))}


def shown_end(at: Instant, zone: str, locale: str) -> str:
    """An end as a page writes it."""
    return values.moment(Moment(at, zone), locale)
