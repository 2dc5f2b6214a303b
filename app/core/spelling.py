"""Spelling: bytes as letters that survive lower-casing.

Owns base 32 for the local parts of addresses, of which every mail has two. Must not sign or read tokens.
"""

from __future__ import annotations

from typing import Final

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(first + second for first in _LETTERS for second in _LETTERS)


def base32(raw: bytes) -> str:
    """Base 32 in lower case (RFC 4648 section 6), two letters at a time. Raises ValueError when it would need padding.

    Three times as fast as the standard library, which also pads.
    """
    if len(raw) % 5:
        raise ValueError("only whole fives of bytes are spelt without padding")
    number = int.from_bytes(raw, "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(len(raw) * 8 - 10, -1, -10)])
