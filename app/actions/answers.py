"""Answers: what a visitor filled in, read by the declaration of each field.

Owns the one declaration both sides check by: the browser is given it as `Question`, the server reads with it.
Must not judge the address (mail/addresses) and must not store anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.core.boxes import EMAIL_FIELD, Box
from app.core.calendar import CalendarName, format_date, parse_date, parse_yearly_day
from app.core.facts import Fields, Value
from app.core.site import Attribute, AttributeType, Site
from app.core.text import NO_TEXT, Text

LONGEST_TEXT = 1_000
LONGEST_LIST = 50
_DIGITS = {zero + digit: str(digit) for zero in (0x0660, 0x06F0) for digit in range(10)} | {0x066B: ".", 0x066C: ""}
_BIDI = dict.fromkeys((1564, 8206, 8207, *range(8234, 8239), *range(8294, 8298), 65279))
_PHONE = re.compile(r"\+?[0-9]{5,15}")
_LINK = re.compile(r"https?://[^\s/?#.]+\.[^\s]+", re.IGNORECASE)
_LOOKS_LIKE_LINK = re.compile(r"(?i)\b(https?:|www\.)|\b[a-z0-9-]+\.[a-z]{2,}/")
_TRUE = frozenset({"true", "on", "1", "yes"})


class Wrong(StrEnum):
    """What is wrong with one answer; the page has the words for it."""

    MISSING = "missing"
    INVALID = "invalid"
    NOT_LATIN = "not_latin"
    TOO_LONG = "too_long"
    NOT_A_NUMBER = "not_a_number"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    NO_OPTION = "no_option"
    NOT_A_DATE = "not_a_date"
    NOT_A_PHONE = "not_a_phone"


@dataclass(frozen=True, slots=True)
class Question:
    """One field as both sides know it. `options` are (value, label); limits are None where there is none."""

    key: str
    type: AttributeType
    label: Text = NO_TEXT
    is_required: bool = False
    is_after: bool = False
    options: tuple[tuple[str, Text], ...] = ()
    calendar: CalendarName = CalendarName.GREGORIAN
    longest: int = LONGEST_TEXT
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers that were given and are right, and what is wrong with the others."""

    values: Fields
    wrong: Mapping[str, Wrong]


def questions(box: Box, site: Site) -> tuple[Question, ...]:
    """The fields of a box in order; one whose attribute is no longer declared is left out."""
    return tuple(_questions(box, site))


def _questions(box: Box, site: Site) -> Iterator[Question]:
    for field in box.fields:
        if field.key == EMAIL_FIELD:
            yield Question(EMAIL_FIELD, AttributeType.EMAIL, field.label, is_required=True)
        elif field.key in site.attributes:
            attribute = site.attributes[field.key]
            plain = _question(attribute)
            yield Question(
                field.key,
                attribute.type,
                field.label or attribute.label or Text.plain(field.key),
                field.is_required,
                field.is_after,
                *plain,
            )


_Plain = tuple[tuple[tuple[str, Text], ...], CalendarName, int, float | None, float | None]


def _question(attribute: Attribute) -> _Plain:
    rules = dict(attribute.rules)
    longest = int(float(rules.get("max_length", LONGEST_TEXT)))
    least, most = (float(rules[key]) if key in rules else None for key in ("min", "max"))
    return attribute.options, CalendarName(attribute.calendar), longest, least, most


def read_answers(asked: Sequence[Question], given: Mapping[str, Sequence[str]]) -> Answers:
    """Read what came in, a list of texts for each key; keys nobody asked for are ignored."""
    values: dict[str, Value] = {}
    wrong: dict[str, Wrong] = {}
    for question in asked:
        if question.key == EMAIL_FIELD:
            continue
        answer = read_answer(question, given.get(question.key, ()))
        if isinstance(answer, Wrong):
            wrong[question.key] = answer
        elif answer is not None:
            values[question.key] = answer
    return Answers(values, wrong)


def read_answer(question: Question, given: Sequence[str]) -> Value | Wrong | None:
    """One answer; None when it was left open and may be."""
    texts = [text for text in (tidy_text(one) for one in given[:LONGEST_LIST]) if text]
    if not texts:
        is_open_bool = question.type is AttributeType.BOOL and not question.is_required
        return False if is_open_bool and given else Wrong.MISSING if question.is_required else None
    if any(len(text) > question.longest for text in texts):
        return Wrong.TOO_LONG
    return _typed(question, texts)


def tidy_text(typed: str) -> str:
    """A text without bidi and control characters, spaces made single; line breaks and ZWNJ stay (NFC)."""
    text = unicodedata.normalize("NFC", typed).translate(_BIDI).replace("\r\n", "\n")
    text = "".join(char for char in text if char == "\n" or unicodedata.category(char) not in ("Cc", "Cs", "Co"))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t\u00a0]+", " ", text)).strip()


def plain_digits(text: str) -> str:
    """Persian and Arabic digits as Latin ones, ٫ as a point."""
    return text.translate(_DIGITS)


def looks_like_a_link(value: Value) -> bool:
    return isinstance(value, str) and bool(_LOOKS_LIKE_LINK.search(value))


def _typed(question: Question, texts: list[str]) -> Value | Wrong:
    first = texts[0]
    match question.type:
        case AttributeType.NUMBER | AttributeType.MONEY:
            return _number(question, first)
        case AttributeType.CHOICE:
            return first if first in dict(question.options) else Wrong.NO_OPTION
        case AttributeType.CHOICES:
            known = dict(question.options)
            return tuple(dict.fromkeys(texts)) if all(text in known for text in texts) else Wrong.NO_OPTION
        case AttributeType.DATE | AttributeType.DAY:
            return _date(question, first)
        case AttributeType.PHONE:
            plain = re.sub(r"[\s().\-/]+", "", plain_digits(first))
            return plain if _PHONE.fullmatch(plain) else Wrong.NOT_A_PHONE
        case AttributeType.LINK:
            return first if _LINK.fullmatch(first) else Wrong.INVALID
        case AttributeType.BOOL:
            return first.lower() in _TRUE
        case AttributeType.LIST:
            return tuple(texts)
        case AttributeType.TEXT | AttributeType.EMAIL | AttributeType.HIDDEN:
            return first


def _number(question: Question, text: str) -> Value | Wrong:
    plain = re.sub(r"[\s_]|,(?=[0-9]{3}(?![0-9]))", "", plain_digits(text)).replace(",", ".")
    if not re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?", plain):
        return Wrong.NOT_A_NUMBER
    number: int | float = float(plain) if "." in plain else int(plain)
    if question.type is AttributeType.MONEY and not isinstance(number, int):
        return Wrong.NOT_A_NUMBER
    if question.least is not None and number < question.least:
        return Wrong.TOO_SMALL
    return Wrong.TOO_LARGE if question.most is not None and number > question.most else number


def _date(question: Question, text: str) -> Value | Wrong:
    """Dates are kept in the Gregorian calendar, yearly days in the calendar of the attribute."""
    plain = re.sub(r"[/.]", "-", plain_digits(text))
    parts = [part.zfill(2) for part in plain.split("-")]
    try:
        if question.type is AttributeType.DAY:
            return str(parse_yearly_day("-".join(parts), question.calendar))
        return format_date(parse_date("-".join(parts)))
    except ValueError:
        return Wrong.NOT_A_DATE
