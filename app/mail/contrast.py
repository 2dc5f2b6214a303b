"""Whether words can be read: their colour against what lies behind them, in light and in dark programs, and their size.

Owns computing the colours of an inlined mail (WCAG 2.2, 1.4.3). It must not know templates: marks of templates are
taken out before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, cast

import tinycss2
from cssselect import GenericTranslator, SelectorError, SelectorSyntaxError
from cssselect import parse as parse_selector
from lxml import etree
from PIL import ImageColor

from app.mail.css import Declaration, declarations

SMALLEST = 12.0
"""Pixels below which text is not read on a phone."""
_ENOUGH, _ENOUGH_LARGE = 4.5, 3.0
_LARGE, _LARGE_BOLD = 24.0, 18.66
_SIZE: Final = re.compile(r"([\d.]+)(px|pt|em|rem|%)")
_UNITS: Final = {"px": 1.0, "pt": 4 / 3, "rem": 16.0}
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
_SKIPPED: Final = frozenset({"head", "style", "script", "title"})
_BOLD: Final = frozenset({"b", "strong", "h1", "h2", "h3", "h4", "th"})

Colour = tuple[int, int, int]
Styles = Mapping[object, tuple[Declaration, ...]]


@dataclass(frozen=True, slots=True)
class Look:
    """How text stands: ink, ground (None: a picture, or nothing we can read), size in pixels."""

    ink: Colour | None = (0, 0, 0)
    ground: Colour | None = (255, 255, 255)
    size: float = 16.0
    is_bold: bool = False

    @property
    def ratio(self) -> float | None:
        """From 1 (the same) to 21 (black on white)."""
        if self.ink is None or self.ground is None:
            return None
        light, dark = sorted((_luminance(self.ink), _luminance(self.ground)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    @property
    def is_readable(self) -> bool:
        is_large = self.size >= _LARGE or (self.is_bold and self.size >= _LARGE_BOLD)
        return self.ratio is None or self.ratio >= (_ENOUGH_LARGE if is_large else _ENOUGH)


@dataclass(frozen=True, slots=True)
class Words:
    """Some text and how it stands."""

    text: str
    look: Look


def words_of(html: str, *, is_dark: bool = False) -> Iterator[Words]:
    """Every stretch of text a reader sees; in a dark program the mail's own dark rules hold."""
    if not re.search(r"<[a-zA-Z]", html):
        return
    root = etree.fromstring(html, etree.HTMLParser(no_network=True, huge_tree=True, remove_comments=True))
    start = Look((255, 255, 255), (18, 18, 18)) if is_dark and _rules(root) else Look()
    yield from _walk(root, start, _dark(root) if is_dark else {})


def _walk(element: etree._Element, around: Look, styles: Styles) -> Iterator[Words]:
    tag: object = element.tag
    style = element.get("style") or ""
    if not isinstance(tag, str) or tag in _SKIPPED or _HIDDEN.search(style):
        return
    look = _look(element, around, (*declarations(style), *styles.get(element, ())))
    yield from _said(element.text, look)
    for child in element:
        yield from _walk(child, look, styles)
        yield from _said(child.tail, look)


def _said(text: str | None, look: Look) -> Iterator[Words]:
    if text and re.search(r"\w", text):
        yield Words(" ".join(text.split()), look)


def _look(element: etree._Element, around: Look, found: tuple[Declaration, ...]) -> Look:
    look = replace(around, is_bold=around.is_bold or element.tag in _BOLD)
    if element.get("bgcolor"):
        look = replace(look, ground=_colour(element.get("bgcolor") or "", look.ground))
    for item in found:
        match item.name:
            case "color":
                look = replace(look, ink=_colour(item.value, look.ink))
            case "background-color" | "background" | "background-image":
                look = replace(look, ground=_ground(item, look.ground))
            case "font-size":
                look = replace(look, size=_size(item.value, around.size))
            case "font-weight":
                look = replace(look, is_bold=item.value in ("bold", "bolder", "600", "700", "800", "900"))
            case _:
                pass
    return look


def _ground(item: Declaration, before: Colour | None) -> Colour | None:
    if "url(" in item.value or "gradient" in item.value:
        return None
    return before if item.name == "background-image" else _colour(item.value.split(" ")[0], before)


def _colour(text: str, before: Colour | None) -> Colour | None:
    """A colour as it is written; one that is inherited or see-through leaves what was."""
    text = text.strip().lower()
    if text in ("", "inherit", "transparent", "none", "initial", "currentcolor"):
        return before
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError:
        return None


def _size(text: str, around: float) -> float:
    match = _SIZE.match(text.strip())
    if match is None:
        return around
    number, unit = float(match[1]), match[2]
    if unit in _UNITS:
        return number * _UNITS[unit]
    return around * number / (100 if unit == "%" else 1)


def _luminance(colour: Colour) -> float:
    """Relative luminance, WCAG 2.2."""
    red, green, blue = (each / 255 for each in colour)
    parts = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in (red, green, blue))
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


# ── Dark ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _dark(root: etree._Element) -> Styles:
    """What the dark rules say of each element, the last and strongest last."""
    found: dict[object, list[tuple[tuple[int, int, int], tuple[Declaration, ...]]]] = {}
    for selector, said in _rules(root):
        for path, weight in _paths(selector):
            for element in cast("list[etree._Element]", path(root)):
                found.setdefault(element, []).append((weight, said))
    return {
        element: tuple(item for _, said in sorted(rules, key=lambda rule: rule[0]) for item in said)
        for element, rules in found.items()
    }


@lru_cache(maxsize=1024)
def _paths(selectors: str) -> tuple[tuple[etree.XPath, tuple[int, int, int]], ...]:
    """Ways to the elements of each selector, with its weight; those nobody can read are left out."""
    made = []
    for one in selectors.split(","):
        try:
            parsed = parse_selector(one)[0]
            made.append((etree.XPath(GenericTranslator().selector_to_xpath(parsed)), parsed.specificity()))
        except (SelectorError, SelectorSyntaxError, IndexError):
            continue
    return tuple(made)


def _rules(root: etree._Element) -> list[tuple[str, tuple[Declaration, ...]]]:
    """The rules for dark programs: selectors and what they say. Only important ones win over what is inlined."""
    css = "\n".join(style.text or "" for style in root.iter("style"))
    rules = []
    for node in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        is_media = node.type == "at-rule" and node.lower_at_keyword == "media" and node.content
        if is_media and re.search(r"prefers-color-scheme\s*:\s*dark", tinycss2.serialize(node.prelude)):
            for rule in tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True):
                if rule.type == "qualified-rule":
                    said = declarations(tinycss2.serialize(rule.content))
                    said = tuple(item for item in said if item.is_important)
                    rules.append((tinycss2.serialize(rule.prelude).strip(), said))
    return rules
