"""Promises: what a mail says of an offer or asks in a survey, as values a template may print.

Owns their names and words. Must not reserve, record or look anything up: what is promised is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from app.actions.offers import Given, Story
from app.actions.shelf import Shelved
from app.core.facts import Fact, FactKind
from app.core.offers import AmountOff, FixedEnd, FreeShipping, Gift, Gives, PercentOff
from app.core.site import Ladder, Site
from app.core.surveying import Option, ask_of, options
from app.links import Links
from app.mail import values
from app.mail.values import Answer, Code, Moment, Money, Named, Picture, Survey, Value, language
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


# ── Where somebody stands ────────────────────────────────────────────────────────────────────────────────────────────


def place_values(ladder: Ladder, letter: Letter, locale: str) -> dict[str, Value]:
    """`stage` and `kind` of a mail: compared by key, printed by name."""
    stage = next((each.label.in_locale(locale) for each in ladder.stages if each.key == letter.stage), "")
    kind = _KINDS[language(locale) == "fa"].get(letter.kind, "")
    return {"stage": Named(letter.stage, stage), "kind": Named(letter.kind, kind)}


_KINDS: Final[tuple[Mapping[str, str], Mapping[str, str]]] = (
    {
        "ready": "ready to buy", "returning": "returning", "referred": "referred", "interested": "interested",
        "searcher": "searching", "none": "–",
    },
    {
        "ready": "آمادهٔ خرید", "returning": "بازگشتی", "referred": "توصیه‌شده", "interested": "علاقه‌مند",
        "searcher": "جستجوگر", "none": "–",
    },
)  # fmt: skip
"""Kinds of the default ladder in words; a site's own kinds print as their key."""

# ── Stories for our own people ───────────────────────────────────────────────────────────────────────────────────────


def story_values(site: Site, story: Story, reading: Reading) -> dict[str, Value]:
    """`notice.…` of a mail to our own people: what she did last, in lines, and her latest answer with its words."""
    answers = [fact for fact in story.facts if fact.kind is FactKind.ANSWERED]
    latest = answers[-1].fields if answers else {}
    return {
        "story": tuple(_line(site, fact, reading) for fact in story.facts),
        "answer": str(latest.get("answer", "")),
        "comment": str(latest.get("comment", "")),
    }


def _line(site: Site, fact: Fact, reading: Reading) -> str:
    when = values.moment(Moment(fact.at, reading.timezone or site.timezone), reading.locale)
    told = _DONE[language(reading.locale) == "fa"].get(fact.kind, fact.kind.value)
    return ": ".join(part for part in (f"{when} · {told}", _about(site, fact, reading.locale)) if part)


def _about(site: Site, fact: Fact, locale: str) -> str:
    match fact.kind:
        case FactKind.ORDERED | FactKind.REFUNDED:
            return values.money(Money(fact.value, site.currency, site.currency_shown), locale)
        case FactKind.VISITED:
            return fact.path
        case FactKind.ANSWERED:
            return f"{fact.name} {fact.fields.get('answer', '')}"
        case FactKind.CLICKED:
            return f"{fact.name} ({fact.link})" if fact.link else fact.name
        case _:
            return fact.name


_DONE: Final[tuple[Mapping[FactKind, str], Mapping[FactKind, str]]] = (
    {
        FactKind.SIGNED_UP: "signed up", FactKind.CONFIRMED: "confirmed", FactKind.OPENED: "opened",
        FactKind.CLICKED: "clicked", FactKind.REPLIED: "replied to", FactKind.VISITED: "visited",
        FactKind.EVENT: "event", FactKind.ORDERED: "ordered for", FactKind.REFUNDED: "got back",
        FactKind.REFERRED: "brought a friend", FactKind.ANSWERED: "answered", FactKind.CHANGED: "changed",
        FactKind.UNSUBSCRIBED: "left", FactKind.COMPLAINED: "complained about", FactKind.PAUSED: "paused",
        FactKind.RESUMED: "came back",
    },
    {
        FactKind.SIGNED_UP: "ثبت‌نام کرد", FactKind.CONFIRMED: "تأیید کرد", FactKind.OPENED: "باز کرد",
        FactKind.CLICKED: "کلیک کرد", FactKind.REPLIED: "پاسخ داد به", FactKind.VISITED: "دید",
        FactKind.EVENT: "رویداد", FactKind.ORDERED: "سفارش داد به مبلغ", FactKind.REFUNDED: "پس گرفت",
        FactKind.REFERRED: "دوستی آورد", FactKind.ANSWERED: "پاسخ داد", FactKind.CHANGED: "تغییر داد",
        FactKind.UNSUBSCRIBED: "رفت", FactKind.COMPLAINED: "شکایت کرد از", FactKind.PAUSED: "مکث خواست",
        FactKind.RESUMED: "برگشت",
    },
)  # fmt: skip
