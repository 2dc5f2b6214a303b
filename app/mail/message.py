"""One message for one person: the seam between a compiled mail and the wire.

Owns the rendering of a compiled mail and the MIME around it. Every address, link and value is handed in; it must not
sign, look up, remember a reader, or read a clock.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape
from threading import Lock
from types import SimpleNamespace
from typing import NamedTuple

from jinja2 import TemplateError
from markupsafe import Markup, escape

from app.core.replacing import swift
from app.mail import headers
from app.mail.bidi import led
from app.mail.compiled import Attachment, CompiledMail
from app.mail.context import MailContext, Recipient, Sender, Tracking
from app.mail.encode import base64_lines, prefers_base64, quoted_piece
from app.mail.forms import NO_SWAPS, Needs, Swaps, needs_of
from app.mail.inline import inline
from app.mail.part import NOTHING_STATIC, Filled, Part
from app.mail.source import direction
from app.mail.values import named

_COUNTED = re.compile(r"\{\{ _l\[(\d+)\] \}\}")
_KEPT = 256
DATE, TO, SUBJECT = 0, 2, 3
"""Places in a header."""


@swift
@dataclass(frozen=True, slots=True)
class Message:
    """A finished message. `data` is what stands between DATA and the final dot, without dot-stuffing.

    `envelope_to` is ASCII; `message_id` is with its angle brackets.
    """

    data: bytes
    subject: str
    message_id: str
    envelope_to: str
    texts: tuple[Filled, Filled] = field(repr=False)
    """The text part and the HTML."""
    swaps: Swaps = field(default=NO_SWAPS, repr=False)
    """What stands in blanks of both."""

    @property
    def text(self) -> str:
        """The text part as the reader gets it."""
        static, fills, _ = self.texts[0]
        return str(Filled(static, fills, self.swaps))

    @property
    def html(self) -> str:
        """The HTML part as the reader gets it."""
        return str(self.filled)

    @property
    def filled(self) -> Filled:
        """The HTML part by what is the same for many and what is hers."""
        static, fills, _ = self.texts[1]
        return Filled(static, fills, self.swaps)


class RenderFault(Exception):
    """A compiled mail that cannot be rendered for this person: a value is missing or has the wrong shape."""


def render(compiled: CompiledMail, person: Recipient, context: MailContext) -> Message:
    """Make the message. Raises RenderFault, and UnsendableAddress for an address that cannot be written in ASCII."""
    with telling(compiled):
        return unpacked(compiled, is_counted=context.tracking is not None).message(person, context)


@contextmanager
def telling(compiled: CompiledMail) -> Iterator[None]:
    """Faults of a template say whose they are."""
    try:
        yield
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as fault:
        if isinstance(fault, headers.UnsendableAddress):
            raise
        raise RenderFault(f"{compiled.key} ({compiled.locale}): {fault}") from fault


_cache: OrderedDict[tuple[str, bool], Unpacked] = OrderedDict()
_lock = Lock()


def unpacked(compiled: CompiledMail, *, is_counted: bool) -> Unpacked:
    """The mail's templates compiled and its static parts encoded, kept for the mails in use."""
    key = (compiled.digest, is_counted)
    with _lock:
        found = _cache.get(key)
        if found is not None:
            _cache.move_to_end(key)
            return found
    made = Unpacked(compiled, is_counted=is_counted)
    if compiled.digest:
        with _lock:
            _cache[key] = made
            while len(_cache) > _KEPT:
                _cache.popitem(last=False)
    return made


class Frame(NamedTuple):
    """What stands before, between and behind the two texts of a message."""

    opening: bytes
    between: bytes
    closing: bytes


class Unpacked:
    """A compiled mail ready for use, with links counted or not. Shared by threads: nothing changes but `needs`."""

    def __init__(self, compiled: CompiledMail, *, is_counted: bool) -> None:
        self.compiled = compiled
        self.direction = direction(compiled.locale)
        html, text = (
            _COUNTED.sub(r"{{ _b }}/\1", source) if is_counted else source for source in (compiled.html, compiled.text)
        )
        self.html = Part(html, compiled.locale, compiled.is_base64)
        self.text = Part(text, compiled.locale, prefers_base64(compiled.text))
        self.range = self.html.sandbox.globals["range"]
        self.uses_personal = "_person(" in compiled.html
        self.uses_survey = "survey" in compiled.names
        subjects = {"": compiled.subject, **dict(compiled.subjects)}
        self.subjects = {name: Part(source, compiled.locale, is_base64=True) for name, source in subjects.items()}
        self.open_links = [escape(link.url or "") for link in compiled.links]
        self.text_links = [Markup(link.url or "") for link in compiled.links]  # noqa: S704 - the text part has no markup
        self.kind = _kind_fields(compiled.is_service)
        self.frame = _frame((self.text.is_base64, self.html.is_base64), compiled.attachments)
        self.needs = self._needs()
        """What a form has to answer for; None for a mail that is rendered for each reader."""

    def _needs(self) -> Needs | None:
        if not self.compiled.is_inlined or not self.compiled.digest:
            return None
        parts = (self.html, self.text, *self.subjects.values())
        return needs_of([part.sandbox.parse(part.source) for part in parts])

    def message(self, person: Recipient, context: MailContext) -> Message:
        variables = self.variables(person, context)
        often = _often(str(variables["_b"]), str(variables["_pixel"]), context.tracking)
        html, html_wire = self._html(variables, often)
        text, text_wire = self._text(variables, context, often)
        subject = on_one_line(self.subject(variables, context), self.direction)
        message_id = f"<{context.public_id}@{headers.ascii_address(context.sender.address).rpartition('@')[2]}>"
        head = "".join(self.head(person, context, subject, message_id)).encode("ascii")
        frame = self.frame
        if context.attachments:
            files = (*self.compiled.attachments, *context.attachments)
            frame = _frame((self.text.is_base64, self.html.is_base64), files)
        data = b"".join([head, frame.opening, *text_wire, frame.between, *html_wire, frame.closing])
        told = Filled(NOTHING_STATIC, [text])
        return Message(data, subject, message_id, headers.ascii_address(person.address), (told, html))

    def variables(self, person: Recipient, context: MailContext) -> dict[str, object]:
        zone, links, tracking = person.timezone, context.links, context.tracking
        made: dict[str, object] = {
            "subscriber": named(person.attributes, zone),
            "site": named(context.site, zone),
            "links": SimpleNamespace(
                unsubscribe=links.unsubscribe, preferences=links.preferences, view=links.view, referral=links.referral,
                confirm=links.confirm, magnet=_Lookup(links.magnets, "magnet"),
            ),
            "lang": self.compiled.locale,
            "dir": self.direction,
            "_images": context.image_url,
            "_l": self.open_links,
            "_b": "" if tracking is None else tracking.prefix,
            "_pixel": _pixel(tracking),
            "range": self.range,
        }  # fmt: skip
        if self.uses_personal:
            made["_person"] = _Personal(tracking, str(context.site.get("url") or "#"), is_html=True)
        if self.uses_survey:
            made["survey"] = _Lookup(context.surveys, "survey")
        if context.offer is not None:
            made["offer"] = named(context.offer, zone)
        if context.event is not None:
            made["event"] = named(context.event, zone)
        return {**named(context.extra, zone).__dict__, **made} if context.extra else made

    def _html(self, variables: dict[str, object], often: Mapping[str, bytes]) -> tuple[Filled, list[bytes]]:
        pieces = self.html.pieces(variables)
        if self.compiled.is_inlined:
            return self.html.filled(pieces, often)
        whole = inline("".join(pieces))
        return Filled(NOTHING_STATIC, [whole]), self.html.encoded(whole)

    def _text(
        self, variables: dict[str, object], context: MailContext, often: Mapping[str, bytes]
    ) -> tuple[str, list[bytes]]:
        return self.text.tidied(self.text.pieces(self.for_text(variables, context)), often)

    def for_text(self, variables: dict[str, object], context: MailContext) -> dict[str, object]:
        variables = {**variables, "_l": self.text_links}
        if self.uses_personal:
            variables["_person"] = _Personal(context.tracking, str(context.site.get("url") or "#"), is_html=False)
        return variables

    def subject(self, variables: dict[str, object], context: MailContext) -> str:
        body = self.subjects.get(context.subject_variant, self.subjects[""])
        return "".join(body.pieces(variables))

    def head(self, person: Recipient, context: MailContext, subject: str, message_id: str) -> list[str]:
        """The fields of the header; each reader has her own of those at `DATE`, `TO` and `SUBJECT`."""
        sender, lists = context.sender, context.lists
        return [
            headers.date_of(context.at),
            _from_fields(sender, self.direction),
            headers.mailbox("To", person.name, person.address),
            headers.subject(subject),
            f"Message-ID: {message_id}\r\n",
            headers.list_unsubscribe(lists.unsubscribe_url, lists.unsubscribe_mailto),
            headers.list_id(lists.list_name, lists.list_id),
            headers.feedback_id(lists.feedback) if lists.feedback else "",
            self.kind,
            headers.further(context.extra_headers) if context.extra_headers else "",
            "MIME-Version: 1.0\r\n",
        ]


@lru_cache(maxsize=2048)
def on_one_line(subject: str, way: str) -> str:
    return led(" ".join(subject.split()), way)


@lru_cache(maxsize=4)
def _part(subtype: str, is_base64: bool) -> bytes:
    encoding = "base64" if is_base64 else "quoted-printable"
    return f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()


def _frame(are_base64: tuple[bool, bool], parts: Sequence[Attachment]) -> Frame:
    """Pictures of the text beside the HTML (related), files after everything (mixed).

    A boundary holds `=_`, which neither base64 nor quoted-printable can produce.
    """
    shown = [_attached(part) for part in parts if part.content_id]
    files = [_attached(part) for part in parts if not part.content_id]
    opening = (_begun("mixed", _MIXED) if files else b"") + _begun("alternative", _ALTERNATIVE)
    between = _next(_ALTERNATIVE) + (_begun("related", _RELATED) if shown else b"")
    closing = (_ended(_RELATED, shown) if shown else b"") + _ended(_ALTERNATIVE, ())
    plain, rich = _part("plain", are_base64[0]), _part("html", are_base64[1])
    return Frame(opening + plain, between + rich, closing + (_ended(_MIXED, files) if files else b""))


_MIXED, _ALTERNATIVE, _RELATED = b"=_pv_m", b"=_pv_a", b"=_pv_r"


def _begun(subtype: str, boundary: bytes) -> bytes:
    return b'Content-Type: multipart/%b; boundary="%b"\r\n%b' % (subtype.encode(), boundary, _next(boundary))


def _next(boundary: bytes) -> bytes:
    return b"\r\n--%b\r\n" % boundary


def _ended(boundary: bytes, further: Sequence[bytes]) -> bytes:
    return b"".join([_next(boundary) + part for part in further]) + b"\r\n--%b--\r\n" % boundary


def _attached(part: Attachment) -> bytes:
    parameters = "".join(f"; {name}={value}" for name, value in part.parameters)
    disposition = "inline" if part.content_id else "attachment"
    fields = [
        f"Content-Type: {part.media_type}{parameters}\r\n",
        f"Content-Disposition: {disposition};\r\n {headers.filename(part.name)}\r\n",
        f"Content-ID: <{part.content_id}>\r\n" if part.content_id else "",
        "Content-Transfer-Encoding: base64\r\n\r\n",
    ]
    return "".join(fields).encode("ascii") + base64_lines(part.data)


def _kind_fields(is_service: bool) -> str:
    """RFC 3834 section 5: nobody's holiday reply is wanted; marketing also says that it is bulk."""
    fields = "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: OOF, AutoReply\r\n"
    return fields if is_service else fields + "Precedence: bulk\r\n"


@lru_cache(maxsize=256)
def _from_fields(sender: Sender, way: str) -> str:
    reply = f"Reply-To: {headers.ascii_address(sender.reply_to)}\r\n" if sender.reply_to else ""
    return headers.mailbox("From", sender.name, sender.address, way) + reply


class _Lookup:
    """A function of templates that finds what was handed in."""

    __slots__ = ("kind", "values")

    def __init__(self, values: Mapping[str, object], kind: str) -> None:
        self.values, self.kind = values, kind

    def __call__(self, key: str) -> object:
        found = self.values.get(key)
        if found is None:
            raise LookupError(f"no {self.kind} {key!r} was handed in")
        return found


def _pixel(tracking: Tracking | None) -> Markup:
    if tracking is None or not tracking.pixel:
        return Markup("")
    return Markup(f"{_BEFORE}{escape(tracking.pixel)}{_AFTER}")  # noqa: S704 - escaped


_BEFORE = '<img src="'
_AFTER = '" alt="" width="1" height="1" border="0" style="display:block;width:1px;height:1px;border:0">'
_BEFORE_WIRE, _AFTER_WIRE = quoted_piece(_BEFORE), quoted_piece(_AFTER)


def _often(prefix: str, pixel: str, tracking: Tracking | None) -> dict[str, bytes]:
    """Quoted-printable of what every counted mail holds: its links' beginning, many times, and its pixel."""
    if tracking is None:
        return {}
    encoded = _BEFORE_WIRE + quoted_piece(str(escape(tracking.pixel))) + _AFTER_WIRE
    return {prefix: quoted_piece(prefix), pixel: encoded if pixel else b""}


class _Personal:
    """An address only this person has: counted when links are, and never anything but a web page."""

    __slots__ = ("elsewhere", "is_html", "tracking")

    def __init__(self, tracking: Tracking | None, elsewhere: str, *, is_html: bool) -> None:
        self.tracking, self.elsewhere, self.is_html = tracking, elsewhere, is_html

    def __call__(self, number: int, captured: str) -> Markup:
        url = unescape(captured).strip() if self.is_html else str(captured).strip()
        if not url.lower().startswith(("https://", "http://")):
            url = self.elsewhere
        elif self.tracking is not None and self.tracking.sign is not None:
            url = self.tracking.sign(number, url)
        return Markup(escape(url)) if self.is_html else Markup(url)  # noqa: S704 - escaped, or plain text
