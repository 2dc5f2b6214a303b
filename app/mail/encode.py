"""Texts to bytes a mail may carry: quoted-printable, base64 and encoded words.

Owns the transfer encodings (RFC 2045 section 6, RFC 2047). It must not know headers or templates. No line it makes
holds a tab, two blanks in a row or a blank at its end: a body is its own relaxed form (RFC 6376 section 3.4.4).
"""

from __future__ import annotations

import re
import struct
from binascii import b2a_base64, b2a_qp
from collections.abc import Iterable, Mapping
from functools import lru_cache

CRLF = b"\r\n"
_SOFT = b"=\r\n"
_DOT = b"=2E=\r\n"  # a dot with a line to itself: no line grows
_FEW_LINES = 500
_WORD_BYTES = 45  # 45 bytes give 60 characters of base64: with =?utf-8?b?…?= 72, under the 75 of RFC 2047 section 2
_FRAME = len("=?utf-8?b??=")
_PRINTABLE = re.compile(r"[ !-~]*\Z")


def quoted_piece(text: str) -> bytes:
    """One piece of a quoted-printable body: from column 0 to a line break, soft unless the text has one.

    Lines are at most 76 characters; a break in the text is a CRLF.
    """
    if (
        len(text) < 72
        and text.isascii()
        and text.isprintable()
        and "=" not in text
        and "  " not in text
        and text[-1:] != " "
        and text[:1] not in {"", "."}
    ):
        return text.encode("ascii") + _SOFT
    if not text:
        return b""
    if (
        len(text) < _FEW_LINES
        and text.isascii()
        and text.isprintable()
        and "=" not in text
        and "  " not in text
        and "." not in text[::72]
    ):
        return b"".join([text[at : at + 72].encode("ascii") + _SOFT for at in range(0, len(text), 72)])
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    encoded = _undotted(_quoted(text.encode("utf-8", "replace")).replace(b"\r\n", b"\n").replace(b"\n", CRLF))
    if text[-1] == "\n":
        return encoded
    if len(encoded) - encoded.rfind(b"\n") - 1 > 75:  # no room for the mark of the soft break
        last = -3 if encoded[-3:-2] == b"=" else -1
        encoded = encoded[:last] + _SOFT + encoded[last:]
    return encoded + _SOFT


_quoted_word = lru_cache(maxsize=4096)(quoted_piece)
"""Names and words of the site repeat, within a mail and from mail to mail."""
_WORD = 32


def _quoted(text: bytes) -> bytes:
    """Quoted-printable in which every second blank of a run, and every tab, is written as its code."""
    if b"  " not in text and b"\t" not in text:
        return b2a_qp(text, istext=True)
    if _BLANK in text or _TAB in text:
        return b2a_qp(text, quotetabs=True, istext=True)
    marked = text.replace(b"  ", b" " + _BLANK).replace(b"\t", _TAB)
    return b2a_qp(marked, istext=True).replace(b"=01", b"=20").replace(b"=02", b"=09")


_BLANK, _TAB = b"\1", b"\2"
"""Stand-ins that are written with three characters too, so that lines break where there is room."""


def _undotted(encoded: bytes) -> bytes:
    """No line begins with a dot, so that nothing has to be doubled on the wire (RFC 5321 section 4.5.2)."""
    if encoded.startswith(b"."):
        encoded = _DOT + encoded[1:]
    while b"\n." in encoded:
        encoded = encoded.replace(b"\n.", b"\n" + _DOT)
    return encoded


def quoted_printable(pieces: Iterable[str], known: Mapping[str, bytes], often: Mapping[str, bytes]) -> list[bytes]:
    """A body of pieces; those known, or met often here, are only looked up. The parts are yet to be joined."""
    get, again = known.get, often.get
    return [
        get(piece) or again(piece) or (_quoted_word if len(piece) < _WORD else quoted_piece)(piece) for piece in pieces
    ]


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 76 characters with CRLF."""
    encoded = b2a_base64(data, newline=False)
    whole = len(encoded) // 76
    return CRLF.join([*_cutter(whole).unpack_from(encoded), encoded[whole * 76 :], b""])


@lru_cache(maxsize=256)
def _cutter(lines: int) -> struct.Struct:
    return struct.Struct("76s" * lines)


def utf8_piece(text: str) -> bytes:
    """One piece of a base64 body: UTF-8 with its line breaks as CRLF."""
    return text.replace("\n", "\r\n").encode()


def base64_body(pieces: Iterable[str], known: Mapping[str, bytes]) -> list[bytes]:
    """A body of pieces in base64; those known beforehand are only looked up."""
    get = known.get
    return [base64_lines(b"".join([get(piece) or utf8_piece(piece) for piece in pieces]))]


def prefers_base64(text: str) -> bool:
    """Whether base64 is the shorter form: quoted-printable triples every byte of Persian."""
    raw = text.encode("utf-8", "replace")
    foreign = sum(byte > 126 for byte in raw)
    return 2 * foreign > len(raw) // 3


def is_plain_ascii(text: str) -> bool:
    """Whether a header may carry the text as it is: printable ASCII that no reader takes for an encoded word."""
    return text.isascii() and _PRINTABLE.match(text) is not None and "=?" not in text


def encoded_words(text: str, room: int = 76) -> list[str]:
    """The text as encoded words of at most 75 characters, the first at most `room`; no character is split."""
    words: list[str] = []
    chunk: list[str] = []
    limit = min(_WORD_BYTES, max(room - _FRAME, 4) // 4 * 3)
    if len(text) <= limit and len(text.encode("utf-8", "replace")) <= limit:
        return [_word(text)] if text else words
    size = 0
    for character in text:
        width = len(character.encode("utf-8", "replace"))
        if size + width > limit:
            words.append(_word("".join(chunk)))
            chunk, size, limit = [], 0, _WORD_BYTES
        chunk.append(character)
        size += width
    return [*words, _word("".join(chunk))] if chunk else words


def _word(text: str) -> str:
    return f"=?utf-8?b?{b2a_base64(text.encode('utf-8', 'replace'), newline=False).decode('ascii')}?="
