"""The header of a message, line by line, as mailbox providers want to read it.

Owns RFC 5322 fields, RFC 2047 words, RFC 2231 names and the list headers of RFC 2369, 2919 and 8058. Every value may
come from a stranger: nothing here lets one begin a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from urllib.parse import quote

import idna

from app.core.instants import SECOND, Instant
from app.mail.bidi import clean_line, led
from app.mail.encode import encoded_words, is_plain_ascii

LINE = 76
LONGEST = 998  # RFC 5322 section 2.1.1
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_USUAL = re.compile(f"{_LOCAL.pattern}@[a-z0-9-]+(?:\\.[a-z0-9-]+)*").fullmatch
"""Addresses that stay as they are."""
_TOKEN = re.compile(r"[^A-Za-z0-9_.-]+")
_PLAIN_URL = re.compile(r"[A-Za-z0-9!#$%&'()*+,/:;=?@\[\]~._-]+")
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"


class UnsendableAddress(ValueError):
    """An address no plain SMTP server takes; it should have been refused at signup."""


def ascii_address(address: str) -> str:
    """The address with its domain in A-labels (RFC 5890). Raises UnsendableAddress."""
    return address if len(address) <= 64 and _USUAL(address) else _made_ascii(address)


@lru_cache(maxsize=1024)
def _made_ascii(address: str) -> str:
    local, at, domain = address.strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local) > 64:
        raise UnsendableAddress("the local part cannot be sent without SMTPUTF8 or quoting")
    try:
        host = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as fault:
        raise UnsendableAddress("the domain is not a valid host name") from fault
    if len(host) > 253 or not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", host):
        raise UnsendableAddress("the domain is not a valid host name")
    return f"{local}@{host}"


@lru_cache(maxsize=2048)
def subject(text: str) -> str:
    """The Subject field, with its line end; the text is on one line and clean already."""
    return f"Subject: {_unstructured(text, len('Subject: '))}\r\n"


def _unstructured(text: str, used: int) -> str:
    if is_plain_ascii(text):
        folded = _folded(text, used)
        if folded is not None:
            return folded
    return "\r\n ".join(encoded_words(text, LINE - used))


def _folded(text: str, used: int) -> str | None:
    """ASCII text in lines of 76; None when a word is too long to stand on a line."""
    if used + len(text) <= LINE:
        return text
    lines, line, room = [], "", LINE - used
    for word in re.findall(r" *[^ ]+", text):
        if line and len(line) + len(word) > room:
            lines.append(line)
            line, room = "", LINE
        line += word
        if len(line) > LINE and len(word) > LINE:
            return None
    return "\r\n".join([*lines, line])


def mailbox(field: str, name: str, address: str, way: str = "ltr") -> str:
    """`From: Sara <sara@example.com>` with its line end; the address is made ASCII. Raises UnsendableAddress.

    With `way` "rtl" a Latin name is led by U+200F, as the reader's program takes its direction from the first letter.
    """
    return addressed(field, name, ascii_address(address), way)


def addressed(field: str, name: str, spec: str, way: str = "ltr") -> str:
    """The same with an address that is ASCII already."""
    if not name:
        return f"{field}: {spec}\r\n"
    text, end = _display_name(name, way, len(field) + 2)
    if not text:
        return f"{field}: {spec}\r\n"
    joint = " " if end + len(spec) + 3 <= LINE else "\r\n "
    return f"{field}: {text}{joint}<{spec}>\r\n"


@lru_cache(maxsize=4096)
def _display_name(name: str, way: str, used: int) -> tuple[str, int]:
    """A name as it stands before an address, and where its last line ends. First names repeat from mail to mail."""
    shown = led(clean_line(name).strip(), way)
    return _phrase(shown, used) if shown else ("", 0)


def phrase(name: str, used: int, after: int) -> str:
    """A display name ready to stand before `<…>` of `after` characters."""
    text, end = _phrase(name, used)
    return text + (" " if end + after <= LINE else "\r\n ")


def _phrase(name: str, used: int) -> tuple[str, int]:
    """The name in lines, the first of which begins after `used` characters, and where the last one ends."""
    if name.isascii() and "=?" not in name and used + len(name) + 2 < LINE:
        if _ATOMS.fullmatch(name):
            text = name
        else:
            text = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return text, used + len(text)
    words = encoded_words(name, LINE - used)
    return "\r\n ".join(words), len(words[-1]) + (used if len(words) == 1 else 1)


@lru_cache(maxsize=64)
def date(second: int) -> str:
    """The Date field for a whole second since 1970, with a numeric offset."""
    return f"Date: {format_datetime(datetime.fromtimestamp(second, UTC))}\r\n"


def date_of(at: Instant) -> str:
    return date(at // SECOND)


def ascii_url(url: str) -> str:
    """An address fit for a header: percent-encoded, without white space. Raises ValueError when too long."""
    text = url if _PLAIN_URL.fullmatch(url) else quote("".join(url.split()), safe=_URL_SAFE)
    if len(text) > LONGEST - 40:
        raise ValueError("an address of more than 950 characters cannot stand in a header")
    return text


def list_unsubscribe(url: str, mailto: str) -> str:
    """RFC 2369 section 3.2 and RFC 8058 section 3.1: verbatim at any length, folded after a comma only."""
    entries = [f"<{ascii_url(entry)}>" for entry in (url, mailto) if entry]
    if not entries:
        return ""
    field = "List-Unsubscribe: " + ",\r\n ".join(entries) + "\r\n"
    return field + ("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if url.startswith("https://") else "")


@lru_cache(maxsize=256)
def list_id(name: str, identifier: str) -> str:
    """RFC 2919 section 3."""
    if not identifier:
        return ""
    spec = _TOKEN.sub("-", identifier)
    shown = clean_line(name).strip()
    return (
        f"List-ID: {phrase(shown, len('List-ID: '), len(spec) + 3)}<{spec}>\r\n" if shown else f"List-ID: <{spec}>\r\n"
    )


@lru_cache(maxsize=1024)
def feedback_id(parts: tuple[str, str, str, str]) -> str:
    """`Feedback-ID: campaign:list:type:sender` as Gmail reads it: four identifiers, none given twice."""
    seen: list[str] = []
    for part in parts:
        token = _TOKEN.sub("-", part)[:60]
        seen.append("" if token in seen else token)
    return f"Feedback-ID: {':'.join(seen)}\r\n"


def filename(name: str) -> str:
    """The `filename` parameter of a part: plain, or in the pieces of RFC 2231 section 4.1."""
    shown = clean_line(name).strip().replace("/", "-").replace("\\", "-") or "file"
    if shown.isascii() and shown.isprintable() and '"' not in shown and "  " not in shown and len(shown) < 60:
        return f'filename="{shown}"'
    encoded = [quote(character, safe="") for character in shown]
    lines, line = [], "utf-8''"
    for unit in encoded:
        if len(line) + len(unit) > 58:
            lines.append(line)
            line = ""
        line += unit
    lines.append(line)
    if len(lines) == 1:
        return f"filename*={lines[0]}"
    return ";\r\n ".join(f"filename*{number}*={part}" for number, part in enumerate(lines))


def further(pairs: Iterable[tuple[str, str]]) -> str:
    """Further fields handed in by the caller; values are cleaned and must be short ASCII."""
    made = []
    for name, value in pairs:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
            raise ValueError(f"{name!r} is not a header field name")
        made.append(f"{name}: {_unstructured(clean_line(value).strip(), len(name) + 2)}\r\n")
    return "".join(made)
