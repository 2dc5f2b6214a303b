"""The words of MJML: which element may stand in which, what attributes there are, what a language begins with.

Owns these tables (MJML 4, its documentation's page of each component). Must not read a mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _elements(words: str) -> frozenset[str]:
    return frozenset(f"mj-{word}" for word in words.split())


_CONTENT: Final = _elements("accordion button carousel divider image navbar raw social spacer table text")

CHILDREN: Final[Mapping[str, frozenset[str]]] = {
    "": _set("mjml"),
    "mjml": _elements("head body"),
    "mj-head": _elements("attributes breakpoint font preview raw style title"),
    "mj-body": _elements("hero raw section wrapper"),
    "mj-wrapper": _elements("hero raw section"),
    "mj-section": _elements("column group raw"),
    "mj-group": _elements("column"),
    "mj-column": _CONTENT,
    "mj-hero": _CONTENT,
    "mj-accordion": _elements("accordion-element"),
    "mj-accordion-element": _elements("accordion-title accordion-text"),
    "mj-carousel": _elements("carousel-image"),
    "mj-navbar": _elements("navbar-link"),
    "mj-social": _elements("social-element"),
    **dict.fromkeys(_elements("breakpoint font divider image spacer carousel-image"), frozenset()),
    "mj-attributes": _CONTENT
    | _elements(
        "all class body wrapper section group column hero navbar-link social-element accordion-element "
        "accordion-title accordion-text carousel-image"
    ),
}
"""Element → what may stand in it; "" is the file."""

HOLDS_TEXT: Final = _elements(
    "accordion-text accordion-title button navbar-link preview raw social-element style table text title"
)
"""Elements whose content is the author's text or HTML."""

STATEMENTS: Final = _elements("head body wrapper section column hero")
"""Elements between whose children a condition or loop may stand."""

ATTRIBUTES: Final = _set(
    """
    align alt background-color background-height background-position background-position-x background-position-y
    background-repeat background-size background-url background-width base-url border border-bottom border-collapse
    border-color border-left border-radius border-right border-spacing border-style border-top border-width cellpadding
    cellspacing class color container-background-color css-class dir direction fluid-on-mobile font-family font-size
    font-style font-weight full-width gap hamburger height href ico-align ico-close ico-color ico-font-family
    ico-font-size ico-line-height ico-open ico-padding ico-padding-bottom ico-padding-left ico-padding-right
    ico-padding-top ico-text-decoration ico-text-transform icon-align icon-height icon-padding icon-position icon-size
    icon-unwrapped-alt icon-unwrapped-url icon-width icon-wrapped-alt icon-wrapped-url id inline
    inner-background-color inner-border inner-border-bottom inner-border-left inner-border-radius inner-border-right
    inner-border-top inner-padding lang left-icon letter-spacing line-height max-height mj-class mode name owa padding
    padding-bottom padding-left padding-right padding-top position rel right-icon role sizes src srcset table-layout
    target tb-border tb-border-radius tb-hover-border-color tb-selected-border-color tb-width text-align
    text-decoration text-padding text-transform thumbnails thumbnails-src title usemap vertical-align width
    """
)

_STACK: Final = {
    "ltr": "-apple-system, BlinkMacSystemFont, Segoe UI, Roboto, Helvetica, Arial, sans-serif",
    "rtl": "Vazirmatn, Tahoma, Segoe UI, Arial, sans-serif",
}
_LINE: Final = {"ltr": "1.65", "rtl": "1.95"}


def _defaults(way: str) -> tuple[tuple[str, str], ...]:
    text = f'align="{"right" if way == "rtl" else "left"}" font-size="16px" line-height="{_LINE[way]}"'
    boxes = tuple((tag, f'direction="{way}"') for tag in ("mj-section", "mj-column", "mj-group", "mj-wrapper"))
    fonts = ("mj-all", f'font-family="{_STACK[way]}"')
    return fonts, *boxes, ("mj-text", text), ("mj-table", text), ("mj-button", 'font-size="16px"')


DEFAULTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {way: _defaults(way) for way in ("ltr", "rtl")}
"""What a mail of a direction begins with: fonts everybody has, room for joined letters, the side where lines begin."""
