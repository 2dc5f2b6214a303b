"""Reading a mail that may be anything: capped in size, depth and number of parts, forgiving in every field.

Owns the safe walk over MIME parts, the decoding of headers and texts, and the finding of addresses.
Must not decide what a mail means; gives empty values where the mail is broken.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from itertools import islice
from typing import Final

MAX_MAIL: Final = 1024 * 1024
MAX_PARTS: Final = 60
MAX_DEPTH: Final = 8
MAX_TEXT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a mail: its type, lower-case, and what the parser made of it."""

    type: str
    message: Message
    depth: int


def parse_mail(raw: bytes) -> Message:
    """The mail, with LF, CRLF and bare CR line ends taken alike; what lies beyond a megabyte is not looked at."""
    text = raw[:MAX_MAIL].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return BytesParser(policy=compat32).parsebytes(text)


def parts_of(mail: Message) -> tuple[Part, ...]:
    """All parts, outermost first, within the caps."""
    found: list[Part] = []
    waiting = [(mail, 0)]
    while waiting and len(found) < MAX_PARTS:
        message, depth = waiting.pop(0)
        found.append(Part(_type(message), message, depth))
        payload = message.get_payload()
        if isinstance(payload, list) and depth < MAX_DEPTH:
            waiting = [(sub, depth + 1) for sub in payload if isinstance(sub, Message)] + waiting
    return tuple(found)


def _type(message: Message) -> str:
    try:
        return message.get_content_type().lower()
    except (ValueError, TypeError, LookupError):
        return "text/plain"


def header(message: Message, name: str) -> str:
    """A header's value, decoded and on one line; empty when there is none."""
    return next(headers(message, name), "")


def headers(message: Message, *names: str) -> Iterator[str]:
    """Every value of the named headers, decoded, name by name."""
    for name in names:
        wanted = name.lower()
        found = (value for key, value in message.raw_items() if key.lower() == wanted)
        yield from (_decoded(_unescaped(value)) for value in islice(found, 20))


def _unescaped(value: object) -> str:
    """The parser keeps bytes beyond ASCII as surrogates; most who send them mean UTF-8."""
    return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _decoded(value: str) -> str:
    value = value[:4_000]
    if "=?" in value:
        try:
            value = str(make_header(decode_header(value)))
        except (HeaderParseError, ValueError, LookupError, TypeError, binascii.Error):
            pass
    return " ".join(value.replace("\0", " ").split())


def text_of(message: Message) -> str:
    """The text of a leaf part, decoded as well as it can be, capped; HTML is stripped of its tags."""
    try:
        payload = message.get_payload(decode=True)
    except (ValueError, TypeError, AssertionError, LookupError):
        payload = None
    if not isinstance(payload, bytes):
        return ""
    text = _decode(payload[: 4 * MAX_TEXT], _charset(message))
    if _type(message) == "text/html":
        text = _TAGS.sub(" ", _INVISIBLE.sub(" ", text))
    return text[:MAX_TEXT]


_INVISIBLE: Final = re.compile(r"<(style|script|title)\b[^>]{0,500}>.{0,20000}?</\1>", re.IGNORECASE | re.DOTALL)
_TAGS: Final = re.compile(r"<[^<>]{0,2000}>")


def _charset(message: Message) -> str:
    try:
        return str(message.get_content_charset() or "utf-8")
    except (ValueError, TypeError, LookupError, UnicodeError):
        return "utf-8"


def _decode(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset)
    except (LookupError, ValueError, UnicodeError):
        return raw.decode("latin-1")


# ---------------------------------------------------------------- fields and addresses

Fields = dict[str, str]


def field_groups(part: Part) -> tuple[Fields, ...]:
    """The groups of `Name: value` lines of a message/delivery-status or feedback-report part; names lower-case."""
    groups: list[Fields] = []
    payload = part.message.get_payload()
    subs = payload if isinstance(payload, list) else []
    for sub in subs[:MAX_PARTS]:
        if isinstance(sub, Message):
            groups.append({name.lower(): _decoded(_unescaped(value)) for name, value in sub.raw_items()})
            inner = sub.get_payload()
            groups.extend(_groups_of_text(inner) if isinstance(inner, str) else ())
    if not subs:
        groups.extend(_groups_of_text(text_of(part.message)))
    return tuple(group for group in groups if group)


def _groups_of_text(text: str) -> Iterator[Fields]:
    for block in re.split(r"\n[ \t]*\n", text[:MAX_TEXT]):
        fields: Fields = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in {" ", "\t"} and name:
                fields[name] += " " + line.strip()
            elif found := _FIELD.match(line):
                name = found.group(1).lower()
                fields.setdefault(name, found.group(2).strip())
        if fields:
            yield fields


_FIELD: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60}):(.*)")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-\u0080-\uffff]{1,64}@[A-Za-z0-9.\-\u0080-\uffff]{1,253}")
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,250}@[!-;=?-~]{1,250}>")


def addresses(text: str) -> list[str]:
    """The addresses in a text, in order, without repetition."""
    return list(dict.fromkeys(found.strip(".'`") for found in _ADDRESS.findall(text[:MAX_TEXT])))


def address_field(value: str) -> str:
    """The address of `rfc822; bob@example.org` or `<bob@example.org>`, or empty."""
    found = addresses(value.partition(";")[2] or value)
    return found[0] if found else ""


def message_ids(text: str) -> list[str]:
    return _MESSAGE_ID.findall(text[:MAX_TEXT])
