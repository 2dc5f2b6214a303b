"""Words as people type them: Persian digits, Arabic letters, invisible characters, and the word that was meant.

Owns cleaning a key or number and finding the nearest known word. Must not know which words a file may use.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

_DIGITS: Final = {ord(c): str(i % 10) for i, c in enumerate("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩")}
_LETTERS: Final = {ord("ي"): "ی", ord("ى"): "ی", ord("ك"): "ک"}
_SIGNS: Final = {ord("٪"): "%", ord("،"): ",", ord("٫"): ".", ord("٬"): "", ord("؛"): ";", ord("−"): "-", ord("–"): "-"}
_INVISIBLE: Final = dict.fromkeys(
    map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u202e\u00ad"), ""
)
_SPACES: Final = dict.fromkeys(map(ord, "\u00a0\u202f\u2009\u3000"), " ")

NAMES: Final = (
    ("foreign-digit", _DIGITS, "Persian or Arabic digits"),
    ("arabic-letter", _LETTERS, "Arabic letters"),
    ("foreign-sign", _SIGNS, "a Persian or typographic sign"),
    ("invisible-character", {**_INVISIBLE, **_SPACES}, "an invisible character"),
)
_ALL: Final = {**_DIGITS, **_LETTERS, **_SIGNS, **_INVISIBLE, **_SPACES}


def cleaned(word: str) -> str:
    """The word as it has to be typed: ASCII digits and signs, Persian letters, nothing invisible, NFC."""
    return unicodedata.normalize("NFC", word.translate(_ALL))


def disguise(word: str) -> tuple[str, str] | None:
    """The finding's code and what it is that must not stand in a key or number, or None for a clean word."""
    if word.isascii() or word == cleaned(word):
        return None
    for code, table, name in NAMES:
        if word != word.translate(table):
            return code, name
    return "decomposed-letter", "a letter written as two characters"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant: a few letters away, or one of them begins the other."""
    typed = _folded(word)
    found = [(_distance(typed, _folded(choice)), choice) for choice in known if choice]
    close = [(distance, choice) for distance, choice in found if distance <= max(1, len(typed) // 3)]
    if close:
        return min(close)[1]
    begun = [choice for _, choice in found if len(typed) > 2 and _begins(typed, _folded(choice))]
    return min(begun, key=len, default=None)


def _folded(word: str) -> str:
    return word[:40].casefold().replace("_", "-")


def _begins(one: str, other: str) -> bool:
    return len(other) > 2 and (one.startswith(other) or other.startswith(one))


def _distance(one: str, other: str) -> int:
    """Letters to add, drop, change or swap with their neighbour (optimal string alignment)."""
    if abs(len(one) - len(other)) > 3:
        return 99
    before, last = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        row = [i]
        for j, right in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def listed(words: Iterable[str], most: int = 12) -> str:
    """Words for a sentence, in order, the rest cut off."""
    known = list(words)
    more = f", … ({len(known)} in all)" if len(known) > most else ""
    return ", ".join(known[:most]) + more
