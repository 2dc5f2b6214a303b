"""Faces: a box as a page shows it, in one language: texts, questions, looks, rules of showing.

Owns the JSON the script draws from, and colours that stay readable whatever a file says. Must not hold any state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from app.actions.answers import Question, Wrong, questions
from app.core.boxes import EMAIL_FIELD, Box, BoxArm, BoxShape, ShowRule, Theme, TrackingConsent
from app.core.instants import SECOND
from app.core.site import AttributeType, Site
from app.web.words import say as _

Json: TypeAlias = "str | int | float | bool | None | list[Json] | dict[str, Json]"

INK, PAPER = "#1c2421", "#ffffff"
READABLE = 4.5
"""Contrast of text (WCAG 2.2, 1.4.3)."""


@dataclass(frozen=True, slots=True)
class Looks:
    """A theme made safe: the words on the button are readable on it, the text on its ground."""

    accent: str
    on_accent: str
    ground: str
    ink: str
    radius: str
    font: str
    image: str

    @property
    def is_dark(self) -> bool:
        """Whether the ground is a dark one."""
        return bool(self.ground) and contrast(self.ground, PAPER) > contrast(self.ground, INK)


def looks_of(theme: Theme) -> Looks:
    """Ground and ink are empty when the file names none, or names two that cannot be read together."""
    accent = theme.accent or "#0a6b4e"
    ground, ink = theme.background, theme.text
    if (ground or ink) and contrast(ground or PAPER, ink or INK) < READABLE:
        ink = max((INK, PAPER), key=lambda one: contrast(ground or PAPER, one)) if ground else ""
    if ground and not ink:
        ink = max((INK, PAPER), key=lambda one: contrast(ground, one))
    on_accent = max(("#ffffff", "#000000"), key=lambda one: contrast(accent, one))
    return Looks(
        accent, on_accent, ground, ink if ground else "", theme.radius or "10px", theme.font or "site", theme.image
    )


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2.2)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def in_arm(box: Box, arm: BoxArm) -> Box:
    """The box as one arm of its test shows it."""
    return replace(
        box,
        title=arm.title or box.title,
        body=arm.body or box.body,
        button=arm.button or box.button,
        theme=arm.theme or box.theme,
    )


def face(box: Box, site: Site, locale: str) -> dict[str, Json]:
    """All the script needs, but the token."""
    asked = questions(box, site)
    first = [question for question in asked if not question.is_after]
    return {
        "key": box.key,
        "shape": box.shape.value,
        "lang": locale,
        **_texts(box, locale),
        "consent": box.consent.in_locale(locale),
        "tracking": box.tracking_consent.value,
        "fields": [_field(question, locale) for question in first],
        "after": [_field(question, locale) for question in asked if question.is_after],
        "steps": [list(page) for page in box.pages] or [[question.key for question in first]],
        "show": [_rule(rule) for rule in box.show],
        "hide": [box.hide.after_close // SECOND, box.hide.after_signup // SECOND],
        "storage": box.storage.value,
        "looks": _looks(box.theme),
        "test": _test(box, locale),
        "words": words(box.shape, is_tracking_required=box.tracking_consent is TrackingConsent.REQUIRED),
    }


def _texts(box: Box, locale: str) -> dict[str, Json]:
    return {
        "title": box.title.in_locale(locale),
        "body": box.body.in_locale(locale),
        "button": box.button.in_locale(locale) or _("Sign up"),
        "thanks": box.thanks.in_locale(locale) or _("Look into your inbox and confirm with one click."),
    }


def _looks(theme: Theme) -> dict[str, Json]:
    looks = looks_of(theme)
    return {
        "accent": looks.accent,
        "onAccent": looks.on_accent,
        "ground": looks.ground,
        "ink": looks.ink,
        "inkLight": looks.is_dark,
        "radius": looks.radius,
        "font": looks.font,
        "image": bool(looks.image),
    }


def _field(question: Question, locale: str) -> dict[str, Json]:
    plain: dict[str, Json] = {"key": question.key, "type": question.type.value, "label": label_of(question, locale)}
    if question.is_required:
        plain["required"] = True
    if question.options:
        plain["options"] = [[value, text.in_locale(locale)] for value, text in question.options]
    if question.type in (AttributeType.DATE, AttributeType.DAY):
        plain["calendar"] = question.calendar.value
    if question.type in (AttributeType.TEXT, AttributeType.LIST):
        plain["max"] = question.longest
    if question.type in (AttributeType.NUMBER, AttributeType.MONEY):
        plain |= {"least": question.least, "most": question.most}
    return plain


def label_of(question: Question, locale: str) -> str:
    """The words above a field."""
    if question.key == EMAIL_FIELD and not question.label:
        return _("Email address")
    return question.label.in_locale(locale)


def _rule(rule: ShowRule) -> dict[str, Json]:
    plain: dict[str, Json] = {}
    if rule.after is not None:
        plain["after"] = rule.after // SECOND
    if rule.scrolled is not None:
        plain["scrolled"] = rule.scrolled
    if rule.on is not None:
        plain["on"] = rule.on.value
    if rule.pages:
        plain["pages"] = list(rule.pages)
    if rule.visitors.value != "all":
        plain["visitors"] = rule.visitors.value
    return plain


def _test(box: Box, locale: str) -> Json:
    if box.experiment is None:
        return None
    arms: list[Json] = []
    for arm in box.experiment.arms:
        shown = in_arm(box, arm)
        arms.append({"name": arm.name, "share": arm.share, **_texts(shown, locale), "looks": _looks(shown.theme)})
    return {"id": box.experiment.id, "control": box.experiment.control, "arms": arms}


# ── Room ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_NARROW = 283
"""Pixels a line of text has on a phone of 360, between the edges of the page and of the box."""
_LINE, _TITLE_LINE = 30.4, 33.3
"""The taller line heights, Persian ones; a letter is some 8 px wide, one of the title 11."""
_ASKED = 30.4 + 3.2 + 44.8 + 16.8
"""A field with its label and the line for what is wrong with it."""


def room(box: Box, site: Site) -> int:
    """Pixels an inline box needs on a phone, whatever its language: what a page keeps free, so that nothing moves.

    An estimate on the safe side: a box fills the room it was given, and one that was given too little waits.
    """
    return max(round(_room(box, site, locale)) for locale in (site.locales or ("en",)))


def _room(box: Box, site: Site, locale: str) -> float:
    asked = [question for question in questions(box, site) if not question.is_after]
    pages = [[one for one in asked if one.key in page] for page in box.pages] or [asked]
    title = 8 + _TITLE_LINE * _lines(box.title.in_locale(locale), _NARROW - 26, 11)
    body = sum(4 + _LINE * _lines(line, _NARROW, 8) for line in box.body.in_locale(locale).splitlines() if line)
    image = 189 if box.theme.image else 0
    fields = sum(_field_room(question, locale) for question in pages[0])
    return 47 + title + body + image + 15 + fields + _ticks(box, locale, is_last=len(pages) == 1) + 64


def _field_room(question: Question, locale: str) -> float:
    match question.type:
        case AttributeType.HIDDEN:
            return 0
        case AttributeType.CHOICES:
            options = (text.in_locale(locale) for _value, text in question.options)
            return 50 + sum(5 + _LINE * _lines(option, _NARROW - 34, 8) for option in options)
        case AttributeType.BOOL:
            return 22 + _LINE * _lines(label_of(question, locale), _NARROW - 34, 8)
        case AttributeType.DATE | AttributeType.DAY if question.calendar.value == "jalali" and locale == "fa":
            return _ASKED + 3 * 55  # a list of days, of months, of years
        case _:
            return _ASKED + _LINE * (_lines(label_of(question, locale) + " (optional)", _NARROW, 8) - 1)


def _ticks(box: Box, locale: str, *, is_last: bool) -> float:
    if not is_last:
        return 0
    words = [box.consent.in_locale(locale)]
    if box.tracking_consent is not TrackingConsent.NONE:
        words.append(tracking_words(is_required=False))
    return sum(22 + _LINE * _lines(text, _NARROW - 34, 8) for text in words)


def _lines(text: str, width: float, letter: float) -> int:
    return max(1, int(-(-len(text) * letter // width))) if text else 0


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def wrong_words(wrong: Wrong) -> str:
    """What is wrong with an answer, as people are told."""
    known: Mapping[Wrong, str] = {
        Wrong.MISSING: _("Please fill this in."),
        Wrong.INVALID: _("This does not look right. Please check it."),
        Wrong.NOT_LATIN: _("Please write the part before the @ in Latin letters."),
        Wrong.TOO_LONG: _("This is too long."),
        Wrong.NOT_A_NUMBER: _("Please write a number."),
        Wrong.TOO_SMALL: _("This number is too small."),
        Wrong.TOO_LARGE: _("This number is too large."),
        Wrong.NO_OPTION: _("Please choose one of the answers."),
        Wrong.NOT_A_DATE: _("Please write a date such as 2026-11-22."),
        Wrong.NOT_A_PHONE: _("Please write a phone number, digits only."),
    }
    return known[wrong]


def inviter_words(name: str) -> str:
    """Who invited the visitor, when that person agreed to be named."""
    return _("%(name)s invited you.", name=name) if name else ""


def words(shape: BoxShape, *, is_tracking_required: bool) -> dict[str, Json]:
    """The script's own words, in the page's language."""
    said: dict[str, Json] = {
        "next": _("Next"),
        "back": _("Back"),
        "sending": _("One moment…"),
        "meant": _("Did you mean %(address)s?", address="{}"),
        "keep": _("No, it is right as it is"),
        "sent": _("Almost there"),
        "again": _("Send it again"),
        "wait": _("You can ask for it again in %(seconds)s seconds.", seconds="{}"),
        "resent": _("If it was lost, another one is on its way. Please look into the spam folder too."),
        "open": _("Open %(provider)s", provider="{}"),
        "more": _("One more question"),
        "save": _("Tell us"),
        "skip": _("Not now"),
        "saved": _("Thank you."),
        "choose": _("Please choose"),
        "optional": _("optional"),
        "must": _("Please tick this box, so that we may write to you."),
        "missing": wrong_words(Wrong.MISSING),
        "invalid": wrong_words(Wrong.INVALID),
        "number": wrong_words(Wrong.NOT_A_NUMBER),
        "phone": wrong_words(Wrong.NOT_A_PHONE),
        "failed": _("We cannot be reached just now. Please try again in a minute."),
        "many": _("Many requests came from your network. Please try again in ten minutes."),
        "tracking": tracking_words(is_required=is_tracking_required),
        "late": _("That took a little long. Please send it once more."),
    }
    if shape is not BoxShape.INLINE:
        said["close"] = _("Close")
    return said


def tracking_words(*, is_required: bool) -> str:
    if is_required:
        return _("You may also notice which links in your mails I follow, to write me what fits.")
    return _("You may also notice which links in your mails I follow, to write me what fits. (Optional)")
