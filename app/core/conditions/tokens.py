"""Cuts the text of a condition into tokens, and explains every character that does not belong there.

Owns the tokens, `Fault` (a problem that knows only its offset) and the limits against hostile text.
Must not know grammar or meaning. Work is linear in the length, and the length is limited.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import Final

LONGEST_SOURCE: Final = 4_000
LONGEST_NUMBER: Final = 15  # digits; every such number is exact in a float, a JSON number and both databases
LONGEST_TEXT: Final = 500


class Sort(Enum):
    NAME = "name"
    NUMBER = "number"
    TEXT = "text"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is the name, sign or number as written, or the content of a quoted text in NFC."""

    sort: Sort
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at an offset of the source."""

    at: int
    code: str
    message: str
    fix: str


class FaultError(Exception):
    """Ends the reading of one condition; never leaves this package."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*(fault.message for fault in faults))
        self.faults = faults


def fault(at: int, code: str, message: str, fix: str) -> FaultError:
    """The error to raise for one fault."""
    return FaultError(Fault(at, f"condition-{code}", message, fix))


_SPACE: Final = re.compile(r"[ \t\r\n]+")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_SIGNS: Final = frozenset({"==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "=", "-"})
_INSTEAD: Final = {
    "&&": "and",
    "&": "and",
    "||": "or",
    "|": "or",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "===": "==",
    "!==": "!=",
    "!": "not",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "،": ",",
    "٬": "",
    "“": "'",
    "”": "'",
    "‘": "'",
    "’": "'",
    "«": "'",
    "»": "'",
    "`": "'",
}
_LONGEST_SIGN: Final = 3
_JOINERS: Final = "\u200c\u200d"
_LOOKALIKES: Final = str.maketrans(
    {
        **dict(zip("аеорсухіјѕһԁԛԝкмтвн", "aeopcyxijshdqwkmtbh", strict=True)),
        **dict(zip("АВЕКМНОРСТХІЈЅ", "ABEKMHOPCTXIJS", strict=True)),
        **dict(zip("αενορτυκι", "aevoptuki", strict=True)),
        **dict.fromkeys([*_JOINERS, "\u0640"], ""),
        "ي": "ی",
        "ى": "ی",
        "ك": "ک",
    }
)


def plain(text: str) -> str:
    """What a name, key or number most likely should have been: Latin twins and digits, Persian ye, no ZWNJ."""
    folded = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in folded)


def tokens(source: str) -> tuple[Token, ...]:
    """All tokens with an END at the end. Raises FaultError at the first thing that cannot be read."""
    if len(source) > LONGEST_SOURCE:
        raise fault(
            LONGEST_SOURCE,
            "too-long",
            f"a condition has at most {LONGEST_SOURCE} characters, this one has {len(source)}",
            "move a part of it into a segment and ask in_segment('…')",
        )
    found: list[Token] = []
    at = 0
    while at < len(source):
        space = _SPACE.match(source, at)
        if space:
            at = space.end()
            continue
        token, at = _next(source, at)
        found.append(token)
    return (*found, Token(Sort.END, "", len(source)))


def _next(source: str, at: int) -> tuple[Token, int]:
    first = source[at]
    if first in "'\"":
        return _quoted(source, at)
    if first.isalnum() or first == "_" or first in _JOINERS:
        return _word(source, at)
    for length in range(_LONGEST_SIGN, 0, -1):
        sign = source[at : at + length]
        if sign in _INSTEAD:
            raise fault(at, "sign", f"`{sign}` is not a sign of this language", _advice(_INSTEAD[sign]))
        if sign in _SIGNS:
            return Token(Sort.SIGN, sign, at), at + length
    raise _stranger(first, at)


def _advice(right: str) -> str:
    return f"write `{right}`" if right else "leave it out"


def _stranger(char: str, at: int) -> FaultError:
    name = unicodedata.name(char, "a control character").lower()
    if not char.isprintable():
        return fault(
            at, "hidden", f"a character that cannot be seen stands here (U+{ord(char):04X}, {name})", "remove it"
        )
    twin = plain(char)
    if twin in _SIGNS and twin != char:
        return fault(at, "sign", f"`{char}` (U+{ord(char):04X}) is not a sign of this language", f"write `{twin}`")
    return fault(
        at, "sign", f"`{char}` has no meaning in a condition", "remove it, or put it into quotes if it is text"
    )


def _word(source: str, at: int) -> tuple[Token, int]:
    end = at
    while end < len(source) and (source[end].isalnum() or source[end] in "_" + _JOINERS or _is_mark(source[end])):
        end += 1
    word = source[at:end]
    if not word.isascii():
        raise _explain_letters(word, at)
    if word[0].isdigit():
        return _number(source, at)
    match = _NAME.fullmatch(word)
    assert match is not None
    return Token(Sort.NAME, word, at), end


def _is_mark(char: str) -> bool:
    return not char.isascii() and unicodedata.category(char).startswith("M")


def _explain_letters(word: str, at: int) -> FaultError:
    place = next(i for i, char in enumerate(word) if not char.isascii())
    char = word[place]
    twin = plain(word)
    named = f"U+{ord(char):04X}, {unicodedata.name(char, 'unnamed').lower()}"
    shown = word[:40]
    if twin.isascii() and twin:
        return fault(
            at + place,
            "letters",
            f"`{shown}` has a character that only looks right ({named})",
            f"write `{twin[:40]}` with plain letters and digits",
        )
    return fault(
        at + place,
        "letters",
        f"`{shown}` is not a name of this language ({named})",
        "names have plain Latin letters; put text into quotes",
    )


def _number(source: str, at: int) -> tuple[Token, int]:
    match = _NUMBER.match(source, at)
    assert match is not None
    digits, end = match[0], match.end()
    whole = re.compile(r"[A-Za-z0-9_.%٫]*").match(source, at)
    written = whole[0] if whole else digits
    if len(digits.replace(".", "")) > LONGEST_NUMBER:
        raise fault(at, "number", f"a number has at most {LONGEST_NUMBER} digits", "write a smaller number")
    if written == digits:
        return Token(Sort.NUMBER, digits, at), end
    raise _explain_number(written[:40], at)


def _explain_number(written: str, at: int) -> FaultError:
    plainer = written.replace("_", "")
    if _NUMBER.fullmatch(plainer):
        return fault(at, "number", f"`{written}` is written with `_`", f"write `{plainer}`")
    if re.fullmatch(r"[0-9]+[smhdw]|[0-9]+(\.[0-9]+)?%", written):
        return fault(at, "number", f"`{written}` needs quotes", f"write `'{written}'`")
    return fault(at, "number", f"`{written}` is not a number", "write digits, with a point for fractions: 30 or 2.5")


def _quoted(source: str, at: int) -> tuple[Token, int]:
    quote, pieces, end = source[at], [], at + 1
    while end < len(source) and source[end] != quote:
        piece, end = _character(source, end)
        pieces.append(piece)
    if end >= len(source):
        raise fault(at, "quote", "this quote is never closed", f"add `{quote}` where the text ends")
    if end - at > LONGEST_TEXT:
        raise fault(at, "text-too-long", f"a text has at most {LONGEST_TEXT} characters", "write a shorter text")
    return Token(Sort.TEXT, unicodedata.normalize("NFC", "".join(pieces)), at), end + 1


def _character(source: str, at: int) -> tuple[str, int]:
    char = source[at]
    if char == "\\":
        following = source[at + 1 : at + 2]
        if following not in ("\\", "'", '"') or not following:
            raise fault(
                at, "escape", "a backslash stands only before a quote or a backslash", "write `\\\\` for a backslash"
            )
        return following, at + 2
    if not char.isprintable() and char not in _JOINERS:
        raise fault(
            at, "hidden", f"a character that cannot be seen stands in this text (U+{ord(char):04X})", "remove it"
        )
    return char, at + 1
