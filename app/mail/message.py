"""One message for one person: the seam between a compiled mail and the wire.

Owns the rendering of a compiled mail and the MIME around it. Every address, link and value is handed in; it must not
sign, look up, remember a reader, or read a clock.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape
from threading import Lock
from types import SimpleNamespace

from jinja2 import TemplateError
from markupsafe import Markup, escape

from app.core.instants import Instant
from app.core.replacing import swift
from app.mail import headers
from app.mail.bidi import led
from app.mail.compiled import Attachment, CompiledMail
from app.mail.encode import base64_lines, prefers_base64, quoted_piece
from app.mail.inline import inline
from app.mail.part import NOTHING_STATIC, Filled, Part
from app.mail.source import direction
from app.mail.values import Survey, Values, named

_COUNTED = re.compile(r"\{\{ _l\[(\d+)\] \}\}")
_KEPT = 256


@swift
@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets the message. `attributes` are what templates see as `subscriber.…`, every declared one present."""

    address: str
    name: str = ""
    locale: str = "en"
    attributes: Values = field(default_factory=dict)
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Sender:
    name: str
    address: str
    reply_to: str = ""


@swift
@dataclass(frozen=True, slots=True)
class Links:
    """Signed addresses of this person; `magnets` by the magnet's key."""

    unsubscribe: str = ""
    preferences: str = ""
    view: str = ""
    referral: str = ""
    confirm: str = ""
    magnets: Mapping[str, str] = field(default_factory=dict)


@swift
@dataclass(frozen=True, slots=True)
class Tracking:
    """How links are counted: link n becomes `<prefix>/<n>`; `sign(n, url)` counts an address only this person has.

    An empty `pixel` counts no opens.
    """

    prefix: str
    pixel: str = ""
    sign: Callable[[int, str], str] | None = None


@swift
@dataclass(frozen=True, slots=True)
class ListHeaders:
    """For List-Unsubscribe, List-ID and Feedback-ID (campaign, list, type, sender id)."""

    unsubscribe_url: str = ""
    unsubscribe_mailto: str = ""
    list_id: str = ""
    list_name: str = ""
    feedback: tuple[str, str, str, str] | None = None


@swift
@dataclass(frozen=True, slots=True)
class MailContext:
    """Everything else a message is made of. `public_id` is the same for every attempt at one message.

    `site` needs name, url, slogan and postal_address in the reader's language. Without `tracking`, links lead straight
    to their destinations and nothing is counted. `extra` are further top-level names (`stage`, `kind`, `run`).
    """

    public_id: str
    at: Instant
    sender: Sender
    return_path: str
    site: Values
    links: Links = Links()
    tracking: Tracking | None = None
    lists: ListHeaders = ListHeaders()
    offer: Values | None = None
    event: Values | None = None
    surveys: Mapping[str, Survey] = field(default_factory=dict)
    extra: Values = field(default_factory=dict)
    subject_variant: str = ""
    image_url: str = ""
    attachments: tuple[Attachment, ...] = ()
    extra_headers: tuple[tuple[str, str], ...] = ()


@swift
@dataclass(frozen=True, slots=True)
class Message:
    """A finished message. `data` is what stands between DATA and the final dot, without dot-stuffing.

    `envelope_from` and `envelope_to` are ASCII; `message_id` is with its angle brackets.
    """

    data: bytes
    subject: str
    message_id: str
    envelope_from: str
    envelope_to: str
    text: str = field(repr=False)
    filled: Filled = field(repr=False)

    @property
    def html(self) -> str:
        """The HTML part as the reader gets it."""
        return str(self.filled)


class RenderFault(Exception):
    """A compiled mail that cannot be rendered for this person: a value is missing or has the wrong shape."""


def render(compiled: CompiledMail, person: Recipient, context: MailContext) -> Message:
    """Make the message. Raises RenderFault, and UnsendableAddress for an address that cannot be written in ASCII."""
    ready = _ready(compiled, is_counted=context.tracking is not None)
    try:
        return ready.message(person, context)
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as fault:
        if isinstance(fault, headers.UnsendableAddress):
            raise
        raise RenderFault(f"{compiled.key} ({compiled.locale}): {fault}") from fault


_cache: OrderedDict[tuple[str, bool], _Ready] = OrderedDict()
_lock = Lock()


def _ready(compiled: CompiledMail, *, is_counted: bool) -> _Ready:
    """The mail's templates compiled and its static parts encoded, kept for the mails in use."""
    key = (compiled.digest, is_counted)
    with _lock:
        found = _cache.get(key)
        if found is not None:
            _cache.move_to_end(key)
            return found
    made = _Ready(compiled, is_counted=is_counted)
    if compiled.digest:
        with _lock:
            _cache[key] = made
            while len(_cache) > _KEPT:
                _cache.popitem(last=False)
    return made


class _Ready:
    """A compiled mail unpacked for use, with links counted or not. Shared by threads: nothing in it changes."""

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

    def message(self, person: Recipient, context: MailContext) -> Message:
        variables = self._variables(person, context)
        often = _often(str(variables["_b"]), str(variables["_pixel"]), context.tracking)
        html, html_bytes = self._html(variables, often)
        text, text_bytes = self._text(variables, context, often)
        subject = self._subject(variables, context)
        message_id = f"<{context.public_id}@{headers.ascii_address(context.sender.address).rpartition('@')[2]}>"
        head = self._head(person, context, subject, message_id)
        files = (*self.compiled.attachments, *context.attachments)
        make = self._mixed if files else self._alternative
        data = b"".join([head, *make(text_bytes, html_bytes, files)])
        to = headers.ascii_address(person.address)
        return Message(data, subject, message_id, context.return_path, to, text, html)

    def _variables(self, person: Recipient, context: MailContext) -> dict[str, object]:
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
        variables = dict(variables)
        variables["_l"] = self.text_links
        if self.uses_personal:
            variables["_person"] = _Personal(context.tracking, str(context.site.get("url") or "#"), is_html=False)
        return self.text.tidied(self.text.pieces(variables), often)

    def _subject(self, variables: dict[str, object], context: MailContext) -> str:
        body = self.subjects.get(context.subject_variant, self.subjects[""])
        return led(" ".join("".join(body.pieces(variables)).split()), self.direction)

    def _head(self, person: Recipient, context: MailContext, subject: str, message_id: str) -> bytes:
        sender, lists = context.sender, context.lists
        fields = [
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
        return "".join(fields).encode("ascii")

    def _alternative(self, text: list[bytes], html: list[bytes], _: Sequence[Attachment]) -> list[bytes]:
        head = b'Content-Type: multipart/alternative; boundary="=_pv_a"\r\n\r\n--=_pv_a\r\n'
        plain, rich = _part("plain", self.text.is_base64), _part("html", self.html.is_base64)
        return [head, plain, *text, b"\r\n--=_pv_a\r\n", rich, *html, b"\r\n--=_pv_a--\r\n"]

    def _mixed(self, text: list[bytes], html: list[bytes], parts: Sequence[Attachment]) -> list[bytes]:
        """Pictures of the text beside the HTML (related), files after everything (mixed)."""
        shown = [part for part in parts if part.content_id]
        files = [part for part in parts if not part.content_id]
        rich = _part("html", self.html.is_base64) + b"".join(html)
        if shown:
            rich = _multipart("related", "=_pv_r", [rich, *map(_attached, shown)])
        body = _multipart("alternative", "=_pv_a", [_part("plain", self.text.is_base64) + b"".join(text), rich])
        return [_multipart("mixed", "=_pv_m", [body, *map(_attached, files)]) if files else body]


@lru_cache(maxsize=4)
def _part(subtype: str, is_base64: bool) -> bytes:
    encoding = "base64" if is_base64 else "quoted-printable"
    return f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()


def _multipart(subtype: str, boundary: str, parts: list[bytes]) -> bytes:
    """A multipart whose boundary holds `=_`, which neither base64 nor quoted-printable can produce."""
    mark = f"\r\n--{boundary}".encode()
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n'.encode()
    return head + b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--\r\n"


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
