"""Single words: keys, texts, numbers, durations, shares, dates, conditions.

Owns how one value is written and what is said when it is written otherwise. Must not know where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from app.core.calendar import format_date, parse_date
from app.core.conditions import Condition, ConditionSite, parse
from app.core.instants import Span, parse_span
from app.core.pacing import Limit, parse_limit
from app.core.text import Place, Text
from app.core.windows import Clock, parse_clock, parse_local, parse_weekday
from app.files.forms import comma_ended_text
from app.files.nodes import Data, Map, Node, Scalar
from app.files.reading import Asked, Kind, Reading, Spoken, UnreadableError
from app.files.shapes import Definitions, OneValue, Shape, as_text, refuse_sort, refuse_value
from app.files.words import cleaned, disguise, listed, nearest

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

KEY_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
MAIL_PATTERN = r"^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*$"
_LETTER = "A-Za-z0-9\u0620-\u0642\u0644-\u0648\u0671-\u06d3"  # Latin and Persian; Arabic kaf and ye are not
WORD_PATTERN = rf"^[{_LETTER}][{_LETTER}_-]*$"


def sentence(fix: str) -> str:
    """A fix begins with a capital letter, whoever wrote it."""
    return fix[:1].upper() + fix[1:]


def refuse_disguise(node: Scalar, reading: Reading) -> None:
    """Persian digits, Arabic letters and invisible characters have no place in keys and numbers."""
    found = disguise(node.raw)
    if found is not None:
        code, name = found
        raise reading.refused(code, node.span, f"{name} in '{node.raw[:60]}'", f"Write: {cleaned(node.raw)[:80]}")


class Word(OneValue[T]):
    """A text without spaces and frills, checked by a pattern and read by `parse` (ValueError: "wrong; fix")."""

    def __init__(self, label: str, example: str, pattern: str, parse_word: Callable[[str], T]) -> None:
        self.label, self.example, self.pattern, self.parse_word = label, example, pattern, parse_word
        chosen = re.fullmatch(r"\^\(([a-z_|]+)\)\$", pattern)
        self.choices = chosen[1].split("|") if chosen else []
        self._is_valid = re.compile(pattern.replace("$", r"\Z")).search

    def read(self, node: Node, reading: Reading) -> T:
        if not isinstance(node, Scalar) or node.is_empty:
            raise refuse_sort(self, node, reading)
        refuse_disguise(node, reading)
        if not isinstance(node.value, str):
            raise self._number(node, reading)
        if self.choices and node.raw not in self.choices:
            meant = nearest(node.raw, self.choices)
            fix = f"Write: {meant}" if meant else f"Choose one of: {listed(self.choices, 30)}"
            raise reading.refused("unknown-word", node.span, f"'{node.raw[:60]}' is not {self.label}", fix)
        try:
            value = self.parse_word(node.raw)
        except ValueError as error:
            refuse_value(str(error), node, reading, self.example)
            raise UnreadableError from None
        if not self._is_valid(node.raw):
            message = f"'{node.raw[:60]}' is not {self.label}"
            raise reading.refused("bad-value", node.span, message, f"Write it like: {self.example}")
        return value

    def _number(self, node: Scalar, reading: Reading) -> UnreadableError:
        if self._is_valid(node.raw):
            return reading.refused(
                "quotes-missing", node.span, f"{node.raw} is {sort(node)}, not text", f'Write: "{node.raw}"'
            )
        return reading.refused(
            "wrong-sort", node.span, f"{node.raw} is not {self.label}", f"Write it like: {self.example}"
        )

    def own_schema(self) -> dict[str, Data]:
        return {"type": "string", "pattern": self.pattern, "examples": [self.example.strip('"')]}


def sort(node: Scalar) -> str:
    return "true or false" if isinstance(node.value, bool) else "null" if node.value is None else "a number"


def _key(text: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", text):
        return text
    better = re.sub(r"[^a-z0-9_-]+", "-", text.casefold()).strip("-_") or "my-key"
    raise ValueError(f"'{text[:60]}' is no key: small letters a-z, digits, - and _; write: {better[:60]}")


def _mail_key(text: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*", text):
        return text
    better = re.sub(r"\.(\w\w\.)?(md|html)$", "", text.strip().removeprefix("email_templates/"))
    better = re.sub(r"[^a-z0-9_/-]+", "-", better.casefold()).strip("-_/")
    raise ValueError(f"'{text[:60]}' is no mail's name; write: {better[:80] or 'ebook/story'}")


KEY: Shape[str] = Word("a key", "my-key", KEY_PATTERN, _key)


def _free_word(text: str) -> str:
    if re.fullmatch(WORD_PATTERN[1:-1], text):
        return text
    better = re.sub(r"[^\w-]+", "-", text).strip("-_") or "word"
    raise ValueError(f"'{text[:60]}' is no single word; write: {better[:60]}")


WORD: Shape[str] = Word("a word", "vip", WORD_PATTERN, _free_word)


class NameOf(Word[str]):
    """The key of something declared in another place; compared when every file is known."""

    def __init__(self, kind: Kind, example: str, pattern: str = KEY_PATTERN) -> None:
        article = "an" if kind[0] in "aeiou" else "a"
        reader = _mail_key if pattern == MAIL_PATTERN else _free_word if pattern == WORD_PATTERN else _key
        super().__init__(f"{article} {kind}", example, pattern, reader)
        self.kind = kind

    def read(self, node: Node, reading: Reading) -> str:
        name = super().read(node, reading)
        reading.refer(self.kind, name, node.span)
        return name


MAIL = NameOf(Kind.MAIL, "ebook/story", MAIL_PATTERN)
TEAM_MAIL = NameOf(Kind.TEAM_MAIL, "team/hot-prospect", MAIL_PATTERN)
BOX = NameOf(Kind.BOX, "ebook")
OFFER = NameOf(Kind.OFFER, "spring")
SURVEY = NameOf(Kind.SURVEY, "nps")
CAMPAIGN = NameOf(Kind.CAMPAIGN, "ready-to-buy")
FRAGMENT = NameOf(Kind.FRAGMENT, "review-request")
PERSON = NameOf(Kind.PERSON, "sara")
TOPIC = NameOf(Kind.TOPIC, "pricing", WORD_PATTERN)
EVENT = NameOf(Kind.EVENT, "cart_updated", WORD_PATTERN)
ATTRIBUTE = NameOf(Kind.ATTRIBUTE, "budget", WORD_PATTERN)
STAGE = NameOf(Kind.STAGE, "prospect", WORD_PATTERN)
PERSON_KIND = NameOf(Kind.KIND, "ready", WORD_PATTERN)
WEBHOOK = NameOf(Kind.WEBHOOK, "crm")
PRIORITY = NameOf(Kind.PRIORITY, "nurture", WORD_PATTERN)


class Choice(OneValue[E]):
    """One of a few words."""

    def __init__(self, enum: type[E]) -> None:
        self.enum, self.words = enum, [member.value for member in enum]
        self.label, self.example = f"one of: {listed(self.words, 30)}", self.words[0]

    def read(self, node: Node, reading: Reading) -> E:
        if not isinstance(node, Scalar) or node.is_empty:
            raise refuse_sort(self, node, reading)
        if node.value in self.words:
            return self.enum(node.raw)
        refuse_disguise(node, reading)
        meant = nearest(node.raw, self.words)
        fix = f"Write: {meant}" if meant else f"Choose {self.label}"
        raise reading.refused("unknown-word", node.span, f"there is no '{node.raw[:60]}' here", fix)

    def own_schema(self) -> dict[str, Data]:
        return {"enum": list(self.words)}


class Number(OneValue[int]):
    """A whole number between two bounds."""

    def __init__(
        self, label: str = "a whole number", low: int = -(10**12), high: int = 10**15, example: str = "3"
    ) -> None:
        self.label, self.low, self.high, self.example = label, low, high, example

    def read(self, node: Node, reading: Reading) -> int:
        if not isinstance(node, Scalar) or node.is_empty:
            raise refuse_sort(self, node, reading)
        refuse_disguise(node, reading)
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            raise self._wrong(node, reading)
        if not self.low <= node.value <= self.high:
            message = f"{node.value} is out of bounds: {self.low:,} to {self.high:,}"
            raise reading.refused("out-of-bounds", node.span, message, f"Write it like: {self.example}")
        return node.value

    def _wrong(self, node: Scalar, reading: Reading) -> UnreadableError:
        bare = re.sub(r"[ ,_]", "", node.raw)
        fix = f"Write: {bare}" if re.fullmatch(r"[-+]?[0-9]{1,15}", bare) else f"Write it like: {self.example}"
        return reading.refused("wrong-sort", node.span, f"'{node.raw[:60]}' is not {self.label}", fix)

    def own_schema(self) -> dict[str, Data]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class Flag(OneValue[bool]):
    label, example = "true or false", "true"

    def read(self, node: Node, reading: Reading) -> bool:
        if not isinstance(node, Scalar) or node.is_empty:
            raise refuse_sort(self, node, reading)
        if isinstance(node.value, bool):
            return node.value
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(node.raw.casefold(), "true")
        raise reading.refused("wrong-sort", node.span, f"'{node.raw[:60]}' is not true or false", f"Write: {meant}")

    def own_schema(self) -> dict[str, Data]:
        return {"type": "boolean"}


class Sentence(OneValue[str]):
    """A text of one language, as it is."""

    def __init__(self, label: str = "a text", example: str = '"…"', longest: int = 2000) -> None:
        self.label, self.example, self.longest = label, example, longest

    def read(self, node: Node, reading: Reading) -> str:
        if not isinstance(node, Scalar) or node.is_empty:
            raise refuse_sort(self, node, reading)
        if not isinstance(node.value, str):
            raise reading.refused(
                "quotes-missing", node.span, f"{node.raw} is {sort(node)}, not text", f'Write: "{node.raw}"'
            )
        if not node.raw.strip():
            raise reading.refused("empty-text", node.span, "this text is empty", f"Write: {self.example}")
        if len(node.raw) > self.longest:
            raise reading.refused("too-long", node.span, f"over {self.longest:,} characters", "Make it shorter")
        return node.raw

    def own_schema(self) -> dict[str, Data]:
        return {"type": "string", "pattern": r"\S", "maxLength": self.longest}


class TextForPeople(Shape[Text]):
    """A plain string, or one text per locale."""

    label, example = "a text, or one per locale", '{en: "…", fa: "…"}'

    def __init__(self) -> None:
        self.one = Sentence()
        self.locale = Word("a locale", "fa", r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", str)

    def accepts(self, node: Node) -> bool:
        return isinstance(node, Scalar | Map)

    def read(self, node: Node, reading: Reading) -> Text:
        if isinstance(node, Scalar) and not node.is_empty:
            return Text.plain(self.one.read(node, reading))
        if not isinstance(node, Map) or not node.entries:
            raise refuse_sort(self, node, reading)
        variants = [self._variant(node, index, reading) for index in range(len(node.entries))]
        written = [(locale, text, place) for locale, text, place in variants if locale]
        if not written:
            raise UnreadableError
        locales, places = tuple(entry[0] for entry in written), tuple(entry[2] for entry in written)
        reading.texts.append(Spoken(locales, places, reading.place(node.span)))
        return Text(tuple((locale, text) for locale, text, _ in written if text))

    def _variant(self, node: Map, index: int, reading: Reading) -> tuple[str, str, Place]:
        key, value = node.entries[index]
        place = reading.place(key.span)
        if (comma := comma_ended_text(node, index)) is not None:
            if comma[1]:
                fix = f"Write: {comma[1]}"
                reading.report("comma-ended-text", comma[0].span, "the comma ended this text early", fix)
            return "", "", place
        try:
            locale = self.locale.read(as_text(key), reading)
        except UnreadableError:
            return "", "", place
        self._ask_for_quotes(node, index, reading)
        try:
            return locale, self.one.read(value, reading), place
        except UnreadableError:
            return locale, "", place

    def _ask_for_quotes(self, node: Map, index: int, reading: Reading) -> None:
        key, value = node.entries[index]
        if index + 1 < len(node.entries) and comma_ended_text(node, index + 1) is not None:
            return
        if node.is_flow and isinstance(value, Scalar) and isinstance(value.value, str) and value.is_plain:
            message = "a text between braces needs quotes"
            reading.report("quotes-missing", value.span, message, f'Write: {key.raw}: "{value.raw}"')

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        one = self.one.own_schema()
        locales: dict[str, Data] = {"type": "object", "additionalProperties": one, "minProperties": 1}
        names: dict[str, Data] = {"propertyNames": {"pattern": self.locale.pattern}}
        return definitions.reference("text", lambda: {"anyOf": [one, {**locales, **names}]})


TEXT = TextForPeople()
SENTENCE = Sentence()


class ConditionIn(Shape[Condition]):
    """A condition in quotes; `site` says how far back its facts count."""

    label = "a condition in quotes"

    def __init__(self, site: ConditionSite, example: str = "\"clicked('ebook/story')\"") -> None:
        self.site, self.example = site, example

    def accepts(self, node: Node) -> bool:
        return isinstance(node, Scalar)

    def read(self, node: Node, reading: Reading) -> Condition:
        if not isinstance(node, Scalar) or node.is_empty:
            raise refuse_sort(self, node, reading)
        if not isinstance(node.value, str):
            fix = f"Write: {self.example}"
            raise reading.refused("wrong-sort", node.span, f"{node.raw} is {sort(node)}, not a condition", fix)
        place = Place(reading.file, node.span.line, node.span.column + len(node.style.strip("|>")))
        result = parse(node.raw, place)
        if not isinstance(result, Condition):
            reading.problems.extend(replace(problem, fix=sentence(problem.fix)) for problem in result)
            raise UnreadableError
        reading.conditions.append(Asked(result, self.site, place))
        return result

    def schema(self, definitions: Definitions) -> dict[str, Data]:
        one: dict[str, Data] = {"type": "string", "minLength": 1, "maxLength": 4000}
        return definitions.reference("condition", lambda: {**one, "examples": [self.example.strip('"')]})


# ── Values with their own writing ────────────────────────────────────────────────────────────────────────────────────


def _span(text: str) -> Span:
    loose = re.fullmatch(r"([0-9]{1,6}) ?(s|m|h|d|w)[a-z]* ?", text.casefold())
    if loose is not None and text != loose[1] + loose[2]:
        raise ValueError(f"'{text[:40]}' is not a duration; write: {loose[1]}{loose[2]}")
    span = parse_span(text)
    if span <= 0:
        raise ValueError(f"'{text}' is no time at all; write 1h, or leave it out")
    return span


def _share(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%", text)
    if match is None or float(match[1]) > 100:
        raise ValueError(f"'{text[:40]}' is not a share; write it with a percent sign, 0% to 100%: 10%")
    return float(match[1]) / 100


def _date(text: str) -> str:
    return format_date(parse_date(text))


def _moment(text: str) -> tuple[str, Clock]:
    day, clock = parse_local(text)
    return format_date(day), clock


def _url(text: str) -> str:
    if re.fullmatch(r"https?://[^\s/?#]+(:[0-9]+)?(/\S*)?", text):
        return text
    raise ValueError(f"'{text[:60]}' is no address of a page; write it with https://")


def _page(text: str) -> str:
    if not text.startswith("/") and text != "*":
        raise ValueError(f"'{text[:60]}' is no path of a page; write: /{text[:60].lstrip('/')}")
    if "*" in text[:-1]:
        raise ValueError(f"'*' may stand at the end only; write: {text[: text.index('*') + 1]}")
    return text


def _email(text: str) -> str:
    if re.fullmatch(r"[^\s@<>\"',;:]+@[^\s@<>\"',;:]+\.[^\s@<>\"',;:.]+", text):
        return text
    raise ValueError(f"'{text[:60]}' is no mail address; write it like: sara@example.com")


DURATION: Shape[Span] = Word("a duration", "2d", r"^[0-9]{1,10}[smhdw]$", _span)
SHARE: Shape[float] = Word("a share", "10%", r"^[0-9]{1,3}(\.[0-9]{1,4})?%$", _share)
LIMIT: Shape[Limit] = Word("a limit", "1 per day", r"^[0-9]{1,6} per (day|hour|[0-9]{1,10}[smhdw])$", parse_limit)
CLOCK: Shape[Clock] = Word("a time of day", '"09:30"', r"^[0-9]{2}:[0-9]{2}$", parse_clock)
DATE: Shape[str] = Word("a date", "2026-11-22", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", _date)
MOMENT: Shape[tuple[str, Clock]] = Word(
    "a date, and a time of day", "2026-11-01 10:00", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2})?$", _moment
)
WEEKDAY: Shape[int] = Word(
    "a day of the week", "saturday", r"^(monday|tuesday|wednesday|thursday|friday|saturday|sunday)$", parse_weekday
)
URL: Shape[str] = Word("the address of a page", "https://example.com", r"^https?://", _url)
PAGE: Shape[str] = Word("a path of pages", '"/pricing*"', r"^(/[^*]*\*?|\*)$", _page)
EMAIL: Shape[str] = Word("a mail address", "sara@example.com", r"^[^\s@]+@[^\s@]+\.[^\s@]+$", _email)


class Fixed(OneValue[Mapping[str, str]]):
    """Nothing but one word; used where a key only marks what a map is."""

    def __init__(self, word: str) -> None:
        self.word, self.label, self.example = word, f"the word {word}", word

    def accepts(self, node: Node) -> bool:
        return isinstance(node, Scalar) and node.raw == self.word

    def read(self, node: Node, reading: Reading) -> Mapping[str, str]:
        if not self.accepts(node):
            raise refuse_sort(self, node, reading)
        return {}

    def own_schema(self) -> dict[str, Data]:
        return {"const": self.word}
