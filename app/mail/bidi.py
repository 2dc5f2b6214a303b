"""Directions of writing: what a text's own direction is, how to isolate a run, how to clean foreign data.

Owns every bidirectional control character the mails contain (Unicode annex 9). It must not know templates or MIME.
U+200C, the joiner of Persian words, is text and is never touched.
"""

from __future__ import annotations

import re
import unicodedata

RLM = "\u200f"
FSI, PDI = "\u2068", "\u2069"
LRI = "\u2066"

_RTL = re.compile(
    "[\u0590-\u065f\u066d-\u06ef\u06fa-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_LTR = re.compile("[A-Za-zªµºÀ-ÖØ-öø-ʸ\u0370-\u0373\u0376-\u037d\u037f-\u0589\u0900-\u1fff\u2c00-\u2fef\u3040-\ufb1c]")
# controls, line and paragraph separators, marks and embeddings that could turn the text around them, noncharacters
_FOREIGN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_CLEAN = re.compile(f"[^\r{_FOREIGN.pattern[1:]}*\\Z").match
_CLEAN_LINE = re.compile(f"[^\n\r\t{_FOREIGN.pattern[1:]}*\\Z").match
_BREAKS = re.compile("[ \t]*[\r\n]+[ \t]*|\t")


def clean(text: str) -> str:
    """Data of a stranger without controls, bidirectional marks and lone surrogates; line breaks become `\\n`."""
    if text.isascii() and text.isprintable():
        return text
    text = (
        text.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\u2028", "\n")
        .replace("\u2029", "\n")
        .replace("\x85", "\n")
    )
    return _FOREIGN.sub("", text)


def clean_line(text: str) -> str:
    """The same on one line: for subjects, names and the paragraphs of the text part."""
    if _CLEAN_LINE(text):
        return text
    return _BREAKS.sub(" ", clean(text))


def runs_against(text: str, direction: str) -> bool:
    """Whether a text inside a mail of this direction needs its own isolate."""
    return (_LTR if direction == "rtl" else _RTL).search(text) is not None


def first_strong(text: str) -> str:
    """ "ltr", "rtl", or "" when no letter decides (rules P2 and P3 of Unicode annex 9; isolates are skipped)."""
    depth = 0
    for character in text:
        if character in "\u2066\u2067\u2068":
            depth += 1
        elif character == PDI:
            depth = max(0, depth - 1)
        elif not depth:
            kind = unicodedata.bidirectional(character)
            if kind == "L":
                return "ltr"
            if kind in ("R", "AL"):
                return "rtl"
    return ""


def isolate(text: str, direction: str) -> str:
    """A run for plain text and headers, isolated when it runs against the mail's direction."""
    return f"{FSI}{text}{PDI}" if runs_against(text, direction) else text


def led(text: str, direction: str) -> str:
    """A one-line text whose base direction is the mail's own: U+200F in front when the first letter says otherwise."""
    return RLM + text if direction == "rtl" and first_strong(text) == "ltr" else text
